//nolint:gosmopolitan // readers of Chinese are whom this is for
package email_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/email"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

func now() time.Time {
	return time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
}

const password = "s3cret-of-the-office"

// settings are those of a sender whose server is at an address.
func settings(t *testing.T, address string) email.Settings {
	t.Helper()

	set, findings := message.Compile(nil, message.Options{})
	if len(findings) > 0 {
		t.Fatal(findings)
	}

	body, err := set.Text(message.Text, message.Text)
	if err != nil {
		t.Fatal(err)
	}

	title, err := set.Text(message.Subject, message.Subject)
	if err != nil {
		t.Fatal(err)
	}

	return email.Settings{
		From: "Alerts <alerts@example.com>", To: []string{"a@example.com"}, Host: "office.example", Port: 25,
		Body: body, Subject: title, Dial: dialTo(address), Clock: now, Random: rand.NewChaCha8([32]byte{1}),
		Timeout: 10 * time.Second,
	}
}

func inHTML(t *testing.T, s email.Settings) email.Settings {
	t.Helper()

	set, _ := message.Compile(nil, message.Options{})

	body, err := set.HTML(message.HTML, message.HTML)
	if err != nil {
		t.Fatal(err)
	}

	s.Body, s.HTML = body, true

	return s
}

func one(t *testing.T, s email.Settings) *email.Channel {
	t.Helper()

	made, err := email.New(s)
	if err != nil {
		t.Fatal(err)
	}

	if len(made) != 1 {
		t.Fatalf("got %d channels", len(made))
	}

	return made[0]
}

func dataOf(texts ...string) *message.Data {
	return message.New([]alert.Alert{{
		Labels: labels.FromStrings("alertname", "A"), Annotations: labels.FromStrings(texts...), StartsAt: now(),
	}}, message.Notification{Now: now()})
}

func render(t *testing.T, c *email.Channel, data *message.Data) channel.Message {
	t.Helper()

	messages, err := c.Render(data)
	if err != nil {
		t.Fatal(err)
	}

	if len(messages) != 1 {
		t.Fatalf("got %d messages", len(messages))
	}

	return messages[0]
}

// send renders and sends.
func send(t *testing.T, c *email.Channel, data *message.Data) error {
	t.Helper()

	return c.Send(t.Context(), render(t, c, data))
}

// failed checks an error, its class and what it says.
func failed(t *testing.T, name string, err error, class channel.Class, code int, says string) {
	t.Helper()

	var known *channel.Error
	if !errors.As(err, &known) {
		t.Errorf("%s: got %v, which has no class", name, err)

		return
	}

	if known.Class != class || known.Code != code || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v, want %v (%d): %q", name, err, class, code, says)
	}

	if strings.Contains(err.Error(), password) {
		t.Errorf("%s: the password is in %v", name, err)
	}
}

// read parses a mail to its end: header and decoded body, parts joined.
func read(t *testing.T, text string) (netmail.Header, string) {
	t.Helper()

	parsed, err := netmail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}

	kind, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}

	if !strings.HasPrefix(kind, "multipart/") {
		return parsed.Header, decoded(t, parsed.Header.Get("Content-Transfer-Encoding"), parsed.Body)
	}

	var body strings.Builder

	parts := multipart.NewReader(parsed.Body, parameters["boundary"])

	for {
		// NextPart says io.EOF only where the closing boundary stands.
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parsed.Header, body.String()
		}

		if err != nil {
			t.Fatal(err)
		}

		body.WriteString(decoded(t, part.Header.Get("Content-Transfer-Encoding"), part))
	}
}

func decoded(t *testing.T, encoding string, body io.Reader) string {
	t.Helper()

	if strings.EqualFold(encoding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}

	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}

	return strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
}

