package routing

import (
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// Router says which alerts are brought to which receivers beside those that are told anyway. Nothing changes one
// once it is made.
type Router struct {
	// Name is unique.
	Name string

	enabled bool
	order   int32
	// last says that no router after it is asked for what it selects.
	last   bool
	alerts selector.Selector

	// A receiver is chosen by its name, by a pattern found in its name, or by its labels: with the channels of one
	// type, or all of them where kind is empty.
	names   []string // sorted
	pattern *regexp.Regexp
	labels  *selector.Selector
	kind    string

	// A receiver of one of these tenants is chosen with the channels of the types.
	tenants map[string]types
}

// types are names of channels; empty means all.
type types []string

// RouterOf makes a Router of an object. What is wrong with it is named by the path of the field, all of it at once;
// there is no Router then.
func RouterOf(object *notificationv2beta2.Router) (*Router, field.ErrorList) {
	spec := &object.Spec
	receivers := field.NewPath("spec", "receivers")

	alerts, problems := selector.Compile(field.NewPath("spec", "alertSelector"), spec.AlertSelector)

	made := &Router{
		Name:    object.Name,
		enabled: spec.Enabled == nil || *spec.Enabled,
		order:   spec.Order,
		last:    spec.Continue != nil && !*spec.Continue,
		alerts:  alerts,
		names:   slices.Compact(slices.Sorted(slices.Values(spec.Receivers.Name))),
		kind:    spec.Receivers.Type,
		tenants: tenantsOf(spec.Receivers.Channels),
	}

	if spec.Receivers.RegexName != "" {
		pattern, problem := selector.CompilePattern(receivers.Child("regexName"), spec.Receivers.RegexName)
		made.pattern = pattern

		if problem != nil {
			problems = append(problems, problem)
		}
	}

	if spec.Receivers.Selector != nil {
		byLabels, found := selector.Compile(receivers.Child("selector"), spec.Receivers.Selector)
		problems = append(problems, found...)
		made.labels = &byLabels
	}

	if len(problems) > 0 {
		return nil, problems
	}

	return made, nil
}

// tenantsOf gives the channels by tenant; a tenant that is named more than once has the types of all.
func tenantsOf(channels []notificationv2beta2.Channel) map[string]types {
	found := make(map[string]types, len(channels))

	for i := range channels {
		one := &channels[i]

		known, again := found[one.Tenant]

		switch {
		case !again:
			found[one.Tenant] = slices.Clone(one.Type)
		case len(known) == 0 || len(one.Type) == 0:
			found[one.Tenant] = nil
		default:
			found[one.Tenant] = append(known, one.Type...)
		}
	}

	return found
}

// chooses gives the channels of a receiver that the router chooses. A receiver of nobody is not there for routers
// either.
func (r *Router) chooses(one *Receiver) ChannelSet {
	if one.Owner.Kind == selector.Ignored {
		return 0
	}

	var chosen ChannelSet

	if r.means(one) {
		if r.kind == "" {
			return one.withTypes()
		}

		chosen = one.withTypes(r.kind)
	}

	if one.Owner.Kind == selector.Tenant {
		if wanted, named := r.tenants[one.Owner.Tenant]; named {
			chosen |= one.withTypes(wanted...)
		}
	}

	return chosen
}

// means tells whether the router chooses a receiver by what it is, whosever it is.
func (r *Router) means(one *Receiver) bool {
	if _, named := slices.BinarySearch(r.names, one.Name); named {
		return true
	}

	if r.pattern != nil && r.pattern.MatchString(one.Name) {
		return true
	}

	return r.labels != nil && r.labels.Matches(one.Labels)
}
