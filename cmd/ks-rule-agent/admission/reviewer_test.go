package admission_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	webhook "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	alertingv1alpha1 "github.com/ks-core/ks-controller-manager/api/alerting/v1alpha1"
	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/cmd/ks-rule-agent/admission"
)

// reviewer is one in a cluster with these objects. Whatever is listed fails with the error, if there is one.
func reviewer(t *testing.T, failure error, objects ...client.Object) *admission.Reviewer {
	t.Helper()

	scheme := runtime.NewScheme()

	err := errors.Join(
		corev1.AddToScheme(scheme), alertingv1alpha1.AddToScheme(scheme), alertingv2beta1.AddToScheme(scheme))
	if err != nil {
		t.Fatal(err)
	}

	functions := interceptor.Funcs{}
	if failure != nil {
		functions.List = func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return failure
		}
	}

	return admission.NewReviewer(
		fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(functions).Build(), "")
}

func group(name string, rules ...alertingv2beta1.Rule) *alertingv2beta1.RuleGroup {
	made := &alertingv2beta1.RuleGroup{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: name, Labels: enabled(),
	}}
	for _, rule := range rules {
		made.Spec.Rules = append(made.Spec.Rules, alertingv2beta1.NamespaceRule{Rule: rule})
	}

	return made
}

func enabled() map[string]string { return map[string]string{alertingv2beta1.EnableLabel: "true"} }

func good() alertingv2beta1.Rule { return alertingv2beta1.Rule{Alert: "Down", Expr: "up == 0"} }
func bad() alertingv2beta1.Rule  { return alertingv2beta1.Rule{Alert: "Broken", Expr: "sum("} }

// ask is the request for an object that takes the place of another, if there is one.
func ask(t *testing.T, kind string, object, old any) webhook.Request {
	t.Helper()

	request := webhook.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		Kind:      metav1.GroupVersionKind{Group: "alerting.kubesphere.io", Version: "v2beta1", Kind: kind},
		Operation: admissionv1.Create, Object: encode(t, object),
	}}

	if old != nil {
		request.Operation, request.OldObject = admissionv1.Update, encode(t, old)
	}

	return request
}

func encode(t *testing.T, object any) runtime.RawExtension {
	t.Helper()

	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}

	return runtime.RawExtension{Raw: raw}
}

func policy(groups, rules int32) *alertingv1alpha1.AlertingPolicy {
	made := &alertingv1alpha1.AlertingPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	made.Spec.Limits = alertingv1alpha1.PolicyLimits{GroupsPerNamespace: &groups, RulesPerNamespace: &rules}

	return made
}

func TestAnswers(t *testing.T) {
	disabled := group("web", bad())
	disabled.Labels = nil

	old := group("old", good())
	old.CreationTimestamp = metav1.Unix(1, 0)

	now := metav1.Now()
	going := group("web", bad())
	going.DeletionTimestamp = &now

	unlucky := &meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "AlertingPolicy"}}

	for name, test := range map[string]struct {
		request  webhook.Request
		objects  []client.Object
		failure  error
		denied   string // a part of the reason; empty: let in
		warnings string // a part of the warnings
	}{
		"a good group": {request: ask(t, "RuleGroup", group("web", good()), nil)},
		"a bad rule": {
			request: ask(t, "RuleGroup", group("web", good(), bad()), nil),
			denied:  "spec.rules[1].expr (Broken): ",
		},
		"a bad rule of the cluster": {
			request: ask(t, "ClusterRuleGroup", &alertingv2beta1.ClusterRuleGroup{
				ObjectMeta: metav1.ObjectMeta{Name: "c", Labels: enabled()},
				Spec: alertingv2beta1.ClusterRuleGroupSpec{
					Rules: []alertingv2beta1.ClusterRule{{Rule: bad()}},
				},
			}, nil),
			denied: "spec.rules[0].expr (Broken): ",
		},
		"a bad rule of all clusters": {
			request: ask(t, "GlobalRuleGroup", &alertingv2beta1.GlobalRuleGroup{
				ObjectMeta: metav1.ObjectMeta{Name: "c", Labels: enabled()},
				Spec: alertingv2beta1.GlobalRuleGroupSpec{
					Rules: []alertingv2beta1.GlobalRule{{Rule: bad()}},
				},
			}, nil),
			denied: "spec.rules[0].expr (Broken): ",
		},
		"a mistake that was there": {
			request:  ask(t, "RuleGroup", group("web", bad(), good()), group("web", bad())),
			warnings: "spec.rules[0].expr (Broken): ",
		},
		"not enabled":   {request: ask(t, "RuleGroup", disabled, nil), warnings: "spec.rules[0].expr"},
		"being deleted": {request: ask(t, "RuleGroup", going, group("web", good()))},
		"one group too many": {
			request: ask(t, "RuleGroup", group("new", good()), nil),
			objects: []client.Object{policy(1, 40), old},
			denied:  "AlertingPolicy p allows 1 groups",
		},
		"one group too many that is there": {
			request:  ask(t, "RuleGroup", group("web", good()), group("web")),
			objects:  []client.Object{policy(0, 40)},
			warnings: "AlertingPolicy p allows 0 groups",
		},
		"no rules left": {
			request: ask(t, "RuleGroup", group("new", good()), nil),
			objects: []client.Object{policy(5, 1), old},
			denied:  "spec.rules[0]",
		},
		"no policies known": {
			request: ask(t, "RuleGroup", group("web", bad()), nil), failure: unlucky, denied: "spec.rules[0].expr",
		},
		"the API server fails": {
			request: ask(t, "RuleGroup", group("web", bad()), nil), failure: errors.New("away"),
			warnings: "could not be looked at: read the policies: away; the conditions",
		},
		"what nobody can read": {
			request: ask(t, "RuleGroup", map[string]any{"spec": "x"}, nil), warnings: "could not be looked at",
		},
		"another kind": {request: ask(t, "Pod", map[string]any{}, nil), warnings: `kind "Pod"`},
	} {
		t.Run(name, func(t *testing.T) {
			response := reviewer(t, test.failure, test.objects...).Handle(t.Context(), test.request)

			if response.Allowed != (test.denied == "") {
				t.Fatalf("allowed is %v: %+v", response.Allowed, response.Result)
			}

			if !response.Allowed && (response.Result.Code != http.StatusUnprocessableEntity ||
				!strings.Contains(response.Result.Message, test.denied)) {
				t.Errorf("got %+v", response.Result)
			}

			warnings := strings.Join(response.Warnings, "\n")
			if !strings.Contains(warnings, test.warnings) || (test.warnings == "" && warnings != "") {
				t.Errorf("warnings are %q", warnings)
			}
		})
	}
}

