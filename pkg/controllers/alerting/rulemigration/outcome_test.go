package rulemigration_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/rulegroup"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/rulemigration"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// stage is an API server in memory with the controllers of groups and of migration, and a clock that stands still.
type stage struct {
	t        *testing.T
	server   client.Client
	settings *rulemigration.Settings
	recorder *events.FakeRecorder
	now      time.Time
	scheme   *runtime.Scheme

	// afterEach looks at the server after each write, and beforeDelete before each deletion of a PrometheusRule.
	afterEach    func()
	beforeDelete func()
}

func newStage(t *testing.T, objects ...client.Object) *stage {
	t.Helper()

	all := append(rulemigration.Descriptors(settings()), rulegroup.Descriptors(rulegroup.DefaultSettings())...)
	s := subject(t, all[0])

	for _, described := range all {
		for _, add := range described.AddToScheme {
			if err := add(s.Scheme); err != nil {
				t.Fatal(err)
			}
		}
	}

	s.Kinds = append(s.Kinds, &corev1.NamespaceList{}, &alertingv1alpha1.AlertingPolicyList{})

	server, err := harness.Fake().Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}

	made := &stage{
		t: t, server: server, settings: settings(), recorder: events.NewFakeRecorder(100), scheme: s.Scheme,
		now:       time.Date(2031, time.January, 1, 0, 0, 0, 0, time.UTC),
		afterEach: func() {}, beforeDelete: func() {},
	}

	for _, object := range objects {
		if err := server.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	return made
}

// spied is a client whose writes are looked at.
type spied struct {
	client.Client

	stage *stage
}

func (s spied) Apply(ctx context.Context, intent runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	defer s.stage.afterEach()

	return s.Client.Apply(ctx, intent, options...)
}

func (s spied) Patch(
	ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption,
) error {
	defer s.stage.afterEach()

	return s.Client.Patch(ctx, object, patch, options...)
}

func (s spied) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	defer s.stage.afterEach()

	if _, isRule := object.(*monitoringv1.PrometheusRule); isRule {
		s.stage.beforeDelete()
	}

	return s.Client.Delete(ctx, object, options...)
}

