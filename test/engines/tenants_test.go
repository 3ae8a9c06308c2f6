package engines_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// The tenants: both have the metric, and one of them a value that is nobody else's business.
const (
	shop, bank = "shop", "bank"
	secret     = 4242
)

// TestTenants is the whole way: from the RuleGroups of two tenants through the manager and the agent to Thanos Ruler
// and Alertmanager, and back into the status.
func TestTenants(t *testing.T) {
	w := newWorld(t, rulefiles.ThanosRuler)
	w.exporter.setIn(shop, "open", 1)
	w.exporter.setIn(bank, "secret", secret)

	prepare(t)

	stop := startManager(t, w)

	put(t, shop, "web", curious())
	put(t, bank, "vault", []alertingv2beta1.Rule{{Alert: "Vault", Expr: "demo_value > 0"}})

	t.Run("each sees its own", func(t *testing.T) { seesItsOwn(t, w) })
	t.Run("the status tells the states", tellsStates)
	t.Run("a restart of the manager loses no timer", func(t *testing.T) {
		began := w.since()

		stop()
		startManager(t, w)

		rules := curious()
		for i := range rules {
			if rules[i].Alert == "Pending" {
				rules[i].Annotations = map[string]string{"summary": "edited"}
			}
		}

		put(t, shop, "web", rules)
		w.shows("Pending", "edited")

		if now := w.since(); !now.Equal(began) {
			t.Errorf("the alert is pending since %s, was since %s", now, began)
		}
	})
}

// curious are rules that ask for everything, in each form that a query has, and one that is none.
func curious() []alertingv2beta1.Rule {
	return []alertingv2beta1.Rule{
		{Alert: "Own", Expr: "demo_value > 0", Severity: "warning", Annotations: map[string]string{
			"values": `{{ range query "demo_value" }}{{ .Value }} {{ end }}`,
		}},
		{Alert: "Named", Expr: `demo_value{namespace="bank"} > 0`},
		{Alert: "Regexp", Expr: `demo_value{namespace=~".+"} > 1`},
		{Alert: "Parameter", Expr: `topk(scalar(demo_value{case="secret"}), demo_value) > 0`},
		{Alert: "Subquery", Expr: `max_over_time(demo_value{case="secret"}[1m:1s]) > 0`},
		{Alert: "Joined", Expr: `demo_value * on() group_right() demo_value{case="secret"} > 0`},
		{Alert: "Absent", Expr: `vector(1) unless on() demo_value{case="open"}`},
		{Alert: "Pending", Expr: "demo_value > 0", For: "1h", Annotations: map[string]string{"summary": "first"}},
		{Alert: "Broken", Expr: "sum("},
	}
}

// prepare makes what an installation brings, and the namespaces of the tenants.
func prepare(t *testing.T) {
	t.Helper()

	for _, arguments := range [][]string{
		{"apply", "--server-side", "-k", root + "/config/run"},
		{"wait", "--for=condition=Established", "crd", "--all", "--timeout=20s"},
	} {
		if _, err := shared.Kubectl(t.Context(), arguments...); err != nil {
			t.Fatal(err)
		}
	}

	for _, name := range []string{shop, bank} {
		object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := client.IgnoreAlreadyExists(admin.Create(t.Context(), object)); err != nil {
			t.Fatal(err)
		}
	}
}

// startManager runs the controllers of the domain as their own account, for an evaluator and its agent.
func startManager(t *testing.T, w *world) (stop func()) {
	t.Helper()

	account, err := shared.ServiceAccountConfig(t.Context(), "kubesphere-system", "ks-controller-manager")
	if err != nil {
		t.Fatal(err)
	}

	gates, err := features.New()
	if err != nil {
		t.Fatal(err)
	}

	if err := features.Set(gates, "RuleGroup=true"); err != nil {
		t.Fatal(err)
	}

	catalog := controllers.Catalog()

	selection, err := manager.Select(catalog, []string{"alerting"}, nil)
	if err != nil {
		t.Fatal(err)
	}

	setFlags(t, catalog, "--alerting-thanos-rule-resource-labels="+label+"="+w.name,
		"--alerting-thanos-ruler-endpoint=http://"+w.evaluator)

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)

	go func() {
		done <- manager.Run(ctx, manager.Config{
			Name: "ks-controller-manager", Version: "test", REST: account,
			Catalog: catalog, Selection: selection, Gates: gates,
			LeaderElection: manager.LeaderElection{
				Enabled: true, Namespace: "kubesphere-system", LeaseDuration: 15 * time.Second,
				RenewDeadline: 10 * time.Second, RetryPeriod: 200 * time.Millisecond,
			},
		})
	}()

	stop = sync.OnceFunc(func() {
		cancel()

		if err := <-done; err != nil {
			t.Errorf("the manager ended with an error: %v", err)
		}
	})
	t.Cleanup(stop)

	return stop
}

