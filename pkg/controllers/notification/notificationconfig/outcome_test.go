package notificationconfig_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/notificationconfig"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
)

// cluster is a server, the controller, and a time.
type cluster struct {
	t          *testing.T
	client     client.Client
	reconciler reconcile.Reconciler
	now        time.Time
}

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()

	server, err := harness.Fake().Open(t.Context(), subject(t, notificationconfig.Kinds()[0]))
	if err != nil {
		t.Fatal(err)
	}

	for _, object := range objects {
		if err := server.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	made := &cluster{t: t, client: server, now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	made.reconciler = build(schemeOf(t), harness.Environment{
		Client: server, Recorder: events.NewFakeRecorder(1000), Clock: func() time.Time { return made.now },
	}).Reconciler
	made.all()

	return made
}

// all looks at every object, as at a start; those that others count come first.
func (c *cluster) all() {
	c.t.Helper()

	for range 2 {
		for _, kind := range notificationconfig.Kinds() {
			if err := c.client.List(c.t.Context(), kind.List); err != nil {
				c.t.Fatal(err)
			}

			items, err := meta.ExtractList(kind.List)
			if err != nil {
				c.t.Fatal(err)
			}

			for _, item := range items {
				if object, isObject := item.(client.Object); isObject {
					_, _ = c.run(kind.Name, object.GetName())
				}
			}
		}
	}
}

func (c *cluster) run(kind, name string) (reconcile.Result, error) {
	return c.reconciler.Reconcile(c.t.Context(), reconcile.Request{
		NamespacedName: types.NamespacedName{Namespace: kind, Name: name},
	})
}

func get[T client.Object](c *cluster, object T, name string) T {
	c.t.Helper()

	if err := c.client.Get(c.t.Context(), client.ObjectKey{Name: name}, object); err != nil {
		c.t.Fatal(err)
	}

	return object
}

// condition is one as "True Reason".
func condition(conditions []metav1.Condition, name string) string {
	found := meta.FindStatusCondition(conditions, name)
	if found == nil {
		return ""
	}

	return string(found.Status) + " " + found.Reason
}

func message(conditions []metav1.Condition, name string) string {
	if found := meta.FindStatusCondition(conditions, name); found != nil {
		return found.Message
	}

	return ""
}

func TestAllIsWell(t *testing.T) {
	there := newCluster(t, everything(t)...)

	everybody := get(there, &notificationv2beta2.Receiver{}, "everybody").Status
	jane := get(there, &notificationv2beta2.Receiver{}, "jane").Status

	if got := condition(everybody.Conditions, kube.ConditionReady); got != "True Resolved" {
		t.Errorf("%s: %s", got, message(everybody.Conditions, kube.ConditionReady))
	}

	if text := message(everybody.Conditions, kube.ConditionAccepted); !strings.Contains(text, "alertSelector") {
		t.Errorf("no warning of the pattern that is not anchored: %q", text)
	}

	want := []notificationv2beta2.ReceiverChannelStatus{
		{Type: "email", Config: "default-mail", Targets: 1}, {Type: "slack", Config: "jane-slack", Targets: 1},
	}

	slices.SortFunc(jane.Channels, func(a, b notificationv2beta2.ReceiverChannelStatus) int {
		return strings.Compare(a.Type, b.Type)
	})

	if diff := cmp.Diff(want, jane.Channels); diff != "" {
		t.Error(diff)
	}

	if jane.Scope != notificationv2beta2.ScopeTenant || jane.Tenant != "jane" ||
		everybody.Scope != notificationv2beta2.ScopeGlobal {
		t.Errorf("got %+v and %+v", jane.ScopeStatus, everybody.ScopeStatus)
	}

	mail := get(there, &notificationv2beta2.Config{}, "default-mail").Status
	if mail.Scope != notificationv2beta2.ScopeDefault || *mail.Receivers != 2 ||
		condition(mail.Conditions, kube.ConditionReady) != "True Resolved" {
		t.Errorf("got %+v, %s", mail, message(mail.Conditions, kube.ConditionReady))
	}

	router := get(there, &notificationv2beta2.Router{}, "router").Status
	if *router.MatchedReceivers != 1 || !slices.Equal(router.UnknownReceivers, []string{"nobody"}) {
		t.Errorf("got %+v", router)
	}

	rule := get(there, &notificationv2beta2.InhibitRule{}, "inhibit").Status
	if got := condition(rule.Conditions, kube.ConditionReady); got != "True Accepted" {
		t.Errorf("got %s", got)
	}

	nm := get(there, &notificationv2beta2.NotificationManager{}, "nm").Status
	if got := condition(nm.Conditions, kube.ConditionResolvedRefs); got != "True Resolved" || len(nm.Conditions) != 1 {
		t.Errorf("got %+v", nm.Conditions)
	}
}

// A policy on trial tells what it would refuse, and refuses nothing.
func TestPolicyOnTrial(t *testing.T) {
	there := newCluster(t, everything(t)...)

	status := get(there, &notificationv2beta2.NotificationPolicy{}, "policy").Status
	if status.Tenants != 1 || status.Rejected != 1 || len(status.Rejections) != 1 ||
		status.Rejections[0].Name != "jane" || status.Rejections[0].Field != "spec.slack" {
		t.Errorf("got %+v", status)
	}

	jane := get(there, &notificationv2beta2.Receiver{}, "jane").Status
	if got := condition(jane.Conditions, kube.ConditionReady); got != "True Resolved" {
		t.Errorf("got %s", got)
	}

	policy := get(there, &notificationv2beta2.NotificationPolicy{}, "policy")
	policy.Spec.Mode = notificationv2beta2.PolicyModeEnforce

	if err := there.client.Update(t.Context(), policy); err != nil {
		t.Fatal(err)
	}

	there.all()

	jane = get(there, &notificationv2beta2.Receiver{}, "jane").Status
	if got := condition(jane.Conditions, kube.ConditionReady); got != "False PolicyDenied" {
		t.Errorf("got %s", got)
	}
}

// What is named may be missing, and may come. No condition has a secret in it, nor tells what a tenant may not know.
func TestSecretsComeAndGo(t *testing.T) {
	there := newCluster(t, everything(t)...)

	mail := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "federated", Name: "mail"}}
	if err := there.client.Delete(t.Context(), mail); err != nil {
		t.Fatal(err)
	}

	there.all()

	for name, status := range map[string]notificationv2beta2.CommonStatus{
		"Config":   get(there, &notificationv2beta2.Config{}, "default-mail").Status.CommonStatus,
		"Receiver": get(there, &notificationv2beta2.Receiver{}, "everybody").Status.CommonStatus,
	} {
		if got := condition(status.Conditions, kube.ConditionResolvedRefs); got != "False RefNotFound" {
			t.Errorf("%s: %s", name, got)
		}

		if got := condition(status.Conditions, kube.ConditionReconciling); got != "True RefNotFound" {
			t.Errorf("%s: %s", name, got)
		}

		if got := condition(status.Conditions, kube.ConditionAccepted); got != "True Accepted" {
			t.Errorf("%s: %s", name, got)
		}
	}

	if err := there.client.Create(t.Context(), secretOf("mail", nil)); err != nil {
		t.Fatal(err)
	}

	there.all()

	status := get(there, &notificationv2beta2.Config{}, "default-mail").Status
	if got := condition(status.Conditions, kube.ConditionReady); got != "True Resolved" {
		t.Errorf("got %s", got)
	}
}

