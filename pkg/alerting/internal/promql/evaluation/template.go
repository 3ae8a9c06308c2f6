package evaluation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	texttemplate "text/template"
	"text/template/parse"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"
)

// definitions are the variables that every template of an alert has.
const definitions = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}" +
	"{{$externalURL := .ExternalURL}}{{$value := .Value}}"

// stepFunction is called before each turn of a loop and in each template that another one calls.
const stepFunction = "__step"

var errCycle = errors.New("a template calls itself")

// Template is a label or an annotation of an alerting rule. It is expanded as Prometheus does, by the standard
// library's templates and with Prometheus' functions, but within bounds: loops are paid for turn by turn, and
// no value gets longer than maxText.
type Template struct {
	evaluator *Evaluator
	name      string
	text      string
	parsed    *texttemplate.Template
	failure   error

	// Of the expansion that is under way.
	ctx context.Context //nolint:containedctx // functions of templates cannot be given one
	at  time.Time
}

// Template reads a template of the alerting rule of a name. One that cannot be read expands to the reason.
func (e *Evaluator) Template(alert, text string) *Template {
	t := &Template{evaluator: e, name: "__alert_" + alert, text: text}
	t.parsed, t.failure = t.parse()

	return t
}

func (t *Template) parse() (*texttemplate.Template, error) {
	// Most labels and annotations are plain text.
	if !strings.Contains(t.text, "{{") {
		return nil, nil //nolint:nilnil // nothing to execute and nothing wrong
	}

	if len(t.text) > maxText {
		return nil, errText
	}

	parsed, err := texttemplate.New(t.name).Funcs(t.functions()).Option("missingkey=zero").Parse(definitions + t.text)
	if err != nil {
		return nil, fmt.Errorf("error parsing template %v: %w", t.name, err)
	}

	called := map[string][]string{}

	for _, defined := range parsed.Templates() {
		if defined.Tree == nil || defined.Root == nil {
			continue
		}

		called[defined.Name()] = instrument(defined.Root)
		if defined.Name() != t.name {
			countSteps(defined.Root)
		}
	}

	if cyclic(called) {
		return nil, errCycle
	}

	return parsed, nil
}

// instrument lets every turn of every loop below a list be counted, and returns which templates are called.
func instrument(list *parse.ListNode) []string {
	if list == nil {
		return nil
	}

	var called []string

	for _, node := range list.Nodes {
		switch node := node.(type) {
		case *parse.TemplateNode:
			called = append(called, node.Name)
		case *parse.RangeNode:
			called = append(called, instrumentBranch(&node.BranchNode)...)
			countSteps(node.List)
		case *parse.IfNode:
			called = append(called, instrumentBranch(&node.BranchNode)...)
		case *parse.WithNode:
			called = append(called, instrumentBranch(&node.BranchNode)...)
		default:
		}
	}

	return called
}

func instrumentBranch(branch *parse.BranchNode) []string {
	return append(instrument(branch.List), instrument(branch.ElseList)...)
}

// countSteps puts a call of the step function in front of a list.
func countSteps(list *parse.ListNode) {
	step, err := parse.Parse("step", "{{"+stepFunction+"}}", "", "", map[string]any{stepFunction: true})
	if err == nil {
		list.Nodes = append([]parse.Node{step["step"].Root.Nodes[0]}, list.Nodes...)
	}
}

// cyclic says whether a template calls itself, by whatever detour.
func cyclic(called map[string][]string) bool {
	const entered, left = 1, 2

	state := map[string]int{}

	var visit func(string) bool

	visit = func(name string) bool {
		if state[name] != 0 {
			return state[name] == entered
		}

		state[name] = entered

		found := slices.ContainsFunc(called[name], visit)
		state[name] = left

		return found
	}

	for name := range called {
		if visit(name) {
			return true
		}
	}

	return false
}

// Expand returns the template's text for an element of the rule's result. What fails is said in the text, as
// Prometheus does; the error tells that nothing more can be paid for.
func (t *Template) Expand(ctx context.Context, sample Sample, at time.Time) (string, error) {
	if t.parsed == nil && t.failure == nil {
		return t.text, nil
	}

	if err := t.step(priceTemplate); err != nil {
		return "", err
	}

	t.ctx, t.at = ctx, at

	text, err := t.execute(sample)
	if budgetErr := t.evaluator.budget.Err(); budgetErr != nil {
		return "", budgetErr
	}

	if err != nil {
		return fmt.Sprintf("<error expanding template: %s>", err), nil
	}

	return text, nil
}

