package conformance_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// many returns a list of n values, each written by a function of its number, without the brackets.
func many(n int, value func(i int) string) string {
	values := make([]string, 0, n)
	for i := range n {
		values = append(values, value(i))
	}

	return strings.Join(values, ", ")
}

// same returns a list of n times the same value, without the brackets.
func same(n int, value string) string { return many(n, func(int) string { return value }) }

// long is a JSON string of n letters.
func long(n int) string { return `"` + strings.Repeat("a", n) + `"` }

// numbered is a JSON string of its own for each number.
func numbered(i int) string { return fmt.Sprintf(`"a%d"`, i) }

// pairs are n labels, without the brackets.
func pairs(n int) string { return many(n, func(i int) string { return numbered(i) + `: "a"` }) }

const anyRule = `{"alert": "A", "expr": "1"}`

// group is a RuleGroup with further fields in its spec.
func group(fields string) attempt {
	return attempt{"RuleGroup", `{"spec": {"rules": [{"alert": "A"}], ` + fields + `}}`}
}

// rule is a RuleGroup with one rule.
func rule(fields string) attempt {
	return attempt{"RuleGroup", `{"spec": {"rules": [{` + fields + `}]}}`}
}

// form is a RuleGroup with one rule with a form.
func form(kind, fields string) attempt {
	return attempt{kind, `{"spec": {"rules": [{"alert": "A", "exprBuilder": {` + fields + `}}]}}`}
}

// ruleTest is a RuleGroup with a test of its rules.
func ruleTest(fields string) attempt { return group(`"tests": [{` + fields + `}]`) }

// alertTest is a RuleGroup with a test of an alert.
func alertTest(fields string) attempt {
	return ruleTest(`"name": "a", "alertTests": [{` + fields + `}]`)
}

// exprTest is a RuleGroup with a test of a query.
func exprTest(fields string) attempt { return ruleTest(`"name": "a", "exprTests": [{` + fields + `}]`) }

// series is a RuleGroup with a test that has a series.
func series(fields string) attempt {
	return ruleTest(`"name": "a", "exprTests": [{"expr": "1", "evalTime": "0"}], "inputSeries": [{` + fields + `}]`)
}

// alertingPolicy is an AlertingPolicy.
func alertingPolicy(fields string) attempt {
	return attempt{"AlertingPolicy", `{"spec": {` + fields + `}}`}
}

