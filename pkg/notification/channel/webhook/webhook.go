// Package webhook posts notifications to a URL of the user's own: the data as JSON, or what a template makes of it.
package webhook

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/call"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// Service is a Service of the cluster to post to.
type Service struct {
	Namespace string
	Name      string
	// Path is the path; it may begin with a slash or not, and have a query.
	Path string
	// Port is left to the scheme where it is zero.
	Port int
	// Scheme is http or https; empty is http.
	Scheme string
}

// Settings are those of one webhook. Its authentication, proxy and certificates are those of the client.
type Settings struct {
	// URL is where to post to. It may carry a token, so it is not shown.
	URL secret.String
	// Service is where to post to where there is no URL.
	Service *Service
	// Text makes the body; where it is nil the body is the data as JSON.
	Text channel.Renderer
}

// Channel posts to one webhook.
type Channel struct {
	caller *call.Caller
	to     egress.Endpoint
	text   channel.Renderer
}

// New makes a Channel. Its errors are *channel.SettingError.
func New(settings Settings, client *egress.Client, clock func() time.Time) (*Channel, error) {
	to, err := endpoint(settings)
	if err != nil {
		return nil, err
	}

	return &Channel{
		caller: call.New(channel.Webhook, client, clock, call.Address(to)), to: to, text: settings.Text,
	}, nil
}

func endpoint(settings Settings) (egress.Endpoint, error) {
	switch {
	case settings.URL.Empty() && settings.Service == nil:
		return egress.Endpoint{}, channel.Missing(channel.Webhook, "url")
	case !settings.URL.Empty() && settings.Service != nil:
		return egress.Endpoint{}, problem("url", "and service are both set: remove one")
	case settings.Service != nil:
		return settings.Service.endpoint()
	default:
		return channel.SecretEndpoint(channel.Webhook, "url", settings.URL)
	}
}

func problem(field, text string) error {
	return &channel.SettingError{Type: channel.Webhook, Field: field, Problem: text}
}

// endpoint is the URL of the Service. Its parts are checked, so that none of them leads to another host.
func (s *Service) endpoint() (egress.Endpoint, error) {
	const lastPort = 65535

	switch {
	case len(validation.IsDNS1123Label(s.Namespace)) > 0:
		return egress.Endpoint{}, problem("service.namespace", "is not the name of a namespace")
	case len(validation.IsDNS1035Label(s.Name)) > 0:
		return egress.Endpoint{}, problem("service.name", "is not the name of a Service")
	case s.Port < 0 || s.Port > lastPort:
		return egress.Endpoint{}, problem("service.port", "is not a port from 1 to 65535")
	case s.scheme() != "http" && s.scheme() != "https":
		return egress.Endpoint{}, problem("service.scheme", "must be http or https")
	}

	host := s.Name + "." + s.Namespace + ".svc"
	if s.Port != 0 {
		host += ":" + strconv.Itoa(s.Port)
	}

	return channel.Endpoint(channel.Webhook, "service.path",
		s.scheme()+"://"+host+"/"+strings.TrimPrefix(s.Path, "/"), "")
}

func (s *Service) scheme() string {
	if s.Scheme == "" {
		return "http"
	}

	return strings.ToLower(s.Scheme)
}

// String names the channel without what may be a credential.
func (c *Channel) String() string {
	return "webhook " + c.to.String()
}

// GoString hides the credential from %#v.
func (c *Channel) GoString() string {
	return c.String()
}

// Render makes the one message of a notification: a program that reads it wants all of it.
func (c *Channel) Render(data *message.Data) ([]channel.Message, error) {
	if c.text == nil {
		body, err := call.Encode(data)
		if err != nil {
			return nil, &channel.Error{Class: channel.Permanent, Err: fmt.Errorf("making the body: %w", err)}
		}

		return []channel.Message{{Text: string(body)}}, nil
	}

	body, err := c.text.Render(data)
	if err != nil {
		return nil, &channel.Error{Class: channel.Permanent, Err: fmt.Errorf("making the body: %w", err)}
	}

	return []channel.Message{{Text: body}}, nil
}

// Send posts the body. Every status from 200 to 299 is success, whatever the answer says.
func (c *Channel) Send(ctx context.Context, one channel.Message) error {
	got, err := c.caller.Do(ctx, egress.Request{
		To: c.to, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(one.Text),
	})
	if err != nil {
		return err
	}

	return c.caller.Status(got)
}
