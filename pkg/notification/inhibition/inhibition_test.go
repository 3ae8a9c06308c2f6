package inhibition

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
)

type (
	set  = map[string]string
	spec = notificationv2beta2.InhibitRuleSpec
)

func matching(pairs ...string) notificationv2beta2.LabelSelector {
	made := notificationv2beta2.LabelSelector{MatchLabels: set{}}

	for pair := range slices.Chunk(pairs, 2) {
		made.MatchLabels[pair[0]] = pair[1]
	}

	return made
}

func object(name string, spec spec) *notificationv2beta2.InhibitRule {
	return &notificationv2beta2.InhibitRule{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

func compiled(tb testing.TB, name string, spec spec) *Rule {
	tb.Helper()

	made, problems := Compile(object(name, spec))
	if len(problems) > 0 {
		tb.Fatal(problems.ToAggregate())
	}

	return made
}

// firing gives alerts as the engine does.
func firing(alerts ...labels.Labels) iter.Seq2[alert.Fingerprint, labels.Labels] {
	return func(yield func(alert.Fingerprint, labels.Labels) bool) {
		for _, one := range alerts {
			if !yield(alert.FingerprintOf(one), one) {
				return
			}
		}
	}
}

func (s *Set) addAll(alerts ...labels.Labels) {
	for id, one := range firing(alerts...) {
		s.Add(id, one)
	}
}

func TestInhibited(t *testing.T) {
	of := labels.FromStrings

	severities := spec{
		SourceMatcher: matching("severity", "critical"),
		TargetMatcher: matching("severity", "warning"),
		Equal:         []string{"namespace", "alertname"},
	}
	overlapping := spec{SourceMatcher: matching("a", "1"), TargetMatcher: matching("b", "1"), Equal: []string{"ns"}}
	everywhere := spec{SourceMatcher: matching("alertname", "DatabaseDown"), TargetMatcher: matching("app", "shop")}

	for name, test := range map[string]struct {
		spec    spec
		sources []labels.Labels
		target  labels.Labels
		want    bool
	}{
		"equal":                       {severities, []labels.Labels{of("severity", "critical", "namespace", "n", "alertname", "a")}, of("severity", "warning", "namespace", "n", "alertname", "a"), true},
		"not equal":                   {severities, []labels.Labels{of("severity", "critical", "namespace", "n", "alertname", "a")}, of("severity", "warning", "namespace", "n", "alertname", "b"), false},
		"one of several is equal":     {severities, []labels.Labels{of("severity", "critical", "alertname", "a"), of("severity", "critical", "namespace", "n", "alertname", "a")}, of("severity", "warning", "namespace", "n", "alertname", "a"), true},
		"missing on both sides":       {severities, []labels.Labels{of("severity", "critical", "alertname", "a")}, of("severity", "warning", "alertname", "a"), true},
		"all missing on both sides":   {severities, []labels.Labels{of("severity", "critical")}, of("severity", "warning"), true},
		"missing is empty":            {severities, []labels.Labels{of("severity", "critical", "namespace", "")}, of("severity", "warning"), true},
		"missing on one side":         {severities, []labels.Labels{of("severity", "critical", "alertname", "a")}, of("severity", "warning", "namespace", "n", "alertname", "a"), false},
		"values are not run together": {severities, []labels.Labels{of("severity", "critical", "namespace", "ab", "alertname", "c")}, of("severity", "warning", "namespace", "a", "alertname", "bc"), false},
		"no target":                   {severities, []labels.Labels{of("severity", "critical")}, of("severity", "info"), false},
		"no source":                   {severities, []labels.Labels{of("severity", "info")}, of("severity", "warning"), false},
		"nothing fires":               {severities, nil, of("severity", "warning"), false},
		"without equal labels":        {everywhere, []labels.Labels{of("alertname", "DatabaseDown", "namespace", "db")}, of("app", "shop", "namespace", "shop"), true},
		"not itself":                  {overlapping, []labels.Labels{of("a", "1", "b", "1")}, of("a", "1", "b", "1"), false},
		"nor another like it":         {overlapping, []labels.Labels{of("a", "1", "b", "1", "pod", "x")}, of("a", "1", "b", "1"), false},
		"but one that is no target":   {overlapping, []labels.Labels{of("a", "1", "b", "1"), of("a", "1", "b", "2")}, of("a", "1", "b", "1"), true},
		"and a pure target by both":   {overlapping, []labels.Labels{of("a", "1", "b", "1")}, of("b", "1"), true},
	} {
		t.Run(name, func(t *testing.T) {
			var added, given Set

			added.Put(compiled(t, "rule", test.spec), firing())
			added.addAll(test.sources...)
			given.Put(compiled(t, "rule", test.spec), firing(test.sources...))

			for what, rules := range map[string]*Set{"added": &added, "given": &given} {
				by, got := rules.Inhibited(test.target)
				if got != test.want {
					t.Errorf("%s: %v by %+v, want %v", what, got, by, test.want)
				}

				if got && (by.Rule != "rule" || by.Source != alert.FingerprintOf(by.Labels)) {
					t.Errorf("%s: by %+v", what, by)
				}
			}
		})
	}
}

func TestChanges(t *testing.T) {
	var rules Set

	severities := spec{SourceMatcher: matching("severity", "critical"), TargetMatcher: matching("severity", "warning")}
	source := labels.FromStrings("severity", "critical")
	other := labels.FromStrings("severity", "critical", "pod", "x")
	target := labels.FromStrings("severity", "warning")

	check := func(what, want string) {
		t.Helper()

		by, _ := rules.Inhibited(target)
		if by.Rule != want {
			t.Errorf("%s: inhibited by %q, want %q", what, by.Rule, want)
		}
	}

	rules.Put(compiled(t, "b", severities), firing())
	check("nothing fires", "")

	rules.addAll(source, source, other)
	check("two fire", "b")

	if got := rules.Sources("b"); got != 2 {
		t.Errorf("%d sources, want 2", got)
	}

	rules.Remove(alert.FingerprintOf(source), source)
	check("one is left", "b")

	rules.Remove(alert.FingerprintOf(other), other)
	rules.Remove(alert.FingerprintOf(other), other)
	check("none is left", "")

	rules.addAll(other)
	rules.Put(compiled(t, "a", severities), firing(other))
	check("the first by name", "a")

	severities.TargetMatcher = matching("severity", "info")
	rules.Put(compiled(t, "a", severities), firing(other))
	check("the first has changed", "b")

	rules.Delete("b")
	check("the other is gone", "")

	rules.Delete("a")
	rules.Delete("a")

	if rules.Sources("a") != 0 || len(rules.rules) != 0 || rules.bySource.Len() != 0 || rules.byTarget.Len() != 0 {
		t.Errorf("what is left of nothing: %+v", rules)
	}
}

func TestCompile(t *testing.T) {
	off := false
	sound := spec{SourceMatcher: matching("a", "1"), TargetMatcher: matching("b", "1")}

	disabled := sound
	disabled.Enabled = &off

	if made, problems := Compile(object("off", disabled)); made != nil || len(problems) > 0 {
		t.Errorf("switched off: %v, %v", made, problems)
	}

	unnamed := sound
	unnamed.Equal = []string{"a", ""}

	badTarget := sound
	badTarget.TargetMatcher.MatchExpressions = []notificationv2beta2.LabelSelectorRequirement{
		{Key: "a", Operator: "Match", RegexValue: "("},
	}

	for want, one := range map[string]spec{
		"spec.sourceMatcher": {TargetMatcher: sound.TargetMatcher},
		"spec.targetMatcher": {SourceMatcher: sound.SourceMatcher},
		"spec.targetMatcher.matchExpressions[0].regexValue": badTarget,
		"spec.equal[1]": unnamed,
	} {
		made, problems := Compile(object("bad", one))
		if made != nil || len(problems) != 1 || problems[0].Field != want {
			t.Errorf("%v, %v; want one problem of %s", made, problems, want)
		}
	}

	if name := compiled(t, "name", sound).Name(); name != "name" {
		t.Error(name)
	}
}

// naiveSet asks every rule about every alert.
type naiveSet struct {
	rules  map[string]spec
	alerts map[alert.Fingerprint]set
}

func has(selector notificationv2beta2.LabelSelector, labels set) bool {
	for name, value := range selector.MatchLabels {
		if labels[name] != value {
			return false
		}
	}

	return true
}

func (n naiveSet) inhibits(rule string, source, target set) bool {
	one, known := n.rules[rule]
	if !known || !has(one.TargetMatcher, target) || !has(one.SourceMatcher, source) {
		return false
	}

	if has(one.SourceMatcher, target) && has(one.TargetMatcher, source) {
		return false
	}

	for _, name := range one.Equal {
		if source[name] != target[name] {
			return false
		}
	}

	return true
}

func (n naiveSet) inhibited(target set) string {
	first := ""

	for rule := range n.rules {
		for _, source := range n.alerts {
			if n.inhibits(rule, source, target) && (first == "" || rule < first) {
				first = rule
			}
		}
	}

	return first
}

func (n naiveSet) firing(yield func(alert.Fingerprint, labels.Labels) bool) {
	for id, one := range n.alerts {
		if !yield(id, labels.FromMap(one)) {
			return
		}
	}
}

func word(random *rand.Rand) string {
	return "abc"[random.IntN(3):][:1]
}

func randomLabels(random *rand.Rand, least int) set {
	made := set{}
	for range least + random.IntN(3) {
		made[word(random)] = word(random)
	}

	return made
}

func randomSpec(random *rand.Rand) spec {
	made := spec{
		SourceMatcher: notificationv2beta2.LabelSelector{MatchLabels: randomLabels(random, 1)},
		TargetMatcher: notificationv2beta2.LabelSelector{MatchLabels: randomLabels(random, 1)},
	}

	for range random.IntN(3) {
		made.Equal = append(made.Equal, word(random))
	}

	return made
}

func TestAgreesWithNaive(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4)) //nolint:gosec // a test draws its cases from a seed
	naive := naiveSet{rules: map[string]spec{}, alerts: map[alert.Fingerprint]set{}}
	inhibited := 0

	var rules Set

	for range 20000 {
		change(t, random, &rules, naive)

		target := randomLabels(random, 2)
		want := naive.inhibited(target)

		by, got := rules.Inhibited(labels.FromMap(target))
		if by.Rule != want || got != (want != "") {
			t.Fatalf("%v is inhibited by %+v, want %q of %v with %v", target, by, want, naive.rules, naive.alerts)
		}

		if got {
			inhibited++

			if !naive.inhibits(by.Rule, naive.alerts[by.Source], target) || naive.alerts[by.Source] == nil {
				t.Fatalf("%v is not inhibited by %+v", target, by)
			}
		}
	}

	if inhibited < 1000 || inhibited > 19000 {
		t.Errorf("%d of 20000 are inhibited: the cases say nothing", inhibited)
	}
}

