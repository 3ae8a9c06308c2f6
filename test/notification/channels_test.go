package notification_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/channeltest"
)

// mailbox is a mail server that keeps what it takes.
type mailbox struct {
	mutex sync.Mutex
	mails []string
}

// NewSession takes a client.
func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { //nolint:ireturn // as the library has it
	return &session{box: m}, nil
}

// session is one client's.
type session struct {
	box *mailbox
	to  []string
}

func (s *session) Reset()                             { s.to = nil }
func (*session) Logout() error                        { return nil }
func (*session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)

	return nil
}

func (s *session) Data(from io.Reader) error {
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}

	s.box.mutex.Lock()
	defer s.box.mutex.Unlock()

	s.box.mails = append(s.box.mails, strings.Join(s.to, ",")+"\n"+string(text))

	return nil
}

// serve serves mail until the test ends.
func (m *mailbox) serve(tb testing.TB) int64 {
	tb.Helper()

	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}

	server := smtp.NewServer(m)
	server.Domain = "localhost"

	var serving sync.WaitGroup

	serving.Go(func() { _ = server.Serve(listener) }) // ends with Close
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Error(err)
		}

		serving.Wait()
	})

	address, isTCP := listener.Addr().(*net.TCPAddr)
	if !isTCP {
		tb.Fatal(listener.Addr())
	}

	return int64(address.Port)
}

var errNoMail = errors.New("has no mail")

// has wants a mail with some text to somebody.
func (m *mailbox) has(to, text string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	for _, mail := range m.mails {
		if strings.HasPrefix(mail, to+"\n") && strings.Contains(mail, text) {
			return nil
		}
	}

	return fmt.Errorf("%s %w with %q among %d", to, errNoMail, text, len(m.mails))
}

// TestFirstMail is the first thing that somebody tries: an alert becomes a mail.
func TestFirstMail(t *testing.T) {
	box := &mailbox{}
	w := newWorld(t, "mail", nil)
	w.config("mail", notificationv2beta2.ConfigSpec{Email: &notificationv2beta2.EmailConfig{
		From:      "alerts@example.com",
		SmartHost: notificationv2beta2.HostPort{Host: "127.0.0.1", Port: notificationv2beta2.Number(box.serve(t))},
	}})
	w.receiver("ops", notificationv2beta2.ReceiverSpec{Email: &notificationv2beta2.EmailReceiver{
		To: []string{"ops@example.com"},
	}})
	w.start()

	if err := w.post("DiskFull", "db-0"); err != nil {
		t.Fatal(err)
	}

	w.eventually("the mail arrives", func() error { return box.has("ops@example.com", "DiskFull") })
	w.eventually("the receiver says so", func() error {
		var receiver notificationv2beta2.Receiver
		if err := admin.Get(t.Context(), nameOf(w.name+"-ops"), &receiver); err != nil {
			return err
		}

		if receiver.Status.LastSuccess == nil {
			return fmt.Errorf("%w: status.lastSuccess", errMissing)
		}

		return nil
	})
}

// doubled is a channel with its double.
type doubled struct {
	double *channeltest.Double
	make   func(w *world, url string)
}

// TestEveryChannel sends one alert through all channels: each double gets it once, in the form that its provider
// takes.
func TestEveryChannel(t *testing.T) {
	w := newWorld(t, "channels", nil)
	channels := channels()

	for _, one := range channels {
		one.make(w, serve(t, one.double))
	}

	w.start()

	if err := w.post("DiskFull", "db-0"); err != nil {
		t.Fatal(err)
	}

	id := regexp.MustCompile("DiskFull")

	for name, one := range channels {
		w.eventually(name+" gets it", func() error {
			if one.double.Count(id)["DiskFull"] == 0 {
				return fmt.Errorf("%w: %d calls", errMissing, len(one.double.Calls()))
			}

			return nil
		})
	}

	w.eventually("nothing waits any more", w.idle)

	for name, one := range channels {
		if texts := len(one.double.Texts()); texts != 1 {
			t.Errorf("%s got %d messages", name, texts)
		}
	}
}

// TestTooManyRequests has a provider ask for less: it is left alone for as long as it asks, and gets everything then.
func TestTooManyRequests(t *testing.T) {
	w := newWorld(t, "less", nil)
	double := channeltest.Slack(time.Now, token)
	slackAt(w, serve(t, double))
	double.Next(channeltest.Reply{
		Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": []string{"2"}},
	})
	w.start()

	begun := time.Now()

	if err := w.post("DiskFull", "db-0"); err != nil {
		t.Fatal(err)
	}

	w.eventually("it arrives", func() error {
		if len(double.Texts()) == 0 {
			return errMissing
		}

		return nil
	})

	if waited := time.Since(begun); waited < 2*time.Second {
		t.Errorf("is asked again after %s", waited)
	}
}

// TestAnEditIsInForce edits a Receiver of a running service.
func TestAnEditIsInForce(t *testing.T) {
	w := newWorld(t, "edited", nil)
	before, after := newSink(), newSink()
	receiver := w.webhook("sink", serve(t, before))
	w.start()

	if err := w.post("one", "one"); err != nil {
		t.Fatal(err)
	}

	w.eventually("the first arrives", func() error { return none(before.missing([]string{"one"})) })

	url := serve(t, after)
	receiver.Spec.Webhook.URL = &url

	if err := admin.Update(t.Context(), receiver); err != nil {
		t.Fatal(err)
	}

	edited := time.Now()

	for i := 0; len(after.missing([]string{fmt.Sprint("two-", i-1)})) > 0; i++ {
		if time.Since(edited) > patience {
			t.Fatal("the edit is not in force")
		}

		if err := w.post(fmt.Sprint("two-", i), fmt.Sprint("two-", i)); err != nil {
			t.Fatal(err)
		}

		<-time.After(10 * time.Millisecond)
	}

	t.Logf("in force after %s, the way of an alert included", time.Since(edited))
}