func setFlags(t *testing.T, catalog manager.Catalog, arguments ...string) {
	t.Helper()

	flags := pflag.NewFlagSet("manager", pflag.ContinueOnError)

	for _, descriptor := range catalog {
		if descriptor.Flags != nil {
			descriptor.Flags(flags)
		}
	}

	if err := flags.Parse(arguments); err != nil {
		t.Fatal(err)
	}
}

// put makes a group, or changes it.
func put(t *testing.T, namespace, name string, rules []alertingv2beta1.Rule) {
	t.Helper()

	group := &alertingv2beta1.RuleGroup{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, Labels: map[string]string{alertingv2beta1.EnableLabel: "true"},
	}}
	group.SetGroupVersionKind(alertingv2beta1.SchemeGroupVersion.WithKind("RuleGroup"))

	for _, rule := range rules {
		group.Spec.Rules = append(group.Spec.Rules, alertingv2beta1.NamespaceRule{Rule: rule})
	}

	//nolint:staticcheck // As kubectl would, whole.
	err := admin.Patch(t.Context(), group, client.Apply, client.FieldOwner("test"), client.ForceOwnership)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = admin.Delete(context.WithoutCancel(t.Context()), group) })
}

// received is an alert as Alertmanager has it.
type received struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// seesItsOwn waits for the alerts of both, and looks for what is the bank's in what is the shop's.
func seesItsOwn(t *testing.T, w *world) {
	var all []received

	eventually(t, "both have their alerts", func() bool {
		all = get[[]received](t, "http://"+w.alertmanager+"/api/v2/alerts")
		names := map[string]bool{}

		for _, one := range all {
			names[one.Labels["alertname"]] = true
		}

		return names["Own"] && names["Named"] && names["Vault"]
	})

	// What leaks would have arrived with the others: all are of one group, which is evaluated in order.
	for _, one := range all {
		check(t, one)
	}
}

// check looks at an alert: who fires, with whose series, and what its template has read.
func check(t *testing.T, one received) {
	t.Helper()

	name := one.Labels["alertname"]
	origin := one.Labels["namespace"] + "/" + one.Labels["case"]
	wanted := map[string]string{"Own": shop + "/open", "Named": shop + "/open", "Vault": bank + "/secret"}[name]

	if origin != wanted {
		t.Errorf("%s fires with %v", name, one.Labels)
	}

	if one.Labels["rule_level"] != alertingv2beta1.LevelNamespace || one.Labels["rule_id"] == "" {
		t.Errorf("%s has the labels %v", name, one.Labels)
	}

	if values := strings.TrimSpace(one.Annotations["values"]); name == "Own" && values != "1" {
		t.Errorf("the template of the shop reads %q", values)
	}
}

// tellsStates waits until the status has what the evaluator knows.
func tellsStates(t *testing.T) {
	var status alertingv2beta1.RuleGroupStatus

	eventually(t, "the status has the states", func() bool {
		group := &alertingv2beta1.RuleGroup{}
		if err := admin.Get(t.Context(), client.ObjectKey{Namespace: shop, Name: "web"}, group); err != nil {
			t.Fatal(err)
		}

		status = group.Status

		return status.RulesStats != nil && status.RulesStats.Firing == 2 && status.RulesStats.Pending == 1
	})

	if len(status.RejectedRules) != 1 || status.RejectedRules[0].Name != "Broken" {
		t.Errorf("left out are %+v", status.RejectedRules)
	}
}
