package selector

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

type (
	apiSelector    = notificationv2beta2.LabelSelector
	apiRequirement = notificationv2beta2.LabelSelectorRequirement
)

func path() *field.Path {
	return field.NewPath("spec", "alertSelector")
}

func compiled(tb testing.TB, source *apiSelector) Selector {
	tb.Helper()

	made, problems := Compile(path(), source)
	if len(problems) > 0 {
		tb.Fatal(problems.ToAggregate())
	}

	return made
}

func expression(key, operator string, values ...string) *apiSelector {
	one := apiRequirement{Key: key, Operator: notificationv2beta2.LabelSelectorOperator(operator), Values: values}

	return &apiSelector{MatchExpressions: []apiRequirement{one}}
}

func pattern(key, text string) *apiSelector {
	one := apiRequirement{Key: key, Operator: notificationv2beta2.LabelSelectorOpMatch, RegexValue: text}

	return &apiSelector{MatchExpressions: []apiRequirement{one}}
}

func TestMatches(t *testing.T) {
	alert := labels.FromStrings("alertname", "PodDown", "namespace", "shop", "severity", "critical")

	for name, test := range map[string]struct {
		source *apiSelector
		set    labels.Labels
		want   bool
	}{
		"nil means all":                        {nil, alert, true},
		"nil means what has no labels":         {nil, labels.EmptyLabels(), true},
		"empty means all":                      {&apiSelector{}, alert, true},
		"empty wants a label":                  {&apiSelector{}, labels.EmptyLabels(), false},
		"a label":                              {&apiSelector{MatchLabels: map[string]string{"severity": "critical"}}, alert, true},
		"another value":                        {&apiSelector{MatchLabels: map[string]string{"severity": "info"}}, alert, false},
		"a missing label":                      {&apiSelector{MatchLabels: map[string]string{"pod": "x"}}, alert, false},
		"a missing label is not an empty one":  {&apiSelector{MatchLabels: map[string]string{"pod": ""}}, alert, false},
		"an empty label is an empty one":       {&apiSelector{MatchLabels: map[string]string{"pod": ""}}, labels.FromStrings("pod", ""), true},
		"all labels have to be there":          {&apiSelector{MatchLabels: map[string]string{"severity": "critical", "namespace": "bank"}}, alert, false},
		"a value no label of Kubernetes has":   {&apiSelector{MatchLabels: map[string]string{"job": "a b/c!"}}, labels.FromStrings("job", "a b/c!"), true},
		"In":                                   {expression("severity", "In", "info", "critical"), alert, true},
		"In, none":                             {expression("severity", "In", "info", "warning"), alert, false},
		"In, missing":                          {expression("pod", "In", "a"), alert, false},
		"In of many":                           {expression("severity", "In", strings.Fields("a b c d e f g h i j critical")...), alert, true},
		"In of many, none":                     {expression("severity", "In", strings.Fields("a b c d e f g h i j k l")...), alert, false},
		"NotIn":                                {expression("severity", "NotIn", "info"), alert, true},
		"NotIn, one":                           {expression("severity", "NotIn", "info", "critical"), alert, false},
		"NotIn, missing":                       {expression("pod", "NotIn", "a"), alert, true},
		"Exists":                               {expression("severity", "Exists"), alert, true},
		"Exists, missing":                      {expression("pod", "Exists"), alert, false},
		"Exists, empty":                        {expression("pod", "Exists"), labels.FromStrings("pod", ""), true},
		"DoesNotExist":                         {expression("pod", "DoesNotExist"), alert, true},
		"DoesNotExist, there":                  {expression("severity", "DoesNotExist"), alert, false},
		"Match":                                {pattern("alertname", "^Pod(Down|Up)$"), alert, true},
		"Match is found anywhere":              {pattern("alertname", "dDo"), alert, true},
		"Match, none":                          {pattern("alertname", "^Down"), alert, false},
		"Match, missing counts as empty":       {pattern("pod", ".*"), alert, true},
		"Match, missing is empty and not more": {pattern("pod", ".+"), alert, false},
		"Match of nothing":                     {pattern("pod", ""), alert, true},
	} {
		t.Run(name, func(t *testing.T) {
			made := compiled(t, test.source)

			if got := made.Matches(test.set); got != test.want {
				t.Errorf("Matches(%v) = %v, want %v", test.set, got, test.want)
			}

			if why := made.Explain(test.set); (why == "") != test.want {
				t.Errorf("Explain(%v) = %q, and it matches: %v", test.set, why, test.want)
			}
		})
	}
}

