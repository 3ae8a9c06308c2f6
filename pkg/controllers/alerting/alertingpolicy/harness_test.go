package alertingpolicy_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/alertingpolicy"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func TestAlertingPolicyKeepsThePromises(t *testing.T) {
	scheme := runtime.NewScheme()

	for _, add := range alertingpolicy.Descriptor().AddToScheme {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	harness.Run(t, harness.Subject{
		Name:    alertingpolicy.Name,
		Scheme:  scheme,
		Primary: &alertingv1alpha1.AlertingPolicy{},
		Kinds: []client.ObjectList{
			&alertingv1alpha1.AlertingPolicyList{}, &alertingv2beta1.RuleGroupList{}, &corev1.NamespaceList{},
		},
		StatusKinds: []client.Object{&alertingv1alpha1.AlertingPolicy{}},
		New: func(environment harness.Environment) reconcile.Reconciler {
			built, err := alertingpolicy.New(manager.Dependencies{
				Client: environment.Client, Recorder: environment.Recorder, Clock: environment.PassiveClock(),
			})
			if err != nil {
				t.Fatal(err)
			}

			return built.Reconciler
		},
		Worlds:   worlds(),
		MaxReads: 3, MaxWrites: 1, Seeds: 6,
		Remains:    func(client.Object) bool { return true }, // It owns nothing.
		Unrepaired: func(client.Object) bool { return true },
	})
}

func worlds() []harness.World {
	gold := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "gold", Labels: map[string]string{"tier": "gold", "kubesphere.io/workspace": "team"},
	}}
	plain := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "plain"}}

	one := int32(1)
	strict := policy("strict", func(spec *alertingv1alpha1.AlertingPolicySpec) {
		spec.Selector.Namespaces = &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}
		spec.Limits.RulesPerGroup, spec.Limits.GroupsPerNamespace = &one, &one
	})
	unreadable := policy("unreadable", func(spec *alertingv1alpha1.AlertingPolicySpec) {
		spec.Limits.MaxRange = "soon"
	})
	paused := policy("paused", func(*alertingv1alpha1.AlertingPolicySpec) {})
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}

	return []harness.World{
		{Name: "nobody is there", Objects: []client.Object{strict}},
		{Name: "groups", Objects: []client.Object{gold, plain, strict, group("gold", "a"), group("gold", "b"), group("plain", "c")}},
		{Name: "on trial", Objects: []client.Object{gold, group("gold", "a"), policy("trial",
			func(spec *alertingv1alpha1.AlertingPolicySpec) {
				spec.Mode = alertingv1alpha1.ModeDryRun
				spec.Required.Labels = []string{"team"}
			})}},
		{Name: "unreadable", Fails: true, Objects: []client.Object{gold, group("gold", "a"), unreadable}},
		{Name: "paused", Objects: []client.Object{gold, paused}},
	}
}

func policy(name string, change func(*alertingv1alpha1.AlertingPolicySpec)) *alertingv1alpha1.AlertingPolicy {
	made := &alertingv1alpha1.AlertingPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	change(&made.Spec)

	return made
}

func group(namespace, name string) *alertingv2beta1.RuleGroup {
	made := &alertingv2beta1.RuleGroup{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, Labels: map[string]string{alertingv2beta1.EnableLabel: "true"},
	}}
	made.Spec.Rules = []alertingv2beta1.NamespaceRule{
		{Rule: alertingv2beta1.Rule{Alert: "A", Expr: "up == 0"}}, {Rule: alertingv2beta1.Rule{Alert: "B", Expr: "up == 1"}},
	}

	return made
}
