package rulemigration_test

import (
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/migration"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/rulegroup"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/rulemigration"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const monitoring = "kubesphere-monitoring-system"

func settings() *rulemigration.Settings {
	return rulemigration.DefaultSettings(rulegroup.DefaultSettings())
}

func target() rendering.Target {
	rules := settings().Rules

	return rendering.Target{
		Namespace: rules.Namespace, Prometheus: rules.PrometheusLabels, ThanosRuler: rules.ThanosRulerLabels,
	}
}

func TestMigrationsKeepThePromises(t *testing.T) {
	for name, worlds := range map[string][]harness.World{
		"custom, what stays": customWhatStays(), "custom, what goes": customWhatGoes(),
		"packed, what stays": packedWhatStays(), "packed, what goes": packedWhatGoes(),
	} {
		t.Run(name, func(t *testing.T) {
			chosen := settings()
			if strings.HasSuffix(name, "goes") {
				chosen.Overlap = -time.Hour // What is made in a trial is a moment old.
			}

			described := rulemigration.Descriptors(chosen)[0]
			if strings.HasPrefix(name, "packed") {
				described = rulemigration.Descriptors(chosen)[1]
			}

			s := subject(t, described)
			s.Worlds = worlds

			if name == "custom, what goes" {
				// It has the UID of what is gone.
				s.Volatile = []string{migration.FromAnnotation}
			}

			harness.Run(t, s)
		})
	}
}

func schemeOf(t *testing.T, described manager.Descriptor) *runtime.Scheme {
	t.Helper()

	scheme := runtime.NewScheme()

	for _, add := range described.AddToScheme {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return scheme
}

func subject(t *testing.T, described manager.Descriptor) harness.Subject {
	t.Helper()

	return harness.Subject{
		Name:    described.Name,
		Scheme:  schemeOf(t, described),
		Primary: &monitoringv1.PrometheusRule{},
		Kinds: []client.ObjectList{
			&monitoringv1.PrometheusRuleList{}, &alertingv2beta1.RuleGroupList{},
			&alertingv2beta1.ClusterRuleGroupList{}, &alertingv2beta1.GlobalRuleGroupList{},
		},
		StatusKinds: []client.Object{
			&monitoringv1.PrometheusRule{}, &alertingv2beta1.RuleGroup{}, &alertingv2beta1.ClusterRuleGroup{},
			&alertingv2beta1.GlobalRuleGroup{},
		},
		New: func(environment harness.Environment) reconcile.Reconciler { return build(t, described, environment) },
		// The object, two groups, what was made before of both levels, and the two new PrometheusRules.
		MaxReads: 7, MaxWrites: 3,
		Seeds:        6,
		NoConditions: true,
		// The groups are what is left of the rules.
		Remains: func(object client.Object) bool {
			_, isRule := object.(*monitoringv1.PrometheusRule)

			return !isRule
		},
	}
}

func build(t *testing.T, described manager.Descriptor, environment harness.Environment) reconcile.Reconciler {
	t.Helper()

	built, err := described.New(manager.Dependencies{
		Client: environment.Client, Live: environment.Client, Recorder: environment.Recorder,
		Clock: environment.PassiveClock(),
	})
	if err != nil {
		t.Fatal(err)
	}

	return built.Reconciler
}

// alert is a rule as KubeSphere 3.3 writes them.
func alert(name, expression string) monitoringv1.Rule {
	wait := monitoringv1.Duration("5m")

	return monitoringv1.Rule{
		Alert: name, Expr: intstr.FromString(expression), For: &wait,
		Labels:      map[string]string{"rule_id": "id-of-" + name, "severity": "warning"},
		Annotations: map[string]string{"summary": name + " is down"},
	}
}

// custom33 is a PrometheusRule of KubeSphere 3.3 with two groups.
func custom33(namespace, level string, rules ...monitoringv1.Rule) *monitoringv1.PrometheusRule {
	made := &monitoringv1.PrometheusRule{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: "custom-alerting-rule-x7k2p", Labels: map[string]string{
			migration.LevelLabel: level, "thanos-ruler": "kubesphere", "role": "alert-rules",
		},
	}}
	made.Spec.Groups = []monitoringv1.RuleGroup{
		{Name: "alerting.custom.defaults.0", Rules: []monitoringv1.Rule{alert("a", "up == 0"), alert("b", "up == 1")}},
		{Name: "alerting.custom.defaults.1", Rules: append([]monitoringv1.Rule{alert("c", "up == 2")}, rules...)},
	}

	return made
}

// heirs are the groups that are made of a PrometheusRule, as they are before they know it.
func heirs(old *monitoringv1.PrometheusRule) []client.Object {
	var groups []client.Object

	result := migration.Custom(old, target())

	for _, group := range result.RuleGroups {
		groups = append(groups, group)
	}

	for _, group := range result.ClusterRuleGroups {
		groups = append(groups, group)
	}

	for _, group := range groups {
		group.SetAnnotations(nil)
	}

	return groups
}

func statusOf(group client.Object) *alertingv2beta1.RuleGroupStatus {
	switch group := group.(type) {
	case *alertingv2beta1.RuleGroup:
		return &group.Status
	case *alertingv2beta1.ClusterRuleGroup:
		return &group.Status
	default:
		return &group.(*alertingv2beta1.GlobalRuleGroup).Status
	}
}

// stalled says of a group that it cannot work.
func stalled(group client.Object) client.Object {
	report(group, kube.Report{
		State: kube.StateStalled, Reason: "RulesRejected", Message: "spec.rules[0].expr: no.",
		Conditions: []metav1.Condition{{Type: kube.ConditionProgrammed, Status: metav1.ConditionTrue}},
	})

	return group
}

func report(group client.Object, report kube.Report) {
	status := statusOf(group)
	status.ObservedGeneration = 1
	report.SetConditions(&status.Conditions, 1, time.Date(2029, time.January, 1, 0, 0, 0, 0, time.UTC))
}

func changed[T client.Object](object T, change func(T)) T {
	change(object)

	return object
}

func paused(object client.Object) {
	object.SetAnnotations(map[string]string{kube.PausedAnnotation: "true"})
}

func customWhatStays() []harness.World {
	bad := alert("bad", "up == 3")
	soon := monitoringv1.Duration("soon")
	bad.For = &soon

	ofShop := custom33("shop", "namespace")
	taken := heirs(ofShop)[0].(*alertingv2beta1.RuleGroup)
	taken.Spec.Rules = taken.Spec.Rules[:1]

	return []harness.World{
		{Name: "not in force yet", Objects: []client.Object{custom33("shop", "namespace")}},
		{Name: "of the cluster", Objects: []client.Object{custom33(monitoring, "cluster")}},
		{Name: "of the cluster, elsewhere", Objects: []client.Object{custom33("shop", "cluster")}},
		{Name: "of no level", Objects: []client.Object{custom33("shop", "galaxy")}},
		{Name: "paused", Objects: []client.Object{changed(client.Object(custom33("shop", "namespace")), paused)}},
		{Name: "with a rule that no group can hold", Objects: []client.Object{custom33("shop", "namespace", bad)}},
		{Name: "where a group has the name", Together: true, Objects: []client.Object{ofShop, taken}},
		{Name: "where a group is stalled", Together: true, Objects: []client.Object{
			ofShop, stalled(heirs(ofShop)[0]), heirs(ofShop)[1],
		}},
		{Name: "nobody's", Objects: []client.Object{
			changed(custom33("shop", ""), func(o *monitoringv1.PrometheusRule) { o.Labels = nil }),
		}},
	}
}

func customWhatGoes() []harness.World {
	var worlds []harness.World

	for name, old := range map[string]*monitoringv1.PrometheusRule{
		"of a namespace": custom33("shop", "namespace"), "of the cluster": custom33(monitoring, "cluster"),
	} {
		worlds = append(worlds, harness.World{Name: name, Together: true, Objects: force(old, heirs(old)...)})
	}

	return worlds
}

// renderedOf is as much of a PrometheusRule as is looked at.
func renderedOf(object client.Object) *monitoringv1.PrometheusRule {
	level, rules := alertingv2beta1.LevelGlobal, 1

	switch group := object.(type) {
	case *alertingv2beta1.RuleGroup:
		level, rules = alertingv2beta1.LevelNamespace, len(group.Spec.Rules)
	case *alertingv2beta1.ClusterRuleGroup:
		level, rules = alertingv2beta1.LevelCluster, len(group.Spec.Rules)
	}

	owner := rendering.Group{Level: level, Namespace: object.GetNamespace(), Name: object.GetName()}.Owner()
	made := &monitoringv1.PrometheusRule{ObjectMeta: metav1.ObjectMeta{
		Namespace: monitoring, Name: rendering.ObjectName(level, object.GetNamespace(), object.GetName()),
		Labels: map[string]string{
			alerting.ManagedByLabel: alerting.ManagedBy, alertingv2beta1.RuleLevelLabel: level,
		},
		Annotations: map[string]string{alerting.OwnerAnnotation: owner},
	}}
	made.Spec.Groups = []monitoringv1.RuleGroup{{Name: object.GetName()}}

	for range rules {
		made.Spec.Groups[0].Rules = append(made.Spec.Groups[0].Rules, alert("a", "up == 0"))
	}

	return made
}

// packed34 is a PrometheusRule of KubeSphere 3.4 with some groups.
func packed34(name, level, owner string, groups ...string) *monitoringv1.PrometheusRule {
	made := &monitoringv1.PrometheusRule{ObjectMeta: metav1.ObjectMeta{
		Namespace: monitoring, Name: name, Labels: map[string]string{
			alertingv2beta1.RuleLevelLabel: level, "thanos-ruler": "kubesphere", "role": "alert-rules",
		},
	}}
	if owner != "" {
		made.Labels[alertingv2beta1.OwnerNamespaceLabel] = owner
	}

	for _, group := range groups {
		made.Spec.Groups = append(made.Spec.Groups, monitoringv1.RuleGroup{
			Name: group, Rules: []monitoringv1.Rule{alert(group, "up == 0")},
		})
	}

	return made
}

func meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name, Labels: map[string]string{alertingv2beta1.EnableLabel: "true"},
	}
}