func TestMail(t *testing.T) {
	office := &postOffice{}
	s := settings(t, office.open(t, nil, false))
	s.To = []string{"a@example.com", "B <b@example.com>", "a@example.com"}
	c := one(t, s)

	text := "磁盘已满 😀\n.\n..two dots\nfrom here " + strings.Repeat("long ", 400) + "=3D\ttab"
	data := dataOf("message", text)

	if err := send(t, c, data); err != nil {
		t.Fatal(err)
	}

	mails := office.received()
	if len(mails) != 1 || office.count(&office.connections) != 1 {
		t.Fatalf("%d mails over %d connections", len(mails), office.count(&office.connections))
	}

	diff := cmp.Diff([]string{"a@example.com", "b@example.com"}, mails[0].to)
	if diff != "" || mails[0].from != "alerts@example.com" {
		t.Errorf("from %s: %s", mails[0].from, diff)
	}

	header, body := read(t, mails[0].text)

	subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "[FIRING] 磁盘已满 😀 . ..two dots from here long") ||
		!strings.HasSuffix(subject, message.Marker) || len([]rune(subject)) > 200 {
		t.Errorf("subject %q, %v", subject, err)
	}

	checkHeader(t, header)

	if diff := cmp.Diff(render(t, c, data).Text, body); diff != "" {
		t.Errorf("body: %s", diff)
	}

	for line := range strings.SplitSeq(mails[0].text, "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}

	// Another mail has another identity.
	if err := send(t, c, data); err != nil {
		t.Fatal(err)
	}

	if other, _ := read(t, office.received()[1].text); other.Get("Message-Id") == header.Get("Message-Id") {
		t.Error("two mails have one identity")
	}
}

// checkHeader checks what stands in every mail of TestMail.
func checkHeader(t *testing.T, header netmail.Header) {
	t.Helper()

	want := map[string]string{
		"From": `"Alerts" <alerts@example.com>`, "To": `<a@example.com>, "B" <b@example.com>`,
		"Content-Type": "text/plain; charset=UTF-8", "Mime-Version": "1.0", "Auto-Submitted": "auto-generated",
		"Date": "Wed, 04 Mar 2026 05:06:07 +0000", "Bcc": "",
	}
	for name, value := range want {
		if got := header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}

	id := header.Get("Message-Id")
	if !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, "@example.com>") || len(id) != 32+len("<@example.com>") {
		t.Errorf("the identity is %q", id)
	}
}

// HTML was sent without escaping, and its MIME without an end (B7).
func TestHTML(t *testing.T) {
	office := &postOffice{}
	c := one(t, inHTML(t, settings(t, office.open(t, nil, false))))

	if err := send(t, c, dataOf("message", `<script>alert("x")</script> & more`)); err != nil {
		t.Fatal(err)
	}

	header, body := read(t, office.received()[0].text)
	if got := header.Get("Content-Type"); got != "text/html; charset=UTF-8" {
		t.Errorf("content type %q", got)
	}

	if strings.Contains(body, "<script>") || !strings.Contains(body, "&lt;script&gt;") ||
		!strings.HasSuffix(body, "</html>") {
		t.Errorf("body %s", body)
	}

	// The subject is no HTML.
	if subject := header.Get("Subject"); !strings.Contains(subject, `<script>alert("x")</script> & more`) {
		t.Errorf("subject %q", subject)
	}
}

// And text was escaped as if it were HTML (B7).
func TestText(t *testing.T) {
	office := &postOffice{}
	c := one(t, settings(t, office.open(t, nil, false)))

	if err := send(t, c, dataOf("message", `a < b & "c"`)); err != nil {
		t.Fatal(err)
	}

	if _, body := read(t, office.received()[0].text); !strings.Contains(body, `a < b & "c"`) {
		t.Errorf("body %s", body)
	}
}

