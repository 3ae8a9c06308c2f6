package engines_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"golang.org/x/sync/errgroup"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

func TestPrometheus(t *testing.T) { scenario(t, rulefiles.Prometheus) }

func TestThanosRuler(t *testing.T) { scenario(t, rulefiles.ThanosRuler) }

// scenario shares one evaluator: each part begins with what the one before left.
func scenario(t *testing.T, dialect rulefiles.Dialect) {
	w := newWorld(t, dialect)

	t.Run("an alert arrives with its labels", w.arrives)
	t.Run("timers go on", w.continues)
	t.Run("a bad object changes nothing for others", w.isolates)
	t.Run("what this evaluator alone refuses is found", w.refuses)
	t.Run("a foreign file that is bad is nobody's fault", w.blamesNobody)
	t.Run("a saboteur loses timers", w.sabotage)
	t.Run("cleanup leaves nothing", w.cleanup)
}

// arrives is from an object to Alertmanager.
func (w *world) arrives(t *testing.T) {
	w.exporter.set("arrives", 7)
	w.apply("arrives", alert("Arrives", `demo_value{case="arrives"} > 5`, "is {{ $value }}"))
	w.shows("Arrives", "is {{ $value }}")

	type received struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	}

	var got received

	eventually(t, "Alertmanager has the alert", func() bool {
		all := get[[]received](t, "http://"+w.alertmanager+"/api/v2/alerts")
		at := slices.IndexFunc(all, func(one received) bool { return one.Labels["alertname"] == "Arrives" })

		if at >= 0 {
			got = all[at]
		}

		return at >= 0
	})

	for name, want := range map[string]string{
		"severity": "warning", "rule_id": "Arrives", "case": "arrives", "namespace": "demo", "replica": "",
	} {
		if got.Labels[name] != want {
			t.Errorf("the label %s is %q, want %q", name, got.Labels[name], want)
		}
	}

	if got.Annotations["summary"] != "is 7" {
		t.Errorf("the summary is %q", got.Annotations["summary"])
	}

	eventually(t, "the report says that all is loaded", func() bool {
		report := w.report()

		return report.Wanted == report.Loaded && report.Objects == 1 && report.Problem == ""
	})
}

// pending is an alert that waits for an hour.
func pending(summary string) monitoringv1.Rule {
	hour := monitoringv1.Duration("1h")
	rule := alert("Pending", `demo_value{case="pending"} > 5`, summary)
	rule.For = &hour

	return rule
}

// groups is how many there are in the end.
const groups = 500

func (w *world) continues(t *testing.T) {
	w.exporter.set("pending", 7)
	w.apply("pending", pending("first"))
	w.shows("Pending", "first")

	began := w.since()

	for _, step := range []struct {
		name string
		do   func()
	}{
		{"the object is applied again", func() { w.apply("pending", pending("first")) }},
		{"an annotation is edited", func() {
			w.apply("pending", pending("second"))
			w.shows("Pending", "second")
		}},
		{"another rule comes before it", func() {
			w.apply("pending", alert("Before", "vector(0) > 1", "none"), pending("third"))
			w.shows("Pending", "third")
		}},
		{fmt.Sprintf("there are %d groups", groups), func() { w.grow(t) }},
		{"the agent is started again", func() {
			w.restart()

			if got := counter(t, w.agent, `ks_rule_agent_reloads_total{result="good"}`); got != "0" {
				t.Errorf("an agent that is started again has reloaded %s times", got)
			}
		}},
	} {
		step.do()

		if got := w.since(); !got.Equal(began) {
			t.Errorf("%s: the alert has been active since %s, and not since %s any more", step.name, got, began)
		}
	}
}

// grow makes many more objects.
func (w *world) grow(t *testing.T) {
	start := time.Now()

	var group errgroup.Group

	group.SetLimit(16)

	for i := range groups - 2 {
		group.Go(func() error {
			return w.put(fmt.Sprintf("more%03d", i), alert(fmt.Sprintf("More%d", i), "vector(0) > 1", "none"))
		})
	}

	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}

	applied := time.Since(start)

	eventually(t, "all groups are loaded", func() bool {
		report := w.report()

		return report.Groups == groups && report.Wanted == report.Loaded
	})
	t.Logf("%d objects applied in %s, all confirmed loaded %s after the first", groups-2, applied, time.Since(start))
}

// isolates has an object that no evaluator takes beside good ones.
func (w *world) isolates(t *testing.T) {
	began := w.since()

	w.apply("bad", alert("Bad", "sum(up) by (", "not PromQL"))
	w.apply("pending", pending("beside a bad one"))
	w.shows("Pending", "beside a bad one")

	if got := w.since(); !got.Equal(began) {
		t.Errorf("the alert has been active since %s, and not since %s any more", got, began)
	}

	eventually(t, "the report names the bad object", func() bool {
		refused := w.report().Refused

		return len(refused) == 1 && refused[0].Name == w.name+"-bad" && refused[0].Field == "spec.groups[0].rules[0]"
	})

	// A version that is bad leaves the one before in force.
	w.apply("arrives", alert("Arrives", "sum(up) by (", "not PromQL"))
	eventually(t, "the report names the object that has become bad", func() bool {
		refused := w.report().Refused

		return len(refused) == 2 && refused[0].Name == w.name+"-arrives" && refused[0].Kept
	})
	w.shows("Arrives", "is {{ $value }}")

	w.apply("bad", alert("Bad", "sum(up) by (job) < 0", "mended"))
	w.apply("arrives", alert("Arrives", `demo_value{case="arrives"} > 5`, "is {{ $value }}"))
	w.shows("Bad", "mended")
	eventually(t, "nothing is refused any more", func() bool { return len(w.report().Refused) == 0 })
}

