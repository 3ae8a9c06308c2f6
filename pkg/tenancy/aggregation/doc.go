// Package aggregation computes what a role permits that is made of templates. KubeSphere reads the result from the
// role's own rules, so what was added must be told from what the author wrote: a note on the role keeps it. With
// it, a template that is taken off a role, or a rule that is taken out of a template, leaves the role as it was.
package aggregation
