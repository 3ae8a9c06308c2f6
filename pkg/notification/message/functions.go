package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"reflect"
	"strings"
	"text/template"
	"time"
	"unicode"
)

// tools are what the functions of a Set have in common: they never change, or guard themselves.
type tools struct {
	language string
	words    dictionary
	zone     *time.Location
	patterns *patterns
	zones    *zones
}

// functionNames are the functions that templates may call: those of the contract, ours, and those every template
// has. Only the names are looked at.
func functionNames() map[string]any {
	names := functions(&run{}, &tools{})

	for _, builtin := range []string{
		"and", "call", "eq", "ge", "gt", "index", "le", "len", "lt", "ne", "not", "or", "slice",
	} {
		names[builtin] = true
	}

	return names
}

// functions are the functions of one rendering. What makes a text counts its length first.
func functions(r *run, t *tools) map[string]any {
	return map[string]any{
		// Of the contract.
		"toUpper":      r.counted(strings.ToUpper),
		"toLower":      r.counted(strings.ToLower),
		"title":        r.counted(title),
		"join":         r.join,
		"match":        func(pattern, text string) (bool, error) { return r.match(t, pattern, text) },
		"safeHtml":     safeHTML,
		"reReplaceAll": func(pattern, to, text string) (string, error) { return r.replace(t, pattern, to, text) },
		"stringSlice":  func(texts ...string) []string { return texts },
		"escape":       r.escape,
		"translate":    t.words.translate,
		"message":      t.message,

		// Ours.
		"date":             func(layout string, at any) (string, error) { return r.date(t, layout, at) },
		"inZone":           t.inZone,
		"tz":               t.inZone,
		"since":            r.since,
		"humanizeDuration": func(span any) (string, error) { length, err := spanOf(span); return length.String(), err },
		"default":          orDefault,
		"toJson":           r.toJSON,
		"details":          func(before string, of *Alert) (string, error) { return r.details(t, before, of) },
		"detailRows":       func(of *Alert) (htmltemplate.HTML, error) { return r.detailRows(t, of) },

		// Those of every template that make texts, in place of the ones that count nothing.
		"print":    r.print(fmt.Sprint),
		"println":  r.print(fmt.Sprintln),
		"printf":   r.printf,
		"html":     r.print(template.HTMLEscaper),
		"js":       r.print(template.JSEscaper),
		"urlquery": r.print(template.URLQueryEscaper),
	}
}

// safeHTML is for whoever knows that a text is HTML.
func safeHTML(text string) htmltemplate.HTML {
	return htmltemplate.HTML(text) //nolint:gosec // the author of the template asks for it
}

func (r *run) counted(change func(string) string) func(string) (string, error) {
	return func(text string) (string, error) {
		if err := r.charge(len(text)); err != nil {
			return "", err
		}

		return change(text), nil
	}
}

// title makes the first letter of each word a capital.
func title(text string) string {
	before := ' '

	return strings.Map(func(letter rune) rune {
		inWord := unicode.IsLetter(before) || unicode.IsDigit(before) || before == '_' || before == '\''
		before = letter

		if inWord {
			return letter
		}

		return unicode.ToTitle(letter)
	}, text)
}

func (r *run) join(separator string, texts []string) (string, error) {
	length := len(separator) * len(texts)
	for _, text := range texts {
		length += len(text)
	}

	if err := r.charge(length); err != nil {
		return "", err
	}

	return strings.Join(texts, separator), nil
}

func (r *run) match(t *tools, expression, text string) (bool, error) {
	compiled, err := t.patterns.get(expression)
	if err != nil {
		return false, err
	}

	if err := r.charge(len(text) * compiled.weight); err != nil {
		return false, err
	}

	return compiled.MatchString(text), nil
}

