package manager

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
)

// Catalog is a list of controllers that one process hosts.
type Catalog []Descriptor

// OfDomain returns the controllers of the given domains, in the catalogue's order.
func (c Catalog) OfDomain(domains ...Domain) Catalog {
	return slices.DeleteFunc(slices.Clone(c), func(d Descriptor) bool { return !slices.Contains(domains, d.Domain) })
}

// Domains returns the domains that have a controller, in the order they are shown.
func (c Catalog) Domains() []Domain {
	return slices.DeleteFunc(Domains(), func(domain Domain) bool { return len(c.OfDomain(domain)) == 0 })
}

// Find returns the controller with the given name or alias.
func (c Catalog) Find(name string) (Descriptor, bool) {
	for _, descriptor := range c {
		if descriptor.Name == name || slices.Contains(descriptor.Aliases, name) {
			return descriptor, true
		}
	}

	return Descriptor{}, false
}

// AddToScheme makes the kinds of all controllers known to a scheme.
func (c Catalog) AddToScheme(scheme *runtime.Scheme) error {
	for _, descriptor := range c {
		for _, add := range descriptor.AddToScheme {
			if err := add(scheme); err != nil {
				return fmt.Errorf("add the kinds of controller %s to the scheme: %w", descriptor.Name, err)
			}
		}
	}

	return nil
}

// Validate reports every mistake in the table at once: names that are taken twice, parts that are missing,
// and caches of one kind that contradict each other.
func (c Catalog) Validate() error {
	errs := c.validateNames()

	for _, descriptor := range c {
		if err := descriptor.validate(); err != nil {
			errs = append(errs, fmt.Errorf("controller %q: %w", descriptor.Name, err))
		}
	}

	return errors.Join(errs...)
}

// wanted lists the custom kinds that any controller requires or can use.
func (c Catalog) wanted() []definitions.Wanted {
	var all []definitions.Wanted

	for _, descriptor := range c {
		for _, kind := range slices.Concat(descriptor.RequiredKinds(), descriptor.Optional) {
			if wanted := descriptor.wanted(kind); !slices.Contains(all, wanted) {
				all = append(all, wanted)
			}
		}
	}

	return all
}

func (c Catalog) validateNames() []error {
	var errs []error

	owner := map[string]string{}
	for _, domain := range Domains() {
		owner[string(domain)] = "domain " + string(domain)
	}

	for _, descriptor := range c {
		for _, name := range append([]string{descriptor.Name}, descriptor.Aliases...) {
			if other, taken := owner[name]; taken {
				errs = append(errs, fmt.Errorf("controller %q: the name %q belongs to %s",
					descriptor.Name, name, other))
			}

			owner[name] = "controller " + descriptor.Name
		}
	}

	return errs
}

func (d Descriptor) validate() error {
	var errs []error

	if !regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`).MatchString(d.Name) {
		errs = append(errs, errors.New("the name is not in kebab-case"))
	}

	if !slices.Contains(Domains(), d.Domain) {
		errs = append(errs, fmt.Errorf("unknown domain %q", d.Domain))
	}

	for _, part := range []struct {
		name      string
		isMissing bool
	}{
		{"summary", d.Summary == ""},
		{"feature gate", d.Gate == ""},
		{"cached kinds", len(d.Caches) == 0},
		{"constructor", d.New == nil},
	} {
		if part.isMissing {
			errs = append(errs, fmt.Errorf("it has no %s", part.name))
		}
	}

	return errors.Join(append(errs, d.validateCaches()...)...)
}

// validateCaches finds kinds that are needed and not kept, and kinds that are kept twice in the same form.
func (d Descriptor) validateCaches() []error {
	var errs []error

	for _, kind := range slices.Concat(d.RequiredKinds(), d.Optional) {
		if _, kept := d.cached(kind); !kept {
			errs = append(errs, fmt.Errorf("it needs %s, which is not among its cached kinds", kind.Kind))
		}
	}

	seen := map[string]bool{}

	for _, cached := range d.Caches {
		if err := cached.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("it caches %s: %w", cached.Kind.Kind, err))
		}

		form := cached.Kind.String()
		if cached.Depth == MetadataOnly || cached.Depth == VersionOnly {
			form += " as metadata"
		}

		if seen[form] {
			errs = append(errs, fmt.Errorf("it caches %s twice", form))
		}

		seen[form] = true
	}

	return errs
}