// Who is woken by a Secret: who names it, and who uses a Config that does.
func TestASecretWakesWhoeverUsesIt(t *testing.T) {
	there := newCluster(t, everything(t)...)
	mail := secretOf("mail", nil)
	mail.Kind = "Secret"

	got := notificationconfig.Dependents(t.Context(), there.client, mail)
	slices.Sort(got)

	want := []string{"Config/default-mail", "Receiver/everybody", "Receiver/jane"}
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Error(diff)
	}

	templates := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "templates", Name: "all"}}
	templates.Kind = "ConfigMap"

	got = notificationconfig.Dependents(t.Context(), there.client, templates)
	slices.Sort(got)

	want = []string{"NotificationManager/nm", "Receiver/everybody", "Receiver/jane"}
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Error(diff)
	}
}

// A silence of each night is looked at again when it begins and when it ends, in the zone of the NotificationManager.
func TestSilence(t *testing.T) {
	there := newCluster(t, everything(t)...)

	// 22:00 in Shanghai is 14:00 in UTC.
	steps := []struct {
		at    string
		phase notificationv2beta2.SilencePhase
		again time.Duration
	}{
		{"2026-03-02T12:00:00Z", notificationv2beta2.SilencePending, 2 * time.Hour},
		{"2026-03-02T14:00:00Z", notificationv2beta2.SilenceActive, 6 * time.Hour},
		{"2026-03-02T21:00:00Z", notificationv2beta2.SilenceActive, time.Hour},
		{"2026-03-02T22:00:00Z", notificationv2beta2.SilencePending, 6 * time.Hour},
	}

	for _, step := range steps {
		at, err := time.Parse(time.RFC3339, step.at)
		if err != nil {
			t.Fatal(err)
		}

		there.now = at

		result, err := there.run("Silence", "nights")
		if err != nil {
			t.Fatal(err)
		}

		status := get(there, &notificationv2beta2.Silence{}, "nights").Status
		if status.Phase != step.phase || result.RequeueAfter != step.again {
			t.Errorf("at %s: %s, again in %s", step.at, status.Phase, result.RequeueAfter)
		}
	}
}