func (r *run) replace(t *tools, expression, to, text string) (string, error) {
	compiled, err := t.patterns.get(expression)
	if err != nil {
		return "", err
	}

	if err := r.charge(len(text) * compiled.weight); err != nil {
		return "", err
	}

	const mostMatches = 10_000

	matches := compiled.FindAllStringSubmatchIndex(text, mostMatches)
	if len(matches) == mostMatches {
		return "", fmt.Errorf("%w: %q matches more than %d times", ErrBudget, shorten(expression), mostMatches)
	}

	made := make([]byte, 0, len(text))
	last := 0

	for _, match := range matches {
		before := len(made)
		made = append(made, text[last:match[0]]...)
		made = compiled.ExpandString(made, to, text, match)
		last = match[1]

		if err := r.charge(len(made) - before + len(to)); err != nil {
			return "", err
		}
	}

	return string(append(made, text[last:]...)), nil
}

// escape makes a text fit to stand between the quotes of a JSON string.
func (r *run) escape(text string) (string, error) {
	quoted, err := r.toJSON(text)
	if err != nil {
		return "", err
	}

	return quoted[1 : len(quoted)-1], nil
}

// toJSON writes a value as JSON. The characters that HTML knows are left as they are: what is in HTML is escaped
// there.
func (r *run) toJSON(value any) (string, error) {
	if err := r.charge(room(value)); err != nil {
		return "", err
	}

	var out bytes.Buffer

	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)

	if err := encoder.Encode(value); err != nil {
		return "", fmt.Errorf("a %T cannot be written as JSON: %w", value, err)
	}

	return strings.TrimSuffix(out.String(), "\n"), nil
}

// details are the labels of an alert and what its annotations say besides the message, each with a text before it:
// "\n" makes lines, "\n- " a list. A range over the pairs would do the same, and take ten times as long.
func (r *run) details(t *tools, before string, of *Alert) (string, error) {
	if of == nil {
		return "", errors.New("details needs an alert; call it within a range over .Alerts")
	}

	if err := r.charge(roomOfAlert(of) + len(before)*(len(of.Labels)+len(of.Annotations))); err != nil {
		return "", err
	}

	var text strings.Builder

	for _, pairs := range []Pairs{of.Labels.SortedPairs(), of.Annotations.SortedPairs().DefaultFilter()} {
		for _, pair := range pairs {
			text.WriteString(before)
			text.WriteString(t.words.translate(pair.Name))
			text.WriteString(": ")
			text.WriteString(pair.Value)
		}
	}

	return text.String(), nil
}

// detailRows are the details of an alert as rows of a table in HTML, escaped.
func (r *run) detailRows(t *tools, of *Alert) (htmltemplate.HTML, error) {
	const rowRoom = 60

	if of == nil {
		return "", errors.New("detailRows needs an alert; call it within a range over .Alerts")
	}

	if err := r.charge(roomOfAlert(of) + rowRoom*(len(of.Labels)+len(of.Annotations))); err != nil {
		return "", err
	}

	var text strings.Builder

	for _, pairs := range []Pairs{of.Labels.SortedPairs(), of.Annotations.SortedPairs().DefaultFilter()} {
		for _, pair := range pairs {
			text.WriteString("<tr><td><b>")
			text.WriteString(template.HTMLEscapeString(t.words.translate(pair.Name)))
			text.WriteString("</b></td><td>")
			text.WriteString(template.HTMLEscapeString(pair.Value))
			text.WriteString("</td></tr>\n")
		}
	}

	return htmltemplate.HTML(text.String()), nil //nolint:gosec // it was escaped above
}

// message is what an alert says in the reader's language.
func (t *tools) message(of *Alert) (string, error) {
	if of == nil {
		return "", errors.New("message needs an alert; call it within a range over .Alerts")
	}

	if strings.EqualFold(t.language, Chinese) {
		return of.MessageCN(), nil
	}

	return of.Message(), nil
}

// date writes a time in the zone of the Set, unless inZone gave it one; of an unknown time it writes nothing.
func (r *run) date(t *tools, layout string, value any) (string, error) {
	const longest = 200

	if len(layout) > longest {
		return "", fmt.Errorf("the layout of a date has %d bytes, %d are allowed", len(layout), longest)
	}

	moment, err := momentOf(value)
	if err != nil || unknown(moment.at) {
		return "", err
	}

	if err := r.charge(len(layout)); err != nil {
		return "", err
	}

	if moment.zoned {
		return moment.at.Format(layout), nil
	}

	return moment.at.In(t.zone).Format(layout), nil
}