// What KubeSphere 3.4 takes is taken, however little sense it makes: its groups are read, and say what is wrong.
func TestRulesThatAreAccepted(t *testing.T) {
	const threshold = `"comparator": "like", "names": []`

	checkAccepted(t, map[string]attempt{
		"a group without a spec":         {"RuleGroup", `{}`},
		"a cluster's without a spec":     {"ClusterRuleGroup", `{}`},
		"a fleet's without a spec":       {"GlobalRuleGroup", `{}`},
		"no rules":                       {"RuleGroup", `{"spec": {"rules": []}}`},
		"41 rules":                       {"RuleGroup", `{"spec": {"rules": [` + same(41, anyRule) + `]}}`},
		"the greatest number of rules":   {"RuleGroup", `{"spec": {"rules": [` + same(1000, anyRule) + `]}}`},
		"the same name twice":            {"RuleGroup", `{"spec": {"rules": [{"alert": "A"}, {"alert": "A"}]}}`},
		"an empty interval":              group(`"interval": ""`),
		"an interval that is none":       group(`"interval": "often"`),
		"an unknown strategy":            group(`"partial_response_strategy": "hope"`),
		"an alert alone":                 rule(`"alert": "A"`),
		"an empty name":                  rule(`"alert": ""`),
		"a name of any length":           rule(`"alert": ` + long(4096)),
		"an empty query":                 rule(`"alert": "A", "expr": ""`),
		"a query that is none":           rule(`"alert": "A", "expr": "up ==="`),
		"a query of any length":          rule(`"alert": "A", "expr": ` + long(100_000)),
		"a number":                       rule(`"alert": "A", "expr": 1`),
		"a negative number":              rule(`"alert": "A", "expr": -1`),
		"a number with an exponent":      rule(`"alert": "A", "expr": 1e3`),
		"an unknown severity":            rule(`"alert": "A", "severity": "who knows"`),
		"an empty severity":              rule(`"alert": "A", "severity": ""`),
		"no duration":                    rule(`"alert": "A", "for": ""`),
		"zero":                           rule(`"alert": "A", "for": "0"`),
		"a duration of all units":        rule(`"alert": "A", "for": "1y2w3d4h5m6s7ms"`),
		"labels that are set for it":     rule(`"alert": "A", "labels": {"rule_id": "a", "namespace": "b", "": ""}`),
		"a template that is none":        rule(`"alert": "A", "annotations": {"summary": "{{ $labels."}`),
		"switched off":                   rule(`"alert": "A", "disable": true`),
		"an empty form":                  form("RuleGroup", ``),
		"a form beside a query":          rule(`"alert": "A", "expr": "1", "exprBuilder": {}`),
		"an unknown kind and comparator": form("RuleGroup", `"workload": {"kind": "pod", `+threshold+`}`),
		"no threshold of a node":         form("ClusterRuleGroup", `"node": {`+threshold+`}`),
		"no threshold of nodes":          form("GlobalRuleGroup", `"node": {`+threshold+`}`),
		"no threshold of workloads":      form("GlobalRuleGroup", `"workload": {"kind": "", `+threshold+`}`),
		"an empty threshold":             form("ClusterRuleGroup", `"node": {`+threshold+`, "metricThreshold": {"cpu": {}}}`),
		"all thresholds": form("ClusterRuleGroup", `"node": {`+threshold+`, "metricThreshold": {
			"cpu": {"utilization": -1, "load1m": 1e300}, "pod": {"utilization": 0}}}`),
		"a selector of nothing":        {"GlobalRuleGroup", `{"spec": {"rules": [{"alert": "A", "clusterSelector": {}}]}}`},
		"a selector of nothing listed": selecting(`"inValues": []`),
		"both ways to select":          selecting(`"inValues": ["a"], "matcher": {"type": "!~", "value": "b"}`),
		"an unknown matcher":           selecting(`"matcher": {"type": "like"}`),
	})
}

// selecting is a GlobalRuleGroup with one rule that selects namespaces.
func selecting(fields string) attempt {
	return attempt{"GlobalRuleGroup", `{"spec": {"rules": [{"alert": "A", "namespaceSelector": {` + fields + `}}]}}`}
}

// What KubeSphere 3.4 refuses is refused.
func TestRulesThatAreRefused(t *testing.T) {
	const compared = `"comparator": ">"`

	checkRefused(t, map[string]refusal{
		"no list of rules":     {attempt{"RuleGroup", `{"spec": {}}`}, "spec.rules: Required value"},
		"rules that are null":  {attempt{"RuleGroup", `{"spec": {"rules": null}}`}, "spec.rules"},
		"neither name":         {rule(`"expr": "1"`), "a rule needs one of alert and record"},
		"a query of logic":     {rule(`"alert": "A", "expr": true`), "spec.rules[0].expr"},
		"a part of a number":   {rule(`"alert": "A", "expr": 1.5`), "spec.rules[0].expr"},
		"a number of any size": {rule(`"alert": "A", "expr": 1e300`), "spec.rules[0].expr"},
		"no duration":          {rule(`"alert": "A", "for": "soon"`), "spec.rules[0].for"},
		"a fraction of time":   {rule(`"alert": "A", "for": "1.5h"`), "spec.rules[0].for"},
		"a matcher without a type": {
			selecting(`"matcher": {"value": "a"}`), "namespaceSelector.matcher.type: Required value",
		},
		"a form without a kind": {
			form("RuleGroup", `"workload": {"names": [], "comparator": ">"}`), "workload.kind: Required value",
		},
		"a form without names": {
			form("RuleGroup", `"workload": {"kind": "", "comparator": ">"}`), "workload.names: Required value",
		},
		"a form without a comparator": {
			form("ClusterRuleGroup", `"node": {"names": []}`), "node.comparator: Required value",
		},
		"nodes without a cluster": {
			form("GlobalRuleGroup", `"node": {"names": [{"names": []}], "comparator": ">"}`),
			"node.names[0].cluster: Required value",
		},
		"workloads without a namespace": {
			form("GlobalRuleGroup", `"workload": {"kind": "", `+compared+`, "names": [{"cluster": "", "names": []}]}`),
			"workload.names[0].namespace: Required value",
		},
		"a threshold that is no number": {
			form("ClusterRuleGroup",
				`"node": {"names": [], `+compared+`, "metricThreshold": {"pod": {"utilization": ""}}}`),
			"metricThreshold.pod.utilization",
		},
	})
}