// refuses has an object that is valid PromQL and that Thanos Ruler, whose parser is older, does not know: among many
// that it does.
func (w *world) refuses(t *testing.T) {
	began := w.since()

	// While the agent is away, so that it meets them together.
	w.stop()

	for i := range 20 {
		w.apply(fmt.Sprintf("beside%d", i), alert(fmt.Sprintf("Beside%d", i), "vector(0) > 1", "none"))
	}

	w.apply("newer", alert("Newer", "first_over_time(demo_value[1m]) < 0", "none"))
	w.start()
	w.shows("Beside19", "none")

	if w.dialect == rulefiles.Prometheus {
		w.shows("Newer", "none")
	} else {
		eventually(t, "the report names the object", func() bool {
			all := w.report().Refused

			return len(all) == 1 && all[0].Name == w.name+"-newer" && all[0].Reason == rulefiles.ReasonRefused
		})
		t.Logf("found after %s refused and %s accepted sets",
			counter(t, w.agent, `ks_rule_agent_reloads_total{result="refused"}`),
			counter(t, w.agent, `ks_rule_agent_reloads_total{result="good"}`))
	}

	if got := w.since(); !got.Equal(began) {
		t.Errorf("the alert has been active since %s, and not since %s any more", got, began)
	}

	if err := w.remove(t, "newer"); err != nil {
		t.Fatal(err)
	}

	eventually(t, "nothing is refused any more", func() bool { return len(w.report().Refused) == 0 })
}

// remove deletes an object.
func (w *world) remove(t *testing.T, name string) error {
	t.Helper()

	object := &monitoringv1.PrometheusRule{}
	object.Namespace, object.Name = namespace, w.name+"-"+name

	return admin.Delete(t.Context(), object)
}

// blamesNobody has a file of somebody else's that makes the evaluator refuse everything.
func (w *world) blamesNobody(t *testing.T) {
	began := w.since()
	foreign := write(t, filepath.Join(w.rules, "foreign.yaml"),
		"groups: [{name: a, rules: [{record: a, expr: 'sum('}]}]\n")

	w.apply("pending", pending("beside a foreign file"))
	eventually(t, "the report tells of it", func() bool {
		report := w.report()

		return strings.Contains(report.Problem, "not the rules") && len(report.Refused) == 0
	})

	if got := w.since(); !got.Equal(began) {
		t.Errorf("the alert has been active since %s, and not since %s any more", got, began)
	}

	if err := os.Remove(foreign); err != nil {
		t.Fatal(err)
	}

	w.shows("Pending", "beside a foreign file")

	if got := w.since(); !got.Equal(began) {
		t.Errorf("the alert has been active since %s in the end, and not since %s any more", got, began)
	}
}

// sabotage writes the rules under another name, as an agent would that makes names of UIDs or sizes. If these tests
// saw no difference, they would prove nothing.
func (w *world) sabotage(t *testing.T) {
	began := w.since()
	w.stop()

	path := filepath.Join(w.rules, namespace+"_"+w.name+"-pending.yaml")
	if err := os.Rename(path, strings.TrimSuffix(path, ".yaml")+"-1.yaml"); err != nil {
		t.Fatal(err)
	}

	response, err := ask(t, http.MethodPost, "http://"+w.evaluator+"/-/reload")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("reload: %v, %v", response, err)
	}

	_ = response.Body.Close()

	if got := w.since(); got.Equal(began) {
		t.Error("the timer goes on although the file has another name: these tests see nothing")
	}

	w.start()
}

// cleanup removes what the agent has left.
func (w *world) cleanup(t *testing.T) {
	w.stop()

	foreign := write(t, filepath.Join(w.rules, "foreign.yaml"), "groups: []\n")

	var output bytes.Buffer

	command := exec.CommandContext(t.Context(), agent, "run", "--cleanup", "--name="+w.name, "--kubeconfig="+kubeconfig,
		"--report-namespace="+namespace, "--evaluator="+string(w.dialect), "--evaluator-url=http://"+w.evaluator,
		"--rule-dir="+w.rules)
	command.Stdout, command.Stderr = &output, &output

	if err := command.Run(); err != nil {
		t.Fatalf("%v: %s", err, output.String())
	}

	left, err := filepath.Glob(w.rules + "/*")
	if err != nil || len(left) != 1 || left[0] != foreign {
		t.Errorf("left in the folder: %v, %v", left, err)
	}

	if report := w.report(); report.Wanted != "" {
		t.Errorf("the report is still there: %+v", report)
	}

	if _, has := w.ruleOf("Pending"); has {
		t.Error("the evaluator still has rules")
	}
}

// BenchmarkApplyToLoaded is the time from an apply until the evaluator shows the rule, of twenty.
func BenchmarkApplyToLoaded(b *testing.B) {
	for _, dialect := range []rulefiles.Dialect{rulefiles.Prometheus, rulefiles.ThanosRuler} {
		b.Run(string(dialect), func(b *testing.B) {
			w := newWorld(b, dialect)

			for b.Loop() {
				b.ReportMetric(w.latency(20), "p95-ms")
			}
		})
	}
}

// latency returns the 95th percentile of some applies, in milliseconds.
func (w *world) latency(applies int) float64 {
	var took []time.Duration

	for i := range applies {
		summary := fmt.Sprintf("version %d %d", i, time.Now().UnixNano())
		start := time.Now()

		w.apply("latency", alert("Latency", "vector(0) > 1", summary))
		w.shows("Latency", summary)

		took = append(took, time.Since(start))
	}

	slices.Sort(took)

	return float64(took[len(took)*95/100-1].Milliseconds())
}
