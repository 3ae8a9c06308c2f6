package migration_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/migration"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

var update = flag.Bool("update", false, "write the golden files anew") //nolint:gochecknoglobals // A flag.

func target() rendering.Target {
	return rendering.Target{
		Namespace:   "kubesphere-monitoring-system",
		Prometheus:  map[string]string{"prometheus": "k8s", "role": "alert-rules"},
		ThanosRuler: map[string]string{"thanos-ruler": "kubesphere", "role": "alert-rules"},
	}
}

// What is made of a PrometheusRule is what is in the golden file beside it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no PrometheusRules: %v", err)
	}

	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".in.yaml"), func(t *testing.T) {
			content, err := os.ReadFile(file) //nolint:gosec // A file of the test.
			if err != nil {
				t.Fatal(err)
			}

			source := &monitoringv1.PrometheusRule{}
			if err := yaml.UnmarshalStrict(content, source); err != nil {
				t.Fatal(err)
			}

			compare(t, strings.Replace(file, ".in.", ".out.", 1), shown(t, migration.Custom(source, target())))
		})
	}
}

func shown(t *testing.T, result migration.Result) []byte {
	t.Helper()

	findings := make([]string, 0, len(result.Findings))
	for _, finding := range result.Findings {
		findings = append(findings, finding.String())
	}

	content, err := yaml.Marshal(map[string]any{
		"ruleGroups": result.RuleGroups, "clusterRuleGroups": result.ClusterRuleGroups, "findings": findings,
	})
	if err != nil {
		t.Fatal(err)
	}

	return content
}

func compare(t *testing.T, file string, got []byte) {
	t.Helper()

	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	want, err := os.ReadFile(file) //nolint:gosec // A file of the test.
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: -update writes it anew: %s", file, diff)
	}
}

// drawn is a PrometheusRule as nobody would write it.
func drawn(random *rand.Rand) *monitoringv1.PrometheusRule {
	source := &monitoringv1.PrometheusRule{}
	source.Name, source.UID = "custom-alerting-rule-x"+strings.Repeat("y", random.IntN(230)), "one"
	source.Namespace = "shop"
	source.Labels = map[string]string{migration.LevelLabel: "namespace"}

	if random.IntN(2) == 0 {
		source.Namespace, source.Labels[migration.LevelLabel] = target().Namespace, "cluster"
	}

	for i := range random.IntN(6) {
		numbered := fmt.Sprintf("alerting.custom.defaults.%d", i)
		group := monitoringv1.RuleGroup{Name: pick(random, numbered, "Mine", "a/b", "é", "")}

		for j := range random.IntN(100) {
			group.Rules = append(group.Rules, drawnRule(random, source.Namespace, fmt.Sprintf("%d-%d", i, j)))
		}

		source.Spec.Groups = append(source.Spec.Groups, group)
	}

	return source
}

func drawnRule(random *rand.Rand, namespace, id string) monitoringv1.Rule {
	wait := monitoringv1.Duration(pick(random, "", "5m", "1h30m", "soon", "0"))
	rule := monitoringv1.Rule{
		Alert: "a" + id, Expr: intstr.FromString("up == " + id), For: &wait,
		Labels:      map[string]string{"rule_id": id, "severity": pick(random, "error", "{{ $value }}")},
		Annotations: map[string]string{"summary": id},
	}

	switch random.IntN(10) {
	case 0:
		return monitoringv1.Rule{Record: "job:up:" + pick(random, "sum", "-"), Expr: intstr.FromInt32(1)}
	case 1:
		rule.Record = "both"
	case 2:
		rule.Labels["namespace"] = pick(random, namespace, "other")
	}

	return rule
}

func pick(random *rand.Rand, of ...string) string { return of[random.IntN(len(of))] }

// flat is a group without its kind.
type flat struct {
	name     string
	rules    []alertingv2beta1.Rule
	rendered rendering.Group
}

func flatten(result migration.Result) []flat {
	var all []flat

	for _, group := range result.RuleGroups {
		one := flat{name: group.Name, rendered: rendering.OfNamespace(group)}
		for _, rule := range group.Spec.Rules {
			one.rules = append(one.rules, rule.Rule)
		}

		all = append(all, one)
	}

	for _, group := range result.ClusterRuleGroups {
		one := flat{name: group.Name, rendered: rendering.OfCluster(group)}
		for _, rule := range group.Spec.Rules {
			one.rules = append(one.rules, rule.Rule)
		}

		all = append(all, one)
	}

	return all
}

