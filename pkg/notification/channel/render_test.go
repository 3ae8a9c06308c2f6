package channel_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// render is a function as a Renderer.
type render func(data *message.Data) (string, error)

func (r render) Render(data *message.Data) (string, error) {
	return r(data)
}

// The templates of users are Renderers.
var _ channel.Renderer = (*message.Template)(nil)

// listed names each alert in a line, with what it says.
func listed(data *message.Data) (string, error) {
	lines := []string{fmt.Sprintf("%d alerts", len(data.Alerts))}
	for _, one := range data.Alerts {
		lines = append(lines, "<"+one.Labels["id"]+"> "+one.Message())
	}

	return strings.Join(lines, "\n"), nil
}

func newData(says ...string) *message.Data {
	alerts := make([]alert.Alert, 0, len(says))
	for i, text := range says {
		alerts = append(alerts, alert.Alert{
			Labels:      labels.FromStrings("alertname", "Down", "id", fmt.Sprintf("a%d", i)),
			Annotations: labels.FromStrings("message", text),
			StartsAt:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		})
	}

	return message.New(alerts, message.Notification{Receiver: "r", Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
}

// Whatever the sizes of alerts, each is in exactly one message, in their order, and no message is too long.
func TestEveryAlertIsInOneMessage(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same cases in each run
	alphabet := []string{"x", "경", "🔥", "\n", "é"}

	for range 200 {
		says := make([]string, 1+random.IntN(40))
		for i := range says {
			says[i] = "says " + strings.Repeat(alphabet[random.IntN(len(alphabet))], random.IntN(300))
		}

		for name, size := range map[string]message.Measure{
			"bytes": message.Bytes, "runes": message.Runes, "UTF-16": message.UTF16,
		} {
			form := channel.Form{Text: render(listed), Suffix: "\n@anna", Limit: 500 + random.IntN(1000), Size: size}

			made, err := form.Messages(newData(says...))
			if err != nil {
				t.Fatal(err)
			}

			next := 0

			for _, one := range made {
				if got := size(one.Text); got > form.Limit {
					t.Fatalf("%s: %d of %d", name, got, form.Limit)
				}

				if !strings.HasSuffix(one.Text, "\n@anna") || !utf8.ValidString(one.Text) {
					t.Fatalf("%s: %q", name, one.Text)
				}

				for strings.Contains(one.Text, fmt.Sprintf("<a%d>", next)) {
					next++
				}
			}

			if next != len(says) {
				t.Fatalf("%s: %d of %d alerts in %d messages", name, next, len(says), len(made))
			}

			again, err := form.Messages(newData(says...))
			if diff := cmp.Diff(made, again); diff != "" || err != nil {
				t.Fatalf("%s: the same data gave others: %v %s", name, err, diff)
			}
		}
	}
}

func TestMessagesOfAForm(t *testing.T) {
	says := func(text string) render { return func(*message.Data) (string, error) { return text, nil } }

	for name, test := range map[string]struct {
		form channel.Form
		want []channel.Message
	}{
		"title in one line, cut": {
			channel.Form{Title: says(" a\n b\tc " + strings.Repeat("d", 50)), TitleLimit: 30, Text: says("t")},
			[]channel.Message{{Title: "a b c " + strings.Repeat("d", 11) + message.Marker, Text: "t"}},
		},
		"what is not seen": {
			channel.Form{Text: says("a\x00b\r\nc\u2028d\te\xff")}, []channel.Message{{Text: "ab\nc\nd\te?"}},
		},
		"suffix": {channel.Form{Text: says("t"), Suffix: "s", Limit: 9, Size: message.Bytes}, []channel.Message{{Text: "ts"}}},
	} {
		got, err := test.form.Messages(newData("x"))
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestMessagesThatCannotBeMade(t *testing.T) {
	broken := errors.New("broken")
	fails := render(func(*message.Data) (string, error) { return "", broken })

	for name, form := range map[string]channel.Form{
		"title": {Title: fails, Text: render(listed)},
		"text":  {Text: fails},
		"empty": {Text: render(func(*message.Data) (string, error) { return " \n", nil })},
	} {
		_, err := form.Messages(newData("x"))

		var known *channel.Error
		if !errors.As(err, &known) || known.Class != channel.Permanent {
			t.Errorf("%s: %v", name, err)
		}

		if name != "empty" && !errors.Is(err, broken) {
			t.Errorf("%s: %v hides its cause", name, err)
		}
	}
}
