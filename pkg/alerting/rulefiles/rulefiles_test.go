package rulefiles_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

var update = flag.Bool("update", false, "write the golden files anew") //nolint:gochecknoglobals // A flag.

func dialects() []rulefiles.Dialect {
	return []rulefiles.Dialect{rulefiles.Prometheus, rulefiles.ThanosRuler}
}

// Each file of testdata/rules is an object; what it becomes, or why it is left out, stands beside it.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/rules/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no objects: %v", err)
	}

	for _, path := range paths {
		for _, dialect := range dialects() {
			name := strings.TrimSuffix(filepath.Base(path), ".yaml")
			t.Run(fmt.Sprintf("%s %s", name, dialect), func(t *testing.T) {
				golden(t, fmt.Sprintf("testdata/%s.%s.golden", name, dialect), describe(load(t, path), dialect))
			})
		}
	}
}

func load(t *testing.T, path string) *monitoringv1.PrometheusRule {
	t.Helper()

	content, err := os.ReadFile(path) //nolint:gosec // A file of testdata.
	if err != nil {
		t.Fatal(err)
	}

	rule := &monitoringv1.PrometheusRule{}
	if err := yaml.UnmarshalStrict(content, rule); err != nil {
		t.Fatal(err)
	}

	return rule
}

func describe(rule *monitoringv1.PrometheusRule, dialect rulefiles.Dialect) string {
	file, err := rulefiles.Render(rule, dialect)
	if err != nil {
		return "refused: " + err.Error() + "\n"
	}

	return fmt.Sprintf("file: %s, %d groups, %d rules\n%s", file.FileName, file.Groups, file.Rules, file.Content)
}

func golden(t *testing.T, path, got string) {
	t.Helper()

	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	want, err := os.ReadFile(path) //nolint:gosec // A file of testdata.
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); with -update it is written anew:\n%s", path, diff)
	}
}

// parse reads a file as Prometheus does.
func parse(content []byte) (*rulefmt.RuleGroups, error) {
	language := parser.NewParser(parser.Options{})

	groups, problems := rulefmt.Parse(content, false, model.UTF8Validation, language, promslog.NewNopLogger())

	return groups, errors.Join(problems...)
}

func object(namespace, name string, groups ...monitoringv1.RuleGroup) *monitoringv1.PrometheusRule {
	return &monitoringv1.PrometheusRule{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       monitoringv1.PrometheusRuleSpec{Groups: groups},
	}
}

func alert(name, expression string) monitoringv1.Rule {
	return monitoringv1.Rule{Alert: name, Expr: intstr.FromString(expression)}
}

func TestRefusals(t *testing.T) {
	duration := monitoringv1.Duration("1x")
	record := monitoringv1.Rule{Record: "a:b", Expr: intstr.FromInt(1)}
	minute := monitoringv1.Duration("1m")

	for name, test := range map[string]struct {
		rule  *monitoringv1.PrometheusRule
		field string
	}{
		"name of another folder": {object("..", "a"), "metadata.name"},
		"name with a slash":      {object("demo", "../a"), "metadata.name"},
		"no group name":          {object("demo", "a", monitoringv1.RuleGroup{}), "spec.groups[0].name"},
		"two groups of a name":   {object("demo", "a", monitoringv1.RuleGroup{Name: "g"}, monitoringv1.RuleGroup{Name: "g"}), "spec.groups[1].name"},
		"interval":               {object("demo", "a", monitoringv1.RuleGroup{Name: "g", Interval: &duration}), "spec.groups[0].interval"},
		"query offset":           {object("demo", "a", monitoringv1.RuleGroup{Name: "g", QueryOffset: &duration}), "spec.groups[0].query_offset"},
		"label of the group":     {object("demo", "a", monitoringv1.RuleGroup{Name: "g", Labels: map[string]string{"__name__": "x"}}), "spec.groups[0].labels"},
		"syntax":                 {object("demo", "a", monitoringv1.RuleGroup{Name: "g", Rules: []monitoringv1.Rule{record, alert("A", "up ==")}}), "spec.groups[0].rules[1]"},
		"unknown function":       {object("demo", "a", monitoringv1.RuleGroup{Name: "g", Rules: []monitoringv1.Rule{alert("A", "nosuch(up)")}}), "spec.groups[0].rules[0]"},
		"neither of two":         {object("demo", "a", monitoringv1.RuleGroup{Name: "g", Rules: []monitoringv1.Rule{alert("", "up")}}), "spec.groups[0].rules[0]"},
		"for of a record":        {object("demo", "a", monitoringv1.RuleGroup{Name: "g", Rules: []monitoringv1.Rule{{Record: "a", Expr: intstr.FromInt(1), For: &minute}}}), "spec.groups[0].rules[0]"},
		"for":                    {object("demo", "a", monitoringv1.RuleGroup{Name: "g", Rules: []monitoringv1.Rule{{Alert: "A", Expr: intstr.FromInt(1), For: &duration}}}), "spec.groups[0].rules[0].for"},
		"template":               {object("demo", "a", monitoringv1.RuleGroup{Name: "g", Rules: []monitoringv1.Rule{{Alert: "A", Expr: intstr.FromInt(1), Annotations: map[string]string{"a": "{{ nosuch }}"}}}}), "spec.groups[0].rules[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rulefiles.Render(test.rule, rulefiles.Prometheus)

			var refusal *rulefiles.Refusal
			if !errors.As(err, &refusal) {
				t.Fatalf("got %v, want a refusal", err)
			}

			if refusal.Field != test.field || refusal.Message == "" || refusal.Object.Name != test.rule.Name {
				t.Errorf("got %+v, want the field %s", refusal, test.field)
			}
		})
	}
}

