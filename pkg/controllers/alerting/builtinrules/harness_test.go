package builtinrules_test

import (
	"context"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/builtin"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/builtinrules"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func TestBuiltinRulesKeepThePromises(t *testing.T) {
	harness.Run(t, subject(t))
}

func subject(t *testing.T) harness.Subject {
	t.Helper()

	return harness.Subject{
		Name:    builtinrules.Name,
		Scheme:  schemeOf(t),
		Primary: &apiextensionsv1.CustomResourceDefinition{},
		Kinds: []client.ObjectList{
			&apiextensionsv1.CustomResourceDefinitionList{}, &alertingv2beta1.GlobalRuleGroupList{},
		},
		StatusKinds: []client.Object{
			&apiextensionsv1.CustomResourceDefinition{}, &alertingv2beta1.GlobalRuleGroup{},
		},
		New:    func(environment harness.Environment) reconcile.Reconciler { return build(environment).Reconciler },
		Worlds: worlds(),
		Drifts: []harness.Drift{
			{Name: "initial configuration edited", World: "nothing there", Make: annotate(
				alertingv2beta1.InitialConfigurationAnnotation, `{"spec":{"rules":[]}}`)},
			{Name: "edited and to be reset", World: "nothing there", Make: func(ctx context.Context, c client.Client) error {
				return change(ctx, c, "builtin-a", func(group *alertingv2beta1.GlobalRuleGroup) {
					group.Spec.Interval, group.Spec.Rules = "5m", nil
					group.Annotations[builtin.ResetAnnotation] = "true"
				})
			}},
		},
		// The definition, and all groups at once; a write for each of ours.
		MaxReads: 2, MaxWrites: 2, Seeds: 6,
		// The conditions of a group are of the controller that renders it.
		NoConditions: true,
		// With their definition all groups go by themselves.
		Remains: func(client.Object) bool { return true },
	}
}

func schemeOf(t *testing.T) *runtime.Scheme {
	t.Helper()

	scheme := runtime.NewScheme()
	for _, add := range append(builtinrules.Descriptor().AddToScheme, apiextensionsv1.AddToScheme) {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return scheme
}

func build(environment harness.Environment) *manager.Controller {
	ours := []alertingv2beta1.GlobalRuleGroup{*group("builtin-a", "up == 0"), *group("builtin-b", "vector(1)")}

	return builtinrules.New(ours, manager.Dependencies{
		Client: environment.Client, Recorder: environment.Recorder, Clock: environment.PassiveClock(),
	})
}

func definition() *apiextensionsv1.CustomResourceDefinition {
	return &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: builtinrules.Definition}}
}

// group is a group as a release has it.
func group(name string, expr alertingv2beta1.Expression) *alertingv2beta1.GlobalRuleGroup {
	made := &alertingv2beta1.GlobalRuleGroup{ObjectMeta: metav1.ObjectMeta{
		Name:   name,
		Labels: map[string]string{alertingv2beta1.BuiltinLabel: "true", alertingv2beta1.EnableLabel: "true"},
	}}
	made.Spec.Rules = []alertingv2beta1.GlobalRule{{Rule: alertingv2beta1.Rule{Alert: "A", Expr: expr, For: "5m"}}}
	made.Annotations = map[string]string{alertingv2beta1.InitialConfigurationAnnotation: builtin.Initial(made)}

	return made
}

func changed(
	group *alertingv2beta1.GlobalRuleGroup, change func(*alertingv2beta1.GlobalRuleGroup),
) *alertingv2beta1.GlobalRuleGroup {
	change(group)

	return group
}

func edit(group *alertingv2beta1.GlobalRuleGroup) { group.Spec.Rules[0].For = "1h" }

func mark(name string) func(*alertingv2beta1.GlobalRuleGroup) {
	return func(group *alertingv2beta1.GlobalRuleGroup) { group.Annotations[name] = "true" }
}

func worlds() []harness.World {
	going := definition()
	going.Finalizers = []string{"customresourcecleanup.apiextensions.k8s.io"}
	now := metav1.Now()
	going.DeletionTimestamp = &now

	theirs := changed(group("builtin-a", "up < 1"), func(group *alertingv2beta1.GlobalRuleGroup) { group.Labels = nil })

	return []harness.World{
		{Name: "nothing there", Objects: []client.Object{definition()}},
		{Name: "no definition", Objects: []client.Object{group("builtin-a", "up < 1")}},
		{Name: "a definition that goes", Together: true, Objects: []client.Object{going, group("builtin-a", "up < 1")}},
		{Name: "an older release", Together: true, Objects: []client.Object{definition(), group("builtin-a", "up < 1")}},
		{Name: "an older release, edited", Together: true, Objects: []client.Object{
			definition(), changed(group("builtin-a", "up < 1"), edit),
		}},
		{Name: "edited", Together: true, Objects: []client.Object{definition(), changed(group("builtin-a", "up == 0"), edit)}},
		{Name: "to be reset", Together: true, Objects: []client.Object{
			definition(), changed(changed(group("builtin-a", "up == 0"), edit), mark(builtin.ResetAnnotation)),
		}},
		{Name: "paused", Together: true, Objects: []client.Object{
			definition(), changed(group("builtin-a", "up < 1"), mark(kube.PausedAnnotation)),
		}},
		{Name: "groups of others", Together: true, Objects: []client.Object{
			definition(), theirs, group("node-exporter", "up < 1"),
		}},
	}
}

func annotate(key, value string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return change(ctx, c, "builtin-a", func(group *alertingv2beta1.GlobalRuleGroup) {
			group.Annotations[key] = value
		})
	}
}

func change(
	ctx context.Context, c client.Client, name string, change func(*alertingv2beta1.GlobalRuleGroup),
) error {
	found := &alertingv2beta1.GlobalRuleGroup{}
	if err := c.Get(ctx, client.ObjectKey{Name: name}, found); err != nil {
		return err
	}

	change(found)

	return c.Update(ctx, found)
}
