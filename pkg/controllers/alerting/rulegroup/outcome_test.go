package rulegroup_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/rulegroup"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
)

// stage is an API server in memory with the controller of RuleGroups and a clock that stands still.
type stage struct {
	t          *testing.T
	client     client.Client
	subject    harness.Subject
	reconciler reconcile.Reconciler
	writes     *atomic.Int64
	now        time.Time
}

// counting counts what is written.
type counting struct {
	client.Client

	writes *atomic.Int64
	drops  string
}

func (c counting) Apply(ctx context.Context, intent runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	c.writes.Add(1)

	pruned, err := c.prune(intent)
	if err != nil {
		return err
	}

	return c.Client.Apply(ctx, pruned, options...)
}

// prune drops a field of rules, as an old definition does.
func (c counting) prune(intent runtime.ApplyConfiguration) (runtime.ApplyConfiguration, error) {
	if c.drops == "" {
		return intent, nil
	}

	text, err := json.Marshal(intent)
	if err != nil {
		return nil, err
	}

	object := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), c.drops, "")), &object.Object); err != nil {
		return nil, err
	}

	return client.ApplyConfigurationFromUnstructured(object), nil
}

func (c counting) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	c.writes.Add(1)

	return c.Client.Delete(ctx, object, options...)
}

func stageWith(t *testing.T, settings *rulegroup.Settings, objects ...client.Object) *stage {
	t.Helper()

	kind := rulegroup.Kinds(settings)[0]
	s := subject(t, kind)

	c, err := harness.Fake().Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}

	for _, object := range objects {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	made := &stage{t: t, client: c, subject: s, writes: &atomic.Int64{}, now: time.Unix(1_000_000, 0)}
	made.drop("")

	return made
}

// drop starts the controller anew on an API server that drops a text of what is applied.
func (s *stage) drop(text string) {
	s.reconciler = s.subject.New(harness.Environment{
		Client: counting{s.client, s.writes, text}, Recorder: events.NewFakeRecorder(1000),
		Clock: func() time.Time { return s.now },
	})
}

// run reconciles a group until it is at rest, and returns its status.
func (s *stage) run(name string) alertingv2beta1.RuleGroupStatus {
	s.t.Helper()

	key := client.ObjectKey{Namespace: "shop", Name: name}
	for range 2 {
		// An error is what the conditions tell.
		_, _ = s.reconciler.Reconcile(s.t.Context(), reconcile.Request{NamespacedName: key})
	}

	group := &alertingv2beta1.RuleGroup{}
	if err := s.client.Get(s.t.Context(), key, group); err != nil {
		s.t.Fatal(err)
	}

	return group.Status
}

// rules are the names of what the PrometheusRule of a group has, in a line.
func (s *stage) rules(group string) string {
	s.t.Helper()

	all := &monitoringv1.PrometheusRuleList{}
	if err := s.client.List(s.t.Context(), all); err != nil {
		s.t.Fatal(err)
	}

	var names []string

	for _, rule := range all.Items {
		if rule.Name != "alertrules-ns-shop."+group {
			continue
		}

		for _, one := range rule.Spec.Groups[0].Rules {
			names = append(names, one.Alert+one.Record)
		}
	}

	return strings.Join(names, " ")
}

// edit changes the group web.
func (s *stage) edit(change func(*alertingv2beta1.RuleGroup)) {
	s.t.Helper()

	group := &alertingv2beta1.RuleGroup{}
	if err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: "web"}, group); err != nil {
		s.t.Fatal(err)
	}

	change(group)

	if err := s.client.Update(s.t.Context(), group); err != nil {
		s.t.Fatal(err)
	}
}

func ofShop(name string, change func(*alertingv2beta1.RuleGroup)) *alertingv2beta1.RuleGroup {
	made := &alertingv2beta1.RuleGroup{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: name, Labels: map[string]string{alertingv2beta1.EnableLabel: "true"},
	}}
	for _, rule := range good() {
		made.Spec.Rules = append(made.Spec.Rules, alertingv2beta1.NamespaceRule{Rule: rule})
	}

	if change != nil {
		change(made)
	}

	return made
}

func shop() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "shop", Labels: map[string]string{"kubesphere.io/workspace": "team"},
	}}
}

func reason(status alertingv2beta1.RuleGroupStatus, condition string) string {
	found := apimeta.FindStatusCondition(status.Conditions, condition)
	if found == nil {
		return "-"
	}

	return string(found.Status) + "/" + found.Reason
}

func TestGroupsAreRendered(t *testing.T) {
	s := stageWith(t, rulegroup.DefaultSettings(), shop(), ofShop("web", nil))

	status := s.run("web")
	if got := s.rules("web"); got != "Down job:up:sum" {
		t.Errorf("rendered %q", got)
	}

	if reason(status, "Ready") != "True/Accepted" || reason(status, "Programmed") != "True/Applied" ||
		status.PrometheusRule == nil || status.PrometheusRule.Name != "alertrules-ns-shop.web" || *status.Rules != 2 {
		t.Errorf("got %+v", status)
	}

	before := s.writes.Load()
	s.run("web")

	if after := s.writes.Load(); after != before {
		t.Errorf("a group at rest was written %d times", after-before)
	}
}

