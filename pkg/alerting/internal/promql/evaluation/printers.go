package evaluation

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"
	"text/template"
)

const (
	// maxText is how long a template, its result and every value on the way may be.
	maxText = 64 << 10

	// maxPrinted is how much memory a function may take for its result before it is looked at.
	maxPrinted = 1 << 20

	// maxWidth is how wide a verb of a format may print.
	maxWidth = 9999

	// sizeOther is what a value counts that is no text.
	sizeOther = 400
)

var (
	errText  = fmt.Errorf("a template, its values and its result have at most %d bytes each", maxText)
	errWidth = errors.New("widths in formats have at most four digits, and none comes from an argument")
)

// printers are the standard library's functions that make text of their arguments, in bounds: a template that
// prints a value twice into the same value doubles it, and thirty times are enough to fill any memory.
func printers() template.FuncMap {
	return template.FuncMap{
		"print":    printer(fmt.Sprint),
		"println":  printer(fmt.Sprintln),
		"html":     printer(template.HTMLEscaper),
		"js":       printer(template.JSEscaper),
		"urlquery": printer(template.URLQueryEscaper),
		"printf": func(format string, arguments ...any) (string, error) {
			if err := printable(format, arguments); err != nil {
				return "", err
			}

			return short(fmt.Sprintf(format, arguments...))
		},
	}
}

func printer(convert func(...any) string) func(...any) (string, error) {
	return func(arguments ...any) (string, error) {
		if sizeOf(arguments) > maxText {
			return "", errText
		}

		return short(convert(arguments...))
	}
}

func short(text string) (string, error) {
	if len(text) > maxText {
		return "", errText
	}

	return text, nil
}

// printable refuses a format whose result may be very long: a verb may print any argument, as often as it
// stands there, and as wide as it says.
func printable(format string, arguments []any) error {
	longest := 0
	for _, argument := range arguments {
		longest = max(longest, sizeOf(argument))
	}

	bytes := len(format)

	for _, verb := range strings.Split(format, "%")[1:] {
		width, err := widthOf(verb)
		if err != nil {
			return err
		}

		bytes += width + longest

		if bytes > maxPrinted {
			return errText
		}
	}

	return nil
}

// widthOf returns how wide a verb may print: its flags, width and precision stand before its letter.
func widthOf(verb string) (int, error) {
	head := verb[:len(verb)-len(strings.TrimLeft(verb, "0123456789.+-# []*"))]
	if strings.Contains(head, "*") {
		return 0, errWidth
	}

	total := 0

	for number := range strings.FieldsFuncSeq(head, func(r rune) bool { return r < '0' || r > '9' }) {
		width, err := strconv.Atoi(number)
		if err != nil || width > maxWidth {
			return 0, errWidth
		}

		total += width
	}

	return total, nil
}

// sizeOf returns about how many bytes a value prints.
func sizeOf(value any) int {
	switch value := value.(type) {
	case string:
		return len(value)
	case []any:
		total := 0
		for _, element := range value {
			total += sizeOf(element)
		}

		return total
	case map[string]any:
		total := 0
		for key, element := range value {
			total += len(key) + sizeOf(element)
		}

		return total
	case map[string]string:
		total := 0
		for key, element := range value {
			total += len(key) + len(element)
		}

		return total
	default:
		return sizeOther
	}
}

// regexpWork returns what a match or a replacement costs and refuses one whose result may be very long. The
// pattern comes first and the text last; a replacement is between them.
func regexpWork(arguments []any) (float64, error) {
	texts := make([]string, 0, len(arguments))

	for _, argument := range arguments {
		text, is := argument.(string)
		if !is {
			return 0, nil // Prometheus says what is wrong with it.
		}

		texts = append(texts, text)
	}

	const match, replace = 2, 3

	if len(texts) != match && len(texts) != replace {
		return 0, nil
	}

	text := texts[len(texts)-1]
	if len(texts) == replace && (len(text)+1)*(len(texts[1])+1) > maxPrinted {
		return 0, errText
	}

	if priceOfText(texts[0]) > maxRegexp {
		return 0, errRegexp
	}

	return programOf(texts[0]) * float64(len(text)+perByte) / perByte, nil
}

// programOf returns how many instructions a regular expression has, 0 for one that is none.
func programOf(pattern string) float64 {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}

	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0
	}

	return float64(len(program.Inst))
}