func TestCompileErrors(t *testing.T) {
	long := strings.Repeat("a", MaxPatternLength+1)

	for name, test := range map[string]struct {
		source *apiSelector
		want   []string
	}{
		"no key":           {expression("", "Exists"), []string{"spec.alertSelector.matchExpressions[0].key: Required value: name the label"}},
		"no key of labels": {&apiSelector{MatchLabels: map[string]string{"": "x"}}, []string{"spec.alertSelector.matchLabels[]: Required value: name the label"}},
		"no values":        {expression("a", "In"), []string{"spec.alertSelector.matchExpressions[0].values: Required value: In compares with values: give at least one"}},
		"values too many":  {expression("a", "Exists", "x"), []string{"spec.alertSelector.matchExpressions[0].values: Forbidden: Exists looks at no values: remove them, or use In or NotIn"}},
		"operator":         {expression("a", "Equals", "x"), []string{`spec.alertSelector.matchExpressions[0].operator: Unsupported value: "Equals": supported values: "In", "NotIn", "Exists", "DoesNotExist", "Match"`}},
		"expression":       {pattern("a", "("), []string{"spec.alertSelector.matchExpressions[0].regexValue: Invalid value: \"(\": missing closing ): \"(\"; write a regular expression of RE2, and a backslash before what is meant literally"}},
		"long expression":  {pattern("a", long), []string{"spec.alertSelector.matchExpressions[0].regexValue: Too long: may not be more than 1024 bytes"}},
		"large expression": {pattern("a", "([a-z]{30}){30}x{500}y{800}"), []string{`spec.alertSelector.matchExpressions[0].regexValue: Invalid value: "([a-z]{30}){30}x{500}y{800}": more than 2000 steps once its repetitions are written out: repeat less, or use * or +`}},
		"all at once": {
			&apiSelector{MatchExpressions: []apiRequirement{
				{Key: "a", Operator: "In"},
				{Key: "", Operator: "Exists"},
				{Key: "c", Operator: "Match", RegexValue: "["},
			}},
			[]string{
				"spec.alertSelector.matchExpressions[0].values: Required value: In compares with values: give at least one",
				"spec.alertSelector.matchExpressions[1].key: Required value: name the label",
				"spec.alertSelector.matchExpressions[2].regexValue: Invalid value: \"[\": missing closing ]: \"[\"; write a regular expression of RE2, and a backslash before what is meant literally",
			},
		},
		"too many": {
			&apiSelector{MatchExpressions: make([]apiRequirement, MaxRequirements+1)},
			[]string{"spec.alertSelector: Too many: 129: must have at most 128 items"},
		},
		"too many values": {
			expression("a", "In", make([]string, MaxValues+1)...),
			[]string{"spec.alertSelector.matchExpressions[0].values: Too many: 1025: must have at most 1024 items"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			made, problems := Compile(path(), test.source)

			var got []string
			for _, problem := range problems {
				got = append(got, problem.Error())
			}

			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}

			if made.Matches(labels.FromStrings("a", "aaa")) || made.Matches(labels.EmptyLabels()) {
				t.Error("a broken selector selects")
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	source := &apiSelector{MatchExpressions: []apiRequirement{
		{Key: "a", Operator: "Match", RegexValue: "^(x|y)$"},
		{Key: "b", Operator: "Match", RegexValue: "x"},
		{Key: "c", Operator: "Match", RegexValue: ".*", Values: []string{"x"}},
		{Key: "d", Operator: "In", Values: []string{"x"}, RegexValue: "x"},
		{Key: "e", Operator: "Match", RegexValue: "("},
	}}

	const of = "spec.alertSelector.matchExpressions"

	want := []string{
		of + `[1].regexValue: "x" is looked for anywhere in the value; write ^(x)$ to mean the whole value`,
		of + `[2].values: the operator Match looks at regexValue only`,
		of + `[2].regexValue: ".*" is looked for anywhere in the value; write ^(.*)$ to mean the whole value`,
		of + `[2].regexValue: ".*" means alerts without the label c too; ` +
			`add an expression with Exists to leave them out`,
		of + `[3].regexValue: only the operator Match looks at it`,
	}

	if diff := cmp.Diff(want, Warnings(path(), source)); diff != "" {
		t.Error(diff)
	}

	if got := Warnings(path(), nil); got != nil {
		t.Errorf("warnings about nothing: %q", got)
	}
}

func TestEqualities(t *testing.T) {
	source := expression("b", "In", "y", "x", "y")
	source.MatchLabels = map[string]string{"a": "1"}
	source.MatchExpressions = append(source.MatchExpressions,
		apiRequirement{Key: "c", Operator: "NotIn", Values: []string{"z"}},
		apiRequirement{Key: "d", Operator: "Match", RegexValue: "^x$"})

	want := []Equality{{Name: "a", Values: []string{"1"}}, {Name: "b", Values: []string{"x", "y"}}}
	if diff := cmp.Diff(want, compiled(t, source).Equalities()); diff != "" {
		t.Error(diff)
	}
}

func TestOwnership(t *testing.T) {
	kubesphere := Ownership{
		Global:    map[string]string{"type": "global"},
		Tenant:    map[string]string{"type": "tenant"},
		TenantKey: "user",
	}
	several := Ownership{
		Global:    map[string]string{"type": "global", "platform": "true"},
		Tenant:    map[string]string{"kind": "tenant", "role": "tenant"},
		TenantKey: "name",
	}

	type set = map[string]string

	global, nobody := Owner{Kind: Global}, Owner{}
	tenant := func(name string) Owner { return Owner{Kind: Tenant, Tenant: name} }

	for name, test := range map[string]struct {
		ownership     Ownership
		set           set
		want, silence Owner
	}{
		"global":                        {kubesphere, set{"type": "global"}, global, global},
		"tenant":                        {kubesphere, set{"type": "tenant", "user": "ann"}, tenant("ann"), tenant("ann")},
		"tenant without a name":         {kubesphere, set{"type": "tenant"}, nobody, nobody},
		"tenant with an empty name":     {kubesphere, set{"type": "tenant", "user": ""}, nobody, nobody},
		"a name is not enough":          {kubesphere, set{"user": "ann"}, nobody, nobody},
		"default":                       {kubesphere, set{"type": "default"}, nobody, nobody},
		"no labels":                     {kubesphere, nil, nobody, nobody},
		"no selectors":                  {Ownership{}, set{"type": "global", "user": "ann"}, nobody, nobody},
		"the default of the tenant key": {Ownership{Tenant: set{"type": "tenant"}}, set{"type": "tenant", "user": "ann"}, tenant("ann"), tenant("ann")},
		"one of several is enough":      {several, set{"platform": "true"}, global, nobody},
		"all of several":                {several, set{"platform": "true", "type": "global"}, global, global},
		"both kinds":                    {several, set{"platform": "true", "type": "global", "kind": "tenant", "role": "tenant", "name": "ann"}, global, global},
		"one of a tenant's":             {several, set{"role": "tenant", "name": "ann"}, tenant("ann"), nobody},
		"another key":                   {several, set{"role": "tenant", "user": "ann"}, nobody, nobody},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.ownership.Of(test.set); got != test.want {
				t.Errorf("Of = %v, want %v", got, test.want)
			}

			if got := test.ownership.OfSilence(test.set); got != test.silence {
				t.Errorf("OfSilence = %v, want %v", got, test.silence)
			}
		})
	}
}

func TestOwnershipOf(t *testing.T) {
	spec := &notificationv2beta2.ReceiversSpec{
		TenantKey:              "name",
		GlobalReceiverSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"type": "global"}},
	}

	want := Ownership{Global: map[string]string{"type": "global"}, TenantKey: "name"}
	if diff := cmp.Diff(want, OwnershipOf(spec)); diff != "" {
		t.Error(diff)
	}
}