// Every rule is in one group, or is found to be in none; groups are such as the API server takes.
func TestNothingIsLost(t *testing.T) {
	for seed := range uint64(300) {
		source := drawn(rand.New(rand.NewPCG(seed, 0))) //nolint:gosec // Cases to be drawn again.
		before := source.DeepCopy()
		result := migration.Custom(source, target())

		if diff := cmp.Diff(before, source); diff != "" {
			t.Fatalf("seed %d: the source was changed: %s", seed, diff)
		}

		if diff := cmp.Diff(result, migration.Custom(source, target())); diff != "" {
			t.Fatalf("seed %d: another time it is another result: %s", seed, diff)
		}

		out := shapely(t, seed, result)
		in, dropped := printed(source), dropped(t, seed, result)

		if len(in) != len(out)+dropped || !within(out, in) {
			t.Errorf("seed %d: %d rules in, %d out, %d dropped:\n%s",
				seed, len(in), len(out), dropped, cmp.Diff(in, out))
		}
	}
}

// shapely checks the groups, and returns their rules as texts.
func shapely(t *testing.T, seed uint64, result migration.Result) []string {
	t.Helper()

	var out []string

	names := map[string]bool{}

	for _, group := range flatten(result) {
		if names[group.name] || len(validation.IsDNS1123Subdomain(group.name)) > 0 {
			t.Errorf("seed %d: name %q is taken or no name", seed, group.name)
		}

		if len(group.rules) == 0 || len(group.rules) > 40 {
			t.Errorf("seed %d: group %s has %d rules", seed, group.name, len(group.rules))
		}

		names[group.name] = true

		for _, rule := range group.rules {
			out = append(out, describe(rule))
		}
	}

	return out
}

// dropped counts the rules that are in no group, each of which has to keep its object.
func dropped(t *testing.T, seed uint64, result migration.Result) int {
	t.Helper()

	count := 0

	for _, finding := range result.Findings {
		if finding.Dropped {
			count++
		}

		if finding.Dropped && !finding.Blocks {
			t.Errorf("seed %d: a rule is dropped, and that does not keep its object: %s", seed, finding)
		}
	}

	return count
}

// within tells whether all texts of the first are in the second, in the same order.
func within(few, many []string) bool {
	for _, text := range many {
		if len(few) > 0 && few[0] == text {
			few = few[1:]
		}
	}

	return len(few) == 0
}

// describe writes all of a rule, its severity as the label that it is.
func describe(rule alertingv2beta1.Rule) string {
	labels := map[string]string{}
	maps.Copy(labels, rule.Labels)

	if rule.Severity != "" {
		labels["severity"] = rule.Severity
	}

	return fmt.Sprint(rule.Alert, rule.Record, rule.Expr, rule.For, rule.KeepFiringFor, labels, len(rule.Annotations),
		rule.Annotations["summary"])
}

func printed(source *monitoringv1.PrometheusRule) []string {
	var all []string

	for _, group := range source.Spec.Groups {
		for _, rule := range group.Rules {
			wait := ""
			if rule.For != nil {
				wait = string(*rule.For)
			}

			all = append(all, describe(alertingv2beta1.Rule{
				Alert: rule.Alert, Record: rule.Record, Expr: alertingv2beta1.Expression(rule.Expr.String()),
				For: wait, Labels: rule.Labels, Annotations: rule.Annotations,
			}))
		}
	}

	return all
}

// What evaluators will read has the identity that the rule had.
func TestIdentityIsKept(t *testing.T) {
	for seed := range uint64(50) {
		source := drawn(rand.New(rand.NewPCG(seed, 1))) //nolint:gosec // Cases to be drawn again.
		bounds, _ := policy.Resolve(nil, policy.Subject{Namespace: "shop"})

		for _, group := range flatten(migration.Custom(source, target())) {
			result, err := rendering.Render(group.rendered, rendering.Surroundings{
				Bounds: bounds, Allowance: bounds.RulesPerGroup,
			})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}

			for i, rule := range group.rules {
				if rule.Alert != "" && result.IDs[i] != rule.Labels["rule_id"] {
					t.Errorf("seed %d: rule_id %q became %q", seed, rule.Labels["rule_id"], result.IDs[i])
				}
			}
		}
	}
}