// What is of this project has bounds, so that the API server can check it and a manager can hold it.
func TestAdditionsToRulesAreBounded(t *testing.T) {
	checkRefused(t, map[string]refusal{
		"too many rules": {
			attempt{"RuleGroup", `{"spec": {"rules": [` + same(1001, anyRule) + `]}}`}, "spec.rules: Too many",
		},
		"both names":               {rule(`"alert": "A", "record": "a", "expr": "1"`), "a rule needs one of alert and record"},
		"no series by that name":   {rule(`"record": "a-b", "expr": "1"`), "spec.rules[0].record"},
		"no name of a series":      {rule(`"record": "", "expr": "1"`), "spec.rules[0].record"},
		"a long name of a series":  {rule(`"expr": "1", "record": ` + long(257)), "spec.rules[0].record"},
		"a record of nothing":      {rule(`"record": "a"`), "a rule with record needs expr or exprBuilder"},
		"a record that waits":      {rule(`"record": "a", "expr": "1", "for": "1m"`), "take for and keepFiringFor away"},
		"a record that stays":      {rule(`"record": "a", "expr": "1", "keepFiringFor": "1m"`), "take for and keepFiringFor away"},
		"a record that speaks":     {rule(`"record": "a", "expr": "1", "annotations": {}`), "take annotations and runbookURL away"},
		"a record with a page":     {rule(`"record": "a", "expr": "1", "runbookURL": "http://a"`), "take annotations and runbookURL away"},
		"stays for no duration":    {rule(`"alert": "A", "keepFiringFor": "long"`), "spec.rules[0].keepFiringFor"},
		"stays for many digits":    {rule(`"alert": "A", "keepFiringFor": "` + strings.Repeat("1", 64) + `s"`), "spec.rules[0].keepFiringFor"},
		"a page elsewhere":         {rule(`"alert": "A", "runbookURL": "ftp://a"`), "spec.rules[0].runbookURL"},
		"a page with a space":      {rule(`"alert": "A", "runbookURL": "http://a b"`), "spec.rules[0].runbookURL"},
		"a long address":           {rule(`"alert": "A", "runbookURL": "http://` + strings.Repeat("a", 2048) + `"`), "spec.rules[0].runbookURL"},
		"a limit below zero":       {group(`"limit": -1`), "spec.limit"},
		"a limit above all":        {group(`"limit": 100001`), "spec.limit"},
		"a limit and a half":       {group(`"limit": 1.5`), "spec.limit"},
		"a limit and a bit":        {group(`"limit": 1.0000000001`), "spec.limit"},
		"an offset of no duration": {group(`"queryOffset": "late"`), "spec.queryOffset"},
		"an offset of many digits": {group(`"queryOffset": "` + strings.Repeat("1", 64) + `s"`), "spec.queryOffset"},
		"too many labels":          {group(`"labels": {` + pairs(33) + `}`), "spec.labels"},
		"a label without a name":   {group(`"labels": {"": "a"}`), "a label needs a name of 1 to 128 characters"},
		"a long name of a label":   {group(`"labels": {` + long(129) + `: "a"}`), "a label needs a name of 1 to 128 characters"},
		"a long label":             {group(`"labels": {"a": ` + long(1025) + `}`), "a value of at most 1024"},
		"an unknown evaluator":     {group(`"evaluator": "Nagios"`), "spec.evaluator"},
		"an unknown mode":          {group(`"mode": "Maybe"`), "spec.mode"},
	})
}