// naive is what a selector means by the words of the package comment.
func naive(source *apiSelector, set map[string]string) bool {
	if source == nil {
		return true
	}

	if len(set) == 0 {
		return false
	}

	for name, value := range source.MatchLabels {
		if has, present := set[name]; !present || has != value {
			return false
		}
	}

	for _, one := range source.MatchExpressions {
		value, present := set[one.Key]
		listed := present && slices.Contains(one.Values, value)

		met := map[string]bool{
			"In": listed, "NotIn": !listed, "Exists": present, "DoesNotExist": !present,
			"Match": regexp.MustCompile(one.RegexValue).MatchString(value),
		}

		if !met[string(one.Operator)] {
			return false
		}
	}

	return true
}

// randomSelector draws a selector over few names and values, so that it often means something.
func randomSelector(random *rand.Rand) *apiSelector {
	if random.IntN(20) == 0 {
		return nil
	}

	source := &apiSelector{}

	for range random.IntN(3) {
		if source.MatchLabels == nil {
			source.MatchLabels = map[string]string{}
		}

		source.MatchLabels[word(random)] = word(random)
	}

	for range random.IntN(3) {
		operators := []string{"In", "NotIn", "Exists", "DoesNotExist", "Match"}
		one := apiRequirement{Key: word(random)}
		one.Operator = notificationv2beta2.LabelSelectorOperator(operators[random.IntN(len(operators))])

		switch one.Operator {
		case "In", "NotIn":
			for range 1 + random.IntN(4) {
				one.Values = append(one.Values, word(random))
			}
		case "Match":
			one.RegexValue = []string{"a", "^b$", "", "c+", "^(a|c)$", "[^a]"}[random.IntN(6)]
		default: // these ask for the label alone
		}

		source.MatchExpressions = append(source.MatchExpressions, one)
	}

	return source
}