// The name of a group depends on no other group.
func TestNamesStay(t *testing.T) {
	source := &monitoringv1.PrometheusRule{}
	source.Name, source.Namespace = "rules", "shop"
	source.Labels = map[string]string{migration.LevelLabel: "namespace"}

	for _, name := range []string{"alerting.custom.defaults.3", "b", "B", "alerting.custom.defaults.03"} {
		source.Spec.Groups = append(source.Spec.Groups, monitoringv1.RuleGroup{
			Name: name, Rules: []monitoringv1.Rule{{Alert: name, Expr: intstr.FromString("up")}},
		})
	}

	before := named(source)
	slices.Reverse(source.Spec.Groups)

	if diff := cmp.Diff(before, named(source)); diff != "" {
		t.Errorf("another order makes other names: %s", diff)
	}

	if len(before) != 4 || before["alerting.custom.defaults.3"] != "rules-3" {
		t.Errorf("got %v", before)
	}
}

func named(source *monitoringv1.PrometheusRule) map[string]string {
	names := map[string]string{}
	for _, group := range flatten(migration.Custom(source, target())) {
		names[group.rules[0].Alert] = group.name
	}

	return names
}

func TestPacked(t *testing.T) {
	const ours = "kubesphere-monitoring-system"

	for name, test := range map[string]struct {
		namespace, name, level, owner string
		want                          *migration.Packed
	}{
		"of a namespace":         {ours, "alertrules-ns-shop-0", "namespace", "shop", &migration.Packed{Level: "namespace", Namespace: "shop"}},
		"of a namespace with -1": {ours, "alertrules-ns-shop-1-0", "namespace", "shop-1", &migration.Packed{Level: "namespace", Namespace: "shop-1"}},
		"of the cluster":         {ours, "alertrules-cl-12", "cluster", "", &migration.Packed{Level: "cluster"}},
		"of all clusters":        {ours, "alertrules-gl-0", "global", "", &migration.Packed{Level: "global"}},
		"of another namespace":   {ours, "alertrules-ns-shop-1-0", "namespace", "shop", nil},
		"of nobody":              {ours, "alertrules-ns--0", "namespace", "", nil},
		"made by us":             {ours, "alertrules-ns-shop.web", "namespace", "shop", nil},
		"made by us, a number":   {ours, "alertrules-cl.0", "cluster", "", nil},
		"of a tenant":            {"shop", "alertrules-cl-0", "cluster", "", nil},
		"of no level":            {ours, "alertrules-cl-0", "", "", nil},
		"of another level":       {ours, "alertrules-cl-0", "global", "", nil},
		"no number":              {ours, "alertrules-cl-00", "cluster", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			rule := &monitoringv1.PrometheusRule{}
			rule.Namespace, rule.Name = test.namespace, test.name
			rule.Labels = map[string]string{
				alertingv2beta1.RuleLevelLabel: test.level, alertingv2beta1.OwnerNamespaceLabel: test.owner,
			}

			got, isPacked := migration.ReadPacked(rule, ours)
			if isPacked != (test.want != nil) || (isPacked && cmp.Diff(*test.want, got) != "") {
				t.Errorf("got %v, %v", got, isPacked)
			}
		})
	}
}

func TestLongest(t *testing.T) {
	long, bad := monitoringv1.Duration("1h30m"), monitoringv1.Duration("ever")
	groups := []monitoringv1.RuleGroup{
		{Rules: []monitoringv1.Rule{{Alert: "a"}, {Alert: "b", For: &bad}}},
		{Rules: []monitoringv1.Rule{{Alert: "c", For: &long}}},
	}

	if got := migration.Longest(groups); got != 90*time.Minute {
		t.Errorf("got %v", got)
	}
}

func TestParseFrom(t *testing.T) {
	source := &monitoringv1.PrometheusRule{}
	source.Namespace, source.Name, source.UID = "shop", "rules", "1"

	namespace, name, ok := migration.ParseFrom(migration.From(source))
	if namespace != "shop" || name != "rules" || !ok {
		t.Errorf("got %s/%s, %v", namespace, name, ok)
	}

	for _, bad := range []string{"", "shop", "shop/rules", "//", "/a/b", "a/b/c/d"} {
		if _, _, ok := migration.ParseFrom(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}