func rule(name string) alertingv2beta1.Rule {
	return alertingv2beta1.Rule{
		Alert: name, Expr: "up == 0", For: "5m", Severity: "warning",
		Labels: map[string]string{"rule_id": "id-of-" + name},
	}
}

func group(name string) *alertingv2beta1.RuleGroup {
	made := &alertingv2beta1.RuleGroup{ObjectMeta: meta("shop", name)}
	made.Spec.Rules = []alertingv2beta1.NamespaceRule{{Rule: rule(name)}}

	return made
}

func clusterGroup(name string) *alertingv2beta1.ClusterRuleGroup {
	made := &alertingv2beta1.ClusterRuleGroup{ObjectMeta: meta("", name)}
	made.Spec.Rules = []alertingv2beta1.ClusterRule{{Rule: rule(name)}}

	return made
}

func globalGroup(name string) *alertingv2beta1.GlobalRuleGroup {
	made := &alertingv2beta1.GlobalRuleGroup{ObjectMeta: meta("", name)}
	made.Spec.Rules = []alertingv2beta1.GlobalRule{{Rule: rule(name)}}

	return made
}

// force returns objects with groups that have been in force for a year, and what was made of them.
func force(old client.Object, groups ...client.Object) []client.Object {
	all := []client.Object{old}

	for _, group := range groups {
		report(group, kube.Report{State: kube.StateReady, Conditions: []metav1.Condition{
			{Type: kube.ConditionProgrammed, Status: metav1.ConditionTrue},
		}})
		all = append(all, group, renderedOf(group))
	}

	return all
}