func randomSet(random *rand.Rand) map[string]string {
	set := map[string]string{}
	for range random.IntN(5) {
		set[word(random)] = word(random)
	}

	return set
}

func word(random *rand.Rand) string {
	return "abcd"[random.IntN(4):][:1]
}

func seeded(tb testing.TB, seed uint64) *rand.Rand {
	tb.Helper()

	return rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // a test draws its cases from a seed
}

func TestMatchesAgreesWithNaive(t *testing.T) {
	random := seeded(t, 1)
	met := 0

	for range 20000 {
		source, set := randomSelector(random), randomSet(random)
		want := naive(source, set)

		made := compiled(t, source)
		if got := made.Matches(labels.FromMap(set)); got != want {
			t.Fatalf("%+v of %v: %v, want %v", source, set, got, want)
		}

		if want {
			met++
		}
	}

	if met < 1000 || met > 19000 {
		t.Errorf("%d of 20000 match: the cases say nothing", met)
	}
}

func TestIndexAgreesWithNaive(t *testing.T) {
	random := seeded(t, 2)

	var index Index[int]

	sources := map[int]*apiSelector{}
	entries := map[int]*Entry[int]{}

	for round := range 3000 {
		if len(sources) > 40 || len(sources) > 0 && random.IntN(3) == 0 {
			for key := range sources {
				index.Remove(entries[key])
				delete(sources, key)
				delete(entries, key)

				break
			}
		} else {
			sources[round] = randomSelector(random)
			entries[round] = index.Put(round, compiled(t, sources[round]))
		}

		checkIndex(t, &index, sources, randomSet(random))
	}

	for key := range sources {
		index.Remove(entries[key])
	}

	if index.Len() != 0 || len(index.places) != 0 || len(index.rest) != 0 {
		t.Errorf("what is left of nothing: %+v", index)
	}
}

func checkIndex(t *testing.T, index *Index[int], sources map[int]*apiSelector, set map[string]string) {
	t.Helper()

	var want, got, all []int

	for key, source := range sources {
		all = append(all, key)

		if naive(source, set) {
			want = append(want, key)
		}
	}

	index.Each(labels.FromMap(set), func(key int) { got = append(got, key) })

	slices.Sort(want)
	slices.Sort(got)
	slices.Sort(all)

	if !slices.Equal(want, got) {
		t.Fatalf("of %v: %v, want %v", set, got, want)
	}

	if kept := slices.Sorted(index.All()); !slices.Equal(kept, all) || index.Len() != len(all) {
		t.Fatalf("there are %v (%d), want %v", kept, index.Len(), all)
	}
}

