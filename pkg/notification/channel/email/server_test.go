package email_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // CRAM-MD5 is made of it
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mail is one that a server took.
type mail struct {
	from   string
	to     []string
	text   string
	secure bool
}

// postOffice is a mail server that does what a test wants of it.
type postOffice struct {
	server *smtp.Server
	// What to answer; nil takes it.
	onMail, onRcpt func(address string) error
	onData         func() error
	// mechanisms are the ways to log in that are offered.
	mechanisms []string
	// password is the right one.
	password string

	mu          sync.Mutex
	mails       []mail
	asked       []string
	logins      []string
	connections int
}

// open makes the server listen, and gives its address.
func (p *postOffice) open(t *testing.T, config *tls.Config, implicit bool) string {
	t.Helper()

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	p.server = smtp.NewServer(smtp.BackendFunc(func(conn *smtp.Conn) (smtp.Session, error) {
		_, secure := conn.TLSConnectionState()

		return &session{office: p, mail: mail{secure: secure}}, nil
	}))
	p.server.Domain = "office.example"
	p.server.AllowInsecureAuth = true
	p.server.TLSConfig = config
	p.server.ErrorLog = silent{}
	p.server.MaxLineLength = 1 << 16

	counted := &countingListener{Listener: listener, office: p}

	go func() {
		if implicit {
			_ = p.server.Serve(tls.NewListener(counted, config))
		} else {
			_ = p.server.Serve(counted)
		}
	}()

	t.Cleanup(func() { _ = p.server.Close() })

	return listener.Addr().String()
}

func (p *postOffice) received() []mail {
	p.mu.Lock()
	defer p.mu.Unlock()

	return append([]mail(nil), p.mails...)
}

// list and count read what the server's goroutines write.
func (p *postOffice) list(of *[]string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()

	return append([]string(nil), *of...)
}

func (p *postOffice) count(of *int) int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return *of
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

type countingListener struct {
	net.Listener

	office *postOffice
}

func (c *countingListener) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.office.mu.Lock()
		c.office.connections++
		c.office.mu.Unlock()
	}

	return conn, err
}

type session struct {
	office *postOffice
	mail   mail
}

func (s *session) Reset()      { s.mail = mail{secure: s.mail.secure} }
func (*session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mail.from = from

	if s.office.onMail != nil {
		return s.office.onMail(from)
	}

	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.office.mu.Lock()
	s.office.asked = append(s.office.asked, to)
	s.office.mu.Unlock()

	if s.office.onRcpt != nil {
		if err := s.office.onRcpt(to); err != nil {
			return err
		}
	}

	s.mail.to = append(s.mail.to, to)

	return nil
}

func (s *session) Data(from io.Reader) error {
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}

	if s.office.onData != nil {
		if err := s.office.onData(); err != nil {
			return err
		}
	}

	s.mail.text = string(text)

	s.office.mu.Lock()
	s.office.mails = append(s.office.mails, s.mail)
	s.office.mu.Unlock()

	return nil
}

func (s *session) AuthMechanisms() []string { return s.office.mechanisms }

// errWrong is what a server says to a wrong password; this one repeats what it was told.
func errWrong(told string) error {
	return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong password " + told}
}

func (s *session) Auth(mechanism string) (sasl.Server, error) { //nolint:ireturn // as the server wants it
	check := func(identity, user, password string) error {
		s.office.mu.Lock()
		defer s.office.mu.Unlock()

		s.office.logins = append(s.office.logins, mechanism+" "+identity+" "+user)

		if password != s.office.password {
			return errWrong(password)
		}

		return nil
	}

	switch mechanism {
	case "PLAIN":
		return sasl.NewPlainServer(check), nil
	case "LOGIN":
		return &loginServer{check: check}, nil
	case "CRAM-MD5":
		return &challengeServer{check: check, password: s.office.password}, nil
	default:
		return nil, smtp.ErrAuthUnknownMechanism
	}
}