// What an alert says makes no header.
func TestHeaderInjection(t *testing.T) {
	for _, text := range []string{
		"x\r\nBcc: evil@example.com\r\n\r\nhello", "x\nBcc: evil@example.com", "x\rBcc: evil@example.com",
		"x\u0085Bcc: evil@example.com\u2028Cc: y", "=?utf-8?q?x=0D=0ABcc:_evil@example.com?=",
		"ü\r\nBcc: evil@example.com", "x\x00y\x7f", strings.Repeat("x", 5000),
	} {
		office := &postOffice{}
		c := one(t, settings(t, office.open(t, nil, false)))

		// Also a message that was made by somebody else.
		raw := channel.Message{Title: text, Text: "text"}
		if err := c.Send(t.Context(), raw); err != nil {
			t.Errorf("%q: %v", text, err)

			continue
		}

		if err := send(t, c, dataOf("message", text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}

		for _, mail := range office.received() {
			header, _ := read(t, mail.text)

			if header.Get("Bcc") != "" || header.Get("Cc") != "" || len(header["Subject"]) != 1 || len(header) != 9 {
				t.Errorf("%q: header %v", text, header)
			}

			if len(mail.to) != 1 {
				t.Errorf("%q: to %v", text, mail.to)
			}
		}
	}
}

func refuse(code int) func(string) error {
	return func(string) error { return reply(code) }
}

func reply(code int) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 2}, Message: "no, thanks"}
}

// The reply after the mail was not looked at once: 554 was success (B7).
func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		office *postOffice
		class  channel.Class
		code   int
		says   string
	}{
		"MAIL for good":      {&postOffice{onMail: refuse(550)}, channel.Permanent, 550, "naming the sender"},
		"MAIL for now":       {&postOffice{onMail: refuse(451)}, channel.Transient, 451, "naming the sender"},
		"MAIL, log in":       {&postOffice{onMail: refuse(530)}, channel.Denied, 530, "naming the sender"},
		"RCPT for good":      {&postOffice{onRcpt: refuse(550)}, channel.Permanent, 550, `a@example.com (550): "5.1.2 no, thanks"`},
		"RCPT for now":       {&postOffice{onRcpt: refuse(450)}, channel.Transient, 450, "1 of 1 recipients are not taken"},
		"RCPT, closing":      {&postOffice{onRcpt: refuse(421)}, channel.Transient, 421, "naming the recipients"},
		"the mail for good":  {&postOffice{onData: func() error { return reply(554) }}, channel.Permanent, 554, "waiting for the server to take the mail"},
		"the mail, too long": {&postOffice{onData: func() error { return reply(552) }}, channel.Permanent, 552, "waiting for the server to take the mail"},
		"the mail for now":   {&postOffice{onData: func() error { return reply(451) }}, channel.Transient, 451, "waiting for the server to take the mail"},
	} {
		err := send(t, one(t, settings(t, test.office.open(t, nil, false))), dataOf())
		failed(t, name, err, test.class, test.code, test.says)

		if got := test.office.received(); len(got) != 0 {
			t.Errorf("%s: %d mails were taken", name, len(got))
		}
	}
}

func TestScripts(t *testing.T) {
	for name, test := range map[string]struct {
		script script
		class  channel.Class
		code   int
		says   string
	}{
		"greeting, closing":  {script{"greeting": "421 busy"}, channel.Transient, 421, "waiting for the greeting"},
		"greeting, never":    {script{"greeting": "554 go away"}, channel.Permanent, 554, "waiting for the greeting"},
		"greeting, nonsense": {script{"greeting": "HTTP/1.1 400 Bad Request"}, channel.Transient, 0, "waiting for the greeting"},
		"greeting, endless":  {script{"greeting": "endless"}, channel.Transient, 0, "more than a mail server has to say"},
		"greeting, closed":   {script{"greeting": "close"}, channel.Transient, 0, "waiting for the greeting"},
		"EHLO and HELO":      {script{"EHLO": "502 what", "HELO": "550 who"}, channel.Permanent, 502, "greeting the server"},
		"MAIL, closing":      {script{"MAIL": "421 later"}, channel.Transient, 421, "naming the sender"},
		"DATA for good":      {script{"DATA": "554 no"}, channel.Permanent, 554, "beginning the mail"},
		"DATA for now":       {script{"DATA": "451 no"}, channel.Transient, 451, "beginning the mail"},
		"the end, closing":   {script{"END": "421 later"}, channel.Transient, 421, "take the mail"},
		"the end, closed":    {script{"END": "close"}, channel.Transient, 0, "take the mail"},
		"STARTTLS refused":   {script{"EHLO": "250-x\r\n250 STARTTLS", "STARTTLS": "454 no"}, channel.Transient, 454, "starting TLS"},
	} {
		failed(t, name, send(t, one(t, settings(t, test.script.open(t))), dataOf()), test.class, test.code, test.says)
	}

	// A server of before EHLO.
	if err := send(t, one(t, settings(t, script{"EHLO": "502 what"}.open(t))), dataOf()); err != nil {
		t.Error(err)
	}

	// The goodbye changes nothing.
	if err := send(t, one(t, settings(t, script{"QUIT": "554 no"}.open(t))), dataOf()); err != nil {
		t.Error(err)
	}
}

