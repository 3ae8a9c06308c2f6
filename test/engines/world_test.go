package engines_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

// label says which test an object is of.
const label = "test"

// world is an evaluator with all that is behind it, and an agent.
type world struct {
	tb           testing.TB
	dialect      rulefiles.Dialect
	name         string // of the agent, and the value of the label
	rules        string // the folder
	exporter     *exporter
	alertmanager string
	evaluator    string
	agent        string // where it answers
	stop         func() // the agent
}

// newWorld starts everything.
func newWorld(tb testing.TB, dialect rulefiles.Dialect) *world {
	tb.Helper()
	need(tb, "prometheus", "alertmanager")

	if dialect == rulefiles.ThanosRuler {
		need(tb, "thanos")
	}

	w := &world{
		tb: tb, dialect: dialect, name: string(dialect), rules: filepath.Join(tb.TempDir(), "rules"),
		exporter: &exporter{values: map[series]float64{}},
	}

	if err := os.Mkdir(w.rules, 0o750); err != nil {
		tb.Fatal(err)
	}

	server := httptest.NewServer(w.exporter)
	tb.Cleanup(server.Close)

	w.alertmanager = alertmanager(tb)
	source := strings.TrimPrefix(server.URL, "http://")

	if dialect == rulefiles.Prometheus {
		w.evaluator = prometheus(tb, source, w.alertmanager, w.rules)
	} else {
		w.evaluator = thanosRuler(tb, prometheus(tb, source, w.alertmanager, ""), w.alertmanager, w.rules)
	}

	tb.Cleanup(func() {
		err := admin.DeleteAllOf(context.WithoutCancel(tb.Context()), &monitoringv1.PrometheusRule{},
			client.InNamespace(namespace), client.MatchingLabels{label: w.name})
		if err != nil {
			tb.Error(err)
		}
	})
	w.start()

	return w
}

// start starts an agent, which finds what the one before left.
func (w *world) start() {
	w.tb.Helper()

	w.agent = address(w.tb)
	w.stop = start(w.tb, "agent", agent, "run", "--name="+w.name, "--kubeconfig="+kubeconfig,
		"--report-namespace="+namespace, "--selector="+label+"="+w.name, "--evaluator="+string(w.dialect),
		"--evaluator-url=http://"+w.evaluator, "--rule-dir="+w.rules, "--health-probe-bind-address="+w.agent)
	ready(w.tb, "http://"+w.agent+"/readyz")
}

// restart ends the agent and starts another.
func (w *world) restart() {
	w.tb.Helper()
	w.stop()
	w.start()
}

// apply makes an object with one group, or changes it.
func (w *world) apply(name string, rules ...monitoringv1.Rule) {
	w.tb.Helper()

	if err := w.put(name, rules...); err != nil {
		w.tb.Fatal(err)
	}
}

// put is apply for other goroutines than that of the test.
func (w *world) put(name string, rules ...monitoringv1.Rule) error {
	object := &monitoringv1.PrometheusRule{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: w.name + "-" + name, Labels: map[string]string{label: w.name},
		},
		Spec: monitoringv1.PrometheusRuleSpec{Groups: []monitoringv1.RuleGroup{{Name: name, Rules: rules}}},
	}
	object.SetGroupVersionKind(monitoringv1.SchemeGroupVersion.WithKind(monitoringv1.PrometheusRuleKind))

	//nolint:staticcheck // There are no apply configurations of this kind.
	return admin.Patch(w.tb.Context(), object, client.Apply, client.FieldOwner("test"), client.ForceOwnership)
}

func alert(name, expression, summary string) monitoringv1.Rule {
	return monitoringv1.Rule{
		Alert: name, Expr: intstr.FromString(expression), Annotations: map[string]string{"summary": summary},
		Labels: map[string]string{"severity": "warning", "rule_id": name},
	}
}

// report is what the agent says of itself.
func (w *world) report() rulefiles.Report {
	w.tb.Helper()

	config := &corev1.ConfigMap{}

	key := client.ObjectKey{Namespace: namespace, Name: "ks-rule-agent-" + w.name}
	if err := client.IgnoreNotFound(admin.Get(w.tb.Context(), key, config)); err != nil {
		w.tb.Fatal(err)
	}

	report, err := rulefiles.ParseReport(config.Data)
	if err != nil {
		w.tb.Fatal(err)
	}

	return report
}

// active is an alert of a rule.
type active struct {
	State       string            `json:"state"`
	ActiveAt    time.Time         `json:"activeAt"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// rule is what an evaluator says of one.
type rule struct {
	Name           string            `json:"name"`
	Annotations    map[string]string `json:"annotations"`
	LastEvaluation time.Time         `json:"lastEvaluation"`
	Alerts         []active          `json:"alerts"`
}

// ruleOf returns the rule of an alert as the evaluator has it, and whether it has it.
func (w *world) ruleOf(alert string) (rule, bool) {
	w.tb.Helper()

	type answer struct {
		Data struct {
			Groups []struct {
				Rules []rule `json:"rules"`
			} `json:"groups"`
		} `json:"data"`
	}

	query := url.Values{"type": {"alert"}, "rule_name[]": {alert}}

	for _, group := range get[answer](w.tb, "http://"+w.evaluator+"/api/v1/rules?"+query.Encode()).Data.Groups {
		if at := slices.IndexFunc(group.Rules, func(r rule) bool { return r.Name == alert }); at >= 0 {
			return group.Rules[at], true
		}
	}

	return rule{}, false
}

// shows waits until the evaluator has an alert with a summary.
func (w *world) shows(alert, summary string) {
	w.tb.Helper()

	eventually(w.tb, fmt.Sprintf("%s has the summary %q", alert, summary), func() bool {
		found, has := w.ruleOf(alert)

		return has && found.Annotations["summary"] == summary
	})
}

// since returns when the pending alert became active, as an evaluation says that began after now.
func (w *world) since() time.Time {
	w.tb.Helper()

	const alert = "Pending"

	var (
		now = time.Now()
		at  time.Time
	)

	eventually(w.tb, alert+" is active", func() bool {
		found, has := w.ruleOf(alert)
		if !has || !found.LastEvaluation.After(now) || len(found.Alerts) != 1 {
			return false
		}

		at = found.Alerts[0].ActiveAt

		return true
	})

	return at
}
