package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/ks-core/ks-controller-manager/cmd/ks-rule-agent/agent"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

// poison in a file is what the evaluator of these tests refuses, although it is valid.
const poison = "poison"

// evaluator answers as Prometheus does, or as Thanos Ruler: which takes the good files of a bad set.
type evaluator struct {
	folder string
	thanos bool

	mutex sync.Mutex

	files   map[string]string // what is loaded
	history []map[string]string
	reloads int

	down, broken, elsewhere, names bool

	after func(reloads int) // each reload
}

func (e *evaluator) set(change func(*evaluator)) {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	change(e)
}

func (e *evaluator) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	switch {
	case e.down:
		panic(http.ErrAbortHandler) //nolint:forbidigo // This is how a handler ends the connection.
	case request.URL.Path == "/-/reload" && request.Method == http.MethodPost:
		e.reload(writer)
	case request.URL.Path == "/api/v1/rules":
		_ = json.NewEncoder(writer).Encode(e.answer()) //nolint:errchkjson // Whoever asks sees it.
	default:
		http.NotFound(writer, request)
	}
}

func (e *evaluator) reload(writer http.ResponseWriter) {
	e.reloads++

	if e.after != nil {
		defer e.after(e.reloads)
	}

	paths, _ := filepath.Glob(filepath.Join(e.folder, "*.yaml"))
	good, bad := map[string]string{}, []string{}

	for _, path := range paths {
		content, _ := os.ReadFile(path)
		if strings.Contains(string(content), poison) {
			bad = append(bad, path)
		} else {
			good[filepath.Base(path)] = string(content)
		}
	}

	if e.thanos || len(bad) == 0 && !e.broken {
		e.files = good
		e.history = append(e.history, good)
	}

	if len(bad) == 0 && !e.broken && !e.elsewhere {
		return
	}

	text := "one or more errors occurred"
	if e.names {
		text = strings.Join(bad, ": bad, ")
	}

	http.Error(writer, text, http.StatusInternalServerError)
}

// answer is what the file of the marker says.
func (e *evaluator) answer() map[string]any {
	var file struct {
		Groups []map[string]any `json:"groups"`
	}

	_ = yaml.Unmarshal([]byte(e.files[rulefiles.MarkerFile]), &file)

	for _, group := range file.Groups {
		group["file"] = filepath.Join(e.folder, rulefiles.MarkerFile)

		for _, rule := range group["rules"].([]any) {
			rule.(map[string]any)["name"] = rule.(map[string]any)["record"]
		}
	}

	return map[string]any{"status": "success", "data": map[string]any{"groups": file.Groups}}
}

// cluster has the objects, and the report.
type cluster struct {
	rules  map[string]*monitoringv1.PrometheusRule
	edits  int
	report rulefiles.Report
	data   map[string]string
	writes int
}

func (c *cluster) Rules() []*monitoringv1.PrometheusRule { return slices.Collect(maps.Values(c.rules)) }

func (c *cluster) Last(context.Context) (rulefiles.Report, error) {
	return rulefiles.ParseReport(c.data)
}

func (c *cluster) Tell(_ context.Context, report rulefiles.Report) error {
	data, err := report.Data()
	if err == nil && !maps.Equal(data, c.data) {
		c.writes++
	}

	c.report, c.data = report, data

	return err
}

// put makes or changes an object of the namespace demo.
func (c *cluster) put(name, expression, annotation string) {
	c.edits++
	c.rules[name] = &monitoringv1.PrometheusRule{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "demo", Name: name, UID: types.UID(name), ResourceVersion: strconv.Itoa(c.edits),
		},
		Spec: monitoringv1.PrometheusRuleSpec{Groups: []monitoringv1.RuleGroup{{
			Name: "group",
			Rules: []monitoringv1.Rule{{
				Alert: "Down", Expr: intstr.FromString(expression),
				Annotations: map[string]string{"summary": annotation},
			}},
		}}},
	}
}

// world is an agent, its folder, its evaluator and its cluster.
type world struct {
	*cluster

	t         *testing.T
	folder    string
	evaluator *evaluator
	options   agent.Options
	agent     *agent.Agent
}

func newWorld(t *testing.T, dialect rulefiles.Dialect) *world {
	t.Helper()

	w := &world{
		t: t, folder: t.TempDir(), cluster: &cluster{rules: map[string]*monitoringv1.PrometheusRule{}},
	}
	w.evaluator = &evaluator{folder: w.folder, thanos: dialect == rulefiles.ThanosRuler}

	server := httptest.NewServer(w.evaluator)
	t.Cleanup(server.Close)

	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}

	w.options = agent.Options{
		Folder: w.folder, URL: target, Dialect: dialect, Debounce: 10 * time.Millisecond, Resync: 50 * time.Millisecond,
		Reloading: 5 * time.Second, Confirming: 200 * time.Millisecond,
	}
	w.restart()

	return w
}

// restart puts a new agent in the place of the old one: only the folder, the evaluator and the cluster remember.
func (w *world) restart() {
	w.agent = agent.New(w.options, w.cluster, w.cluster, agent.NewMetrics(prometheus.NewRegistry()))
}

// round runs one, which must go well.
func (w *world) round() {
	w.t.Helper()

	if err := w.agent.Round(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// fill makes objects.
func (w *world) fill(prefix string, number int) {
	for i := range number {
		w.put(fmt.Sprintf("%s%03d", prefix, i), "up == 0", "good")
	}
}

// loaded are the names of the files that the evaluator has, without the marker.
func (w *world) loaded() []string {
	w.evaluator.mutex.Lock()
	defer w.evaluator.mutex.Unlock()

	return names(w.evaluator.files)
}

func names(files map[string]string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(name string) bool {
		return name == rulefiles.MarkerFile
	})
}

// reloadsOf counts the reloads of a function.
func (w *world) reloadsOf(do func()) int {
	before := w.evaluator.reloads

	do()

	return w.evaluator.reloads - before
}

// refused are the names of the objects that the report names.
func (w *world) refused() []string {
	var names []string
	for _, refusal := range w.report.Refused {
		names = append(names, refusal.Name)
	}

	slices.Sort(names)

	return names
}

func (w *world) write(name, content string) {
	w.t.Helper()

	if err := os.WriteFile(filepath.Join(w.folder, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(name string) string {
	w.t.Helper()

	content, err := os.ReadFile(filepath.Join(w.folder, name))
	if err != nil {
		w.t.Fatal(err)
	}

	return string(content)
}
