//nolint:gosmopolitan // readers of Chinese are whom this is for
package message_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// numbers are the alerts of parts by their label n, in order.
func numbers(parts []message.Part) []string {
	var found []string

	for _, part := range parts {
		for _, one := range part.Data.Alerts {
			found = append(found, one.Labels["n"])
		}
	}

	return found
}

// randomNotification is one of alerts that are short, long, and very long, in several scripts.
func randomNotification(random *rand.Rand, count int) *message.Data {
	scripts := []string{"a", "é", "中", "😀", `"`, "\n", "<"}
	alerts := make([]alert.Alert, count)

	for i := range alerts {
		length := random.IntN(200)
		if random.IntN(20) == 0 {
			length = random.IntN(5000)
		}

		text := strings.Repeat(scripts[random.IntN(len(scripts))], length)
		alerts[i] = firing("alertname", "A", "n", strconv.Itoa(i), "text", text)
	}

	return notification(alerts...)
}

// No alert is lost, none comes twice, and no message is too long.
func TestSplitLosesNothing(t *testing.T) {
	measures := map[string]message.Measure{
		"bytes": message.Bytes, "runes": message.Runes, "UTF-16": message.UTF16, "JSON": message.JSONBytes,
	}

	set := compile(t, message.Options{})

	for name, measure := range measures {
		random := rand.New(rand.NewPCG(1, uint64(len(name)))) //nolint:gosec // to be drawn again

		for round := range 60 {
			data := randomNotification(random, random.IntN(120))
			limit := message.Limit{Max: 60 + random.IntN(6000), Measure: measure}
			reference := []string{
				"nm.default.text", "nm.default.markdown", `{{ range .Alerts }}{{ .Labels.n }}{{ end }}`,
			}[round%3]

			found, err := set.Text(reference, message.Text)
			if err != nil {
				t.Fatal(err)
			}

			parts, err := message.Split(data, limit, found.Render)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(numbers([]message.Part{{Data: data}}), numbers(parts)); diff != "" {
				t.Fatalf("%s, round %d: %s", name, round, diff)
			}

			for _, part := range parts {
				if got := measure(part.Text); got > limit.Max || !utf8.ValidString(part.Text) {
					t.Fatalf("%s, round %d: %d of %d, %q", name, round, got, limit.Max, part.Text)
				}
			}

			again, err := message.Split(data, limit, found.Render)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(textsOf(parts), textsOf(again)); diff != "" {
				t.Fatalf("%s, round %d: a second time it is split otherwise: %s", name, round, diff)
			}
		}
	}
}

func textsOf(parts []message.Part) []string {
	var texts []string
	for _, part := range parts {
		texts = append(texts, part.Text)
	}

	return texts
}

// Splitting renders each alert a few times at most, whatever the lengths (B16).
func TestSplitIsLinear(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // to be drawn again

	for round := range 40 {
		count := 200 + random.IntN(800)
		data := randomNotification(random, count)
		rendered := 0

		// A rendering whose length has little to do with that of the alerts is the hardest to guess.
		erratic := func(part *message.Data) (string, error) {
			rendered += len(part.Alerts)

			length := 0

			for _, one := range part.Alerts {
				number, _ := strconv.Atoi(one.Labels["n"])
				if length += 10; number%(2+round) == 0 {
					length += 900
				}
			}

			return strings.Repeat("x", length), nil
		}

		if _, err := message.Split(data, message.Limit{Max: 1000 + 100*round}, erratic); err != nil {
			t.Fatal(err)
		}

		if rendered > 8*count {
			t.Errorf("round %d: %d alerts are rendered %d times", round, count, rendered)
		}
	}
}

// A single alert that is too long was dropped once (B16).
func TestSplitOversize(t *testing.T) {
	set := compile(t, message.Options{})

	found, err := set.Text(message.Text, message.Text)
	if err != nil {
		t.Fatal(err)
	}

	long := saying("message", strings.Repeat("中文", 5000), "other", strings.Repeat("y", 300))
	data := notification(firing("alertname", "A"), long, firing("alertname", "B"))

	parts, err := message.Split(data, message.Limit{Max: 1000}, found.Render)
	if err != nil {
		t.Fatal(err)
	}

	if len(parts) != 3 || parts[0].Truncated || !parts[1].Truncated || parts[2].Truncated {
		t.Fatalf("parts %+v", parts)
	}

	text := parts[1].Text
	if len(text) > 1000 || len(text) < 800 || !strings.Contains(text, message.Marker) || !utf8.ValidString(text) {
		t.Errorf("got %d bytes: %s", len(text), text)
	}

	// The values are shortened, not the end of the text cut: what stands last is there.
	if !strings.Contains(text, "alertname: A") || !strings.HasSuffix(text, "(1h)") {
		t.Errorf("got %s", text)
	}
}