// change adds or removes an alert or a rule in both.
func change(t *testing.T, random *rand.Rand, rules *Set, naive naiveSet) {
	t.Helper()

	rule := fmt.Sprint("rule-", random.IntN(5))
	one := randomLabels(random, 2)
	id := alert.FingerprintOf(labels.FromMap(one))

	switch random.IntN(40) {
	case 0, 1:
		naive.rules[rule] = randomSpec(random)
		rules.Put(compiled(t, rule, naive.rules[rule]), naive.firing)
	case 2:
		delete(naive.rules, rule)
		rules.Delete(rule)
	case 3:
		for id, old := range maps.Clone(naive.alerts) {
			delete(naive.alerts, id)
			rules.Remove(id, labels.FromMap(old))
		}
	case 4, 5, 6, 7, 8, 9, 10, 11, 12:
		delete(naive.alerts, id)
		rules.Remove(id, labels.FromMap(one))
	default:
		naive.alerts[id] = one
		rules.Add(id, labels.FromMap(one))
	}
}

func FuzzInhibited(f *testing.F) {
	f.Add("a", "1", "a", "2", "n", "x", "x")
	f.Add("a", "1", "a", "1", "", "", "")
	f.Add("a", "1", "b", "\xff", "a", "x", "\x00")

	f.Fuzz(func(t *testing.T, sourceName, sourceValue, targetName, targetValue, equal, left, right string) {
		one := spec{
			SourceMatcher: matching(sourceName, sourceValue),
			TargetMatcher: matching(targetName, targetValue),
			Equal:         []string{equal},
		}

		made, problems := Compile(object("rule", one))
		if (made == nil) != (len(problems) > 0) {
			t.Fatalf("%v with %v", made, problems)
		}

		if made == nil || sourceValue == "" || targetValue == "" {
			return // the naive form takes a missing label for an empty one
		}

		naive := naiveSet{rules: map[string]spec{"rule": one}}
		source, target := set{sourceName: sourceValue}, set{targetName: targetValue}

		if _, taken := source[equal]; !taken {
			source[equal] = left
		}

		if _, taken := target[equal]; !taken {
			target[equal] = right
		}

		var rules Set

		rules.Put(made, firing())
		rules.addAll(labels.FromMap(source))

		if _, got := rules.Inhibited(labels.FromMap(target)); got != naive.inhibits("rule", source, target) {
			t.Fatalf("%v inhibits %v by %+v: %v", source, target, one, got)
		}
	})
}

