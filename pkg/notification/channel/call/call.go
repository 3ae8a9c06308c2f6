package call

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
)

// Caller calls for one channel. It is safe for use by several goroutines.
type Caller struct {
	of     channel.Type
	client *egress.Client
	clock  func() time.Time
	hidden []string
}

// New makes a Caller. What is secret is never shown, though a provider may quote it.
func New(of channel.Type, client *egress.Client, clock func() time.Time, secret ...Secret) *Caller {
	return &Caller{of: of, client: client, clock: clock, hidden: hidden(secret)}
}

// Hiding is a Caller that shows one more secret as little: a token that was just fetched, say.
func (c *Caller) Hiding(secret ...Secret) *Caller {
	more := *c
	more.hidden = longestFirst(append(hidden(secret), c.hidden...))

	return &more
}

// String hides what the Caller hides.
func (c *Caller) String() string {
	return "caller of " + string(c.of)
}

// GoString hides it from %#v.
func (c *Caller) GoString() string {
	return c.String()
}

// Now is what time it is.
func (c *Caller) Now() time.Time {
	return c.clock()
}

// Do makes a call. An error is a *channel.Error; an answer may have any status.
func (c *Caller) Do(ctx context.Context, request egress.Request) (*egress.Answer, error) {
	answer, err := c.client.Do(ctx, request)
	if err == nil {
		return answer, nil
	}

	class := channel.Transient

	if _, blocked := errors.AsType[*egress.BlockedError](err); blocked {
		class = channel.Permanent
	}

	return nil, &channel.Error{Class: class, Err: fmt.Errorf("calling %s: %w", c.of, err)}
}

// Post sends a value as JSON.
func (c *Caller) Post(ctx context.Context, to egress.Endpoint, header http.Header, value any) (*egress.Answer, error) {
	body, err := Encode(value)
	if err != nil {
		return nil, &channel.Error{Class: channel.Permanent, Err: fmt.Errorf("encoding what is sent: %w", err)}
	}

	with := http.Header{"Content-Type": {JSON}}
	maps.Copy(with, header)

	return c.Do(ctx, egress.Request{To: to, Header: with, Body: body})
}

// JSON is the content type of JSON as providers expect it.
const JSON = "application/json; charset=utf-8"

// Encode gives a value as JSON, with characters as they are: escaped ones count several times against limits.
func Encode(value any) ([]byte, error) {
	var body bytes.Buffer

	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)

	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encoding JSON: %w", err)
	}

	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

// Size is the length of a value in JSON, in bytes; of one that cannot be written it is zero.
func Size(value any) int {
	body, err := Encode(value)
	if err != nil {
		return 0
	}

	return len(body)
}

// Decode reads the answer's JSON. What is no JSON is no answer of the provider, but of something between: it is
// classified by its status, and tried again when that is good.
func (c *Caller) Decode(answer *egress.Answer, into any) error {
	err := answer.Incomplete
	if err == nil {
		err = json.Unmarshal(answer.Body, into)
	}

	if err == nil {
		return nil
	}

	if failed := c.Status(answer); failed != nil {
		return failed
	}

	return &channel.Error{
		Class: channel.Transient, Code: answer.Status, Err: fmt.Errorf("%s gave no answer that can be read", c.of),
	}
}

// Status classifies an answer by its status; nil is success. It shows nothing of the body: that of a generic
// webhook may be anything, from inside the network too.
func (c *Caller) Status(answer *egress.Answer) error {
	class, failed := classOf(answer.Status)
	if !failed {
		return nil
	}

	return &channel.Error{
		Class:      class,
		RetryAfter: c.RetryAfter(answer),
		Code:       answer.Status,
		Err:        fmt.Errorf("%s answered %s", c.of, describe(answer.Status)),
	}
}

// Refusal is the error of a provider that says so in words of its own.
func (c *Caller) Refusal(class channel.Class, code int, wait time.Duration, words string) error {
	return &channel.Error{
		Class:      class,
		RetryAfter: min(wait, longestWait),
		Code:       code,
		Err:        fmt.Errorf("%s answered: %s", c.of, c.show(words)),
	}
}

// classOf says what a status means.
func classOf(status int) (class channel.Class, failed bool) {
	const success, redirect, serverError = 200, 300, 500

	switch {
	case status >= success && status < redirect:
		return 0, false
	case status == http.StatusTooManyRequests:
		return channel.RateLimited, true
	case status == http.StatusUnauthorized, status == http.StatusForbidden,
		status == http.StatusProxyAuthRequired:
		return channel.Denied, true
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly,
		status == http.StatusMisdirectedRequest, status >= serverError:
		return channel.Transient, true
	default: // Redirects are not followed, and what is wrong with a request stays wrong.
		return channel.Permanent, true
	}
}

func describe(status int) string {
	const redirect, clientError = 300, 400

	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if status >= redirect && status < clientError {
		return text + ", a redirect, which is not followed: set the URL it leads to"
	}

	return text
}