// Where the template makes more than a message takes of anything the text is cut.
func TestSplitWordy(t *testing.T) {
	wordy := func(*message.Data) (string, error) { return strings.Repeat("é", 1000), nil }

	data := notification(saying("message", strings.Repeat("x", 500)))

	parts, err := message.Split(data, message.Limit{Max: 101}, wordy)
	if err != nil {
		t.Fatal(err)
	}

	if want := strings.Repeat("é", 43) + message.Marker; len(parts) != 1 || parts[0].Text != want {
		t.Errorf("got %q", textsOf(parts))
	}
}

// What must stay whole, like JSON, has its values shortened and is never cut.
func TestSplitWhole(t *testing.T) {
	set := compile(t, message.Options{})

	found, err := set.Text(message.FeishuPost, message.FeishuPost)
	if err != nil {
		t.Fatal(err)
	}

	data := notification(saying("message", strings.Repeat(`"<`, 9000)), firing("alertname", "A"))

	parts, err := message.Split(data, message.Limit{Max: 2000, Whole: true}, found.Render)
	if err != nil {
		t.Fatal(err)
	}

	for _, part := range parts {
		if !json.Valid([]byte(part.Text)) || len(part.Text) > 2000 {
			t.Errorf("got %s", part.Text)
		}
	}

	_, err = message.Split(data, message.Limit{Max: 50, Whole: true}, found.Render)
	if !errors.Is(err, message.ErrTooLong) {
		t.Errorf("got %v", err)
	}
}

func TestSplitWithoutLimit(t *testing.T) {
	whole := func(data *message.Data) (string, error) { return strconv.Itoa(len(data.Alerts)), nil }

	parts, err := message.Split(notification(make([]alert.Alert, 50)...), message.Limit{}, whole)
	if err != nil || len(parts) != 1 || parts[0].Text != "50" {
		t.Errorf("got %v, %v", parts, err)
	}

	parts, err = message.Split(notification(), message.Limit{Max: 1}, whole)
	if err != nil || len(parts) != 0 {
		t.Errorf("got %v, %v", parts, err)
	}

	failure := errors.New("no")
	if _, err := message.Split(message.Sample(), message.Limit{Max: 1}, func(*message.Data) (string, error) {
		return "", failure
	}); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}

func TestMeasures(t *testing.T) {
	for text, want := range map[string][4]int{
		"":           {0, 0, 0, 0},
		"abc":        {3, 3, 3, 3},
		"é中😀":        {9, 3, 4, 9},
		"\"\\\n\x01": {4, 4, 4, 12},
		"<&>":        {3, 3, 3, 18},
	} {
		got := [4]int{message.Bytes(text), message.Runes(text), message.UTF16(text), message.JSONBytes(text)}
		if got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}

		if encoded, err := json.Marshal(text); err != nil || len(encoded)-2 > got[3] {
			t.Errorf("%q: JSON has %d bytes, measured %d", text, len(encoded)-2, got[3])
		}
	}
}

func TestTruncate(t *testing.T) {
	for _, test := range []struct {
		text    string
		limit   int
		measure message.Measure
		want    string
	}{
		{"short", 5, message.Bytes, "short"},
		{"a long text, and more of it", 20, message.Bytes, "a lon" + message.Marker},
		{"中文中文中文中文中文中文", 24, message.Bytes, "中文中" + message.Marker},
		{"中文中文中文中文中文中文中文中文", 15, message.Runes, "中文" + message.Marker},
		{"😀😀😀😀😀😀😀😀😀", 17, message.UTF16, "😀😀" + message.Marker},
		{"no room for it", 4, message.Bytes, "no r"},
		{"中", 2, message.Bytes, ""},
	} {
		if got := message.Truncate(test.text, test.limit, test.measure); got != test.want {
			t.Errorf("%q to %d: got %q, want %q", test.text, test.limit, got, test.want)
		}
	}
}