// large gives rules for so many namespaces, of which each has so many sources.
func large(tb testing.TB, rules, sources int) *Set {
	tb.Helper()

	made := &Set{}

	for i := range rules {
		made.Put(compiled(tb, fmt.Sprint("rule-", i), spec{
			SourceMatcher: matching("severity", "critical", "app", fmt.Sprint("app-", i)),
			TargetMatcher: matching("severity", "warning", "app", fmt.Sprint("app-", i)),
			Equal:         []string{"namespace", "alertname"},
		}), firing())
	}

	for i := range sources {
		made.addAll(labels.FromStrings("alertname", "PodDown", "app", fmt.Sprint("app-", rules-1), "namespace", "shop",
			"pod", fmt.Sprint("pod-", i), "severity", "critical"))
	}

	return made
}

func target(rules int) labels.Labels {
	return labels.FromStrings("alertname", "PodDown", "alerttype", "metric", "app", fmt.Sprint("app-", rules-1),
		"cluster", "host", "namespace", "shop", "pod", "pod-1", "rule_id", "0123456789", "severity", "warning")
}

func TestNoAllocations(t *testing.T) {
	rules, one := large(t, 10, 10), target(10)

	allocations := testing.AllocsPerRun(100, func() {
		if _, inhibited := rules.Inhibited(one); !inhibited {
			t.Fatal("not inhibited")
		}
	})

	if allocations > 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func BenchmarkInhibited(b *testing.B) {
	for _, size := range []struct{ rules, sources int }{{1, 1}, {1, 100_000}, {10_000, 1}, {10_000, 10_000}} {
		b.Run(fmt.Sprintf("rules=%d/sources=%d", size.rules, size.sources), func(b *testing.B) {
			rules, one := large(b, size.rules, size.sources), target(size.rules)

			b.ReportAllocs()

			for b.Loop() {
				if _, inhibited := rules.Inhibited(one); !inhibited {
					b.Fatal("not inhibited")
				}
			}

			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "alerts/s")
		})
	}
}

// BenchmarkAddRemove lets a source fire and end among others.
func BenchmarkAddRemove(b *testing.B) {
	for _, sources := range []int{1, 100_000} {
		b.Run(fmt.Sprintf("sources=%d", sources), func(b *testing.B) {
			rules := large(b, 1, sources)
			one := labels.FromStrings("alertname", "PodDown", "app", "app-0", "namespace", "shop",
				"severity", "critical")
			id := alert.FingerprintOf(one)

			b.ReportAllocs()

			for b.Loop() {
				rules.Add(id, one)
				rules.Remove(id, one)
			}
		})
	}
}
