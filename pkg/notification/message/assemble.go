package message

import (
	"fmt"
	"maps"
	"slices"
)

// candidates are the definitions that each name could have, the wanted one first, that of the base last. Those of
// the base are sound, and are never given up.
type candidates struct {
	of   map[string][]*definition
	base map[string]*definition
}

// assemble puts sources over a base. What is broken in them falls back to the definition before, then to the base.
func assemble(sources []Source, before, base map[string]*definition) (map[string]*definition, []Finding) {
	var findings []Finding

	choice := candidates{of: make(map[string][]*definition, len(base)), base: base}
	broken, known := make(map[string]bool), functionNames()

	for _, source := range sources {
		read := readSource(source, known)
		findings = append(findings, read.findings...)

		for _, found := range read.good {
			choice.of[found.name] = append([]*definition{found}, choice.of[found.name]...)
		}

		for _, name := range read.broken {
			broken[name] = true
		}

		if read.unreadable {
			markSource(broken, before, source.Name)
		}
	}

	if len(choice.of) > mostDefinitions {
		findings = append(findings, Finding{Reason: TooLarge, Message: fmt.Sprintf(
			"there are %d templates, %d are allowed; none of them is used", len(choice.of), mostDefinitions)})
		clear(choice.of)
	}

	choice.addFallbacks(broken, before)

	return choice.settle(findings)
}

// markSource marks all that a source defined before: nobody knows which of it the source would define now.
func markSource(broken map[string]bool, before map[string]*definition, source string) {
	for name, found := range before {
		if found.source == source {
			broken[name] = true
		}
	}
}

// addFallbacks adds, behind what the sources define, the definition before and that of the base. The one before
// counts only for a name that the sources mean to define: what they define no more is gone.
func (c candidates) addFallbacks(broken map[string]bool, before map[string]*definition) {
	for name, found := range before {
		if _, wanted := c.of[name]; wanted || broken[name] {
			c.of[name] = append(c.of[name], found)
		}
	}

	for name, found := range c.base {
		c.of[name] = append(c.of[name], found)
	}
}

// settle drops definitions that cannot be used until all that are left can.
func (c candidates) settle(findings []Finding) (map[string]*definition, []Finding) {
	for {
		problems := c.problems()
		if len(problems) == 0 {
			break
		}

		for _, problem := range problems {
			findings = append(findings, problem)

			c.of[problem.Template] = c.of[problem.Template][1:]
			if len(c.of[problem.Template]) == 0 {
				delete(c.of, problem.Template)
			}
		}
	}

	chosen := make(map[string]*definition, len(c.of))
	for name, of := range c.of {
		chosen[name] = of[0]
	}

	return chosen, findings
}

// problems are the definitions that cannot be used as things stand, in the order of their names.
func (c candidates) problems() []Finding {
	var found []Finding

	depths := make(map[string]int, len(c.of))

	for _, name := range slices.Sorted(maps.Keys(c.of)) {
		of := c.of[name][0]
		if of == c.base[name] {
			continue
		}

		if reason, line, message := c.problemOf(of, depths); reason != "" {
			found = append(found, Finding{
				Source: of.source, Line: line, Template: name, Reason: reason, Message: message,
			})
		}
	}

	return found
}

func (c candidates) problemOf(of *definition, depths map[string]int) (Reason, int, string) {
	if of.survey.widest > mostNodes {
		return TooLarge, of.survey.widestLine, fmt.Sprintf(
			"one of its actions has %d parts, %d are allowed; write it as several", of.survey.widest, mostNodes)
	}

	for _, called := range of.survey.calls {
		if _, ok := c.of[called]; !ok {
			return UnknownTemplate, of.line, unknownTemplate(called)
		}
	}

	depth := c.depth(of.name, depths)

	if depth >= circular && c.reaches(of.name, of.name, make(map[string]bool)) {
		return Recursive, of.line, "it calls itself, or what it calls does; a template may not come back to itself"
	}

	if depth > mostDepth && depth < circular {
		return TooLarge, of.line, fmt.Sprintf("it calls more than %d templates one within the other", mostDepth)
	}

	return "", 0, ""
}

// reaches says whether a template's calls lead to another.
func (c candidates) reaches(from, to string, seen map[string]bool) bool {
	for _, called := range c.of[from][0].survey.calls {
		if called == to {
			return true
		}

		if _, ok := c.of[called]; !ok || seen[called] {
			continue
		}

		seen[called] = true

		if c.reaches(called, to, seen) {
			return true
		}
	}

	return false
}

const (
	// mostDepth is how deep templates may call each other; those of the base need a few more above them.
	mostDepth = 64
	// open marks a template whose depth is being found, circular one whose calls lead into a circle.
	open     = -1
	circular = 1 << 20
)

// depth is the length of the longest way of calls from a template.
func (c candidates) depth(name string, known map[string]int) int {
	if depth, ok := known[name]; ok {
		if depth == open {
			return circular
		}

		return depth
	}

	of, ok := c.of[name]
	if !ok {
		return 0
	}

	known[name] = open
	deepest := 0

	for _, called := range of[0].survey.calls {
		deepest = max(deepest, c.depth(called, known))
	}

	known[name] = min(deepest+1, circular)

	return known[name]
}
