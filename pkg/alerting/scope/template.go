package scope

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
)

const (
	// prelude stands before every template of a rule: Prometheus puts it there.
	prelude = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}" +
		"{{$externalURL := .ExternalURL}}{{$value := .Value}}"

	// treeName is the name of a template in the parser's messages.
	treeName = "value"

	functionQuery = "query"
	functionTmpl  = "tmpl"
)

// templateNames are the functions that templates of rules may call: those of Prometheus and those of Go. It is a
// list of its own, so that a function which comes with a new version is looked at before it can be called.
func templateNames() map[string]any {
	names := map[string]any{}

	for name := range strings.FieldsSeq("query first label value strvalue args reReplaceAll safeHtml match title " +
		"toUpper toLower graphLink tableLink sortByLabel stripPort stripDomain humanize humanize1024 " +
		"humanizeDuration humanizePercentage humanizeTimestamp toTime toDuration now pathPrefix externalURL " +
		"parseDuration urlQueryEscape " +
		"and call html index slice js len not or print printf println urlquery eq ge gt le lt ne") {
		names[name] = true
	}

	return names
}

// template confines a template that stands in a field.
func (s *Scope) template(field, text string) (string, []string, *Error) {
	tree, refusal := s.parse(field, text)
	if refusal != nil || s.policy.Templates == Free {
		return text, nil, refusal
	}

	queries, refusal := s.read(field, text, tree)
	if refusal != nil || len(queries) == 0 {
		return text, nil, refusal
	}

	confined, expressions, refusal := s.replace(field, text, queries)
	if refusal != nil {
		return "", nil, refusal
	}

	if err := s.recheck(field, confined, tree, expressions); err != nil {
		return "", nil, err
	}

	var warnings []string
	for _, expression := range expressions {
		warnings = append(warnings, expression.Warnings...)
	}

	return confined, warnings, nil
}

// parse returns the tree of a template. Templates that it defines are refused.
func (s *Scope) parse(field, text string) (*parse.Tree, *Error) {
	trees, err := parseSafely(prelude+text, s.names)
	if err != nil {
		return nil, syntaxError(field, err.Error())
	}

	if len(trees) > 1 && s.policy.Templates != Free {
		return nil, refuse(field, ReasonTemplateNotAllowed,
			"it defines a template (define or block): write the text where it is used")
	}

	return trees[treeName], nil
}

// parseSafely turns a panic of the parser into an error: one template must not end the process.
func parseSafely(text string, names map[string]any) (trees map[string]*parse.Tree, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			trees, err = nil, fmt.Errorf("the parser gave up: %v", reason)
		}
	}()

	trees, err = parse.Parse(treeName, text, "", "", names)
	if err == nil && (trees[treeName] == nil || trees[treeName].Root == nil) {
		err = errors.New("there is no template")
	}

	return trees, err
}

// syntaxError takes the line out of a message of the parser: "template: value:3: what is wrong".
func syntaxError(field, message string) *Error {
	refusal := refuse(field, ReasonSyntax, message)

	rest, found := strings.CutPrefix(message, "template: "+treeName+":")
	if !found {
		return refusal
	}

	number, problem, _ := strings.Cut(rest, ":")
	if line, err := strconv.Atoi(number); err == nil {
		refusal.Line, refusal.Message = line, strings.TrimSpace(problem)
	}

	return refusal
}

// read returns the constants that a template queries, in their order, or what it does that it may not.
func (s *Scope) read(field, text string, tree *parse.Tree) ([]*parse.StringNode, *Error) {
	reader := reader{
		field: field, text: text, mute: s.policy.Templates == Mute, lists: map[string]bool{},
		growth: growth{variables: map[string]int{}},
	}

	// Once to know all that is assigned to a variable, and once more to see what loops go over.
	if refusal := reader.list(tree.Root); refusal != nil {
		return nil, refusal
	}

	reader.known, reader.queries, reader.growth = true, nil, growth{variables: map[string]int{}}
	if refusal := reader.list(tree.Root); refusal != nil {
		return nil, refusal
	}

	slices.SortFunc(reader.queries, func(a, b *parse.StringNode) int { return cmp.Compare(a.Pos, b.Pos) })

	return reader.queries, nil
}

// replace confines the queries and puts them back in their places.
func (s *Scope) replace(field, text string, queries []*parse.StringNode) (string, []Expression, *Error) {
	var (
		confined    strings.Builder
		expressions []Expression
		done        int
	)

	for _, query := range queries {
		start := int(query.Pos) - len(prelude)
		if start < done || !strings.HasPrefix(text[start:], query.Quoted) {
			return "", nil, refuse(field, ReasonNotProven, "a query was not found again: write it in a simpler form")
		}

		line, column := place(text, start)

		expression, refusal := s.expression(field, query.Text)
		if refusal != nil {
			refusal.Message = fmt.Sprintf("the query %s: %s", query.Quoted, refusal.Message)
			refusal.Line, refusal.Column = line, column

			return "", nil, refusal
		}

		confined.WriteString(text[done:start])
		confined.WriteString(quoteLike(query.Quoted, expression.Text))

		done = start + len(query.Quoted)

		expressions = append(expressions, expression)
	}

	confined.WriteString(text[done:])

	return confined.String(), expressions, nil
}

// quoteLike writes a constant in the quotes of the one that it replaces, if these can hold it.
func quoteLike(quoted, text string) string {
	if strings.HasPrefix(quoted, "`") && strconv.CanBackquote(text) {
		return "`" + text + "`"
	}

	return strconv.Quote(text)
}

// recheck parses the confined template again: it has to query the confined expressions, and with the queries that
// were written in their place it has to be the template that was written.
func (s *Scope) recheck(field, confined string, written *parse.Tree, expressions []Expression) *Error {
	unproven := refuse(field, ReasonNotProven, "confined and parsed again it is another template: "+
		"write it in a simpler form")

	tree, refusal := s.parse(field, confined)
	if refusal != nil {
		return unproven
	}

	before, refusal := s.read(field, "", written)
	if refusal != nil {
		return unproven
	}

	after, refusal := s.read(field, "", tree)
	if refusal != nil || len(before) != len(after) || len(after) != len(expressions) {
		return unproven
	}

	for i, query := range after {
		if query.Text != expressions[i].Text {
			return unproven
		}

		query.Quoted, query.Text = before[i].Quoted, before[i].Text
	}

	if tree.Root.String() != written.Root.String() {
		return unproven
	}

	return nil
}

// place returns the line and the column of a byte of the text, from 1 on.
func place(text string, offset int) (line, column int) {
	before := text[:offset]

	return strings.Count(before, "\n") + 1, offset - strings.LastIndexByte(before, '\n')
}