// What kubectl prints is made of these.
func TestRefusalsNameTheObjectAndTheField(t *testing.T) {
	request := ask(t, "RuleGroup", group("web", good(), bad()), nil)
	request.Name = "web"

	details := reviewer(t, nil).Handle(t.Context(), request).Result.Details
	if details == nil || details.Kind != "RuleGroup" || details.Name != "web" || len(details.Causes) != 1 {
		t.Fatalf("got %+v", details)
	}

	cause := details.Causes[0]
	if cause.Field != "spec.rules[1].expr" || !strings.HasPrefix(cause.Message, "(Broken): ") {
		t.Errorf("got %+v", cause)
	}
}

// Of more calls than can be looked at side by side, those that wait for too long are sent away unread.
func TestTooManyCallsAreSentAway(t *testing.T) {
	var reading, ended sync.WaitGroup

	release := make(chan struct{})
	bounded := admission.Bounded(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		reading.Done()
		<-release
	}))
	call := func() int {
		answer := httptest.NewRecorder()
		bounded.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody))

		return answer.Code
	}

	reading.Add(4)

	for range 4 {
		ended.Go(func() { call() })
	}

	reading.Wait()

	if got := call(); got != http.StatusServiceUnavailable {
		t.Errorf("got %d", got)
	}

	close(release)
	ended.Wait()
	reading.Add(1)

	if got := call(); got != http.StatusOK {
		t.Errorf("then got %d", got)
	}
}

// Who only asks is shown what evaluators would get, and that it is not all where it is too much.
func TestDryRunShowsWhatIsEvaluated(t *testing.T) {
	dry := true
	request := ask(t, "RuleGroup", group("web", good()), nil)
	request.DryRun = &dry

	response := reviewer(t, nil).Handle(t.Context(), request)
	if len(response.Warnings) != 1 || response.Warnings[0] != `Down: up{namespace="shop"} == 0` {
		t.Errorf("warnings are %q", response.Warnings)
	}

	var rules []alertingv2beta1.Rule
	for i := range 40 {
		rules = append(rules, alertingv2beta1.Rule{
			Alert: fmt.Sprintf("Down%d", i),
			Expr:  alertingv2beta1.Expression(fmt.Sprintf(`up{job=%q} == %d`, strings.Repeat("ä", 500), i)),
		})
	}

	request = ask(t, "RuleGroup", group("web", rules...), nil)
	request.DryRun = &dry
	response = reviewer(t, nil).Handle(t.Context(), request)

	total := 0
	for _, warning := range response.Warnings {
		total += len([]rune(warning))
	}

	last := response.Warnings[len(response.Warnings)-1]
	if total > 4096 || !strings.HasPrefix(last, "and 25 more") {
		t.Errorf("%d letters, the last %q", total, last)
	}
}

// A reader that panics stands for any bug: the object is let in, and nothing else is harmed.
func TestBugsLetIn(t *testing.T) {
	broken, ctx := admission.NewReviewer(nil, ""), logr.NewContext(t.Context(), logr.Discard())

	for range 2 { // the first leaves nothing behind
		response := broken.Handle(ctx, ask(t, "RuleGroup", group("web", bad()), nil))
		if !response.Allowed || len(response.Warnings) != 1 {
			t.Fatalf("got %+v", response)
		}
	}
}

func FuzzHandle(f *testing.F) {
	f.Add("RuleGroup", []byte(`{"spec":{"rules":[{"alert":"A","expr":"up"}]}}`), []byte(`{}`))
	f.Add("GlobalRuleGroup", []byte(`{"spec":{"interval":"x"}}`), []byte(`null`))
	f.Add("ClusterRuleGroup", []byte(`[]`), []byte(`{"spec":{"rules":[null]}}`))

	f.Fuzz(func(t *testing.T, kind string, object, old []byte) {
		request := webhook.Request{AdmissionRequest: admissionv1.AdmissionRequest{
			Kind: metav1.GroupVersionKind{Kind: kind}, Operation: admissionv1.Update,
			Object: runtime.RawExtension{Raw: object}, OldObject: runtime.RawExtension{Raw: old},
		}}

		response := reviewer(t, nil).Handle(t.Context(), request)
		for _, warning := range response.Warnings {
			if strings.Contains(warning, "this is a bug") {
				t.Error(warning)
			}
		}
	})
}
