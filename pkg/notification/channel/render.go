package channel

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// Renderer makes a text of a notification, or of a part of it. A *message.Template is one, of text or of HTML. It
// makes the same text of the same data.
type Renderer interface {
	Render(data *message.Data) (string, error)
}

// Form is how a channel makes its messages: with which templates, and how long one may be.
type Form struct {
	// Title makes the title of each message; nil is none.
	Title Renderer
	// TitleLimit is how many characters of it are kept; zero is all.
	TitleLimit int
	// Text makes the text.
	Text Renderer
	// Suffix is added to the text of each message: who is called, what a robot wants to read.
	Suffix string
	// Limit is how long a text with its suffix may be; zero is as long as it likes.
	Limit int
	// Size counts as the provider does; nil counts bytes.
	Size message.Measure
	// Whole forbids to cut a text, which would break it: see message.Limit.
	Whole bool
}

// leastRoom is what a form has to leave for a message, as the provider counts: less says nothing any more.
const leastRoom = 100

// Fits says whether the suffix leaves room for a message.
func (f Form) Fits() bool {
	return f.Limit == 0 || f.room() >= leastRoom
}

// room is how long a text may be before its suffix is added.
func (f Form) room() int {
	if f.Suffix == "" || f.Limit == 0 {
		return f.Limit
	}

	size := f.Size
	if size == nil {
		size = message.Bytes
	}

	return f.Limit - size(f.Suffix)
}

// Messages makes the messages of a notification: each alert is in one of them. Its errors are *Error, Permanent.
func (f Form) Messages(data *message.Data) ([]Message, error) {
	title, err := f.title(data)
	if err != nil {
		return nil, notMade(err)
	}

	parts, err := message.Split(data, message.Limit{Max: f.room(), Measure: f.Size, Whole: f.Whole}, f.text)
	if err != nil {
		return nil, notMade(err)
	}

	made := make([]Message, 0, len(parts))
	for _, part := range parts {
		made = append(made, Message{Title: title, Text: part.Text + f.Suffix})
	}

	return made, nil
}

func notMade(err error) error {
	return &Error{Class: Permanent, Err: fmt.Errorf("making the message: %w", err)}
}

func (f Form) title(data *message.Data) (string, error) {
	if f.Title == nil {
		return "", nil
	}

	title, err := f.Title.Render(data)
	if err != nil {
		return "", fmt.Errorf("its title: %w", err)
	}

	title = strings.Join(strings.Fields(Printable(title)), " ")
	if f.TitleLimit == 0 {
		return title, nil
	}

	return message.Truncate(title, f.TitleLimit, message.Runes), nil
}

func (f Form) text(data *message.Data) (string, error) {
	text, err := f.Text.Render(data)
	if err != nil {
		return "", fmt.Errorf("its text: %w", err)
	}

	text = Printable(text)
	if strings.TrimSpace(text) == "" {
		return "", errors.New("the template makes no text of these alerts, and no provider takes an empty message")
	}

	return text, nil
}

// Printable is a text without what no reader sees and some providers refuse: control characters, and separators of
// lines that JSON escapes.
func Printable(text string) string {
	text = strings.ToValidUTF8(text, "?")

	if !strings.ContainsFunc(text, unprintable) {
		return text
	}

	return strings.Map(func(r rune) rune {
		switch {
		case r == lineSeparator, r == paragraphSeparator:
			return '\n'
		case unprintable(r):
			return -1
		default:
			return r
		}
	}, text)
}

const (
	lineSeparator      = '\u2028'
	paragraphSeparator = '\u2029'
)

func unprintable(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || r == lineSeparator || r == paragraphSeparator
}
