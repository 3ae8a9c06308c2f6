package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
)

// mostRead is how many bytes a server may say in one connection: it could be a stranger's.
const mostRead = 1 << 20

// boundedConn ends a connection whose other side never ends.
type boundedConn struct {
	net.Conn

	left int
}

func (b *boundedConn) Read(into []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the server says more than a mail server has to say")
	}

	count, err := b.Conn.Read(into[:min(len(into), b.left)])
	b.left -= count

	return count, err //nolint:wrapcheck // a Read is transparent
}

// server is a connection that is ready to take a mail.
type server struct {
	channel *Channel
	conn    net.Conn
	client  *smtp.Client
	// unhook ends the watch over the context, which closes the connection.
	unhook func() bool
}

// connect opens a connection: TLS, greeting, login.
func (c *Channel) connect(ctx context.Context) (*server, error) {
	raw, err := c.settings.Dial(ctx, "tcp", c.settings.address())
	if err != nil {
		return nil, c.failure("connecting to "+c.settings.address(), err)
	}

	s := &server{channel: c, conn: &boundedConn{Conn: raw, left: mostRead}}
	// A deadline for each read and write, and an end for a context that is cancelled before.
	s.unhook = context.AfterFunc(ctx, func() { _ = raw.Close() })

	if deadline, ok := ctx.Deadline(); ok {
		err = raw.SetDeadline(deadline)
	}

	if err == nil {
		err = s.start(ctx)
	}

	if err != nil {
		s.abandon()

		return nil, s.explain(ctx, err)
	}

	return s, nil
}

// explain gives an error its class, and says of a connection that the context ended what the matter was.
func (s *server) explain(ctx context.Context, err error) error {
	var known *channel.Error
	if errors.As(err, &known) && known.Code != 0 {
		return known
	}

	if ctx.Err() != nil {
		return &channel.Error{Class: channel.Transient, Err: fmt.Errorf(
			"speaking to %s: there was no answer in time", s.channel.settings.address())}
	}

	if known != nil {
		return known
	}

	return s.channel.failure("speaking to "+s.channel.settings.address(), err)
}

func (s *server) start(ctx context.Context) error {
	settings := &s.channel.settings

	if settings.Port == implicitTLS {
		secured := tls.Client(s.conn, s.channel.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return s.channel.failure("starting TLS", err)
		}

		s.conn = secured
	}

	client, err := smtp.NewClient(s.conn, settings.Host)
	if err != nil {
		return s.channel.failure("waiting for the greeting", err)
	}

	s.client = client

	if err := client.Hello(settings.Hello); err != nil {
		return s.channel.failure("greeting the server", err)
	}

	if err := s.secure(); err != nil {
		return err
	}

	return s.login()
}

// secure starts TLS where the server offers it.
func (s *server) secure() error {
	if s.secured() {
		return nil
	}

	if offered, _ := s.client.Extension("STARTTLS"); offered {
		if err := s.client.StartTLS(s.channel.tls.Clone()); err != nil {
			return s.channel.failure("starting TLS", err)
		}

		return nil
	}

	if s.channel.settings.RequireTLS {
		return &channel.Error{Class: channel.Transient, Err: errors.New(
			"the server offers no STARTTLS, and requireTLS is set; use port 465, or let the server offer it")}
	}

	return nil
}

func (s *server) secured() bool {
	_, ok := s.client.TLSConnectionState()

	return ok
}

// login logs in where the settings name a user and the server offers a way to. A server that takes mail from
// strangers offers none.
func (s *server) login() error {
	settings := &s.channel.settings
	if settings.AuthUsername == "" {
		return nil
	}

	offered, list := s.client.Extension("AUTH")
	if !offered {
		return nil
	}

	method, err := s.method(strings.Fields(strings.ToUpper(list)))
	if err != nil {
		return err
	}

	if err := s.client.Auth(method); err != nil {
		return s.channel.failure("logging in", err)
	}

	return nil
}