// No two objects share a file, also not where names are too long for one.
func TestNamesAreApart(t *testing.T) {
	var (
		random = rand.New(rand.NewPCG(1, 2)) //nolint:gosec // The same names each time.
		seen   = map[string]rulefiles.Object{}
		parts  = []string{"a", "b", "-", ".", "ab", "0"}
	)

	text := func(length int, parts []string) string {
		name := "a"
		for len(name) < length {
			name += parts[random.IntN(len(parts))]
		}

		return strings.NewReplacer(".-", ".a", "-.", "a.", "..", ".a").Replace(name)[:length-1] + "z"
	}

	for range 20_000 {
		namespaceLength, nameLength := 1+random.IntN(4), 1+random.IntN(6)
		if random.IntN(3) == 0 {
			namespaceLength, nameLength = 60+random.IntN(4), 170+random.IntN(83)
		}

		object := rulefiles.Object{
			Namespace: text(namespaceLength, []string{"a", "-", "b"}), Name: text(nameLength, parts),
		}

		name, err := rulefiles.FileName(object)
		if err != nil {
			continue
		}

		if other, taken := seen[name]; taken && other != object {
			t.Fatalf("%v and %v share %s", object, other, name)
		}

		if seen[name] = object; len(name) > 240 || name == rulefiles.MarkerFile || !strings.HasSuffix(name, ".yaml") {
			t.Fatalf("%v has the file %s", object, name)
		}
	}

	if len(seen) < 1000 {
		t.Errorf("only %d names were looked at", len(seen))
	}
}

func TestSets(t *testing.T) {
	file := func(name, expression string) rulefiles.File {
		file, err := rulefiles.Render(object("demo", name, monitoringv1.RuleGroup{
			Name: "g", Rules: []monitoringv1.Rule{alert("A", expression)},
		}), rulefiles.Prometheus)
		if err != nil {
			t.Fatal(err)
		}

		return file
	}

	a, b, changed := file("a", "up == 0"), file("b", "up == 0"), file("a", "up == 1")
	both := rulefiles.NewSet(a, b)

	versions := []string{
		rulefiles.NewSet().Version(), rulefiles.NewSet(a).Version(), rulefiles.NewSet(b).Version(), both.Version(),
		rulefiles.NewSet(changed, b).Version(),
	}
	if got := slices.Compact(slices.Sorted(slices.Values(versions))); len(got) != len(versions) {
		t.Errorf("different sets have the same version: %v", versions)
	}

	for name, same := range map[string]rulefiles.Set{
		"another order":        rulefiles.NewSet(b, a),
		"from the folder":      rulefiles.NewSet(rulefiles.Read(a.FileName, a.Content), rulefiles.Read(b.FileName, b.Content)),
		"one in another place": rulefiles.NewSet(changed, b).With(a),
	} {
		if same.Version() != both.Version() {
			t.Errorf("%s: the version differs", name)
		}
	}

	common, own := both.Common(rulefiles.NewSet(changed, b))
	if len(common) != 1 || common[0].FileName != b.FileName || len(own) != 1 || own[0].FileName != a.FileName {
		t.Errorf("common %v, own %v", common, own)
	}

	found := rulefiles.NewSet(rulefiles.Read(a.FileName, a.Content).Of(a.Object), b)
	if groups, rules := found.Count(); groups != 2 || rules != 2 {
		t.Errorf("%d groups and %d rules, want 2 and 2", groups, rules)
	}
}