// A server that stops to answer, wherever it is, holds nobody for longer than the deadline (B7: there was none).
func TestSilence(t *testing.T) {
	for _, verb := range []string{"greeting", "EHLO", "MAIL", "RCPT", "DATA", "END"} {
		address := script{verb: ""}.open(t)

		s := settings(t, address)
		s.Timeout = 50 * time.Millisecond
		failed(t, verb+" by the setting", send(t, one(t, s), dataOf()), channel.Transient, 0, "no answer in time")

		c := one(t, settings(t, address))
		mail := render(t, c, dataOf())

		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		failed(t, verb+" by the context", c.Send(ctx, mail), channel.Transient, 0, "no answer in time")
		cancel()

		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		failed(t, verb+" cancelled", c.Send(ctx, mail), channel.Transient, 0, "")
	}

	// The goodbye is waited for no longer either, and the mail was sent.
	s := settings(t, script{"QUIT": ""}.open(t))
	s.Timeout = 50 * time.Millisecond

	if err := send(t, one(t, s), dataOf()); err != nil {
		t.Error(err)
	}
}

func TestNoServer(t *testing.T) {
	s := settings(t, "")
	s.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("the guard says no") }

	failed(t, "dial", send(t, one(t, s), dataOf()), channel.Transient, 0,
		"connecting to office.example:25: the guard says no")

	s.Random = noNumbers{}
	failed(t, "random", send(t, one(t, s), dataOf()), channel.Transient, 0, "random numbers")
}

// Some recipients are refused for good: the others have the mail, and who has not is told.
func TestRecipientsRefused(t *testing.T) {
	office := &postOffice{onRcpt: func(address string) error {
		if address == "b@example.com" {
			return reply(550)
		}

		return nil
	}}

	s := settings(t, office.open(t, nil, false))
	s.To = []string{"a@example.com", "b@example.com", "c@example.com", "ü@example.com"}

	err := send(t, one(t, s), dataOf())
	failed(t, "refused", err, channel.Permanent, 550, "2 of 4 recipients are not taken; b@example.com (550)")

	var refused *email.RefusedError
	if !errors.As(err, &refused) || refused.Accepted != 2 || len(refused.Refusals) != 2 {
		t.Errorf("got %+v", refused)
	}

	mails := office.received()
	if len(mails) != 1 {
		t.Fatalf("got %d mails", len(mails))
	}

	if diff := cmp.Diff([]string{"a@example.com", "c@example.com"}, mails[0].to); diff != "" {
		t.Error(diff)
	}
}

// Some are refused for now: the next time they alone are asked.
func TestRecipientsLater(t *testing.T) {
	var tries atomic.Int32

	office := &postOffice{onRcpt: func(address string) error {
		switch {
		case address == "b@example.com" && tries.Add(1) == 1:
			return reply(450)
		case address == "c@example.com":
			return reply(550)
		default:
			return nil
		}
	}}

	s := settings(t, office.open(t, nil, false))
	s.To = []string{"a@example.com", "b@example.com", "c@example.com"}
	c := one(t, s)

	failed(t, "first", send(t, c, dataOf()), channel.Transient, 450, "2 of 3 recipients")

	if err := send(t, c, dataOf()); err != nil {
		t.Errorf("second: %v", err)
	}

	var to []string
	for _, mail := range office.received() {
		to = append(to, mail.to...)
	}

	if diff := cmp.Diff([]string{"a@example.com", "b@example.com"}, to); diff != "" {
		t.Errorf("sent to %s", diff)
	}

	want := []string{"a@example.com", "b@example.com", "c@example.com", "b@example.com"}
	if diff := cmp.Diff(want, office.list(&office.asked)); diff != "" {
		t.Errorf("asked %s", diff)
	}

	// Another mail of the same text, later, is for all again.
	failed(t, "later", send(t, c, dataOf()), channel.Permanent, 550, "1 of 3 recipients")
}

