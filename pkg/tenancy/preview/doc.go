// Package preview tells what a change would do before anybody makes it: which bindings come and go, who gains or loses
// which role, what is deleted and what stands in the way. It asks the same engines as the controllers that would act.
package preview