// What many selectors have in common is no good place: the index takes what tells them apart.
func TestIndexTakesWhatTellsApart(t *testing.T) {
	var index Index[int]

	for i := range 1000 {
		index.Put(i, compiled(t, &apiSelector{MatchLabels: map[string]string{
			"alertname": "PodDown", "zone": string(rune('a' + i%26)), "workload": strings.Repeat("x", i),
		}}))
	}

	longest := 0

	for _, byValue := range index.places {
		for _, list := range byValue {
			longest = max(longest, len(list))
		}
	}

	if longest > 2 {
		t.Errorf("%d of 1000 selectors stand in one place", longest)
	}
}

func TestIndexAllStops(t *testing.T) {
	var index Index[int]

	index.Put(1, compiled(t, nil))
	index.Put(2, compiled(t, expression("a", "In", "x", "y")))
	index.Put(3, compiled(t, expression("a", "In", "x")))

	for stop := range 3 {
		seen := 0

		for range index.All() {
			if seen == stop {
				break
			}

			seen++
		}

		if seen != stop {
			t.Errorf("seen %d, want %d", seen, stop)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	set := labels.FromStrings("alertname", "PodDown", "namespace", "shop", "severity", "critical")

	var index Index[int]

	source := expression("severity", "In", "critical")
	source.MatchExpressions = append(source.MatchExpressions, pattern("alertname", "^Pod").MatchExpressions...)
	index.Put(1, compiled(t, source))
	index.Put(2, compiled(t, nil))

	found := 0

	allocations := testing.AllocsPerRun(100, func() {
		index.Each(set, func(int) { found++ })
	})

	if allocations > 0 || found == 0 {
		t.Errorf("%v allocations to find %d", allocations, found)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("severity", "In", "critical", "", "severity", "critical")
	f.Add("severity", "Match", "", "^(a|b)+$", "severity", "ab")
	f.Add("", "NotIn", "x", "(", "", "")
	f.Add("a", "Match", "", "(((a{10}){10}){10}){10}", "a", "a")
	f.Add("a", "Match", "", "\xff", "a", "\xff")

	f.Fuzz(func(t *testing.T, key, operator, value, expression, name, has string) {
		one := apiRequirement{Key: key, RegexValue: expression}
		one.Operator = notificationv2beta2.LabelSelectorOperator(operator)

		if value != "" {
			one.Values = []string{value}
		}

		source := &apiSelector{
			MatchLabels:      map[string]string{name: has},
			MatchExpressions: []apiRequirement{one},
		}

		set := labels.FromMap(map[string]string{name: has, "other": value})

		made, problems := Compile(path(), source)
		_ = Warnings(path(), source)

		if len(problems) > 0 {
			if made.Matches(set) {
				t.Fatal("a broken selector selects")
			}

			return
		}

		want := naive(source, map[string]string{name: has, "other": value})
		if name == "other" {
			return // the map says it twice
		}

		if got := made.Matches(set); got != want || (made.Explain(set) == "") != want {
			t.Fatalf("%+v of %v: %v, want %v", source, set, got, want)
		}
	})
}

func BenchmarkMatches(b *testing.B) {
	set := labels.FromStrings("alertname", "PodDown", "alerttype", "metric", "cluster", "host", "namespace", "shop",
		"pod", "shop-1", "rule_id", "0123456789", "severity", "critical", "workload", "shop")

	for name, source := range map[string]*apiSelector{
		"equality":   {MatchLabels: map[string]string{"severity": "critical"}},
		"three":      {MatchLabels: map[string]string{"severity": "critical", "namespace": "shop", "alerttype": "metric"}},
		"expression": pattern("alertname", "^Pod(Down|Up)$"),
	} {
		made := compiled(b, source)

		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()

			for b.Loop() {
				if !made.Matches(set) {
					b.Fatal("no match")
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	source := expression("severity", "In", "critical", "warning")
	source.MatchLabels = map[string]string{"namespace": "shop"}
	source.MatchExpressions = append(source.MatchExpressions,
		pattern("alertname", "^Pod(Down|Up)$").MatchExpressions...)

	b.ReportAllocs()

	for b.Loop() {
		compiled(b, source)
	}
}