// reconcile runs a controller that has just been started: none of them may need what it knew before.
func (s *stage) reconcile(described manager.Descriptor, key client.ObjectKey) (reconcile.Result, error) {
	s.t.Helper()

	environment := harness.Environment{Clock: func() time.Time { return s.now }}

	built, err := described.New(manager.Dependencies{
		Client: spied{s.server, s}, Live: s.server, Recorder: s.recorder, Clock: environment.PassiveClock(),
		Digests: func(wanted schema.GroupVersionKind) (stores.Digests, error) {
			for _, cached := range described.Caches {
				if cached.Kind == wanted {
					return harness.Digests(s.server, s.scheme, cached), nil
				}
			}

			return nil, fmt.Errorf("%s is not cached", wanted)
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}

	return built.Reconciler.Reconcile(s.t.Context(), reconcile.Request{NamespacedName: key})
}

// migrate runs one of the two migrations over all PrometheusRules, and returns how long it wants to wait at most.
func (s *stage) migrate() time.Duration {
	s.t.Helper()

	var longest time.Duration

	for _, described := range rulemigration.Descriptors(s.settings) {
		for _, rule := range s.rules() {
			result, err := s.reconcile(described, client.ObjectKeyFromObject(&rule))
			if err != nil {
				s.t.Fatal(err)
			}

			longest = max(longest, result.RequeueAfter)
		}
	}

	return longest
}

// render runs the controllers of groups over all groups, as often as they need. That one is stalled is what its
// conditions tell.
func (s *stage) render() {
	s.t.Helper()

	for range 2 {
		for i, list := range []client.ObjectList{
			&alertingv2beta1.RuleGroupList{}, &alertingv2beta1.ClusterRuleGroupList{},
		} {
			if err := s.server.List(s.t.Context(), list); err != nil {
				s.t.Fatal(err)
			}

			for _, key := range append(keysOf(list), s.owners()...) {
				if (key.Namespace == "") == (i == 1) {
					_, _ = s.reconcile(rulegroup.Descriptors(s.settings.Rules)[i], key)
				}
			}
		}
	}
}

// owners are the groups of namespace shop that what is rendered names, be they there or not.
func (s *stage) owners() []client.ObjectKey {
	var keys []client.ObjectKey

	for _, rule := range s.rules() {
		if name, isOurs := strings.CutPrefix(rule.Name, "alertrules-ns-shop."); isOurs {
			keys = append(keys, client.ObjectKey{Namespace: "shop", Name: name})
		}
	}

	return keys
}

func keysOf(list client.ObjectList) []client.ObjectKey {
	var keys []client.ObjectKey

	switch list := list.(type) {
	case *alertingv2beta1.RuleGroupList:
		for i := range list.Items {
			keys = append(keys, client.ObjectKeyFromObject(&list.Items[i]))
		}
	case *alertingv2beta1.ClusterRuleGroupList:
		for i := range list.Items {
			keys = append(keys, client.ObjectKeyFromObject(&list.Items[i]))
		}
	}

	return keys
}

func (s *stage) rules() []monitoringv1.PrometheusRule {
	s.t.Helper()

	all := &monitoringv1.PrometheusRuleList{}
	if err := s.server.List(s.t.Context(), all); err != nil {
		s.t.Fatal(err)
	}

	return all.Items
}

// evaluated counts in how many PrometheusRules each rule is, by its identity.
func (s *stage) evaluated() map[string]int {
	counts := map[string]int{}

	for _, rule := range s.rules() {
		for _, group := range rule.Spec.Groups {
			for _, one := range group.Rules {
				counts[one.Alert+one.Record+" "+one.Labels["rule_id"]]++
			}
		}
	}

	return counts
}

// never fails the test if, after any write, one of the rules is evaluated nowhere.
func (s *stage) neverMissing(identities ...string) {
	s.afterEach = func() {
		counts := s.evaluated()
		for _, identity := range identities {
			if counts[identity] == 0 {
				s.t.Errorf("rule %s is evaluated nowhere", identity)
			}
		}
	}
}

func (s *stage) old() *monitoringv1.PrometheusRule {
	s.t.Helper()

	for _, rule := range s.rules() {
		if strings.HasPrefix(rule.Name, "custom-alerting-rule-") ||
			strings.HasPrefix(rule.Name, "alertrules-ns-shop-") {
			return &rule
		}
	}

	return nil
}

func (s *stage) edit(change func(*monitoringv1.PrometheusRule)) {
	s.t.Helper()

	old := s.old()
	change(old)

	if err := s.server.Update(s.t.Context(), old); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) told() []string {
	var all []string

	for {
		select {
		case one := <-s.recorder.Events:
			all = append(all, one)
		default:
			return all
		}
	}
}

func (s *stage) names() string {
	s.t.Helper()

	return strings.Join(slices.Sorted(maps.Keys(s.evaluated())), ", ")
}

const all = "a id-of-a, b id-of-b, c id-of-c"

// The rules of 3.3 are made groups; the object goes when these have had the time to fire, and not before.
func TestCustomRulesMove(t *testing.T) {
	for namespace, level := range map[string]string{"shop": "namespace", monitoring: "cluster"} {
		t.Run(level, func(t *testing.T) {
			s := newStage(t, custom33(namespace, level))
			s.neverMissing(strings.Split(all, ", ")...)

			s.migrate()
			s.render()

			if wait := s.migrate(); wait < 9*time.Minute || wait > 10*time.Minute || s.old() == nil {
				t.Fatalf("waits %v for alerts that fire after 5 minutes; old %v", wait, s.old())
			}

			s.now = s.now.Add(10 * time.Minute)
			s.migrate()

			if s.old() != nil || s.names() != all {
				t.Errorf("got %s, and the old object is %v", s.names(), s.old())
			}

			if told := s.told(); len(told) != 1 || !strings.Contains(told[0], "Migrated") {
				t.Errorf("told %q", told)
			}
		})
	}
}

// Who changes the object in the last moment has the change migrated first.
func TestAnEditInBetweenIsNotLost(t *testing.T) {
	s := newStage(t, custom33("shop", "namespace"))
	s.neverMissing(strings.Split(all, ", ")...)
	s.migrate()
	s.render()

	s.now = s.now.Add(time.Hour)
	edited := false
	s.beforeDelete = func() {
		if old := s.old(); !edited && old != nil {
			edited = true

			s.edit(func(old *monitoringv1.PrometheusRule) {
				old.Spec.Groups[0].Rules = append(old.Spec.Groups[0].Rules, alert("late", "up == 9"))
			})
		}
	}

	s.migrate()

	if s.old() == nil || !edited {
		t.Fatal("the edited object was taken away")
	}

	s.neverMissing(append(strings.Split(all, ", "), "late id-of-late")...)
	s.migrate()
	s.render()
	s.migrate()

	if s.old() != nil || s.names() != all+", late id-of-late" {
		t.Errorf("got %s, and the old object is %v", s.names(), s.old())
	}
}

// What cannot be taken over stays, and says so once; when it is corrected where it is, it goes.
func TestRefusedRulesStay(t *testing.T) {
	s := newStage(t, custom33("shop", "namespace", alert("bad", "sum(")))
	s.neverMissing(append(strings.Split(all, ", "), "bad id-of-bad")...)

	for range 3 {
		s.migrate()
		s.render()

		s.now = s.now.Add(time.Hour)
	}

	old := s.old()
	if old == nil || !strings.Contains(old.Annotations[rulemigration.BlockedAnnotation],
		"RuleGroup shop/custom-alerting-rule-x7k2p-1") {
		t.Fatalf("got %v", old)
	}

	if told := s.told(); len(told) != 1+1 || !strings.Contains(strings.Join(told, ""), "MigrationBlocked") {
		t.Errorf("told %q", told) // and the group itself tells
	}

	s.edit(func(old *monitoringv1.PrometheusRule) { old.Spec.Groups[1].Rules[1] = alert("bad", "sum(up) == 0") })
	s.migrate()
	s.render()
	s.migrate()

	if s.old() != nil || !strings.Contains(s.names(), "bad id-of-bad") {
		t.Errorf("got %s, and the old object is %v", s.names(), s.old())
	}
}

// A rule that its author takes out while both are there is not kept alive by a group.
func TestRulesThatAreTakenOutEnd(t *testing.T) {
	s := newStage(t, custom33("shop", "namespace"))
	s.migrate()
	s.render()
	s.edit(func(old *monitoringv1.PrometheusRule) { old.Spec.Groups = old.Spec.Groups[:1] })

	for range 3 {
		s.migrate()
		s.render()

		s.now = s.now.Add(time.Hour)
	}

	if s.old() != nil || s.names() != "a id-of-a, b id-of-b" {
		t.Errorf("got %s, and the old object is %v", s.names(), s.old())
	}
}

// A tenant who calls his rules those of the cluster gets no rules of the cluster.
func TestNobodyReachesBeyondHisNamespace(t *testing.T) {
	s := newStage(t, custom33("shop", "cluster"))
	s.migrate()

	list := &alertingv2beta1.ClusterRuleGroupList{}
	if err := s.server.List(t.Context(), list); err != nil || len(list.Items) > 0 {
		t.Errorf("got %v, %v", list.Items, err)
	}

	if s.old().Annotations[rulemigration.BlockedAnnotation] == "" {
		t.Error("he is not told")
	}
}

// A group that its user has changed since is not overwritten by an object of the same name that comes back.
func TestWhatIsThereIsNotOverwritten(t *testing.T) {
	s := newStage(t, custom33("shop", "namespace"))
	s.migrate()
	s.render()
	s.now = s.now.Add(time.Hour)
	s.migrate()

	group := &alertingv2beta1.RuleGroup{}
	key := client.ObjectKey{Namespace: "shop", Name: "custom-alerting-rule-x7k2p-0"}

	if err := s.server.Get(t.Context(), key, group); err != nil {
		t.Fatal(err)
	}

	group.Spec.Rules[0].Expr = "up == 7"
	if err := s.server.Update(t.Context(), group); err != nil {
		t.Fatal(err)
	}

	if err := s.server.Create(t.Context(), custom33("shop", "namespace")); err != nil {
		t.Fatal(err)
	}

	s.migrate()

	if err := s.server.Get(t.Context(), key, group); err != nil || group.Spec.Rules[0].Expr != "up == 7" {
		t.Errorf("the group has %q, %v", group.Spec.Rules[0].Expr, err)
	}

	if !strings.Contains(s.old().Annotations[rulemigration.BlockedAnnotation], "is there already") {
		t.Errorf("got %q", s.old().Annotations)
	}
}

// A packed object goes when all of its groups are written anew; one that is bad keeps its own rules, and no others.
func TestPackedRulesGo(t *testing.T) {
	bad := group("bad")
	bad.Spec.Rules[0].Expr = "sum("

	s := newStage(t, packed34("alertrules-ns-shop-0", "namespace", "shop", "a", "bad", "gone"), group("a"), bad)
	s.neverMissing("a id-of-a", "bad id-of-bad")

	s.migrate()

	if got := len(s.old().Spec.Groups); got != 3 {
		t.Fatalf("%d groups are left before anything is written anew", got)
	}

	for range 3 {
		s.render()
		s.migrate()

		s.now = s.now.Add(time.Hour)
	}

	old := s.old()
	if old == nil || len(old.Spec.Groups) != 1 || old.Spec.Groups[0].Name != "bad" {
		t.Fatalf("got %v", old)
	}

	if err := s.server.Get(t.Context(), client.ObjectKeyFromObject(bad), bad); err != nil {
		t.Fatal(err)
	}

	bad.Spec.Rules[0].Expr = "sum(up)"
	if err := s.server.Update(t.Context(), bad); err != nil {
		t.Fatal(err)
	}

	s.render()
	s.now = s.now.Add(time.Hour)
	s.migrate()

	if s.old() != nil || s.names() != "a id-of-a, bad id-of-bad" {
		t.Errorf("got %s, and the old object is %v", s.names(), s.old())
	}
}

// A status that is left from before a restore is no proof: the API server is asked for the new rules themselves.
func TestStatusIsNoProof(t *testing.T) {
	s := newStage(t, packed34("alertrules-ns-shop-0", "namespace", "shop", "a"), group("a"))
	s.render()

	s.now = s.now.Add(time.Hour)

	for _, rule := range s.rules() {
		if rule.Name == "alertrules-ns-shop.a" {
			if err := s.server.Delete(t.Context(), &rule); err != nil && !apierrors.IsNotFound(err) {
				t.Fatal(err)
			}
		}
	}

	if wait := s.migrate(); wait == 0 || s.old() == nil {
		t.Errorf("waits %v, the old object is %v", wait, s.old())
	}
}
