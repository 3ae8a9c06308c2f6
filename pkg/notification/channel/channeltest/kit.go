package channeltest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// Clock is a time that is moved by hand. It is safe for use by several goroutines.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that stands at a moment of its own.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)}
}

// Now is what time it is.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.now = c.now.Add(by)
}

// Serve starts a double and gives its URL.
func Serve(tb testing.TB, double http.Handler) string {
	tb.Helper()

	server := httptest.NewServer(double)
	tb.Cleanup(server.Close)

	return server.URL
}

// Client is a client that reaches what Serve started.
func Client(tb testing.TB) *egress.Client {
	tb.Helper()

	client, err := egress.New(egress.Options{}).Client(egress.Settings{Guard: Loopback()})
	if err != nil {
		tb.Fatal(err)
	}

	return client
}

// Loopback is a guard that lets loopback through.
func Loopback() egress.Guard {
	return egress.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
}

// Text is a function as a channel.Renderer.
type Text func(data *message.Data) (string, error)

// Render calls the function.
func (t Text) Render(data *message.Data) (string, error) {
	return t(data)
}

// List names each alert in a line: its id in brackets, and its message.
func List(data *message.Data) (string, error) {
	lines := make([]string, 0, len(data.Alerts))
	for _, one := range data.Alerts {
		lines = append(lines, "["+one.Labels["id"]+"] "+one.Message())
	}

	return strings.Join(lines, "\n"), nil
}

// Listed finds the ids that List wrote.
func Listed() *regexp.Regexp {
	return regexp.MustCompile(`\[(a\d+)\]`)
}

// Data is a notification of alerts with the ids a0, a1 and so on, each with a message.
func Data(says ...string) *message.Data {
	at := NewClock().Now()

	alerts := make([]alert.Alert, 0, len(says))
	for i, text := range says {
		alerts = append(alerts, alert.Alert{
			Labels:      labels.FromStrings("alertname", "Down", "id", fmt.Sprintf("a%d", i)),
			Annotations: labels.FromStrings("message", text),
			StartsAt:    at,
		})
	}

	return message.New(alerts, message.Notification{Receiver: "r", Now: at})
}

// Many is a notification of so many alerts whose messages have all kinds of characters, some of them too long for
// any message.
func Many(count int) *message.Data {
	const (
		longEvery = 50
		short     = 60
		long      = 60_000
	)

	says := make([]string, count)
	for i := range says {
		size := short + i%short
		if i%longEvery == longEvery-1 {
			size = long
		}

		says[i] = strings.Repeat([]string{"x", "경", "🔥", "<&>\"\\\n", "é"}[i%5], size)
	}

	return Data(says...)
}

// SendAll sends all messages of a notification.
func SendAll(tb testing.TB, to channel.Channel, data *message.Data) {
	tb.Helper()

	made, err := to.Render(data)
	if err != nil {
		tb.Fatal(err)
	}

	for _, one := range made {
		if err := to.Send(tb.Context(), one); err != nil {
			tb.Fatal(err)
		}
	}
}

// CheckAllArrive sends many alerts and checks that each is in exactly one message that the provider took.
func CheckAllArrive(tb testing.TB, to channel.Channel, double *Double) {
	tb.Helper()

	const count = 300

	SendAll(tb, to, Many(count))

	counts := double.Count(Listed())
	for i := range count {
		if id := fmt.Sprintf("a%d", i); counts[id] != 1 {
			tb.Errorf("%s is in %d messages, want 1", id, counts[id])
		}
	}
}

// Garbled is what becomes of a message whose provider says in JSON what it did, and said something else.
const Garbled = "Unavailable (200)"

// Case is an answer of a provider and what has to become of the message.
type Case struct {
	Reply Reply
	// Want is the error's class and, where it is not zero, its wait and its code: "RateLimited 1m0s (45009)". Empty
	// is success.
	Want string
}

// Expect is a Case.
func Expect(reply Reply, want string) Case {
	return Case{Reply: reply, Want: want}
}

// CheckAnswers sends a message for each case and checks what becomes of it. Whatever the provider says, no error
// may show one of the secrets.
func CheckAnswers(tb testing.TB, to channel.Channel, double *Double, secrets []string, cases map[string]Case) {
	tb.Helper()

	for name, test := range cases {
		double.Next(test.Reply)

		err := to.Send(tb.Context(), channel.Message{Title: "title", Text: "text"})
		if got := describe(err); got != test.Want {
			tb.Errorf("%s: %q, want %q (%v)", name, got, test.Want, err)
		}

		for _, text := range secrets {
			if shown := fmt.Sprintf("%v %v %+v %#v", err, to, to, to); strings.Contains(shown, text) {
				tb.Errorf("%s: a secret is shown: %s", name, shown)
			}
		}
	}
}

func describe(err error) string {
	if err == nil {
		return ""
	}

	known := channel.AsError(err)
	text := known.Class.String()

	if known.RetryAfter != 0 {
		text += " " + known.RetryAfter.String()
	}

	if known.Code != 0 {
		text += fmt.Sprintf(" (%d)", known.Code)
	}

	return text
}

// CheckFaults checks what a channel has to make of a provider that is out of order: garbled, endless, silent.
// garbled is what becomes of a message whose answer cannot be read: success where the status says all.
func CheckFaults(tb testing.TB, to channel.Channel, double *Double, garbled string) {
	tb.Helper()

	const hugeBody = 4 << 20

	send := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(tb.Context(), within)
		defer cancel()

		return to.Send(ctx, channel.Message{Text: "text"})
	}

	for fault, body := range map[string]string{
		"a huge body": strings.Repeat("x", hugeBody), "no JSON": `<html>{"ok":`,
	} {
		double.Next(Reply{Status: http.StatusOK, Body: body})

		if err := send(time.Minute); describe(err) != garbled {
			tb.Errorf("%s: %v, want %q", fault, err, garbled)
		}
	}

	for status, want := range map[int]string{
		http.StatusBadGateway: "Unavailable (502)", http.StatusServiceUnavailable: "Unavailable (503)",
		http.StatusFound: "Refused (302)", http.StatusProxyAuthRequired: "Denied (407)",
	} {
		double.Next(Reply{Status: status, Body: "<html>"})

		if err := send(time.Minute); describe(err) != want {
			tb.Errorf("status %d: %v, want %s", status, err, want)
		}
	}

	release := double.Hang()
	defer release()

	const patience = 50 * time.Millisecond

	if err := send(patience); describe(err) != "Unavailable" {
		tb.Errorf("a provider that hangs: %v, want it to be tried again", err)
	}
}

// Body is a request's body with its JSON in one form, to be compared.
func Body(tb testing.TB, call Call) string {
	tb.Helper()

	var made bytes.Buffer
	if err := json.Compact(&made, call.Body); err != nil {
		tb.Fatalf("%v: %s", err, call.Body)
	}

	return made.String()
}

// CheckSetting checks that an error names a setting and shows nothing of a secret.
func CheckSetting(tb testing.TB, err error, field, hidden string) {
	tb.Helper()

	if err == nil {
		tb.Errorf("no error, want one of %s", field)

		return
	}

	if !strings.Contains(err.Error(), "."+field+" ") || hidden != "" && strings.Contains(err.Error(), hidden) {
		tb.Errorf("%v, want one of %s without %q", err, field, hidden)
	}
}
