package builtin_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/builtin"
)

const initial = alertingv2beta1.InitialConfigurationAnnotation

// release is a group as a release has it.
func release(expr alertingv2beta1.Expression) *alertingv2beta1.GlobalRuleGroup {
	group := &alertingv2beta1.GlobalRuleGroup{ObjectMeta: metav1.ObjectMeta{
		Name:   "builtin-node",
		Labels: map[string]string{alertingv2beta1.BuiltinLabel: "true", alertingv2beta1.EnableLabel: "true"},
	}}
	group.Spec.Rules = []alertingv2beta1.GlobalRule{{Rule: alertingv2beta1.Rule{Alert: "Down", Expr: expr}}}
	group.Annotations = map[string]string{initial: builtin.Initial(group)}

	return group
}

func TestDecide(t *testing.T) {
	ours, before := release("up == 0"), release("up < 1")

	edited := func(group *alertingv2beta1.GlobalRuleGroup) { group.Spec.Rules[0].Disable = true }
	annotated := func(key, value string) func(*alertingv2beta1.GlobalRuleGroup) {
		return func(group *alertingv2beta1.GlobalRuleGroup) { group.Annotations[key] = value }
	}
	labelled := func(key, value string) func(*alertingv2beta1.GlobalRuleGroup) {
		return func(group *alertingv2beta1.GlobalRuleGroup) { group.Labels[key] = value }
	}
	bare := func(group *alertingv2beta1.GlobalRuleGroup) { group.Annotations = nil }

	type changes = []func(*alertingv2beta1.GlobalRuleGroup)

	for name, test := range map[string]struct {
		from    *alertingv2beta1.GlobalRuleGroup
		changes changes
		action  builtin.Action
		becomes changes // after ours, or after what was found where rules stay
	}{
		"missing":             {nil, nil, builtin.Create, nil},
		"in place":            {ours, nil, builtin.Leave, nil},
		"edited":              {ours, changes{edited}, builtin.Leave, nil},
		"disabled":            {ours, changes{labelled(alertingv2beta1.EnableLabel, "false")}, builtin.Leave, nil},
		"of an older release": {before, nil, builtin.Update, nil},
		"older, disabled": {
			before,
			changes{labelled(alertingv2beta1.EnableLabel, "false"), annotated("note", "x")},
			builtin.Update,
			changes{labelled(alertingv2beta1.EnableLabel, "false"), annotated("note", "x")},
		},
		"older, edited":                {before, changes{edited}, builtin.Keep, changes{annotated(initial, ours.Annotations[initial])}},
		"older, edited to be the same": {ours, changes{annotated(initial, before.Annotations[initial])}, builtin.Record, nil},
		"nothing known":                {ours, changes{bare}, builtin.Record, nil},
		"nothing known, and another":   {before, changes{bare}, builtin.Keep, changes{annotated(initial, ours.Annotations[initial])}},
		"unreadable":                   {before, changes{annotated(initial, "{")}, builtin.Keep, changes{annotated(initial, ours.Annotations[initial])}},
		"to be reset":                  {ours, changes{edited, annotated(builtin.ResetAnnotation, "true")}, builtin.Reset, nil},
		"older, to be reset":           {before, changes{edited, annotated(builtin.ResetAnnotation, "true")}, builtin.Reset, nil},
		"in place, to be reset":        {ours, changes{annotated(builtin.ResetAnnotation, "true")}, builtin.Reset, nil},
		"not to be reset":              {ours, changes{edited, annotated(builtin.ResetAnnotation, "false")}, builtin.Leave, nil},
		"a user's":                     {before, changes{labelled(alertingv2beta1.BuiltinLabel, "false")}, builtin.Leave, nil},
		"a user's, to be reset": {before, changes{
			labelled(alertingv2beta1.BuiltinLabel, ""), annotated(builtin.ResetAnnotation, "true"),
		}, builtin.Leave, nil},
		"on its way out": {before, changes{
			func(group *alertingv2beta1.GlobalRuleGroup) { now := metav1.Now(); group.DeletionTimestamp = &now },
		}, builtin.Leave, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var found *alertingv2beta1.GlobalRuleGroup
			if test.from != nil {
				found = test.from.DeepCopy()
				apply(found, test.changes)
			}

			same := found.DeepCopy()
			decision := builtin.Decide(ours, found)

			if decision.Action != test.action {
				t.Fatalf("%s, want %s", decision.Action, test.action)
			}

			if diff := cmp.Diff(same, found); diff != "" {
				t.Errorf("it changes what it is given: %s", diff)
			}

			if test.action == builtin.Leave {
				return
			}

			want := ours.DeepCopy()
			if test.action == builtin.Keep {
				want = found.DeepCopy()
				if want.Annotations == nil {
					want.Annotations = map[string]string{}
				}
			}

			apply(want, test.becomes)

			if diff := cmp.Diff(want, decision.Group); diff != "" {
				t.Error(diff)
			}

			if again := builtin.Decide(ours, decision.Group); again.Action != builtin.Leave {
				t.Errorf("it does not come to rest: %s", again.Action)
			}
		})
	}
}

func apply(group *alertingv2beta1.GlobalRuleGroup, changes []func(*alertingv2beta1.GlobalRuleGroup)) {
	for _, change := range changes {
		change(group)
	}
}

// All groups of ours are at rest as they are made, also when the API server gives them back without what is empty.
func TestDecideIsAtRest(t *testing.T) {
	all := groups(t)
	for i := range all {
		if decision := builtin.Decide(&all[i], all[i].DeepCopy()); decision.Action != builtin.Leave {
			t.Errorf("%s: %s", all[i].Name, decision.Action)
		}
	}
}