func TestRuleTestsAreBounded(t *testing.T) {
	const at, alert, expr = `"evalTime": "1m"`, `"evalTime": "1m", "alert": "A"`, `"evalTime": "1m", "expr": "1"`

	named := func(i int) string { return `{"name": ` + numbered(i) + `, "alertTests": [{` + alert + `}]}` }
	digits := strings.Repeat("1", 64) + "s"

	checkRefused(t, map[string]refusal{
		"without a name":           {ruleTest(`"alertTests": [{` + alert + `}]`), "spec.tests[0].name: Required value"},
		"an empty name":            {ruleTest(`"name": "", "alertTests": [{` + alert + `}]`), "spec.tests[0].name"},
		"a long name":              {ruleTest(`"name": ` + long(129) + `, "alertTests": [{` + alert + `}]`), "spec.tests[0].name"},
		"the same name twice":      {group(`"tests": [` + named(1) + `, ` + named(1) + `]`), "spec.tests[1]: Duplicate value"},
		"too many":                 {group(`"tests": [` + many(101, named) + `]`), "spec.tests: Too many"},
		"nothing expected":         {ruleTest(`"name": "a"`), "a test needs something to expect"},
		"no alerts":                {ruleTest(`"name": "a", "alertTests": []`), "spec.tests[0].alertTests"},
		"no queries":               {ruleTest(`"name": "a", "exprTests": []`), "spec.tests[0].exprTests"},
		"no duration":              {ruleTest(`"name": "a", "interval": "often"`), "spec.tests[0].interval"},
		"many digits":              {ruleTest(`"name": "a", "interval": "` + digits + `"`), "spec.tests[0].interval"},
		"too many series":          {ruleTest(`"name": "a", "inputSeries": [` + same(101, `{"series": "a", "values": ""}`) + `]`), "spec.tests[0].inputSeries: Too many"},
		"no series":                {series(`"values": "1"`), "inputSeries[0].series: Required value"},
		"an empty series":          {series(`"series": "", "values": "1"`), "inputSeries[0].series"},
		"a long series":            {series(`"series": ` + long(4097) + `, "values": "1"`), "inputSeries[0].series"},
		"no values":                {series(`"series": "a"`), "inputSeries[0].values: Required value"},
		"long values":              {series(`"series": "a", "values": ` + long(16385)), "inputSeries[0].values"},
		"too many alerts":          {ruleTest(`"name": "a", "alertTests": [` + same(101, `{`+alert+`}`) + `]`), "alertTests: Too many"},
		"an alert at no time":      {alertTest(`"alert": "A"`), "alertTests[0].evalTime: Required value"},
		"an alert at an odd time":  {alertTest(`"alert": "A", "evalTime": "noon"`), "alertTests[0].evalTime"},
		"an alert at an empty one": {alertTest(`"alert": "A", "evalTime": ""`), "alertTests[0].evalTime"},
		"an alert in many digits":  {alertTest(`"alert": "A", "evalTime": "` + digits + `"`), "alertTests[0].evalTime"},
		"no alert":                 {alertTest(at), "alertTests[0].alert: Required value"},
		"an empty alert":           {alertTest(at + `, "alert": ""`), "alertTests[0].alert"},
		"a long alert":             {alertTest(at + `, "alert": ` + long(1025)), "alertTests[0].alert"},
		"too many of an alert":     {alertTest(alert + `, "expect": [` + same(101, `{}`) + `]`), "expect: Too many"},
		"too many labels":          {alertTest(alert + `, "expect": [{"labels": {` + pairs(65) + `}}]`), "expect[0].labels"},
		"too many annotations":     {alertTest(alert + `, "expect": [{"annotations": {` + pairs(65) + `}}]`), "expect[0].annotations"},
		"too many queries":         {ruleTest(`"name": "a", "exprTests": [` + same(101, `{`+expr+`}`) + `]`), "exprTests: Too many"},
		"a query at no time":       {exprTest(`"expr": "1"`), "exprTests[0].evalTime: Required value"},
		"a query at an odd time":   {exprTest(`"expr": "1", "evalTime": "noon"`), "exprTests[0].evalTime"},
		"a query at an empty one":  {exprTest(`"expr": "1", "evalTime": ""`), "exprTests[0].evalTime"},
		"a query in many digits":   {exprTest(`"expr": "1", "evalTime": "` + digits + `"`), "exprTests[0].evalTime"},
		"no query":                 {exprTest(at), "exprTests[0].expr: Required value"},
		"an empty query":           {exprTest(at + `, "expr": ""`), "exprTests[0].expr"},
		"a long query":             {exprTest(at + `, "expr": ` + long(16385)), "exprTests[0].expr"},
		"too many samples":         {exprTest(expr + `, "expect": [` + same(101, `{"value": "1"}`) + `]`), "expect: Too many"},
		"no value":                 {exprTest(expr + `, "expect": [{}]`), "expect[0].value: Required value"},
		"no number":                {exprTest(expr + `, "expect": [{"value": "much"}]`), "expect[0].value"},
		"many digits of a number":  {exprTest(expr + `, "expect": [{"value": "` + strings.Repeat("1", 65) + `"}]`), "expect[0].value"},
		"long labels":              {exprTest(expr + `, "expect": [{"value": "1", "labels": ` + long(4097) + `}]`), "expect[0].labels"},
	})

	value := func(i int) string {
		return `{"value": "` + []string{"1", "-1.5", "+.5e-3", "1.", "NaN", "Inf", "-Inf", "1e+09"}[i] + `"}`
	}

	checkAccepted(t, map[string]attempt{
		"as many as may be":     group(`"tests": [` + many(100, named) + `]`),
		"nothing fires":         alertTest(alert + `, "expect": []`),
		"numbers of all kinds":  exprTest(expr + `, "expect": [` + many(8, value) + `]`),
		"no series to begin":    exprTest(expr),
		"a series without more": series(`"series": "a", "values": ""`),
	})
}

