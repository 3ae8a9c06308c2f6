// Package email brings notifications by SMTP.
//
// It asks for more than the protocol does. TLS is used wherever the server offers it, and its certificate is
// verified, unless the settings say otherwise. A password is sent over TLS, or to an address of this machine, and
// nowhere else. A message counts as sent when the server said so after the whole of it, not before. A recipient that
// is refused does not keep the others from theirs.
package email

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

const (
	// implicitTLS is the port on which TLS begins before SMTP does.
	implicitTLS = 465
	// defaultTimeout leaves room for servers that let a stranger wait before they greet.
	defaultTimeout = 30 * time.Second
	// defaultReceivers is how many recipients one message has: most servers take a hundred.
	defaultReceivers = 50
	// defaultSize is how long the text of one message may be; servers take ten times that.
	defaultSize = 2 << 20
	// longestSubject is how many characters of a subject are sent.
	longestSubject = 200
)

// Settings are a sender, a server and recipients, with all secrets in place.
type Settings struct {
	// From is the sender, with a name or without.
	From string
	// To are the recipients.
	To []string
	// MaxReceivers is how many recipients one message has at most; zero is a default.
	MaxReceivers int

	// Host and Port are the server that takes the messages. On port 465 TLS begins at once.
	Host string
	Port int
	// Hello is the name given to the server; empty is localhost.
	Hello string
	// RequireTLS refuses a server that offers no TLS.
	RequireTLS bool
	// TLS says how the server is known.
	TLS TLS

	// AuthUsername is who logs in; empty is nobody.
	AuthUsername string
	// AuthIdentity is on whose behalf; only the mechanism PLAIN can say it.
	AuthIdentity string
	// AuthPassword is for PLAIN and LOGIN.
	AuthPassword secret.String
	// AuthSecret is for CRAM-MD5; where it is empty the password is used.
	AuthSecret secret.String

	// Timeout is how long sending one message may take in all; zero is a default. The context may ask for less.
	Timeout time.Duration
	// MaxSize is how long the text of one message may be, in bytes; zero is a default.
	MaxSize int

	// Subject makes the subject.
	Subject *message.Template
	// Body makes the text: a template of text, or of HTML if HTML is set.
	Body *message.Template
	// HTML says that Body makes HTML.
	HTML bool

	// Dial opens connections: it is where the guard of egress stands.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Clock gives the time, for dates and for the validity of certificates.
	Clock func() time.Time
	// Random makes the identities of messages.
	Random io.Reader
	// Memory is who has a message already that others are still to get. Channels that are made anew for the same
	// recipients go on with it by the same Scope; without it each has one of its own.
	Memory *Memory
	Scope  string
}

// TLS says how a server is known, and who asks.
type TLS struct {
	// RootCA are the authorities in PEM; without them those of the system are trusted.
	RootCA []byte
	// Certificate and Key are who asks, in PEM.
	Certificate []byte
	Key         secret.String
	// ServerName is the name in the certificate where it is not the host.
	ServerName string
	// InsecureSkipVerify trusts whoever answers.
	InsecureSkipVerify bool
}

// Channel is a message's way to a list of recipients that one message has room for.
type Channel struct {
	settings Settings
	from     *mail.Address
	to       []*mail.Address
	tls      *tls.Config
	accepted *Memory
	// scope are the channel's own messages in the memory.
	scope string
}

var _ channel.Channel = (*Channel)(nil)

// New checks settings and makes a Channel of them for each list of recipients that fits in one message. Each is
// sent, and sent again, by itself: one list that waits does not make another get its message twice.
func New(settings Settings) ([]*Channel, error) {
	if err := settings.complete(); err != nil {
		return nil, err
	}

	from, err := parseAddress("from", settings.From)
	if err != nil {
		return nil, err
	}

	to, err := parseRecipients(settings.To)
	if err != nil {
		return nil, err
	}

	config, err := settings.tlsConfig()
	if err != nil {
		return nil, err
	}

	var made []*Channel

	for recipients := range slices.Chunk(to, settings.MaxReceivers) {
		made = append(made, &Channel{
			settings: settings, from: from, to: recipients, tls: config,
			accepted: settings.Memory, scope: settings.Scope + "/" + strconv.Itoa(len(made)),
		})
	}

	return made, nil
}

