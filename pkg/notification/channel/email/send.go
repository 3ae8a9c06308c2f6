package email

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
)

// Send sends a message to all recipients that do not have it yet, over one connection.
func (c *Channel) Send(ctx context.Context, message channel.Message) error {
	waiting := c.waiting(message)
	if len(waiting) == 0 {
		c.accepted.forget(c.key(message))

		return nil
	}

	text, err := c.compose(message)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, c.settings.Timeout)
	defer cancel()

	server, err := c.connect(ctx)
	if err != nil {
		return err
	}

	refused, err := server.deliver(waiting, text)
	if err != nil {
		server.abandon()

		return server.explain(ctx, err)
	}

	server.close()

	return c.settle(message, waiting, refused)
}

// waiting are the recipients that do not have a message yet.
func (c *Channel) waiting(message channel.Message) []*mail.Address {
	waiting, of := make([]*mail.Address, 0, len(c.to)), c.key(message)

	for _, address := range c.to {
		if !c.accepted.has(of, address.Address) {
			waiting = append(waiting, address)
		}
	}

	return waiting
}

// key is a message of this channel.
func (c *Channel) key(of channel.Message) key {
	return key{scope: c.scope, sum: sha256.Sum256([]byte(of.Title + "\x00" + of.Text))}
}

// settle remembers who has the message now where others are to get it later.
func (c *Channel) settle(message channel.Message, asked []*mail.Address, refused *RefusedError) error {
	refusedNow, later := make(map[string]bool, len(refused.Refusals)), false

	for _, refusal := range refused.Refusals {
		refusedNow[refusal.Address] = true
		later = later || refusal.Class == channel.Transient
	}

	if !later {
		c.accepted.forget(c.key(message))

		return refused.outcome()
	}

	var taken []string

	for _, address := range asked {
		if !refusedNow[address.Address] {
			taken = append(taken, address.Address)
		}
	}

	// Who is refused for good is not asked again either.
	for _, refusal := range refused.Refusals {
		if refusal.Class != channel.Transient {
			taken = append(taken, refusal.Address)
		}
	}

	c.accepted.add(c.key(message), taken)

	return refused.outcome()
}

// compose makes the mail, headers and all, before anything is opened.
func (c *Channel) compose(message channel.Message) ([]byte, error) {
	id, err := c.messageID()
	if err != nil {
		return nil, err
	}

	mail := gomail.NewMsg(
		gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingQP), gomail.WithNoDefaultUserAgent(),
	)
	mail.FromMailAddress(c.from)
	mail.ToMailAddress(c.to...)
	mail.Subject(subject(message.Title))
	mail.SetDateWithValue(c.settings.Clock())
	mail.SetMessageIDWithValue(id)
	// Nobody's absence needs to be told to a machine.
	mail.SetGenHeader("Auto-Submitted", "auto-generated")

	kind := gomail.TypeTextPlain
	if c.settings.HTML {
		kind = gomail.TypeTextHTML
	}

	mail.SetBodyString(kind, channel.Printable(message.Text))

	var out bytes.Buffer
	if _, err := mail.WriteTo(&out); err != nil {
		return nil, &channel.Error{Class: channel.Permanent, Err: fmt.Errorf("writing the mail: %w", err)}
	}

	return out.Bytes(), nil
}

// messageID is an identity nobody else gives, in the sender's domain.
func (c *Channel) messageID() (string, error) {
	const size = 16

	random := make([]byte, size)
	if _, err := io.ReadFull(c.settings.Random, random); err != nil {
		return "", &channel.Error{
			Class: channel.Transient, Err: errors.New("there are no random numbers to name the mail"),
		}
	}

	_, domain, _ := strings.Cut(c.from.Address, "@")
	if domain == "" || !ascii(domain) {
		domain = "localhost"
	}

	return hex.EncodeToString(random) + "@" + domain, nil
}

func ascii(text string) bool {
	const last = 0x7f

	for i := range len(text) {
		if text[i] > last {
			return false
		}
	}

	return true
}
