package message

import (
	"encoding/json"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"slices"
	"strings"
	"sync"
	"text/template"
	"text/template/parse"
)

// Template is a template of a Set, ready to be rendered by several goroutines.
type Template struct {
	name  string
	html  bool
	raw   bool
	set   *Set
	trees map[string]*parse.Tree
	// spare is used when this one fails while it runs: what was given as the fallback, as it comes with the program.
	spare *Template
	// instances are ready to run, each for one goroutine at a time.
	instances *sync.Pool
}

// instance is a template with the run its functions and its output belong to.
type instance struct {
	run     *run
	execute func(out io.Writer, data *Data) error
}

// Pick is the reference that counts of several, given from the most general to the most special: the default, that
// of all channels, that of the channel, that of the receiver. An empty one says nothing.
func Pick(references ...string) string {
	for _, reference := range slices.Backward(references) {
		if strings.TrimSpace(reference) != "" {
			return reference
		}
	}

	return ""
}

// Text is a template whose output is text. A reference is the name of a template, or a text that calls some, like
// {{ template "nm.default.text" . }}. The fallback is the name of a template that comes with the program. Where the
// reference cannot be used there is an error, a Finding, and a template nevertheless: the fallback.
func (s *Set) Text(reference, fallback string) (*Template, error) {
	return s.lookup(reference, fallback, false)
}

// HTML is a template whose output is HTML: what alerts say is escaped for the place it stands in.
func (s *Set) HTML(reference, fallback string) (*Template, error) {
	return s.lookup(reference, fallback, true)
}

func (s *Set) lookup(reference, fallback string, html bool) (*Template, error) {
	// The spare is of those that come with the program alone, so that no edit can break it.
	plain := *s
	plain.defined = s.builtin

	spare, err := plain.find(fallback, html)
	if err != nil {
		return nil, fmt.Errorf("the fallback: %w", err)
	}

	if strings.TrimSpace(reference) == "" {
		reference = fallback
	}

	found, err := s.find(reference, html)
	if err != nil {
		return spare, err
	}

	found.spare = spare

	return found, nil
}

// find makes the template of a reference.
func (s *Set) find(reference string, html bool) (*Template, error) {
	name, defined := reference, s.defined

	if strings.Contains(reference, "{{") {
		const inline = "template reference"

		over, err := s.inline(inline, reference)
		if err != nil {
			return nil, err
		}

		name, defined = inline, over
	}

	name = strings.TrimSpace(name)

	of, ok := defined[name]
	if !ok {
		return nil, Finding{Template: name, Reason: UnknownTemplate, Message: unknownTemplate(name)}
	}

	made := &Template{
		name: name, html: html, set: s, trees: make(map[string]*parse.Tree),
		raw: of == s.builtin[name] && (name == WebhookMessage || name == History),
	}
	made.reach(of, defined)
	made.instances = &sync.Pool{New: func() any { return made.newInstance() }}

	if html {
		if err := made.checkHTML(); err != nil {
			return nil, Finding{
				Source: of.source, Line: of.line, Template: name, Reason: UnsafeHTML, Message: err.Error(),
			}
		}
	}

	return made, nil
}

// inline makes a reference that is a text a template of its own.
func (s *Set) inline(name, text string) (map[string]*definition, error) {
	source := Source{Name: name, Text: `{{ define "` + name + `" }}` + text + `{{ end }}`}

	over, findings := assemble([]Source{source}, nil, s.defined)
	if len(findings) > 0 {
		return nil, findings[0]
	}

	return over, nil
}

// reach collects the trees of a definition and of all that it calls.
func (t *Template) reach(of *definition, defined map[string]*definition) {
	if _, ok := t.trees[of.name]; ok {
		return
	}

	t.trees[of.name] = of.tree

	for _, called := range of.survey.calls {
		t.reach(defined[called], defined)
	}
}

// checkHTML finds out whether the template can be escaped, which is known when it is run for the first time. That
// it fails on a sample for another reason is no matter here.
func (t *Template) checkHTML() error {
	_, err := t.execute(Sample())

	if unsafe, ok := errors.AsType[*htmltemplate.Error](err); ok {
		return fmt.Errorf("it cannot be escaped as HTML: %w; close each tag, quote and script where it was opened",
			unsafe)
	}

	return nil
}

// newInstance is an *instance, or an error.
func (t *Template) newInstance() any {
	const missing = "missingkey=zero"

	r := &run{budget: t.set.budget, clock: t.set.clock}

	if t.html {
		root := htmltemplate.New("").Option(missing).Funcs(functions(r, t.set.tools))

		for name, tree := range t.trees {
			if _, err := root.AddParseTree(name, tree.Copy()); err != nil {
				return fmt.Errorf("template %q: %w", name, err)
			}
		}

		return &instance{run: r, execute: func(out io.Writer, data *Data) error {
			return root.ExecuteTemplate(out, t.name, data)
		}}
	}

	root := template.New("").Option(missing).Funcs(functions(r, t.set.tools))

	for name, tree := range t.trees {
		if _, err := root.AddParseTree(name, tree); err != nil {
			return fmt.Errorf("template %q: %w", name, err)
		}
	}

	return &instance{run: r, execute: func(out io.Writer, data *Data) error {
		return root.ExecuteTemplate(out, t.name, data)
	}}
}

// Name is the name of the template.
func (t *Template) Name() string {
	return t.name
}

// Render makes the text of a notification, without the blanks at its end. When the template fails its spare makes
// the text, and OnFailure is told: an alert in the wrong words is better than none.
func (t *Template) Render(data *Data) (string, error) {
	text, err := t.execute(data)
	if err == nil || t.spare == nil {
		return text, err
	}

	if t.set.onFailure != nil {
		t.set.onFailure(t.name, err)
	}

	return t.spare.execute(data)
}

// Preview makes the text of a sample, and says what is wrong where the template fails.
func (t *Template) Preview() (string, error) {
	return t.execute(Sample())
}

func (t *Template) execute(data *Data) (string, error) {
	if data == nil {
		data = &Data{}
	}

	if t.raw {
		return rawJSON(data)
	}

	switch made := t.instances.Get().(type) {
	case *instance:
		if err := made.render(data); err != nil {
			return "", t.failure(err)
		}

		text := strings.TrimRight(string(made.run.out), " \t\r\n")
		t.instances.Put(made)

		return text, nil
	case error:
		return "", made
	default:
		return "", fmt.Errorf("template %q cannot be run", t.name)
	}
}

// render runs the template. The engine of templates returns errors; a panic in it, of a template nobody thought of,
// ends this rendering and not the process. An instance that failed is not used again.
func (i *instance) render(data *Data) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("it cannot be run: %v", cause)
		}
	}()

	i.run.begin(TimeOf(data.Now))

	return i.execute(i.run, data)
}

// failure is an error of a template, with its place: the file and the line are in it already.
func (t *Template) failure(err error) error {
	if errors.Is(err, ErrBudget) {
		return fmt.Errorf("template %q: %w", t.name, err)
	}

	return fmt.Errorf("template %q fails: %w", t.name, err)
}

// rawJSON is the data itself, as webhooks are sent it.
func rawJSON(data *Data) (string, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return "", fmt.Errorf("writing a notification as JSON: %w", err)
	}

	return string(text), nil
}