// A channel that is made anew goes on where the one before it was; one of another scope knows nothing of it.
func TestRecipientsLaterAfterEdit(t *testing.T) {
	var willing atomic.Bool

	office := &postOffice{onRcpt: func(address string) error {
		if address == "b@example.com" && !willing.Load() {
			return reply(450)
		}

		return nil
	}}

	s := settings(t, office.open(t, nil, false))
	s.To = []string{"a@example.com", "b@example.com"}
	s.Memory, s.Scope = email.NewMemory(), "ops"

	failed(t, "first", send(t, one(t, s), dataOf()), channel.Transient, 450, "1 of 2 recipients")

	failed(t, "edited", send(t, one(t, s), dataOf()), channel.Transient, 450, "1 of 1 recipients")

	willing.Store(true)

	for _, scope := range []string{"dev", "ops", "ops"} { // the last is of a message that all have: it is another
		s.Scope = scope
		if err := send(t, one(t, s), dataOf()); err != nil {
			t.Errorf("%s: %v", scope, err)
		}
	}

	var to []string
	for _, mail := range office.received() {
		to = append(to, strings.Join(mail.to, " "))
	}

	want := []string{
		"a@example.com", "a@example.com b@example.com", "b@example.com", "a@example.com b@example.com",
	}
	if diff := cmp.Diff(want, to); diff != "" {
		t.Errorf("sent to %s", diff)
	}
}

