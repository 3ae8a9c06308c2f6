//nolint:gosmopolitan // readers of Chinese are whom this is for
package message_test

import (
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// FuzzCompile holds that no template takes the process with it, or the templates that come with it.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`{{ define "x" }}{{ .Status }}{{ end }}`, `{{ define "x" }}{{ template "x" }}{{ end }}`, `{{ if`, `{{/* */}}`,
		`{{ define "nm.default.text" }}{{ range 99999 }}{{ printf "%s" . }}{{ end }}{{ end }}`,
		`{{ define "x" }}<a href="{{ .Status }}">{{ end }}{{ block "y" . }}{{ break }}{{ end }}`,
	} {
		f.Add(seed)
	}

	budget := message.Budget{Bytes: 1 << 16, Steps: 10_000, Made: 1 << 18}

	f.Fuzz(func(t *testing.T, text string) {
		set, _ := message.Compile([]message.Source{{Name: "f", Text: text}}, message.Options{Budget: budget})

		for _, name := range set.Names() {
			if found, err := set.Text(name, message.Text); found == nil {
				t.Fatalf("%q: %v", name, err)
			} else if _, err := found.Render(message.Sample()); err != nil {
				t.Fatalf("%q: %v", name, err)
			}

			if found, err := set.HTML(name, message.HTML); found == nil {
				t.Fatalf("%q: %v", name, err)
			} else if _, err := found.Render(message.Sample()); err != nil {
				t.Fatalf("%q: %v", name, err)
			}
		}

		if found, _ := set.Text(text, message.Text); found == nil {
			t.Fatal("a reference leads to nothing")
		}
	})
}

// FuzzSplit holds that every alert is in exactly one message, and that no message is too long.
func FuzzSplit(f *testing.F) {
	f.Add("some text\xff", uint8(7), uint16(100), uint8(0))
	f.Add("中文😀", uint8(200), uint16(2000), uint8(3))

	measures := []message.Measure{message.Bytes, message.Runes, message.UTF16, message.JSONBytes}
	set, _ := message.Compile(nil, message.Options{})

	found, err := set.Text(message.Text, message.Text)
	if err != nil {
		f.Fatal(err)
	}

	f.Fuzz(func(t *testing.T, text string, count uint8, most uint16, kind uint8) {
		letters := []rune(text)

		alerts := make([]alert.Alert, count)
		for i := range alerts {
			alerts[i] = firing("n", strconv.Itoa(i), "text", string(letters[:len(letters)*i/len(alerts)]))
		}

		data, measure := notification(alerts...), measures[int(kind)%len(measures)]
		limit := message.Limit{Max: 1 + int(most), Measure: measure}

		parts, err := message.Split(data, limit, found.Render)
		if err != nil {
			t.Fatal(err)
		}

		next := 0

		for _, part := range parts {
			if got := measure(part.Text); got > limit.Max {
				t.Fatalf("%d of %d", got, limit.Max)
			}

			if !utf8.ValidString(part.Text) {
				t.Fatalf("a character is cut: %q", part.Text)
			}

			for _, one := range part.Data.Alerts {
				if one != data.Alerts[next] {
					t.Fatalf("at %d is another alert", next)
				}

				next++
			}
		}

		if next != len(alerts) {
			t.Fatalf("%d of %d alerts", next, len(alerts))
		}
	})
}
