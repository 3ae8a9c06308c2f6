// Package policy says what the rules of a group may be: AlertingPolicies choose namespaces and workspaces, and the
// strictest of all that choose a group counts, value by value.
package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting"
)

// MaxRulesPerGroup is how many rules a group may have where no policy says so. It is KubeSphere 3.4's number.
const MaxRulesPerGroup = 40

// Bound is the strictest of some limits, and the policy that set it. Without a policy there is no limit.
type Bound[T any] struct {
	Value T
	By    string
}

// Given tells whether there is a limit.
func (b Bound[T]) Given() bool { return b.By != "" }

// Bounds is what holds for the groups of one namespace, or for those of the cluster.
type Bounds struct {
	GroupsPerNamespace Bound[int]
	RulesPerGroup      Bound[int]
	RulesPerNamespace  Bound[int]
	MinInterval        Bound[time.Duration]
	MaxRange           Bound[time.Duration]
	SelectorsPerRule   Bound[int]

	// RequiredLabels and RequiredAnnotations must be on every alert.
	RequiredLabels, RequiredAnnotations []Bound[string]

	// Functions may be used in queries; a limit without a value allows none.
	Functions Bound[[]string]

	// RejectConflicts refuses a rule that asks for another namespace, instead of answering for its own.
	RejectConflicts Bound[bool]

	// ForbidTemplateQueries refuses a rule whose labels or annotations query.
	ForbidTemplateQueries Bound[bool]
}

// Subject is whom policies choose: a namespace with its labels and its workspace. The groups of the cluster are the
// subject without a name, which only policies without a selector choose.
type Subject struct {
	Namespace string
	Labels    map[string]string
	Workspace string
}

// SubjectOf is the subject that a namespace is; the groups of the cluster where it has no name.
func SubjectOf(namespace string, labels map[string]string) Subject {
	return Subject{Namespace: namespace, Labels: labels, Workspace: labels[alerting.WorkspaceLabel]}
}

// Selects tells whether a policy is about a subject. A selector that cannot be read chooses everybody, for the
// strictest counts, and is an error.
func Selects(policy *alertingv1alpha1.AlertingPolicy, subject Subject) (bool, error) {
	selector := policy.Spec.Selector
	if len(selector.Workspaces) == 0 && selector.Namespaces == nil {
		return true, nil
	}

	if subject.Namespace == "" {
		return false, nil
	}

	if len(selector.Workspaces) > 0 && !slices.Contains(selector.Workspaces, subject.Workspace) {
		return false, nil
	}

	if selector.Namespaces == nil {
		return true, nil
	}

	matches, err := metav1.LabelSelectorAsSelector(selector.Namespaces)
	if err != nil {
		return true, fmt.Errorf("spec.selector.namespaces: %w; correct the selector", err)
	}

	return matches.Matches(labels.Set(subject.Labels)), nil
}

// Resolve returns what holds for a subject: what is enforced, and what would be if the policies on trial were too.
func Resolve(policies []*alertingv1alpha1.AlertingPolicy, subject Subject) (enforced, trial Bounds) {
	ordered := slices.Clone(policies)
	slices.SortFunc(ordered, func(a, b *alertingv1alpha1.AlertingPolicy) int {
		return cmp.Or(cmp.Compare(b.Spec.Priority, a.Spec.Priority), cmp.Compare(a.Name, b.Name))
	})

	for _, policy := range ordered {
		// What cannot be read holds nobody up: the policy says so itself.
		if selects, _ := Selects(policy, subject); !selects {
			continue
		}

		trial.tighten(policy)

		if policy.Spec.Mode != alertingv1alpha1.ModeDryRun {
			enforced.tighten(policy)
		}
	}

	enforced.complete()
	trial.complete()

	return enforced, trial
}

// complete adds what holds without a policy.
func (b *Bounds) complete() {
	if !b.RulesPerGroup.Given() {
		b.RulesPerGroup = Bound[int]{Value: MaxRulesPerGroup, By: ""}
	}
}

// tighten takes over what a policy asks for where it is stricter than what holds. Of equal ones the first is named.
func (b *Bounds) tighten(policy *alertingv1alpha1.AlertingPolicy) {
	name, limits := policy.Name, policy.Spec.Limits

	smaller(&b.GroupsPerNamespace, limits.GroupsPerNamespace, name)
	smaller(&b.RulesPerGroup, limits.RulesPerGroup, name)
	smaller(&b.RulesPerNamespace, limits.RulesPerNamespace, name)
	smaller(&b.SelectorsPerRule, limits.SelectorsPerRule, name)

	if least, err := duration(limits.MinInterval); err == nil && least > b.MinInterval.Value {
		b.MinInterval = Bound[time.Duration]{least, name}
	}

	if most, err := duration(limits.MaxRange); err == nil && most > 0 &&
		(!b.MaxRange.Given() || most < b.MaxRange.Value) {
		b.MaxRange = Bound[time.Duration]{most, name}
	}

	require(&b.RequiredLabels, policy.Spec.Required.Labels, name)
	require(&b.RequiredAnnotations, policy.Spec.Required.Annotations, name)

	allow := policy.Spec.Allow
	if allow.Functions != nil {
		b.Functions = intersect(b.Functions, allow.Functions, name)
	}

	if allow.Conflict == alertingv1alpha1.ConflictReject && !b.RejectConflicts.Given() {
		b.RejectConflicts = Bound[bool]{true, name}
	}

	if allow.TemplateQueries == alertingv1alpha1.TemplateQueriesForbid && !b.ForbidTemplateQueries.Given() {
		b.ForbidTemplateQueries = Bound[bool]{true, name}
	}
}

func smaller(bound *Bound[int], limit *int32, by string) {
	if limit != nil && (!bound.Given() || int(*limit) < bound.Value) {
		*bound = Bound[int]{int(*limit), by}
	}
}

func require(bounds *[]Bound[string], names []string, by string) {
	for _, name := range names {
		known := slices.ContainsFunc(*bounds, func(one Bound[string]) bool { return one.Value == name })
		if !known {
			*bounds = append(*bounds, Bound[string]{name, by})
		}
	}
}

// intersect leaves the functions that both allow, in their order. The policy that took one away last is named.
func intersect(bound Bound[[]string], allowed []string, by string) Bound[[]string] {
	functions := slices.Compact(slices.Sorted(slices.Values(allowed)))
	if !bound.Given() {
		return Bound[[]string]{functions, by}
	}

	both := slices.DeleteFunc(slices.Clone(bound.Value), func(name string) bool {
		_, found := slices.BinarySearch(functions, name)

		return !found
	})
	if len(both) == len(bound.Value) {
		return bound
	}

	return Bound[[]string]{both, by}
}

// Check says what of a policy cannot be read, by field. It holds for nobody until it is corrected; the rest does.
func Check(policy *alertingv1alpha1.AlertingPolicy) error {
	_, errSelector := Selects(policy, Subject{Namespace: "any"})

	return errors.Join(errSelector,
		field("spec.limits.minInterval", policy.Spec.Limits.MinInterval),
		field("spec.limits.maxRange", policy.Spec.Limits.MaxRange))
}

func field(name, text string) error {
	if _, err := duration(text); err != nil {
		return fmt.Errorf("%s: %w; write it as in 30s, 5m or 1h30m", name, err)
	}

	return nil
}

// duration reads a duration as Prometheus writes them. Nothing is zero.
func duration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}

	parsed, err := model.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("read a duration: %w", err)
	}

	return time.Duration(parsed), nil
}