// Rules whose tests fail are not put in force, and those of before are not taken away.
func TestFailingTestsKeepTheRulesOfBefore(t *testing.T) {
	s := stageWith(t, rulegroup.DefaultSettings(), shop(), ofShop("web", func(group *alertingv2beta1.RuleGroup) {
		group.Spec.Tests = tests("2")
	}))

	status := s.run("web")
	if reason(status, "TestsPassed") != "True/TestsPassed" || s.rules("web") != "Down job:up:sum" {
		t.Fatalf("got %+v, rules %q", status, s.rules("web"))
	}

	s.edit(func(group *alertingv2beta1.RuleGroup) {
		group.Spec.Rules = group.Spec.Rules[1:]
		group.Spec.Rules[0].Expr = "count by (job) (up) + 1"
		group.Generation++
	})

	status = s.run("web")
	if reason(status, "TestsPassed") != "False/TestsFailed" || reason(status, "Stalled") != "True/TestsFailed" {
		t.Errorf("got %+v", status.Conditions)
	}

	if got := s.rules("web"); got != "Down job:up:sum" {
		t.Errorf("the rules of before are gone: %q", got)
	}

	s.edit(func(group *alertingv2beta1.RuleGroup) {
		group.Spec.Tests = tests("3")
		group.Generation++
	})

	if status = s.run("web"); reason(status, "TestsPassed") != "True/TestsPassed" || s.rules("web") != "job:up:sum" {
		t.Errorf("got %+v, rules %q", status.Conditions, s.rules("web"))
	}
}

func TestOneBadRuleTakesNothingAway(t *testing.T) {
	s := stageWith(t, rulegroup.DefaultSettings(), shop(), ofShop("web", func(group *alertingv2beta1.RuleGroup) {
		group.Spec.Rules = append(group.Spec.Rules,
			alertingv2beta1.NamespaceRule{Rule: alertingv2beta1.Rule{Alert: "Bad", Expr: "sum("}})
	}))

	status := s.run("web")
	if s.rules("web") != "Down job:up:sum" || reason(status, "Accepted") != "False/RulesRejected" ||
		reason(status, "Programmed") != "True/Applied" || len(status.RejectedRules) != 1 ||
		status.RejectedRules[0].Name != "Bad" || status.RejectedRules[0].Index != 2 {
		t.Errorf("got %+v, rules %q", status, s.rules("web"))
	}
}

func TestMistakesInAGroupTakeNothingAway(t *testing.T) {
	s := stageWith(t, rulegroup.DefaultSettings(), shop(), ofShop("web", nil))
	s.run("web")
	s.edit(func(group *alertingv2beta1.RuleGroup) { group.Spec.Interval = "often" })

	if status := s.run("web"); s.rules("web") == "" || reason(status, "Stalled") != "True/Invalid" {
		t.Errorf("got %+v, rules %q", status.Conditions, s.rules("web"))
	}
}

func TestGroupsEnd(t *testing.T) {
	for name, change := range map[string]func(*alertingv2beta1.RuleGroup){
		"switched off": func(group *alertingv2beta1.RuleGroup) { group.Labels = nil },
		"dry run":      func(group *alertingv2beta1.RuleGroup) { group.Spec.Mode = alertingv2beta1.ModeDryRun },
		"no rules":     func(group *alertingv2beta1.RuleGroup) { group.Spec.Rules = group.Spec.Rules[:0] },
	} {
		t.Run(name, func(t *testing.T) {
			s := stageWith(t, rulegroup.DefaultSettings(), shop(), ofShop("web", nil))
			s.run("web")
			s.edit(change)

			if status := s.run("web"); s.rules("web") != "" || status.PrometheusRule != nil {
				t.Errorf("rules %q are left, status %+v", s.rules("web"), status)
			}
		})
	}
}

// A definition that drops a field must not have it written without end.
func TestOldDefinitionIsTold(t *testing.T) {
	s := stageWith(t, rulegroup.DefaultSettings(), shop(), ofShop("web", func(group *alertingv2beta1.RuleGroup) {
		group.Spec.Rules[0].KeepFiringFor = "7m"
	}))
	s.drop(`"keep_firing_for":"7m",`)

	s.run("web")
	s.now = s.now.Add(11 * time.Second)
	s.run("web")

	s.now = s.now.Add(11 * time.Second)

	status, before := s.run("web"), s.writes.Load()
	if reason(status, "Stalled") != "True/FieldsDropped" ||
		!strings.Contains(apimeta.FindStatusCondition(status.Conditions, "Programmed").Message, "keepFiringFor") {
		t.Errorf("got %+v", status.Conditions)
	}

	s.now = s.now.Add(time.Hour)
	s.run("web")

	if after := s.writes.Load(); after != before || s.rules("web") != "Down job:up:sum" {
		t.Errorf("written %d times more, rules %q", after-before, s.rules("web"))
	}
}