// inZone is a time in a time zone, to be written with date.
func (t *tools) inZone(zone string, value any) (Moment, error) {
	moment, err := momentOf(value)
	if err != nil || unknown(moment.at) {
		return moment, err
	}

	location, err := t.zones.get(zone)
	if err != nil {
		return Moment{}, err
	}

	return Moment{at: moment.at.In(location), zoned: true}, nil
}

// since is how long ago a time was when the notification was made; of an alert that ended, how long it held.
func (r *run) since(value any) (Span, error) {
	end := r.now

	if of, ok := value.(*Alert); ok && of != nil {
		value = of.StartsAt

		if ended, err := momentOf(of.EndsAt); err == nil && !unknown(ended.at) && ended.at.Before(end) {
			end = ended.at
		}
	}

	moment, err := momentOf(value)
	if err != nil || unknown(moment.at) {
		return 0, err
	}

	return Span(end.Sub(moment.at)), nil
}

// orDefault is the value, or another one where it is empty.
func orDefault(other, value any) any {
	if truth, ok := template.IsTrue(value); ok && truth {
		return value
	}

	return other
}

func (r *run) print(write func(...any) string) func(...any) (string, error) {
	const growth = 2 // most texts have little to escape; what was made is counted when it is known

	return func(values ...any) (string, error) {
		size := 0
		for _, value := range values {
			size += room(value)
		}

		if err := r.charge(growth * size); err != nil {
			return "", err
		}

		text := write(values...)

		return text, r.charge(max(0, len(text)-growth*size))
	}
}

// printf is fmt.Sprintf with bounds on what a format can do: repeat arguments, and fill with blanks.
func (r *run) printf(format string, values ...any) (string, error) {
	const (
		mostVerbs  = 64
		mostDigits = 3
	)

	verbs := strings.Count(format, "%")
	if verbs > mostVerbs {
		return "", fmt.Errorf("a format with %d verbs, %d are allowed", verbs, mostVerbs)
	}

	if strings.ContainsRune(format, '*') && verbs > 0 {
		return "", errors.New("a format may not take its width from an argument; write the number")
	}

	digits, largest := 0, 0

	for _, letter := range format {
		if !unicode.IsDigit(letter) {
			digits = 0

			continue
		}

		digits++

		if digits > mostDigits && verbs > 0 {
			return "", fmt.Errorf("a format with a number of more than %d digits", mostDigits)
		}
	}

	for _, value := range values {
		largest = max(largest, room(value))
	}

	if err := r.charge(len(format) + verbs*largest); err != nil {
		return "", err
	}

	return fmt.Sprintf(format, values...), nil
}

// room is about how long a value is when it is written.
func room(value any) int {
	const small = 64

	switch value := value.(type) {
	case string:
		return len(value)
	case htmltemplate.HTML:
		return len(value)
	case KV:
		return roomOfKV(value)
	case []string:
		size := small
		for _, text := range value {
			size += len(text)
		}

		return size
	case Pairs:
		size := small
		for _, pair := range value {
			size += small + len(pair.Name) + len(pair.Value)
		}

		return size
	case *Alert:
		return roomOfAlert(value)
	case Alerts:
		return roomOfAlerts(value)
	case *Data:
		return small + roomOfAlerts(value.Alerts) + roomOfKV(value.GroupLabels) + roomOfKV(value.CommonLabels) +
			roomOfKV(value.CommonAnnotations)
	default:
		return roomOfOther(value)
	}
}

// roomOfOther is for what has no type of ours: numbers, and texts under another name.
func roomOfOther(value any) int {
	const small = 64

	if held := reflect.ValueOf(value); held.Kind() == reflect.String {
		return held.Len()
	}

	return small
}

func roomOfKV(values KV) int {
	const quotes = 8

	size := quotes
	for name, value := range values {
		size += len(name) + len(value) + quotes
	}

	return size
}

func roomOfAlert(of *Alert) int {
	const fixed = 200

	if of == nil {
		return 0
	}

	return fixed + len(of.GeneratorURL) + roomOfKV(of.Labels) + roomOfKV(of.Annotations)
}

func roomOfAlerts(alerts Alerts) int {
	size := 0
	for _, one := range alerts {
		size += roomOfAlert(one)
	}

	return size
}
