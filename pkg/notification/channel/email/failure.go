package email

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/textproto"
	"os"
	"strings"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// Replies of servers that say more than their first digit.
const (
	codeAuthRequired    = 530
	codeAuthTooWeak     = 534
	codeAuthFailed      = 535
	codeAuthNeedsTLS    = 538
	firstPermanent      = 500
	longestServerAnswer = 200
)

// classOf says what becomes of a message by the server's reply: four hundreds pass, five hundreds do not.
func classOf(code int) channel.Class {
	switch {
	case code == codeAuthRequired, code == codeAuthTooWeak, code == codeAuthFailed, code == codeAuthNeedsTLS:
		return channel.Denied
	case code >= firstPermanent:
		return channel.Permanent
	default:
		return channel.Transient
	}
}

// failure is what went wrong while something was done. Whatever is not a reply of the server is Transient: a
// connection that broke, a deadline, a certificate that is renewed tomorrow.
func (c *Channel) failure(doing string, err error) *channel.Error {
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return &channel.Error{
			Class: classOf(reply.Code), Code: reply.Code,
			Err: fmt.Errorf("%s: the server answers %q", doing, c.clean(reply.Msg)),
		}
	}

	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &channel.Error{Class: channel.Transient, Err: fmt.Errorf(
			"%s: the server's certificate is not to be trusted: %s; give its authority in tls.rootCA, or its name in "+
				"tls.serverName", doing, c.clean(certificate.Err.Error()))}
	}

	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return &channel.Error{Class: channel.Transient, Err: fmt.Errorf("%s: there was no answer in time", doing)}
	}

	return &channel.Error{Class: channel.Transient, Err: fmt.Errorf("%s: %s", doing, c.clean(err.Error()))}
}

// clean makes an answer of a stranger fit for an error: one line, not too long, and without the secrets it was told.
func (c *Channel) clean(answer string) string {
	const hidden = "[redacted]"

	for _, told := range []string{c.settings.AuthPassword.Reveal(), c.settings.AuthSecret.Reveal()} {
		if told == "" {
			continue
		}

		user, identity := c.settings.AuthUsername, c.settings.AuthIdentity
		plain := base64.StdEncoding.EncodeToString([]byte(identity + "\x00" + user + "\x00" + told))
		login := base64.StdEncoding.EncodeToString([]byte(told))

		answer = strings.NewReplacer(plain, hidden, login, hidden, told, hidden).Replace(answer)
	}

	line := strings.Join(strings.FieldsFunc(answer, func(letter rune) bool { return letter <= ' ' }), " ")

	return message.Truncate(strings.ToValidUTF8(line, "?"), longestServerAnswer, message.Runes)
}

// Refusal is a recipient that the server does not take.
type Refusal struct {
	// Address is the recipient.
	Address string
	// Code is the server's reply.
	Code int
	// Class says whether it may be taken later.
	Class channel.Class
	// Answer is what the server said.
	Answer string
}

// RefusedError is the cause of an error when some recipients were not taken. Those that are not in it have the message.
type RefusedError struct {
	// Refusals are the recipients that were not taken.
	Refusals []Refusal
	// Accepted is how many were.
	Accepted int
}

// Error names those that were not taken, the first of them at least.
func (r *RefusedError) Error() string {
	const most = 5

	var text strings.Builder

	fmt.Fprintf(&text, "%d of %d recipients are not taken", len(r.Refusals), len(r.Refusals)+r.Accepted)

	for i, refusal := range r.Refusals {
		if i == most {
			fmt.Fprintf(&text, "; and %d more", len(r.Refusals)-most)

			break
		}

		fmt.Fprintf(&text, "; %s (%d): %q", refusal.Address, refusal.Code, refusal.Answer)
	}

	return text.String()
}

// outcome is the error of a message that some did not get: as long as one of them may get it later it is tried
// again, for them alone.
func (r *RefusedError) outcome() error {
	if len(r.Refusals) == 0 {
		return nil
	}

	worst := r.Refusals[0]

	for _, refusal := range r.Refusals {
		if refusal.Class == channel.Transient {
			worst = refusal

			break
		}
	}

	return &channel.Error{Class: worst.Class, Code: worst.Code, Err: r}
}