// The older group keeps what it has; the newer one is told.
func TestPoliciesShareANamespace(t *testing.T) {
	one := int32(1)
	policy := &alertingv1alpha1.AlertingPolicy{ObjectMeta: metav1.ObjectMeta{Name: "few"}}
	policy.Spec.Limits.GroupsPerNamespace = &one
	policy.Spec.Selector.Workspaces = []string{"team"}

	s := stageWith(t, rulegroup.DefaultSettings(), shop(), policy, ofShop("a", nil), ofShop("b", nil))

	a, b := s.run("a"), s.run("b")
	if reason(a, "Ready") != "True/Accepted" || reason(b, "Stalled") != "True/TooManyGroups" || s.rules("b") != "" {
		t.Errorf("got %+v and %+v", a.Conditions, b.Conditions)
	}
}

// evaluatorWith answers as Thanos Ruler would, with one alert in a state.
func evaluatorWith(t *testing.T, state *atomic.Value) *rulegroup.Settings {
	t.Helper()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer, _ := state.Load().(string)
		if answer == "" {
			http.Error(w, "starting", http.StatusServiceUnavailable)

			return
		}

		_, _ = w.Write([]byte(strings.NewReplacer("STATE", answer).Replace(`{"status":"success","data":{"groups":[
		  {"name":"web","rules":[
		   {"type":"alerting","name":"Down","state":"STATE","health":"ok","labels":{"rule_level":"namespace",
		    "namespace":"shop","rule_group":"web","rule_id":"one"},"alerts":[]},
		   {"type":"recording","name":"job:up:sum","health":"ok","labels":{"namespace":"shop"}}]}]}}`)))
	}))
	t.Cleanup(server.Close)

	settings := rulegroup.DefaultSettings()
	settings.ThanosRuler = server.URL

	return settings
}

// The states of rules come from the evaluator, and are written once in a while at most, and only when they change.
func TestStatesOfRules(t *testing.T) {
	state := &atomic.Value{}
	state.Store("inactive")

	s := stageWith(t, evaluatorWith(t, state), shop(), ofShop("web", func(group *alertingv2beta1.RuleGroup) {
		group.Spec.Rules[0].Labels = map[string]string{"rule_id": "one"}
	}))

	status := s.run("web")
	if reason(status, "Healthy") != "True/Evaluating" || len(status.RulesStatus) != 2 ||
		status.RulesStats.Inactive != 2 || *status.Firing != 0 {
		t.Fatalf("got %+v", status)
	}

	state.Store("firing")

	s.now = s.now.Add(20 * time.Second)
	if early := s.run("web"); *early.Firing != 0 {
		t.Errorf("a state was written 20 s after another")
	}

	s.now = s.now.Add(20 * time.Second)
	if late := s.run("web"); *late.Firing != 1 || late.RulesStatus[0].State != "firing" {
		t.Errorf("got %+v", late.RulesStatus)
	}

	state.Store("")

	s.now = s.now.Add(40 * time.Second)
	if gone := s.run("web"); reason(gone, "Healthy") != "Unknown/EvaluatorUnreachable" || *gone.Firing != 1 ||
		reason(gone, "Ready") != "True/Accepted" {
		t.Errorf("got %+v", gone)
	}
}

// behind is a client whose store has not heard of what was done to a group.
type behind struct {
	client.Client

	group   *alertingv2beta1.RuleGroup
	reports *atomic.Int64
}

func (b behind) Get(
	ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption,
) error {
	if group, isGroup := object.(*alertingv2beta1.RuleGroup); isGroup {
		b.group.DeepCopyInto(group)

		return nil
	}

	return b.Client.Get(ctx, key, object, options...)
}

func (b behind) Status() client.SubResourceWriter {
	b.reports.Add(1)

	return b.Client.Status()
}

// What is made of a group wakes it before the store has heard of the status that was written just before: the same
// status again would be refused. Another one is tried, and is right when the store has caught up.
func TestStatusIsNotWrittenTwice(t *testing.T) {
	s := stageWith(t, rulegroup.DefaultSettings(), shop(), ofShop("web", nil))
	request := reconcile.Request{NamespacedName: client.ObjectKey{Namespace: "shop", Name: "web"}}

	group, reports := &alertingv2beta1.RuleGroup{}, &atomic.Int64{}
	if err := s.client.Get(t.Context(), request.NamespacedName, group); err != nil {
		t.Fatal(err)
	}

	s.reconciler = s.subject.New(harness.Environment{
		Client: behind{s.client, group, reports}, Recorder: events.NewFakeRecorder(1000),
		Clock: func() time.Time { return s.now },
	})

	for range 3 {
		s.now = s.now.Add(time.Minute)

		if _, err := s.reconciler.Reconcile(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}

	if got := reports.Load(); got != 1 {
		t.Errorf("the status was written %d times", got)
	}

	group.Annotations = map[string]string{"ks.kubesphere.io/paused": "true"}

	_, _ = s.reconciler.Reconcile(t.Context(), request) // it may be refused

	if got := reports.Load(); got != 2 {
		t.Errorf("another status was not tried: %d writes", got)
	}
}