// Whatever is wrong is told where it is.
func TestBroken(t *testing.T) {
	there := newCluster(t, broken(t)...)

	tests := map[string]struct {
		status notificationv2beta2.CommonStatus
		want   string
		field  string
	}{
		"Config of another version": {
			get(there, &notificationv2beta2.Config{}, "sms").Status.CommonStatus, "False NotSupported",
			"spec.sms",
		},
		"Config of nobody": {
			get(there, &notificationv2beta2.Config{}, "nobodys").Status.CommonStatus, "False NotSelected",
			"metadata.labels",
		},
		"Receiver": {
			get(there, &notificationv2beta2.Receiver{}, "bad").Status.CommonStatus, "False Invalid",
			"spec.slack",
		},
		"Router": {
			get(there, &notificationv2beta2.Router{}, "bad").Status.CommonStatus, "False Invalid",
			"spec.receivers.regexName",
		},
		"Silence": {
			get(there, &notificationv2beta2.Silence{}, "bad").Status.CommonStatus, "False Invalid",
			"spec.duration",
		},
		"InhibitRule": {
			get(there, &notificationv2beta2.InhibitRule{}, "bad").Status.CommonStatus, "False Invalid",
			"spec.sourceMatcher",
		},
		"NotificationPolicy": {
			get(there, &notificationv2beta2.NotificationPolicy{}, "bad").Status.CommonStatus, "False Invalid",
			"spec.allow.egress.deny",
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := condition(test.status.Conditions, kube.ConditionReady)
			text := message(test.status.Conditions, kube.ConditionReady)

			if got != test.want || !strings.HasPrefix(text, test.field) {
				t.Errorf("%s: %s", got, text)
			}
		})
	}

	if nm := get(there, &notificationv2beta2.NotificationManager{}, "nm").Status; condition(
		nm.Conditions, kube.ConditionResolvedRefs) != "False RefNotFound" {
		t.Errorf("got %+v", nm.Conditions)
	}

	if _, err := there.run("Receiver", "bad"); err == nil {
		t.Error("no error")
	}
}

// Nothing knows whose an object is before there is a NotificationManager.
func TestNoManager(t *testing.T) {
	receiver := object[notificationv2beta2.Receiver](t, "a", `spec: {slack: {channels: [a]}}`)
	there := newCluster(t, labelled(receiver, "type", "global"))

	status := get(there, &notificationv2beta2.Receiver{}, "a").Status
	if got := condition(status.Conditions, kube.ConditionReady); got != "False NoManager" {
		t.Errorf("got %s", got)
	}
}