func TestMarker(t *testing.T) {
	set := rulefiles.NewSet()

	for _, dialect := range dialects() {
		marker := set.Marker(dialect)
		golden(t, fmt.Sprintf("testdata/marker.%s.golden", dialect), string(marker.Content))

		if !rulefiles.Ours(marker.Content) || rulefiles.Ours([]byte("groups: []")) {
			t.Error("what is ours is not known")
		}
	}

	groups, err := parse(set.Marker(rulefiles.Prometheus).Content)
	if err != nil || groups.Groups[0].Rules[0].Labels[rulefiles.MarkerLabel] != set.Version() {
		t.Errorf("Prometheus reads %+v, %v", groups, err)
	}
}

func TestReport(t *testing.T) {
	report := rulefiles.Report{
		Wanted: "a", Loaded: "b", Objects: 1, Groups: 2, Rules: 3, Problem: "away",
		Refused: []rulefiles.Refusal{
			{Object: rulefiles.Object{Namespace: "a", Name: "b"}, Reason: rulefiles.ReasonInvalid, Message: "no: such"},
			{Object: rulefiles.Object{Namespace: "a", Name: "c"}, Reason: rulefiles.ReasonRefused, Digest: "0", Kept: true},
		},
	}

	data, err := report.Data()
	if err != nil {
		t.Fatal(err)
	}

	got, err := rulefiles.ParseReport(data)
	if diff := cmp.Diff(report, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	if _, err := rulefiles.ParseReport(map[string]string{"rules": "many"}); err == nil {
		t.Error("a number that is none is read")
	}

	many := rulefiles.Report{Refused: slices.Repeat(report.Refused, 1000)}
	for i := range many.Refused {
		many.Refused[i].Message = strings.Repeat("x", 600)
	}

	data, err = many.Data()
	if size := len(data["refused"]); err != nil || size > 1<<20 || data["omitted"] != "1500" {
		t.Errorf("%d bytes, %s omitted, %v", size, data["omitted"], err)
	}
}

// Whatever is in an object: it is refused with a field, or Prometheus reads of the file exactly what was in it.
func FuzzRender(f *testing.F) {
	f.Add("demo", "rules", "group", "up == 0", "summary", "{{ $labels.job }} is down", "5m")
	f.Add("demo", "rules", "yes", "1", "no", "~", "1h30m")
	f.Add("demo", "a.b", "g: {", "up # comment\n == 0", "x", "- a\n  - b\n\n", "0s")
	f.Add("demo", "a", "\u0085", "\"\\x00\" == 1", "x", "\t|\n > \ufeff\u2028", "")
	f.Add("de_mo", "a", "g", "vector(1)", "__name__", "\xff", "1d")

	f.Fuzz(func(t *testing.T, namespace, name, group, expression, label, value, lasts string) {
		duration := monitoringv1.Duration(lasts)
		rule := monitoringv1.Rule{
			Alert: "A", Expr: intstr.FromString(expression), For: &duration, Labels: map[string]string{label: value},
			Annotations: map[string]string{"text": value},
		}
		source := object(namespace, name, monitoringv1.RuleGroup{Name: group, Rules: []monitoringv1.Rule{rule}})

		file, err := rulefiles.Render(source, rulefiles.Prometheus)
		if err != nil {
			var refusal *rulefiles.Refusal
			if !errors.As(err, &refusal) || refusal.Field == "" || len(refusal.Message) > 2000 {
				t.Fatalf("refused without a field: %v", err)
			}

			return
		}

		read, err := parse(file.Content)
		if err != nil {
			t.Fatalf("Prometheus refuses what was written: %v\n%s", err, file.Content)
		}

		got := read.Groups[0].Rules[0]
		want := []any{group, expression, rule.Labels, rule.Annotations}

		if diff := cmp.Diff(want, []any{read.Groups[0].Name, got.Expr, got.Labels, got.Annotations}); diff != "" {
			t.Fatalf("Prometheus reads something else (-want +got):\n%s\n%s", diff, file.Content)
		}

		again, err := rulefiles.Render(source, rulefiles.Prometheus)
		if err != nil || again.Digest != file.Digest || filepath.Base(file.FileName) != file.FileName {
			t.Fatalf("another time it is another file: %v", err)
		}
	})
}

// BenchmarkRender is about one object of 40 rules, as the agent renders it after a change.
func BenchmarkRender(b *testing.B) {
	group := monitoringv1.RuleGroup{Name: "g"}

	for i := range 40 {
		rule := alert(fmt.Sprintf("Alert%d", i),
			`sum by (job) (rate(http_requests_total{namespace="demo",code=~"5.."}[5m])) > 1`)
		rule.Labels = map[string]string{"severity": "warning", "namespace": "demo"}
		rule.Annotations = map[string]string{"summary": "{{ $labels.job }} answers with errors"}
		group.Rules = append(group.Rules, rule)
	}

	source := object("demo", "rules", group)

	for b.Loop() {
		if _, err := rulefiles.Render(source, rulefiles.Prometheus); err != nil {
			b.Fatal(err)
		}
	}
}