// The samples are what people begin with.
func TestSamplesOfRulesAreAccepted(t *testing.T) {
	files, err := filepath.Glob("../../config/samples/alerting-*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}

	strict := client.WithFieldValidation(newAdmin(t), "Strict")

	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			sample := read(t, file)
			if sample.GetNamespace() != "" {
				sample.SetNamespace("default") // the namespaces of the samples are not here
			}

			if err := strict.Create(t.Context(), sample, client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAlertingPoliciesAreBounded(t *testing.T) {
	list := func(n int) string { return `[` + many(n, numbered) + `]` }
	digits := strings.Repeat("1", 64) + "s"

	checkRefused(t, map[string]refusal{
		"too urgent":                {alertingPolicy(`"priority": 1000001`), "spec.priority"},
		"not urgent at all":         {alertingPolicy(`"priority": -1000001`), "spec.priority"},
		"an unknown mode":           {alertingPolicy(`"mode": "Maybe"`), "spec.mode"},
		"too many workspaces":       {alertingPolicy(`"selector": {"workspaces": ` + list(1001) + `}`), "spec.selector.workspaces"},
		"the same workspace twice":  {alertingPolicy(`"selector": {"workspaces": ["a", "a"]}`), "workspaces[1]: Duplicate value"},
		"an empty workspace":        {alertingPolicy(`"selector": {"workspaces": [""]}`), "spec.selector.workspaces[0]"},
		"a long workspace":          {alertingPolicy(`"selector": {"workspaces": [` + long(64) + `]}`), "spec.selector.workspaces[0]"},
		"fewer groups than none":    {alertingPolicy(`"limits": {"groupsPerNamespace": -1}`), "spec.limits.groupsPerNamespace"},
		"too many groups":           {alertingPolicy(`"limits": {"groupsPerNamespace": 100001}`), "spec.limits.groupsPerNamespace"},
		"fewer rules than none":     {alertingPolicy(`"limits": {"rulesPerGroup": -1}`), "spec.limits.rulesPerGroup"},
		"too many rules":            {alertingPolicy(`"limits": {"rulesPerGroup": 1001}`), "spec.limits.rulesPerGroup"},
		"fewer in all than none":    {alertingPolicy(`"limits": {"rulesPerNamespace": -1}`), "spec.limits.rulesPerNamespace"},
		"too many in all":           {alertingPolicy(`"limits": {"rulesPerNamespace": 1000001}`), "spec.limits.rulesPerNamespace"},
		"no selector":               {alertingPolicy(`"limits": {"selectorsPerRule": 0}`), "spec.limits.selectorsPerRule"},
		"too many selectors":        {alertingPolicy(`"limits": {"selectorsPerRule": 1001}`), "spec.limits.selectorsPerRule"},
		"an interval of no time":    {alertingPolicy(`"limits": {"minInterval": "often"}`), "spec.limits.minInterval"},
		"an empty interval":         {alertingPolicy(`"limits": {"minInterval": ""}`), "spec.limits.minInterval"},
		"an interval of digits":     {alertingPolicy(`"limits": {"minInterval": "` + digits + `"}`), "spec.limits.minInterval"},
		"a range of no time":        {alertingPolicy(`"limits": {"maxRange": "far"}`), "spec.limits.maxRange"},
		"an empty range":            {alertingPolicy(`"limits": {"maxRange": ""}`), "spec.limits.maxRange"},
		"a range of digits":         {alertingPolicy(`"limits": {"maxRange": "` + digits + `"}`), "spec.limits.maxRange"},
		"too many labels":           {alertingPolicy(`"required": {"labels": ` + list(33) + `}`), "spec.required.labels"},
		"the same label twice":      {alertingPolicy(`"required": {"labels": ["a", "a"]}`), "labels[1]: Duplicate value"},
		"an empty label":            {alertingPolicy(`"required": {"labels": [""]}`), "spec.required.labels[0]"},
		"a long label":              {alertingPolicy(`"required": {"labels": [` + long(129) + `]}`), "spec.required.labels[0]"},
		"too many annotations":      {alertingPolicy(`"required": {"annotations": ` + list(33) + `}`), "spec.required.annotations"},
		"the same annotation twice": {alertingPolicy(`"required": {"annotations": ["a", "a"]}`), "annotations[1]: Duplicate value"},
		"an empty annotation":       {alertingPolicy(`"required": {"annotations": [""]}`), "spec.required.annotations[0]"},
		"a long annotation":         {alertingPolicy(`"required": {"annotations": [` + long(129) + `]}`), "spec.required.annotations[0]"},
		"no functions":              {alertingPolicy(`"allow": {"functions": []}`), "spec.allow.functions"},
		"too many functions":        {alertingPolicy(`"allow": {"functions": ` + list(201) + `}`), "spec.allow.functions"},
		"the same function twice":   {alertingPolicy(`"allow": {"functions": ["a", "a"]}`), "functions[1]: Duplicate value"},
		"an empty function":         {alertingPolicy(`"allow": {"functions": [""]}`), "spec.allow.functions[0]"},
		"a long function":           {alertingPolicy(`"allow": {"functions": [` + long(65) + `]}`), "spec.allow.functions[0]"},
		"an unknown way out":        {alertingPolicy(`"allow": {"conflict": "Fight"}`), "spec.allow.conflict"},
		"an unknown template":       {alertingPolicy(`"allow": {"templateQueries": "Run"}`), "spec.allow.templateQueries"},
	})

	checkAccepted(t, map[string]attempt{
		"nothing asked":    {"AlertingPolicy", `{}`},
		"nothing selected": alertingPolicy(`"selector": {}`),
		"no group at all":  alertingPolicy(`"limits": {"groupsPerNamespace": 0, "rulesPerGroup": 0, "rulesPerNamespace": 0}`),
	})
}