// complete checks what can be wrong in settings, and puts in the defaults.
func (s *Settings) complete() error {
	switch {
	case s.Subject == nil || s.Body == nil:
		return errors.New("there is no template; give one for the subject and one for the body")
	case s.Dial == nil || s.Clock == nil || s.Random == nil:
		return errors.New("there is no dialer, no clock or no source of random numbers; give all three")
	}

	if err := s.check(); err != nil {
		return err
	}

	s.Hello = cmp.Or(s.Hello, "localhost")
	s.MaxReceivers = positive(s.MaxReceivers, defaultReceivers)
	s.Timeout = positive(s.Timeout, defaultTimeout)
	s.MaxSize = positive(s.MaxSize, defaultSize)

	if s.Memory == nil {
		s.Memory = NewMemory()
	}

	return nil
}

func positive[T int | time.Duration](value, otherwise T) T {
	if value > 0 {
		return value
	}

	return otherwise
}

// check looks at the fields that users write.
func (s *Settings) check() error {
	const lastPort = 65535

	switch {
	case s.Host == "" || strings.ContainsAny(s.Host, " \t\r\n/<>"):
		return wrong("smartHost.host", "is no host name; give the mail server's name")
	case s.Port <= 0 || s.Port > lastPort:
		return wrong("smartHost.port", "is no port; give one from 1 to 65535, mostly 587, 465 or 25")
	case strings.ContainsAny(s.Hello, " \t\r\n"):
		return wrong("hello", "has blanks; give a host name")
	case strings.ContainsAny(s.AuthUsername, "\x00\r\n"):
		return wrong("authUsername", "has a line break or a zero byte; remove it")
	case strings.ContainsAny(s.AuthIdentity, "\x00\r\n"):
		return wrong("authIdentify", "has a line break or a zero byte; remove it")
	default:
		return nil
	}
}

// wrong is what is wrong with a field of the Receiver or the Config.
func wrong(field, problem string) error {
	return &channel.SettingError{Type: channel.Email, Field: field, Problem: problem}
}

func parseAddress(field, text string) (*mail.Address, error) {
	address, err := mail.ParseAddress(text)
	if err != nil || strings.ContainsAny(address.Address, "\r\n\x00") {
		return nil, wrong(field, "is no mail address; write it as name@example.com")
	}

	return address, nil
}

// parseRecipients reads addresses; of two that are the same one is kept.
func parseRecipients(texts []string) ([]*mail.Address, error) {
	var to []*mail.Address

	seen := make(map[string]bool, len(texts))

	for i, text := range texts {
		address, err := parseAddress("to["+strconv.Itoa(i)+"]", text)
		if err != nil {
			return nil, err
		}

		if !seen[address.Address] {
			seen[address.Address] = true

			to = append(to, address)
		}
	}

	if len(to) == 0 {
		return nil, wrong("to", "is empty; give at least one mail address")
	}

	return to, nil
}

// address is where the server listens.
func (s *Settings) address() string {
	return net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
}

// Render makes the messages of a notification: one, unless it is longer than a mail server takes.
func (c *Channel) Render(data *message.Data) ([]channel.Message, error) {
	limit := message.Limit{Max: c.settings.MaxSize, Whole: c.settings.HTML}

	parts, err := message.Split(data, limit, c.settings.Body.Render)
	if err != nil {
		return nil, &channel.Error{Class: channel.Permanent, Err: fmt.Errorf("making the text of a mail: %w", err)}
	}

	messages := make([]channel.Message, 0, len(parts))

	for i, part := range parts {
		title, err := c.settings.Subject.Render(part.Data)
		if err != nil {
			return nil, &channel.Error{
				Class: channel.Permanent, Err: fmt.Errorf("making the subject of a mail: %w", err),
			}
		}

		messages = append(messages, channel.Message{Title: numbered(subject(title), i, len(parts)), Text: part.Text})
	}

	return messages, nil
}

// numbered tells the parts of a notification apart, where there are several.
func numbered(title string, index, count int) string {
	if count == 1 {
		return title
	}

	return fmt.Sprintf("%s (%d/%d)", title, index+1, count)
}

// subject makes a subject of whatever a template made: one line without control characters.
func subject(text string) string {
	line := strings.Join(strings.FieldsFunc(text, func(letter rune) bool {
		return letter <= ' ' || letter == '\u007f' || letter == '\u0085' || letter == '\u2028' || letter == '\u2029'
	}), " ")

	return message.Truncate(line, longestSubject, message.Runes)
}
