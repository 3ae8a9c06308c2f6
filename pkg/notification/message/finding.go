package message

import (
	"fmt"
	"regexp"
	"strconv"
)

// Reason is the kind of a finding, as a condition names it.
type Reason string

// What can be found.
const (
	// BadSyntax is a template that cannot be parsed, or calls a function that does not exist.
	BadSyntax Reason = "BadSyntax"
	// UnknownTemplate is a name that no template has.
	UnknownTemplate Reason = "UnknownTemplate"
	// Recursive is a template that calls itself, by way of others or not.
	Recursive Reason = "Recursive"
	// TooLarge is a template, or a set of them, beyond what is allowed.
	TooLarge Reason = "TooLarge"
	// UnsafeHTML is a template that ends within a tag or a script, so that nothing can be escaped in it.
	UnsafeHTML Reason = "UnsafeHTML"
	// BadLanguagePack is a language pack that cannot be read.
	BadLanguagePack Reason = "BadLanguagePack"
	// BadTimeZone is a time zone that does not exist.
	BadTimeZone Reason = "BadTimeZone"
)

// Finding is what is wrong with a template, a language pack or an option. What it is about is left out, and what
// was there before, or comes with the program, is used in its place.
//
//nolint:errname // it is an error now and then, and a finding always
type Finding struct {
	// Source is the file it is in.
	Source string
	// Line is the line of the file; zero where there is none.
	Line int
	// Template is the name of the template; empty where it is not about one.
	Template string
	// Reason is the kind.
	Reason Reason
	// Message says what is wrong and what to do.
	Message string
}

// Error names the place and says what is wrong there.
func (f Finding) Error() string {
	place := f.Source

	if f.Line > 0 {
		place += ":" + strconv.Itoa(f.Line)
	}

	if f.Template != "" {
		if place != "" {
			place += ": "
		}

		place += "template " + strconv.Quote(f.Template)
	}

	if place == "" {
		return f.Message
	}

	return place + ": " + f.Message
}

// parseFailure makes a finding of an error of the template parser, which has the line in its text. Lines are those
// of the chunk that was parsed, which starts after some lines of its file.
func parseFailure(source, name string, linesBefore int, err error) Finding {
	found := Finding{Source: source, Template: name, Reason: BadSyntax, Message: err.Error()}

	place := regexp.MustCompile(`^template: [^\n]*?:(\d+):(?:\d+:)? ?`)

	at := place.FindStringSubmatchIndex(found.Message)
	if at == nil {
		return found
	}

	line, lineErr := strconv.Atoi(found.Message[at[2]:at[3]])
	if lineErr != nil {
		return found
	}

	found.Line = linesBefore + line
	found.Message = found.Message[at[1]:]

	return found
}

func unknownTemplate(name string) string {
	return fmt.Sprintf("there is no template %q; define it, or call one that exists", shorten(name))
}