func packedWhatStays() []harness.World {
	two := packed34("alertrules-ns-shop-0", "namespace", "shop", "a", "b")

	return []harness.World{
		{Name: "not looked at yet", Together: true, Objects: []client.Object{two, group("a"), group("b")}},
		{Name: "one is not", Together: true, Objects: append(force(two, group("a")), group("b"))},
		{Name: "one is stalled", Together: true, Objects: append(force(two, group("a")), stalled(group("b")))},
		{Name: "not written yet", Together: true, Objects: force(two, group("a"))[:2]},
		{Name: "paused", Together: true, Objects: force(
			changed(client.Object(two.DeepCopy()), paused), group("a"), group("b"))},
		{Name: "groups are to come", Objects: []client.Object{packed34("alertrules-cl-0", "cluster", "", "a")}},
		{Name: "ours, and nobody's", Objects: []client.Object{
			renderedOf(group("a")), packed34("alertrules-mine", "cluster", "", "a"),
			packed34("alertrules-ns-shop-0", "namespace", "", "a"),
		}},
	}
}

func packedWhatGoes() []harness.World {
	off := group("off")
	off.Labels = nil
	dry := group("dry")
	dry.Spec.Mode = alertingv2beta1.ModeDryRun

	return []harness.World{
		{Name: "of a namespace", Together: true, Objects: force(
			packed34("alertrules-ns-shop-0", "namespace", "shop", "a", "b"), group("a"), group("b"))},
		{Name: "of the cluster", Together: true, Objects: force(
			packed34("alertrules-cl-0", "cluster", "", "a"), clusterGroup("a"))},
		{Name: "of all clusters", Together: true, Objects: force(
			packed34("alertrules-gl-0", "global", "", "a"), globalGroup("a"))},
		{Name: "some are switched off", Together: true, Objects: append(
			force(packed34("alertrules-ns-shop-0", "namespace", "shop", "a", "off", "dry", "gone"), group("a")),
			off, dry)},
	}
}