func (t *Template) execute(sample Sample) (text string, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = failed(reason)
		}
	}()

	if t.failure != nil {
		return "", t.failure
	}

	data := template.AlertTemplateData(sample.Labels.Map(), map[string]string{}, "",
		promql.Sample{F: sample.Value.number, H: sample.Value.histogram})

	var out bytes.Buffer
	if err := t.parsed.Execute(&bounded{to: &out, left: maxText}, data); err != nil {
		return "", fmt.Errorf("error executing template %v: %w", t.name, err)
	}

	return out.String(), nil
}

// step pays for some work on the template, and for as much of it as may follow until the next step.
func (t *Template) step(work float64) error {
	return t.evaluator.budget.spend(work + float64(len(t.text))/perByte)
}

// bounded is a writer that takes so many bytes and no more.
type bounded struct {
	to   io.Writer
	left int
}

// Write implements io.Writer.
func (b *bounded) Write(text []byte) (int, error) {
	if len(text) > b.left {
		return 0, errText
	}

	b.left -= len(text)

	return b.to.Write(text) //nolint:wrapcheck // a buffer never fails
}

// functions returns everything that a template may call.
func (t *Template) functions() texttemplate.FuncMap {
	functions := texttemplate.FuncMap{
		stepFunction: func() (string, error) { return "", t.step(priceTemplate) },
	}

	maps.Copy(functions, printers())

	for _, name := range []string{
		"query", "first", "label", "value", "strvalue", "args", "reReplaceAll", "safeHtml", "match", "title", "toUpper",
		"toLower", "graphLink", "tableLink", "sortByLabel", "stripPort", "stripDomain", "humanize", "humanize1024",
		"humanizeDuration", "humanizePercentage", "humanizeTimestamp", "toTime", "toDuration", "now", "pathPrefix",
		"externalURL", "parseDuration", "urlQueryEscape",
	} {
		functions[name] = func(arguments ...any) (any, error) { return t.call(name, arguments) }
	}

	return functions
}

// call lets Prometheus' own expander call one of its functions, and hands back the value.
func (t *Template) call(name string, arguments []any) (any, error) {
	if err := t.payCall(name, arguments); err != nil {
		return nil, err
	}

	var (
		result any
		text   strings.Builder
		data   = map[string]any{}
	)

	for i, argument := range arguments {
		key := "a" + strconv.Itoa(i)
		data[key] = argument

		text.WriteString(" ." + key)
	}

	expander := template.NewTemplateExpander(t.ctx, "{{result ("+name+text.String()+")}}", name, data,
		model.TimeFromUnixNano(t.at.UnixNano()), t.query, nil, nil)
	expander.Funcs(texttemplate.FuncMap{"result": func(value any) string {
		result = value

		return ""
	}})

	if _, err := expander.Expand(); err != nil {
		return nil, root(err)
	}

	if sizeOf(result) > maxText {
		return nil, errText
	}

	return result, nil
}

// payCall refuses a call whose result may be too long, and pays for the others.
func (t *Template) payCall(name string, arguments []any) error {
	price := float64(priceFunction)

	for _, argument := range arguments {
		price += float64(sizeOf(argument)) / perByte
	}

	switch name {
	case "reReplaceAll", "match":
		work, err := regexpWork(arguments)
		if err != nil {
			return err
		}

		price += work
	case "args":
		if sizeOf(arguments) > maxText {
			return errText
		}
	}

	return t.evaluator.budget.spend(price)
}

// query is what templates ask with.
func (t *Template) query(ctx context.Context, text string, at time.Time) (promql.Vector, error) {
	expression, err := t.evaluator.Compile(text)
	if err != nil {
		return nil, err
	}

	return t.evaluator.instant(ctx, expression, at)
}

// root returns what a function itself has said: the way through the expander is nobody's business.
func root(err error) error {
	execution, is := errors.AsType[texttemplate.ExecError](err)
	if !is {
		return err
	}

	if own := errors.Unwrap(execution.Err); own != nil {
		return own
	}

	return execution.Err
}
