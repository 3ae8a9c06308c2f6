package manager

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ks-core/ks-controller-manager/pkg/suggest"
)

// everything selects all controllers.
const everything = "*"

// Selection answers which controllers the command line asks for.
type Selection struct {
	catalog Catalog
	terms   []term
}

// term is one element of --controllers.
type term struct {
	name string // of a controller or a domain, or everything
	on   bool
}

// Select parses the elements of --controllers. "foo" switches a controller or a whole domain on, "-foo"
// off, "*" all on. What names a controller counts more than what names its domain, and that more than "*";
// of two that name the same thing the first counts. With nothing but "-foo" elements, or with none, "*" is
// implied. Names that KubeSphere knew and this catalogue has no controller for, passed as legacy, have no
// effect; any other unknown name is an error.
func Select(catalog Catalog, elements, legacy []string) (Selection, error) {
	selection := Selection{catalog: catalog}

	var errs []error

	onlyNegatives := true

	for _, element := range elements {
		name, off := strings.CutPrefix(strings.TrimSpace(element), "-")
		onlyNegatives = onlyNegatives && off

		canonical, err := catalog.canonicalName(name, legacy)
		if err != nil {
			errs = append(errs, err)

			continue
		}

		selection.terms = append(selection.terms, term{name: canonical, on: !off})
	}

	if onlyNegatives {
		selection.terms = append(selection.terms, term{name: everything, on: true})
	}

	return selection, errors.Join(errs...)
}

// Selected tells whether a controller is asked for.
func (s Selection) Selected(descriptor Descriptor) bool {
	for _, name := range []string{descriptor.Name, string(descriptor.Domain), everything} {
		for _, term := range s.terms {
			if term.name == name {
				return term.on
			}
		}
	}

	return false
}

// Controllers returns the controllers that are asked for, in the catalogue's order.
func (s Selection) Controllers() Catalog {
	return slices.DeleteFunc(slices.Clone(s.catalog), func(d Descriptor) bool { return !s.Selected(d) })
}

// canonicalName resolves an alias to its controller; domains, "*" and legacy names stay what they are.
func (c Catalog) canonicalName(name string, legacy []string) (string, error) {
	if name == everything || slices.Contains(c.Domains(), Domain(name)) || slices.Contains(legacy, name) {
		return name, nil
	}

	if descriptor, found := c.Find(name); found {
		return descriptor.Name, nil
	}

	return "", fmt.Errorf("unknown controller %q%s", name, suggest.Sentence(name, c.selectable()))
}

// selectable lists all that --controllers accepts by name.
func (c Catalog) selectable() []string {
	names := []string{everything}
	for _, domain := range c.Domains() {
		names = append(names, string(domain))
	}

	for _, descriptor := range c {
		names = append(names, descriptor.Name)
		names = append(names, descriptor.Aliases...)
	}

	return names
}