// The worlds are what their names say: in those of what goes nothing old is left, in the others all is.
func TestWorldsEndAsTheirNamesSay(t *testing.T) {
	for i, kind := range []struct{ stays, goes []harness.World }{
		{customWhatStays(), customWhatGoes()}, {packedWhatStays(), packedWhatGoes()},
	} {
		chosen := settings()
		chosen.Overlap = -time.Hour
		described := rulemigration.Descriptors(chosen)[i]

		for _, world := range kind.goes {
			if left := runs(t, described, world); left != 0 {
				t.Errorf("%s: what should go is left", world.Name)
			}
		}

		described = rulemigration.Descriptors(settings())[i]

		for _, world := range kind.stays {
			if left := runs(t, described, world); left == 0 {
				t.Errorf("%s: what should stay is gone", world.Name)
			}
		}
	}
}

// runs lets a world come to rest, and returns how many objects are left of those that came from elsewhere.
func runs(t *testing.T, described manager.Descriptor, world harness.World) int {
	t.Helper()

	server, err := harness.Fake().Open(t.Context(), subject(t, described))
	if err != nil {
		t.Fatal(err)
	}

	for _, object := range world.Objects {
		made := object.DeepCopyObject().(client.Object)
		if err := server.Create(t.Context(), made); err != nil {
			t.Fatal(err)
		}

		if _, isRule := object.(*monitoringv1.PrometheusRule); isRule {
			continue
		}

		*statusOf(made) = *statusOf(object)
		if err := server.Status().Update(t.Context(), made); err != nil {
			t.Fatal(err)
		}
	}

	now := time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	reconciler := build(t, described, harness.Environment{
		Client: server, Recorder: events.NewFakeRecorder(100), Clock: func() time.Time { return now },
	})

	for range 4 {
		for _, object := range world.Objects {
			key := client.ObjectKeyFromObject(object)
			if _, err := reconciler.Reconcile(t.Context(), reconcile.Request{NamespacedName: key}); err != nil {
				t.Fatal(err)
			}
		}
	}

	left := &monitoringv1.PrometheusRuleList{}
	if err := server.List(t.Context(), left); err != nil {
		t.Fatal(err)
	}

	old := 0

	for _, rule := range left.Items {
		if !strings.Contains(rule.Name, ".") {
			old++
		}
	}

	return old
}

func TestDescriptors(t *testing.T) {
	for _, described := range rulemigration.Descriptors(settings()) {
		for _, cached := range described.Caches {
			if err := cached.Validate(); err != nil {
				t.Errorf("%s: %s: %v", described.Name, cached.Resource, err)
			}
		}
	}

	for i, described := range rulemigration.Descriptors(settings()) {
		selector := rules(described)

		for j, object := range []client.Object{
			custom33("shop", "namespace"), packed34("alertrules-cl-0", "cluster", "", "a"),
		} {
			if got := selector.Matches(labels.Set(object.GetLabels())); got != (i == j) {
				t.Errorf("%s selects %s: %v", selector, object.GetName(), got)
			}
		}

		if ours := renderedOf(group("a")); selector.Matches(labels.Set(ours.Labels)) {
			t.Errorf("%s selects what we make", selector)
		}
	}
}

func rules(described manager.Descriptor) labels.Selector {
	return described.Caches[len(described.Caches)-1].Labels
}