// A list that is longer than a mail takes is several channels, each with a fate of its own.
func TestChunks(t *testing.T) {
	office := &postOffice{}

	s := settings(t, office.open(t, nil, false))
	s.MaxReceivers, s.To = 2, nil

	for i := range 5 {
		s.To = append(s.To, fmt.Sprintf("r%d@example.com", i))
	}

	made, err := email.New(s)
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range made {
		if err := send(t, c, dataOf()); err != nil {
			t.Fatal(err)
		}
	}

	var got [][]string
	for _, mail := range office.received() {
		got = append(got, mail.to)
	}

	want := [][]string{{"r0@example.com", "r1@example.com"}, {"r2@example.com", "r3@example.com"}, {"r4@example.com"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Certificates were not looked at where no TLS was configured (B7).
func TestTLS(t *testing.T) {
	trusted, other := newAuthority(t), newAuthority(t)
	valid, expired := now().AddDate(0, 1, 0), now().AddDate(0, -1, 0)

	for name, test := range map[string]struct {
		config *tls.Config
		change func(*email.Settings)
		secure bool
		says   string
	}{
		"offered":          {trusted.serve(t, "office.example", valid), func(*email.Settings) {}, true, ""},
		"required":         {trusted.serve(t, "office.example", valid), func(s *email.Settings) { s.RequireTLS = true }, true, ""},
		"not offered":      {nil, func(*email.Settings) {}, false, ""},
		"not there":        {nil, func(s *email.Settings) { s.RequireTLS = true }, false, "offers no STARTTLS"},
		"no authority":     {trusted.serve(t, "office.example", valid), func(s *email.Settings) { s.TLS.RootCA = nil }, false, "tls.rootCA"},
		"wrong authority":  {other.serve(t, "office.example", valid), func(*email.Settings) {}, false, "unknown authority"},
		"wrong name":       {trusted.serve(t, "other.example", valid), func(*email.Settings) {}, false, "tls.serverName"},
		"other name":       {trusted.serve(t, "other.example", valid), func(s *email.Settings) { s.TLS.ServerName = "other.example" }, true, ""},
		"expired":          {trusted.serve(t, "office.example", expired), func(*email.Settings) {}, false, "expired"},
		"whoever":          {other.serve(t, "x.example", expired), func(s *email.Settings) { s.TLS.InsecureSkipVerify = true }, true, ""},
		"no certificate":   {demanding(t, trusted), func(*email.Settings) {}, false, "handshake failure"},
		"with certificate": {demanding(t, trusted), asked(t, trusted), true, ""},
	} {
		for _, implicit := range []bool{false, true} {
			if implicit && test.config == nil {
				continue
			}

			name := fmt.Sprintf("%s, implicit %v", name, implicit)
			office := &postOffice{}
			s := settings(t, office.open(t, test.config, implicit))
			s.TLS.RootCA = trusted.pem

			if implicit {
				s.Port = 465
			}

			test.change(&s)

			err := send(t, one(t, s), dataOf())
			mails := office.received()

			if test.says != "" {
				failed(t, name, err, channel.Transient, 0, test.says)

				if len(mails) > 0 {
					t.Errorf("%s: a mail was sent", name)
				}

				continue
			}

			if err != nil || len(mails) != 1 || mails[0].secure != test.secure {
				t.Errorf("%s: got %v, %v", name, err, mails)
			}
		}
	}
}

// demanding is a server that wants to know who asks.
func demanding(t *testing.T, trusted *authority) *tls.Config {
	t.Helper()

	config := trusted.serve(t, "office.example", now().AddDate(0, 1, 0))
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = x509.NewCertPool()
	config.ClientCAs.AddCert(trusted.certificate)
	// In TLS 1.3 the client hears of a refusal only after it has gone on.
	config.MaxVersion = tls.VersionTLS12

	return config
}

func asked(t *testing.T, trusted *authority) func(*email.Settings) {
	t.Helper()

	certificate, key := trusted.issue(t, "client", now().AddDate(0, 1, 0))

	return func(s *email.Settings) { s.TLS.Certificate, s.TLS.Key = certificate, secret.New(string(key)) }
}

func TestLogin(t *testing.T) {
	withPassword := func(s *email.Settings) {
		s.AuthUsername, s.AuthIdentity, s.AuthPassword = "user", "for", secret.New(password)
	}
	withSecret := func(s *email.Settings) { s.AuthUsername, s.AuthSecret = "user", secret.New(password) }
	withBoth := func(s *email.Settings) { withPassword(s); withSecret(s) }
	nobody := func(*email.Settings) {}

	trusted := newAuthority(t)

	for name, test := range map[string]struct {
		offered     []string
		change      func(*email.Settings)
		secure, far bool
		want        string
		says        string
	}{
		"nobody":                      {[]string{"PLAIN"}, nobody, true, true, "", ""},
		"nothing offered":             {nil, withPassword, true, true, "", ""},
		"PLAIN over TLS":              {[]string{"LOGIN", "PLAIN"}, withPassword, true, true, "PLAIN for user", ""},
		"LOGIN over TLS":              {[]string{"LOGIN"}, withPassword, true, true, "LOGIN  user", ""},
		"CRAM-MD5 over TLS":           {[]string{"PLAIN", "CRAM-MD5"}, withBoth, true, true, "CRAM-MD5  user", ""},
		"CRAM-MD5 with the password":  {[]string{"CRAM-MD5"}, withPassword, true, true, "CRAM-MD5  user", ""},
		"PLAIN in clear":              {[]string{"PLAIN"}, withPassword, false, true, "", "only in clear"},
		"LOGIN in clear":              {[]string{"LOGIN"}, withPassword, false, true, "", "only in clear"},
		"CRAM-MD5 in clear":           {[]string{"PLAIN", "CRAM-MD5"}, withPassword, false, true, "CRAM-MD5  user", ""},
		"PLAIN in clear, local":       {[]string{"PLAIN"}, withPassword, false, false, "PLAIN for user", ""},
		"LOGIN in clear, local":       {[]string{"LOGIN"}, withPassword, false, false, "LOGIN  user", ""},
		"a secret, and PLAIN offered": {[]string{"PLAIN"}, withSecret, true, true, "", "offers none of PLAIN and LOGIN"},
		"another way":                 {[]string{"XOAUTH2"}, withPassword, true, true, "", "offers none of PLAIN and LOGIN"},
	} {
		office := &postOffice{mechanisms: test.offered, password: password}

		var config *tls.Config
		if test.secure {
			config = trusted.serve(t, "office.example", now().AddDate(0, 1, 0))
		}

		address := office.open(t, config, false)
		s := settings(t, address)
		s.TLS.RootCA = trusted.pem

		if test.far {
			s.Dial = dialFar(address)
		}

		test.change(&s)

		err := send(t, one(t, s), dataOf())

		if test.says != "" {
			failed(t, name, err, channel.Denied, 0, test.says)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}

		if got := strings.Join(office.list(&office.logins), ","); got != test.want {
			t.Errorf("%s: logged in %q, want %q", name, got, test.want)
		}
	}
}

// A wrong password is Denied, and is not in the error, even if the server repeats it.
func TestWrongPassword(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5"} {
		office := &postOffice{mechanisms: []string{mechanism}, password: "another"}

		s := settings(t, office.open(t, nil, false))
		s.AuthUsername, s.AuthPassword = "user", secret.New(password)

		failed(t, mechanism, send(t, one(t, s), dataOf()), channel.Denied, 535, "logging in")

		if text := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(text, password) {
			t.Error("the settings show the password")
		}
	}
}

func TestSettings(t *testing.T) {
	for want, change := range map[string]func(*email.Settings){
		"from":                     func(s *email.Settings) { s.From = "nobody" },
		"to[0] is no mail address": func(s *email.Settings) { s.To = []string{"a@b\r\nRCPT TO:<c@d>"} },
		"email.to is empty":        func(s *email.Settings) { s.To = nil },
		"smartHost.host":           func(s *email.Settings) { s.Host = "" },
		"is no host name":          func(s *email.Settings) { s.Host = "smtp://x" },
		"smartHost.port":           func(s *email.Settings) { s.Port = 0 },
		"hello":                    func(s *email.Settings) { s.Hello = "a\r\nb" },
		"authUsername":             func(s *email.Settings) { s.AuthUsername = "a\x00b" },
		"no template":              func(s *email.Settings) { s.Body = nil },
		"no dialer":                func(s *email.Settings) { s.Dial = nil },
		"tls.rootCA":               func(s *email.Settings) { s.TLS.RootCA = []byte("x") },
		"tls.clientCertificate":    func(s *email.Settings) { s.TLS.Key = secret.New(password) },
	} {
		s := settings(t, "")
		change(&s)

		_, err := email.New(s)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// A notification that is longer than a server takes comes in several mails, numbered.
func TestManyAlerts(t *testing.T) {
	s := settings(t, "")
	s.MaxSize = 2000

	var alerts []alert.Alert

	for i := range 60 {
		name := fmt.Sprintf("alert-%d-", i)
		alerts = append(alerts, alert.Alert{Labels: labels.FromStrings("alertname", name), StartsAt: now()})
	}

	messages, err := one(t, s).Render(message.New(alerts, message.Notification{Now: now()}))
	if err != nil {
		t.Fatal(err)
	}

	var text strings.Builder

	for i, made := range messages {
		text.WriteString(made.Text)

		suffix := fmt.Sprintf(" (%d/%d)", i+1, len(messages))
		if !strings.HasSuffix(made.Title, suffix) || len(made.Text) > 2000 {
			t.Errorf("%q has %d bytes", made.Title, len(made.Text))
		}
	}

	for _, one := range alerts {
		if !strings.Contains(text.String(), one.Labels.Get("alertname")) {
			t.Errorf("%s is missing", one.Labels)
		}
	}
}
