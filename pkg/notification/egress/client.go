package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
)

// ErrAnswerTooLong is why an answer is incomplete that is longer than what is read of one.
var ErrAnswerTooLong = errors.New("the answer is too long")

// Client sends with one kind of settings. It is safe for use by several goroutines.
type Client struct {
	http     http.Client
	settings Settings
	options  Options
}

// String hides the credentials that the client sends.
func (*Client) String() string {
	return "HTTP client"
}

// GoString hides them from %#v.
func (c *Client) GoString() string {
	return c.String()
}

// Request is what is sent.
type Request struct {
	// Method is POST where nothing else is said.
	Method string
	// To is where it is sent.
	To Endpoint
	// Header is added to ours.
	Header http.Header
	// Body is sent as it is.
	Body []byte
}

// Answer is what came back.
type Answer struct {
	// Status is the status of HTTP.
	Status int
	// Header is the header.
	Header http.Header
	// Body is what was read of the body.
	Body []byte
	// Incomplete is why not all of it was read.
	Incomplete error
}

// Error is a call without an answer. It shows scheme and host of the target, and nothing else of its URL.
type Error struct {
	// Target is the scheme and the host.
	Target string
	// Err is what happened.
	Err error
}

// Error says where the call went and what happened.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %v", e.Target, e.Err)
}

// Unwrap gives what happened.
func (e *Error) Unwrap() error {
	return e.Err
}

// Do sends a request and reads the answer, whatever its status. A redirect is an answer. Errors are *Error.
func (c *Client) Do(ctx context.Context, request Request) (*Answer, error) {
	if request.To.Empty() {
		return nil, &Error{Target: request.To.String(), Err: errors.New("there is no URL to send to")}
	}

	answer, err := c.do(ctx, request)
	if err != nil {
		return nil, &Error{Target: request.To.String(), Err: withoutURL(err)}
	}

	return answer, nil
}

func (c *Client) do(ctx context.Context, request Request) (*Answer, error) {
	// A proxy would connect to it for us.
	if address, ok := request.To.literal(); ok {
		if err := c.settings.Guard.Check(address); err != nil {
			return nil, err
		}
	}

	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()

	outgoing, err := c.outgoing(ctx, request)
	if err != nil {
		return nil, err
	}

	response, err := c.http.Do(outgoing)
	if err != nil {
		return nil, err //nolint:wrapcheck // Do wraps it without what must not be shown
	}
	defer response.Body.Close()

	answer := &Answer{Status: response.StatusCode, Header: response.Header}
	answer.Body, answer.Incomplete = read(response.Body, c.options.AnswerLimit)

	return answer, nil
}

func (c *Client) outgoing(ctx context.Context, request Request) (*http.Request, error) {
	method := orElse(request.Method, http.MethodPost)

	outgoing, err := http.NewRequestWithContext(ctx, method, request.To.address.String(), bytes.NewReader(request.Body))
	if err != nil {
		return nil, errors.New("the URL cannot be used") // The error would show it.
	}

	maps.Copy(outgoing.Header, request.Header)

	outgoing.Header.Set("User-Agent", c.options.UserAgent)

	if outgoing.Header.Get("Authorization") == "" {
		c.authorize(outgoing)
	}

	return outgoing, nil
}

func (c *Client) authorize(outgoing *http.Request) {
	switch {
	case !c.settings.BearerToken.Empty():
		outgoing.Header.Set("Authorization", "Bearer "+c.settings.BearerToken.Reveal())
	case c.settings.Username != "":
		outgoing.SetBasicAuth(c.settings.Username, c.settings.Password.Reveal())
	}
}

// read reads a body up to a limit. To its end it reads only what is shorter, which lets its connection be used again.
func read(from io.Reader, limit int) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, int64(limit)+1))

	switch {
	case len(body) > limit:
		return body[:limit], ErrAnswerTooLong
	case err != nil:
		return body, fmt.Errorf("reading the answer: %w", withoutURL(err))
	default:
		return body, nil
	}
}

// withoutURL is the cause in an error of net/http, which shows the URL of the request.
func withoutURL(err error) error {
	if shown, ok := errors.AsType[*url.Error](err); ok {
		return shown.Err
	}

	return err
}