// method chooses how to log in: with the password as it is where nobody listens, with CRAM-MD5, which does not
// send it, elsewhere.
func (s *server) method(offered []string) (smtp.Auth, error) { //nolint:ireturn // the client wants one
	settings := &s.channel.settings
	private := s.secured() || s.local()

	challenge := settings.AuthSecret
	if challenge.Empty() {
		challenge = settings.AuthPassword
	}

	canChallenge := slices.Contains(offered, "CRAM-MD5") && !challenge.Empty()

	switch {
	case canChallenge && (!private || !settings.AuthSecret.Empty()):
		return smtp.CRAMMD5Auth(settings.AuthUsername, challenge.Reveal()), nil
	case private && !settings.AuthPassword.Empty() && slices.Contains(offered, "PLAIN"):
		return smtp.PlainAuth(settings.AuthIdentity, settings.AuthUsername, settings.AuthPassword.Reveal(),
			settings.Host, true), nil
	case private && !settings.AuthPassword.Empty() && slices.Contains(offered, "LOGIN"):
		return smtp.LoginAuth(settings.AuthUsername, settings.AuthPassword.Reveal(), settings.Host, true), nil
	case canChallenge:
		return smtp.CRAMMD5Auth(settings.AuthUsername, challenge.Reveal()), nil
	case !private:
		return nil, &channel.Error{Class: channel.Denied, Err: errors.New(
			"the server takes the password only in clear, without TLS; let it offer STARTTLS, or use port 465")}
	default:
		return nil, &channel.Error{Class: channel.Denied, Err: errors.New(
			"the server offers none of PLAIN and LOGIN with authPassword, and CRAM-MD5 with authSecret")}
	}
}

// local says whether the server is on this machine, by the address it has and not by the name it was given.
func (s *server) local() bool {
	address, ok := s.conn.RemoteAddr().(*net.TCPAddr)

	return ok && address.IP.IsLoopback()
}

// deliver hands a mail over. Its error is that of the whole mail; recipients that were not taken are told apart.
func (s *server) deliver(to []*mail.Address, text []byte) (*RefusedError, error) {
	s.skipUTF8(to)

	if err := s.client.Mail(enclosed(s.channel.from)); err != nil {
		return nil, s.channel.failure("naming the sender", err)
	}

	refused, err := s.recipients(to)
	if err != nil {
		return nil, err
	}

	if refused.Accepted == 0 {
		return refused, nil
	}

	return refused, s.data(text)
}

// skipUTF8 keeps a mail whose addresses are all ASCII from asking for more than every server has.
func (s *server) skipUTF8(to []*mail.Address) {
	plain := ascii(s.channel.from.Address)
	for _, address := range to {
		plain = plain && ascii(address.Address)
	}

	s.client.SkipSMTPUTF8(plain)
}

func (s *server) recipients(to []*mail.Address) (*RefusedError, error) {
	refused := &RefusedError{}
	unicode, _ := s.client.Extension("SMTPUTF8")

	for _, address := range to {
		if !ascii(address.Address) && !unicode {
			refused.Refusals = append(refused.Refusals, Refusal{
				Address: address.Address, Class: channel.Permanent, Answer: "the server takes addresses in ASCII only",
			})

			continue
		}

		err := s.client.Rcpt(enclosed(address))
		if err == nil {
			refused.Accepted++

			continue
		}

		var reply *textproto.Error
		if !errors.As(err, &reply) || reply.Code == codeClosing {
			return nil, s.channel.failure("naming the recipients", err)
		}

		refused.Refusals = append(refused.Refusals, Refusal{
			Address: address.Address, Code: reply.Code, Class: classOf(reply.Code),
			Answer: s.channel.clean(reply.Msg),
		})
	}

	return refused, nil
}

// codeClosing is the reply of a server that ends the connection.
const codeClosing = 421

// data sends the mail itself. It is sent when the server says so after its end.
func (s *server) data(text []byte) error {
	writer, err := s.client.Data()
	if err != nil {
		return s.channel.failure("beginning the mail", err)
	}

	if _, err := writer.Write(text); err != nil {
		// Not closed: that would end, and send, a mail that is not whole.
		return s.channel.failure("sending the mail", err)
	}

	if err := writer.Close(); err != nil {
		return s.channel.failure("waiting for the server to take the mail", err)
	}

	return nil
}

func enclosed(address *mail.Address) string {
	bare := mail.Address{Address: address.Address}

	return bare.String()
}

// close ends a connection politely. What the server says to that changes nothing, and is not waited for long.
func (s *server) close() {
	const patience = time.Second

	late := time.AfterFunc(patience, func() { _ = s.conn.Close() })
	defer late.Stop()

	_ = s.client.Quit()
	s.abandon()
}

// abandon ends a connection, whatever it is in the middle of.
func (s *server) abandon() {
	s.unhook()

	_ = s.conn.Close()
}
