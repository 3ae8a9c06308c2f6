//nolint:gosmopolitan // readers of Chinese are whom this is for
package message_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"

	_ "time/tzdata" // a test machine may have no time zones
)

// compile makes a Set that must have no findings.
func compile(t *testing.T, options message.Options, texts ...string) *message.Set {
	t.Helper()

	var sources []message.Source
	for i, text := range texts {
		sources = append(sources, message.Source{Name: "file" + strconv.Itoa(i), Text: text})
	}

	set, findings := message.Compile(sources, options)
	if len(findings) > 0 {
		t.Fatalf("findings: %v", findings)
	}

	return set
}

func textOf(t *testing.T, set *message.Set, reference string, data *message.Data) string {
	t.Helper()

	found, err := set.Text(reference, message.Text)
	if err != nil {
		t.Fatal(err)
	}

	text, err := found.Render(data)
	if err != nil {
		t.Fatal(err)
	}

	return text
}

func htmlOf(t *testing.T, set *message.Set, reference string, data *message.Data) string {
	t.Helper()

	found, err := set.HTML(reference, message.HTML)
	if err != nil {
		t.Fatal(err)
	}

	text, err := found.Render(data)
	if err != nil {
		t.Fatal(err)
	}

	return text
}

func TestNamesOfTheContract(t *testing.T) {
	set := compile(t, message.Options{})
	known := strings.Join(set.Names(), " ")

	for _, name := range []string{
		"nm.default.message", "nm.default.message.cn", "nm.default.subject", "nm.default.text", "nm.default.markdown",
		"nm.default.html", "nm.subject", "nm.html", "nm.feishu.message", "nm.feishu.post", "nm.feishu.text",
		"webhook.default.message", "nm.default.history",
	} {
		if !strings.Contains(known, name) {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestBuiltIn(t *testing.T) {
	set := compile(t, message.Options{TimeZone: "Asia/Shanghai"})

	one := saying("message", "disk\tfull", "runbook_url", "http://r")
	data := notification(one)

	if got, want := textOf(t, set, "nm.subject", data), "[FIRING] disk\tfull"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	want := "[FIRING] disk\tfull\nalertname: A\nsince: 2026-03-04 12:06:07 CST (1h)"
	if diff := cmp.Diff(want, textOf(t, set, "", data)); diff != "" {
		t.Error(diff)
	}

	both := notification(one, firing("alertname", `B"\`, "rule_id", "x"))
	for _, name := range []string{"nm.feishu.post", "webhook.default.message", "nm.default.history"} {
		if text := textOf(t, set, name, both); !json.Valid([]byte(text)) {
			t.Errorf("%s is no JSON: %s", name, text)
		}
	}

	text := textOf(t, set, "nm.default.markdown", both)
	if !strings.Contains(text, "**[FIRING] B\"\\**\n\n- alertname") || strings.Contains(text, "rule_id") {
		t.Error(text)
	}
}

// The default body of a webhook is the data however much that is: it is no template that could take too much.
func TestWebhookOfManyAlerts(t *testing.T) {
	var many []alert.Alert
	for i := range 500 {
		many = append(many, firing("alertname", "A", "number", strconv.Itoa(i), "long", strings.Repeat("x", 1000)))
	}

	set := compile(t, message.Options{Budget: message.Budget{Bytes: 1000}})

	var decoded message.Data

	text := textOf(t, set, "webhook.default.message", notification(many...))
	if err := json.Unmarshal([]byte(text), &decoded); err != nil {
		t.Fatal(err)
	}

	if len(decoded.Alerts) != 500 {
		t.Errorf("got %d alerts", len(decoded.Alerts))
	}
}

func TestReferences(t *testing.T) {
	set := compile(t, message.Options{},
		`{{ define "nm.x" }}x of {{ len .Alerts }}{{ end }}{{ define "nm.y" }}y{{ end }}`)
	data := notification(firing("alertname", "A"))

	for reference, want := range map[string]string{
		"nm.x":                       "x of 1",
		" nm.x ":                     "x of 1",
		`{{ template "nm.x" . }}`:    "x of 1",
		`{{template "nm.x" .}}`:      "x of 1",
		`{{- template "nm.x" . -}} `: "x of 1",
		`{{ template "nm.x" . }}, {{template "nm.y"}}`: "x of 1, y",
		`{{ .Status }}`: "firing",
	} {
		if got := textOf(t, set, reference, data); got != want {
			t.Errorf("%s: got %q, want %q", reference, got, want)
		}
	}
}

// A name that does not exist stopped all channels once (kubesphere#3567): it is said, and the default is used.
func TestUnknownReference(t *testing.T) {
	set := compile(t, message.Options{})

	for _, reference := range []string{
		"nm.none", `{{ template "nm.none" . }}`, `{{ end }}`, `{{ nothing }}`, `{{ end }}{{ define "x" }}`,
	} {
		found, err := set.Text(reference, message.Subject)
		if err == nil {
			t.Errorf("%s: no error", reference)
		}

		if _, ok := errors.AsType[message.Finding](err); !ok {
			t.Errorf("%s: %v is no finding", reference, err)
		}

		if text, err := found.Render(notification(firing("alertname", "A"))); err != nil || text != "[FIRING] A" {
			t.Errorf("%s: got %q, %v", reference, text, err)
		}
	}

	if _, err := set.Text("nm.subject", "nm.none"); err == nil {
		t.Error("a fallback that does not exist is accepted")
	}
}

func TestPick(t *testing.T) {
	for _, test := range []struct {
		references []string
		want       string
	}{
		{[]string{"default", "", "", ""}, "default"},
		{[]string{"default", "global", "", ""}, "global"},
		{[]string{"default", "global", "type", " "}, "type"},
		{[]string{"default", "global", "type", "receiver"}, "receiver"},
		{[]string{"default", "", "", "receiver"}, "receiver"},
		{nil, ""},
	} {
		if got := message.Pick(test.references...); got != test.want {
			t.Errorf("%v: got %q, want %q", test.references, got, test.want)
		}
	}
}

// What a receiver defines counts for itself, also below the templates of all, and for nobody else.
func TestOverlay(t *testing.T) {
	set := compile(t, message.Options{},
		`{{ define "nm.all" }}({{ template "nm.part" . }}){{ end }}{{ define "nm.part" }}all{{ end }}`)
	data := notification()

	over, findings := set.Overlay(message.Source{Name: "tmplText", Text: `{{ define "nm.part" }}mine{{ end }}`})
	if len(findings) > 0 {
		t.Fatal(findings)
	}

	if got := textOf(t, over, "nm.all", data); got != "(mine)" {
		t.Errorf("the receiver gets %q", got)
	}

	if got := textOf(t, set, "nm.all", data); got != "(all)" {
		t.Errorf("others get %q", got)
	}

	broken, findings := set.Overlay(message.Source{
		Name: "tmplText", Text: "{{ define \"nm.part\" }}\n{{ oops }}{{ end }}",
	})
	if len(findings) != 1 || findings[0].Line != 2 || findings[0].Source != "tmplText" {
		t.Fatalf("findings %v", findings)
	}

	if got := textOf(t, broken, "nm.all", data); got != "(all)" {
		t.Errorf("after a broken one the receiver gets %q", got)
	}

	circle, findings := set.Overlay(message.Source{
		Name: "tmplText", Text: `{{ define "nm.part" }}{{ template "nm.all" . }}{{ end }}`,
	})
	if len(findings) != 1 || findings[0].Reason != message.Recursive || findings[0].Template != "nm.part" {
		t.Fatalf("findings %v", findings)
	}

	if got := textOf(t, circle, "nm.all", data); got != "(all)" {
		t.Errorf("after a circle the receiver gets %q", got)
	}
}

func TestFunctions(t *testing.T) {
	one := saying("message", `say "hi"`, "summaryCn", "中")
	one.Labels = firing("alertname", "A", "a-b", "c d_e", "long", "aXbXc").Labels
	data := notification(one, resolved("alertname", "B"))
	set := compile(t, message.Options{TimeZone: "America/New_York"})

	for _, test := range []struct{ text, want string }{
		{`{{ toUpper "añb" }}{{ toLower "ÄB" }}`, "AÑBäb"},
		{`{{ title "disk is full_now" }}`, "Disk Is Full_now"},
		{`{{ join ", " (stringSlice "a" "b") }}`, "a, b"},
		{`{{ .CommonLabels.Names | join "+" }}`, ""},
		{`{{ if match "^c.*e$" (index (index .Alerts 0).Labels "a-b") }}yes{{ end }}`, "yes"},
		{`{{ reReplaceAll "(\\w)X" "<$1>" (index .Alerts 0).Labels.long }}`, "<a><b>c"},
		{`{{ reReplaceAll "" "-" "abc" }}`, "-a-b-c-"},
		{`{{ reReplaceAll "b*" "-" "abc" }}`, "-a-c-"},
		{`{{ safeHtml "<b>" }}`, "<b>"},
		{`{{ range .Alerts.Firing }}"{{ message . | escape }}"{{ end }}`, `"say \"hi\""`},
		{`{{ translate "Firing" }} {{ translate "word" }}`, "FIRING word"},
		{`{{ date "15:04" (index .Alerts 0).StartsAt }}`, "23:06"},
		{`{{ (index .Alerts 0).StartsAt | inZone "Asia/Tokyo" | date "15:04 MST" }}`, "13:06 JST"},
		{`{{ (index .Alerts 0).StartsAt | tz "UTC" | date "15:04" }}`, "04:06"},
		{`{{ date "15:04" (index .Alerts 0).EndsAt }}|{{ date "15:04" "" }}`, "|"},
		{`{{ date "15:04" .Now }} {{ .Now }}`, "00:06 2026-03-04T05:06:07Z"},
		{`{{ since (index .Alerts 0).StartsAt }}`, "1h"},
		{`{{ range .Alerts }}{{ since . }};{{ end }}`, "1h;59m;"},
		{`{{ humanizeDuration 3723 }} {{ humanizeDuration "90m" }} {{ humanizeDuration 0.5 }}`, "1h 2m 1h 30m 500ms"},
		{`{{ humanizeDuration (since (index .Alerts 0)) }}`, "1h"},
		{`{{ .CommonLabels.none | default "n/a" }} {{ default "x" "y" }}`, "n/a y"},
		{`{{ toJson .GroupLabels }}{{ toJson "<a>" }}`, `{}"<a>"`},
		{`{{ .CommonLabels.none }}`, ""},
		{`{{ printf "%s-%05d-%q" "a" 42 "b" }} {{ print 1 2 "x" }}`, `a-00042-"b" 1 2x`},
		{`{{ html "<&>" }} {{ js "'" }} {{ urlquery "a b" }}`, `&lt;&amp;&gt; \' a+b`},
		{`{{ len .Alerts }} {{ .Alerts.Firing | len }} {{ .Alerts.Resolved | len }}`, "2 1 1"},
		{`{{ range .Alerts.Firing }}{{ details "; " . }}{{ end }}`, "; alertname: A; a-b: c d_e; long: aXbXc"},
		{`{{ range .Alerts.Firing }}{{ range .Labels.SortedPairs }}{{ .Name }} {{ end }}{{ end }}`, "alertname a-b long"},
		{`{{ range .Alerts.Firing }}{{ .Labels.Remove (stringSlice "long" "a-b") }}{{ end }}`, "map[alertname:A]"},
	} {
		if got := textOf(t, set, test.text+" ", data); got != test.want {
			t.Errorf("%s: got %q, want %q", test.text, got, test.want)
		}
	}

	chinese := compile(t, message.Options{Language: "zh-cn"})
	if got := textOf(t, chinese, `{{ range .Alerts }}{{ message . }}{{ end }}`, data); got != "中" {
		t.Errorf("in Chinese: %q", got)
	}
}

func TestFunctionsThatFail(t *testing.T) {
	set := compile(t, message.Options{})

	for text, want := range map[string]string{
		`{{ date "15:04" "yesterday" }}`:                     "is no time",
		`{{ date "15:04" 7 }}`:                               "a int is no time",
		`{{ inZone "Mars/Olympus" .Now }}`:                   "is no time zone",
		`{{ inZone "Local" .Now }}`:                          "is no time zone",
		`{{ humanizeDuration "long" }}`:                      "is no duration",
		`{{ humanizeDuration .Alerts }}`:                     "is no duration",
		`{{ match "(" "x" }}`:                                "does not compile",
		`{{ reReplaceAll "[" "" "x" }}`:                      "does not compile",
		`{{ match "` + strings.Repeat("a", 600) + `" "x" }}`: "600 bytes long",
		`{{ match "((a{100}){100}){10}" "x" }}`:              "repeat",
		`{{ message . }}`:                                    "wrong type",
		`{{ .Nothing }}`:                                     "can't evaluate field Nothing",
		`{{ index .Alerts 7 }}`:                              "index out of range",
		`{{ printf "%*d" 5 5 }}`:                             "width from an argument",
		`{{ printf "%9999d" 5 }}`:                            "more than 3 digits",
		`{{ printf "` + strings.Repeat("%s", 65) + `" 1 }}`:  "65 verbs",
	} {
		found, err := set.Text(text, message.Subject)
		if err != nil {
			t.Errorf("%s: %v", text, err)

			continue
		}

		if _, err := found.Preview(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// HTML was made without escaping once, and text with it (B7).
func TestEscaping(t *testing.T) {
	set := compile(t, message.Options{}, `
{{ define "x" }}<p title="{{ (index .Alerts 0).Labels.alertname }}">{{ message (index .Alerts 0) }}</p>{{ end }}
{{ define "safe" }}{{ safeHtml "<b>bold</b>" }}{{ message (index .Alerts 0) }}{{ end }}
{{ define "link" }}<a href="{{ (index .Alerts 0).GeneratorURL }}">x</a>{{ end }}`)

	one := saying("message", `<script>alert("1")</script> & 'x'`)
	one.Labels = firing("alertname", `"><img src=x>`).Labels
	one.GeneratorURL = "javascript:alert(1)"
	data := notification(one)

	want := `<p title="&#34;&gt;&lt;img src=x&gt;">` +
		`&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &amp; &#39;x&#39;</p>`
	if diff := cmp.Diff(want, htmlOf(t, set, "x", data)); diff != "" {
		t.Errorf("HTML: %s", diff)
	}

	want = `<p title=""><img src=x>"><script>alert("1")</script> & 'x'</p>`
	if diff := cmp.Diff(want, textOf(t, set, "x", data)); diff != "" {
		t.Errorf("text: %s", diff)
	}

	if got := htmlOf(t, set, "safe", data); !strings.HasPrefix(got, "<b>bold</b>&lt;script&gt;") {
		t.Errorf("safeHtml: %s", got)
	}

	if got := htmlOf(t, set, "link", data); strings.Contains(got, "javascript:") {
		t.Errorf("a link: %s", got)
	}

	for _, name := range []string{"nm.html", "nm.default.html"} {
		if got := htmlOf(t, set, name, data); strings.Contains(got, "<script>") || strings.Contains(got, "<img") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestUnsafeHTML(t *testing.T) {
	set := compile(t, message.Options{}, `{{ define "x" }}<a href="{{ if .Alerts }}"{{ end }}>{{ end }}`)

	found, err := set.HTML("x", message.HTML)

	var finding message.Finding
	if !errors.As(err, &finding) || finding.Reason != message.UnsafeHTML || finding.Source != "file0" {
		t.Fatalf("got %v", err)
	}

	if text, err := found.Render(message.Sample()); err != nil || !strings.HasPrefix(text, "<!DOCTYPE html>") {
		t.Errorf("got %q, %v", text, err)
	}

	// As text it is as good as any.
	if _, err := set.Text("x", message.Text); err != nil {
		t.Error(err)
	}
}

func TestFindings(t *testing.T) {
	previous := compile(t, message.Options{}, `{{ define "good" }}old good{{ end }}
{{ define "broken" }}old broken{{ end }}
{{ define "gone" }}old gone{{ end }}`)

	broken := `{{ define "good" }}new good{{ end }}

{{ define "broken" }}
  {{ if }}
{{ end }}
{{ define "after" }}after{{ end }}`

	set, findings := message.Compile(
		[]message.Source{
			{Name: "cm/a.tmpl", Text: broken},
			{Name: "cm/b.tmpl", Text: `{{ define "other" }}b{{ end }}`},
		},
		message.Options{Previous: previous},
	)

	if len(findings) != 1 || findings[0].Source != "cm/a.tmpl" || findings[0].Line != 4 ||
		findings[0].Template != "broken" || findings[0].Reason != message.BadSyntax {
		t.Fatalf("findings %+v", findings)
	}

	if got, want := findings[0].Error(), `cm/a.tmpl:4: template "broken": missing value for if`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	for reference, want := range map[string]string{
		"good": "new good", "broken": "old broken", "after": "after", "other": "b", "nm.subject": "[RESOLVED] 0 alerts",
	} {
		if got := textOf(t, set, reference, notification()); got != want {
			t.Errorf("%s: got %q, want %q", reference, got, want)
		}
	}

	// What nobody defines any more is gone.
	if _, err := set.Text("gone", message.Text); err == nil {
		t.Error("a template that was removed is still there")
	}
}

func TestFindingsOfAFile(t *testing.T) {
	old := []message.Source{{Name: "a", Text: `{{ define "x" }}old{{ end }}`}}
	previous, _ := message.Compile(old, message.Options{})

	for name, test := range map[string]struct {
		text   string
		reason message.Reason
		want   string
	}{
		"without a name":    {`{{ nothing }} {{ define "y" }}y{{ end }}`, message.BadSyntax, "old"},
		"no definition":     {`{{ if `, message.BadSyntax, "old"},
		"too long":          {strings.Repeat("x", 1<<20+1), message.TooLarge, "old"},
		"too many actions":  {strings.Repeat("{{ 1 }}", 20_001), message.TooLarge, "old"},
		"unknown function":  {`{{ define "x" }}{{ exec "ls" }}{{ end }}`, message.BadSyntax, "old"},
		"unknown template":  {`{{ define "x" }}{{ template "none" }}{{ end }}`, message.UnknownTemplate, "old"},
		"itself":            {`{{ define "x" }}{{ template "x" }}{{ end }}`, message.Recursive, "old"},
		"large action":      {`{{ define "x" }}{{ or ` + strings.Repeat("1 ", 300) + `}}{{ end }}`, message.TooLarge, "old"},
		"defined two times": {`{{ define "x" }}1{{ end }}{{ define "x" }}2{{ end }}`, "", "2"},
	} {
		sources := []message.Source{{Name: "a", Text: test.text}}
		set, findings := message.Compile(sources, message.Options{Previous: previous})

		var reason message.Reason
		if len(findings) > 0 {
			reason = findings[0].Reason
		}

		if reason != test.reason {
			t.Errorf("%s: findings %v", name, findings)
		}

		if got := textOf(t, set, "x", notification()); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// Templates that call each other in a circle are left out, with those that call them in vain; others stay.
func TestCircles(t *testing.T) {
	text := `{{ define "a" }}{{ template "b" . }}{{ end }}
{{ define "b" }}{{ if . }}{{ template "c" . }}{{ end }}{{ end }}
{{ define "c" }}{{ range .Alerts }}{{ template "a" . }}{{ end }}{{ end }}
{{ define "user" }}{{ template "a" . }}{{ end }}{{ define "other" }}other{{ end }}
{{ define "nm.default.message" }}{{ template "nm.default.text" . }}{{ end }}`

	set, findings := message.Compile([]message.Source{{Name: "f", Text: text}}, message.Options{})

	reasons := map[string]message.Reason{}
	for _, finding := range findings {
		reasons[finding.Template] = finding.Reason
	}

	want := map[string]message.Reason{
		"a": message.Recursive, "b": message.Recursive, "c": message.Recursive, "user": message.UnknownTemplate,
		"nm.default.message": message.Recursive,
	}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Error(diff)
	}

	if got := textOf(t, set, "other", notification()); got != "other" {
		t.Errorf("got %q", got)
	}

	if got := textOf(t, set, "nm.default.subject", notification(firing("alertname", "A"))); got != "[FIRING] A" {
		t.Errorf("got %q", got)
	}
}

func TestDeepCalls(t *testing.T) {
	chain := func(length int) string {
		var text strings.Builder
		for i := range length {
			fmt.Fprintf(&text, `{{ define "t%d" }}{{ template "t%d" . }}{{ end }}`, i, i+1)
		}

		return text.String() + `{{ define "t` + strconv.Itoa(length) + `" }}end{{ end }}`
	}

	if got := textOf(t, compile(t, message.Options{}, chain(50)), "t0", notification()); got != "end" {
		t.Errorf("got %q", got)
	}

	set, findings := message.Compile([]message.Source{{Name: "f", Text: chain(1500)}}, message.Options{})
	if len(findings) == 0 || findings[0].Reason != message.TooLarge {
		t.Errorf("findings %v", findings)
	}

	if got := textOf(t, set, "t1490", notification()); got != "end" {
		t.Errorf("got %q", got)
	}
}

// A template that would never end, or fill the memory, ends with an error that says so.
func TestBudget(t *testing.T) {
	many := make([]alert.Alert, 300)
	for i := range many {
		many[i] = firing("alertname", "A", "n", strconv.Itoa(i), "text", strings.Repeat("a", 100))
	}

	data := notification(many...)

	for name, text := range map[string]string{
		"ranges":           `{{ range .Alerts }}{{ range $.Alerts }}{{ range $.Alerts }}{{ end }}{{ end }}{{ end }}`,
		"a number":         `{{ range 1000000000000 }}{{ end }}`,
		"a number, nested": `{{ range 100000 }}{{ range 100000 }}{{ if . }}{{ continue }}{{ end }}{{ end }}{{ end }}`,
		"output":           `{{ range .Alerts }}{{ range $.Alerts }}{{ .Labels.text }}{{ end }}{{ end }}`,
		"doubling":         `{{ $x := "aaaaaaaaaa" }}{{ range 60 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`,
		"doubling, print":  `{{ $x := "aaaaaaaaaa" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}`,
		"doubling, join":   `{{ $x := "aaaaaaaaaa" }}{{ range 60 }}{{ $x = join $x (stringSlice $x $x) }}{{ end }}`,
		"doubling, regex":  `{{ $x := "aaaaaaaaaa" }}{{ range 60 }}{{ $x = reReplaceAll "^(.*)$" "$1$1" $x }}{{ end }}`,
		"doubling, js":     `{{ $x := "\\" }}{{ range 60 }}{{ $x = js $x }}{{ end }}`,
		"doubling, JSON":   `{{ $x := "\"\"\"\"\"" }}{{ range 60 }}{{ $x = escape $x }}{{ end }}`,
		"doubling, date":   `{{ $x := "1 November 1" }}{{ range 60 }}{{ $x = date $x "2026-11-11T11:11:11Z" }}{{ end }}`,
		"the whole":        `{{ range .Alerts }}{{ $x := toJson $ }}{{ end }}`,
		"matches":          `{{ $x := reReplaceAll "" "-" (printf "%999s%999s%999s%999s%999s%999s%999s%999s%999s%999s%999s" 1 1 1 1 1 1 1 1 1 1 1) }}`,
	} {
		set := compile(t, message.Options{Budget: message.Budget{Bytes: 1 << 20, Steps: 200_000, Made: 4 << 20}})

		found, err := set.Text(text, message.Subject)
		if err != nil {
			t.Errorf("%s: %v", name, err)

			continue
		}

		// The error stands behind the spare; a Set whose failures are told shows it.
		told := renderAlone(t, text, data, message.Budget{Bytes: 1 << 20, Steps: 200_000, Made: 4 << 20})
		if name != "doubling, date" && !errors.Is(told, message.ErrBudget) {
			t.Errorf("%s: got %v", name, told)
		}

		if told == nil {
			t.Errorf("%s: no error", name)
		}

		if out, err := found.Render(data); err != nil || out != "[FIRING] 300 alerts" {
			t.Errorf("%s: the spare says %q, %v", name, out, err)
		}
	}
}

// renderAlone gives the error of a template that its spare hides.
func renderAlone(t *testing.T, text string, data *message.Data, budget message.Budget) error {
	t.Helper()

	var told error

	set := compile(t, message.Options{Budget: budget, OnFailure: func(_ string, err error) { told = err }})

	found, err := set.Text(text, message.Subject)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := found.Render(data); err != nil {
		t.Fatal(err)
	}

	return told
}

func TestTimeBudget(t *testing.T) {
	at := now()
	clock := func() time.Time {
		at = at.Add(100 * time.Millisecond)

		return at
	}

	var told error

	set := compile(t, message.Options{Clock: clock, OnFailure: func(_ string, err error) { told = err }})

	found, err := set.Text(`{{ range 10000 }}{{ end }}`, message.Subject)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := found.Render(notification()); err != nil {
		t.Fatal(err)
	}

	if !errors.Is(told, message.ErrBudget) || !strings.Contains(told.Error(), "longer than 1s") {
		t.Errorf("got %v", told)
	}
}

// A template that fails on some data does not lose the alert, and the failure is told with its place.
func TestSpare(t *testing.T) {
	var told string

	set := compile(t, message.Options{OnFailure: func(name string, err error) { told = name + ": " + err.Error() }},
		"\n{{ define \"x\" }}\n  {{ (index .Alerts 1).ID }}{{ end }}")

	if got := textOf(t, set, "x", notification(firing("alertname", "A"))); !strings.HasPrefix(got, "[FIRING] A\n") {
		t.Errorf("got %q", got)
	}

	for _, part := range []string{"x: ", "file0:3", `executing "x"`, "index out of range"} {
		if !strings.Contains(told, part) {
			t.Errorf("%q is not in %q", part, told)
		}
	}

	// The spare is what comes with the program, whatever a user made of it.
	set = compile(t, message.Options{}, `{{ define "nm.default.text" }}{{ .Nothing }}{{ end }}`)

	got := textOf(t, set, "nm.default.text", notification(firing("alertname", "A")))
	if !strings.HasPrefix(got, "[FIRING] A\n") {
		t.Errorf("got %q", got)
	}
}

func TestLanguagePacks(t *testing.T) {
	packs := []message.Source{
		{Name: "cm/zh-cn", Text: "- name: zh-cn\n  dictionary:\n    Pod: 容器组\n    firing: 触发\n- name: fr\n  dictionary: {pod: capsule}\n"},
		{Name: "cm/broken", Text: "name: zh-cn"},
		{Name: "cm/more", Text: "- name: ZH-CN\n  dictionary: {NODE: 节点}\n"},
	}

	set, findings := message.Compile(nil, message.Options{Language: "zh-cn", Packs: packs})
	if len(findings) != 1 || findings[0].Source != "cm/broken" || findings[0].Reason != message.BadLanguagePack {
		t.Fatalf("findings %v", findings)
	}

	text := `{{ translate "pod" }} {{ translate "FIRING" }} {{ translate "Node" }} {{ translate "other" }}`
	if got, want := textOf(t, set, text, notification()), "容器组 触发 节点 other"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	english := compile(t, message.Options{Packs: packs[:1]})
	if got, want := textOf(t, english, text, notification()), "pod FIRING Node other"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTimeZone(t *testing.T) {
	set, findings := message.Compile(nil, message.Options{TimeZone: "Nowhere"})
	if len(findings) != 1 || findings[0].Reason != message.BadTimeZone {
		t.Fatalf("findings %v", findings)
	}

	if got := textOf(t, set, `{{ date "15:04 MST" .Now }}`, notification()); got != "05:06 UTC" {
		t.Errorf("got %q", got)
	}
}

// Goroutines that render one template do not see each other's data.
func TestConcurrency(t *testing.T) {
	set := compile(t, message.Options{})

	reference := `{{ range .Alerts }}{{ .Labels.n }} {{ date "15:04" $.Now }} {{ since . }}{{ end }}`

	text, err := set.Text(reference, message.Text)
	if err != nil {
		t.Fatal(err)
	}

	html, err := set.HTML("nm.html", message.HTML)
	if err != nil {
		t.Fatal(err)
	}

	var group sync.WaitGroup

	for worker := range 8 {
		group.Go(func() {
			number := strconv.Itoa(worker)
			data := message.New([]alert.Alert{firing("n", number)}, message.Notification{
				Now: now().Add(time.Duration(worker) * time.Hour),
			})
			want := number + now().Add(time.Duration(worker)*time.Hour).Format(" 15:04 ") + strconv.Itoa(worker+1) + "h"

			for range 200 {
				if got, err := text.Render(data); err != nil || got != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}

				if got, err := html.Render(data); err != nil || !strings.Contains(got, "<td>"+number+"</td>") {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	}

	group.Wait()
}

// The parser ran for each message once (B15). Now it runs when a Set is compiled, and what a rendering allocates
// does not depend on how many templates there are.
func TestCompiledOnce(t *testing.T) {
	var many strings.Builder
	for i := range 500 {
		many.WriteString(`{{ define "t` + strconv.Itoa(i) + `" }}{{ .Status }}{{ end }}`)
	}

	data := notification(firing("alertname", "A"))

	var allocations [2]float64

	for i, text := range []string{"", many.String()} {
		found, err := compile(t, message.Options{}, text).Text(message.Subject, message.Subject)
		if err != nil {
			t.Fatal(err)
		}

		allocations[i] = testing.AllocsPerRun(100, func() { _, _ = found.Render(data) })
	}

	if allocations[1] > allocations[0]+5 || allocations[0] > 60 {
		t.Errorf("allocations of a rendering: %v", allocations)
	}
}
