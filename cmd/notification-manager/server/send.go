package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/preview"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
)

// posted is what is asked to be tried.
type posted struct {
	Receiver *notificationv2beta2.Receiver `json:"receiver"`
	Config   *notificationv2beta2.Config   `json:"config"`
	Alert    json.RawMessage               `json:"alert"`
}

// verify sends a message of its own to the targets of a receiver, to see whether it arrives.
func (s *Server) verify(writer http.ResponseWriter, request *http.Request) {
	s.try(writer, request, "Verify successfully", func(*posted) ([]alert.Alert, error) {
		return []alert.Alert{testAlert(s.options.Clock())}, nil
	})
}

// notify sends given alerts to the targets of a receiver.
func (s *Server) notify(writer http.ResponseWriter, request *http.Request) {
	s.try(writer, request, "Notification sent successfully", s.postedAlerts)
}

// testAlert is what is sent to try a receiver.
func testAlert(now time.Time) alert.Alert {
	const (
		name   = "Verify"
		testCN = "这是一条测试消息：发给该接收者的通知将送达此处。" //nolint:gosmopolitan // for readers of Chinese
	)

	return alert.Alert{
		Labels: labels.FromStrings(alert.Name, name, alert.Type, "verify", alert.Severity, "info"),
		Annotations: labels.FromStrings(
			message.AlertTime, now.Format(time.RFC3339),
			message.AnnotationMessage, "This is a test: notifications for this receiver arrive here.",
			message.AnnotationSummaryCN, testCN,
		),
		StartsAt: now,
	}
}

// postedAlerts are the alerts of a request, all of which have to be good: they are sent at once.
func (s *Server) postedAlerts(of *posted) ([]alert.Alert, error) {
	if len(of.Alert) == 0 {
		return nil, errors.New("alert: is missing; give an object with alerts")
	}

	alerts, refused, err := alert.Decode(of.Alert, s.options.Clock())

	switch {
	case err != nil:
		return nil, fmt.Errorf("alert: %w", err)
	case len(refused) > 0:
		return nil, fmt.Errorf("alert: %s", named(refused))
	case len(alerts) == 0:
		return nil, errors.New("alert: has no alerts; give at least one")
	default:
		return alerts, nil
	}
}

// try sends and answers when all targets have.
func (s *Server) try(
	writer http.ResponseWriter, request *http.Request, good string, alerts func(*posted) ([]alert.Alert, error),
) {
	asked, view, ready := s.asked(writer, request)
	if !ready {
		return
	}

	sent, err := alerts(asked)
	if err != nil {
		answer(writer, http.StatusBadRequest, err.Error())

		return
	}

	result, err := s.resolved(request.Context(), view, asked)
	if err != nil {
		answer(writer, http.StatusBadRequest, err.Error())

		return
	}

	select {
	case s.sending <- struct{}{}:
		defer func() { <-s.sending }()
	default:
		again(writer, soon, "too many receivers are being tried at once")

		return
	}

	ctx, cancel := context.WithTimeout(request.Context(), s.options.SendPatience)
	defer cancel()

	data := preview.Data(sent, asked.Receiver.Name, view.Cluster, s.options.Clock())
	if err := preview.Send(ctx, result, data); err != nil {
		answer(writer, http.StatusBadRequest, strings.ReplaceAll(err.Error(), "\n", "; "))

		return
	}

	answer(writer, http.StatusOK, good)
}

// asked reads what is asked for. It answers itself where that cannot be read, or nothing can be resolved yet.
func (s *Server) asked(writer http.ResponseWriter, request *http.Request) (*posted, *follow.View, bool) {
	text, read := body(writer, request)
	if !read {
		return nil, nil, false
	}

	view := s.options.Objects.View()
	if view == nil {
		again(writer, soon, "nothing can be sent yet: waiting for "+s.waiting())

		return nil, nil, false
	}

	asked := &posted{}
	if err := json.Unmarshal(text, asked); err != nil {
		answer(writer, http.StatusBadRequest, "the body is no object with receiver and config: "+withoutValue(err))

		return nil, nil, false
	}

	if asked.Receiver == nil {
		answer(writer, http.StatusBadRequest, "receiver: is missing; give a Receiver")

		return nil, nil, false
	}

	return asked, view, true
}

// withoutValue is what is wrong with JSON, without the value, which may be a credential.
func withoutValue(err error) string {
	if wrong, is := err.(*json.UnmarshalTypeError); is { //nolint:errorlint // it is never wrapped
		return wrong.Field + ": is of another type than " + wrong.Type.String()
	}

	return "it is not JSON, or a field is of another type"
}

// resolved is what a posted receiver comes to, judged as its owner: a tenant's reaches what the tenant's stored ones
// may. Whom nobody has let in may say that it is anybody's, so that what such a one posts, and is not stored just so,
// may refer to nothing, and reaches what tenants may.
func (s *Server) resolved(ctx context.Context, view *follow.View, asked *posted) (resolve.Result, error) {
	var doubted []resolve.Reference

	if !known(ctx) {
		var err error
		if doubted, err = s.doubted(asked); err != nil {
			return resolve.Result{}, err
		}
	}

	platform := view.Platform.Trial(doubted...)

	if asked.Config != nil {
		platform, _ = platform.WithConfigs(beside(asked.Config, view.Input.Configs))
	}

	return safely(func() resolve.Result { return platform.Receiver(asked.Receiver, 0) })
}

// safely makes an error of a defect of the program.
func safely(do func() resolve.Result) (result resolve.Result, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = errors.New("the receiver cannot be resolved, by a defect of the program")
		}
	}()

	return do(), nil
}

// beside are a posted Config and the others, without what these have of the channels that it has: it is the one that
// is tried.
func beside(one *notificationv2beta2.Config, others []*notificationv2beta2.Config) []*notificationv2beta2.Config {
	made := make([]*notificationv2beta2.Config, 0, len(others)+1)
	made = append(made, one)

	for _, other := range others {
		if other.Name == one.Name {
			continue
		}

		left := *other
		left.Spec = without(other.Spec, &one.Spec)
		made = append(made, &left)
	}

	return made
}