type loginServer struct {
	check func(identity, user, password string) error
	user  string
	step  int
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	l.step++

	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)

		return []byte("Password:"), false, nil
	default:
		return nil, true, l.check("", l.user, string(response))
	}
}

type challengeServer struct {
	check    func(identity, user, password string) error
	password string
	asked    bool
}

func (c *challengeServer) Next(response []byte) ([]byte, bool, error) {
	const challenge = "<1.2@office.example>"

	if !c.asked {
		c.asked = true

		return []byte(challenge), false, nil
	}

	user, sum, _ := strings.Cut(string(response), " ")

	mac := hmac.New(md5.New, []byte(c.password))
	mac.Write([]byte(challenge))

	if sum != hex.EncodeToString(mac.Sum(nil)) {
		return nil, true, c.check("", user, "")
	}

	return nil, true, c.check("", user, c.password)
}

// authority signs certificates for tests.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()

	a := &authority{}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: now().AddDate(-1, 0, 0), NotAfter: now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}

	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}

	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}

	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}

	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})

	return a
}

// issue makes a certificate for a name, with its key, both in PEM.
func (a *authority) issue(t *testing.T, name string, until time.Time) (certificate, key []byte) {
	t.Helper()

	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now().AddDate(-1, 0, 0), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.certificate, &own.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}

	encoded, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}

	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})
}

func (a *authority) serve(t *testing.T, name string, until time.Time) *tls.Config {
	t.Helper()

	certificate, key := a.issue(t, name, until)

	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}

	return &tls.Config{Certificates: []tls.Certificate{pair}, Time: now, MinVersion: tls.VersionTLS12}
}

// dialTo opens connections to one address, whatever is asked for.
func dialTo(address string) func(ctx context.Context, network, asked string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// farConn is a connection that comes from elsewhere.
type farConn struct{ net.Conn }

func (farConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25}
}

func dialFar(address string) func(ctx context.Context, network, asked string) (net.Conn, error) {
	return func(ctx context.Context, network, asked string) (net.Conn, error) {
		conn, err := dialTo(address)(ctx, network, asked)

		return farConn{conn}, err
	}
}

// script is a server that answers by the verb of a command. An answer that is empty is none: it waits for ever.
type script map[string]string

func (s script) open(t *testing.T) string {
	t.Helper()

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = listener.Close() })

	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}

			go s.serve(conn)
		}
	}()

	return listener.Addr().String()
}

func (s script) serve(conn net.Conn) {
	defer conn.Close()

	lines := bufio.NewReader(conn)
	if !s.answer(conn, "greeting", "220 script ready") {
		_, _ = io.Copy(io.Discard, lines)

		return
	}

	inData := false

	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}

		verb, standard := strings.ToUpper(strings.Fields(line + " -")[0]), "250 fine"

		switch {
		case inData && line != ".\r\n":
			continue
		case inData:
			verb = "END"
		case verb == "DATA":
			standard = "354 go on"
		}

		if !s.answer(conn, verb, standard) {
			_, _ = io.Copy(io.Discard, lines)

			return
		}

		inData = verb == "DATA" && s[verb] == ""
	}
}

// answer says whether to go on.
func (s script) answer(conn net.Conn, verb, standard string) bool {
	text, ok := s[verb]
	if !ok {
		text = standard
	}

	switch text {
	case "":
		return false
	case "endless":
		for {
			if _, err := io.WriteString(conn, "220-and so on\r\n"); err != nil {
				return false
			}
		}
	case "close":
		_ = conn.Close()

		return false
	}

	_, err := io.WriteString(conn, text+"\r\n")

	return err == nil && !strings.HasPrefix(text, "421")
}

var errNoNumbers = errors.New("no numbers")

type noNumbers struct{}

func (noNumbers) Read([]byte) (int, error) { return 0, errNoNumbers }
