package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/klog/v2"

	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/observe"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
)

// accepted is what the contract answers when alerts are taken.
const accepted = "Notification request accepted"

// How long clients are asked to stay away.
const (
	soon  = 5 * time.Second
	later = 10 * time.Second
)

// alerts takes alerts. It acknowledges what is on disk, and nothing else.
func (s *Server) alerts(writer http.ResponseWriter, request *http.Request) {
	text, read := body(writer, request)
	if !read {
		s.options.Metrics.Refused(observe.ReasonBody, 1)

		return
	}

	taken, refused, err := alert.Decode(text, s.options.Clock())
	if err != nil {
		s.options.Metrics.Refused(observe.ReasonBody, 1)
		answer(writer, http.StatusBadRequest, err.Error())

		return
	}

	s.refused(request.Context(), refused)

	if len(taken) == 0 && len(refused) > 0 {
		answer(writer, http.StatusBadRequest, "none of the alerts can be taken: "+named(refused))

		return
	}

	if len(taken) > 0 && !s.take(writer, request, taken) {
		return
	}

	if len(refused) > 0 {
		answer(writer, http.StatusOK, fmt.Sprintf("%s, but for %d of %d alerts: %s", accepted, len(refused),
			len(taken)+len(refused), named(refused)))

		return
	}

	answer(writer, http.StatusOK, accepted)
}

// refused counts alerts that cannot be read, and says so once for each body.
func (s *Server) refused(ctx context.Context, refused []alert.RefusedError) {
	if len(refused) == 0 {
		return
	}

	s.options.Metrics.Refused(observe.ReasonMalformed, len(refused))
	klog.FromContext(ctx).Info("Alerts cannot be taken", "count", len(refused), "first", refused[0].Error())
}

// named names the first alerts that cannot be read.
func named(refused []alert.RefusedError) string {
	const most = 10

	var texts []string

	for i := range min(len(refused), most) {
		texts = append(texts, refused[i].Error())
	}

	if len(refused) > most {
		texts = append(texts, fmt.Sprintf("and %d more", len(refused)-most))
	}

	return strings.Join(texts, "; ")
}

// take gives alerts to the engine. It answers itself where they are not taken: whoever posts them is to try again.
func (s *Server) take(writer http.ResponseWriter, request *http.Request, alerts []alert.Alert) bool {
	taking := s.options.Engine()
	if taking == nil {
		s.options.Metrics.Refused(observe.ReasonNotReady, len(alerts))
		again(writer, soon, "alerts are not taken yet: waiting for "+s.waiting())

		return false
	}

	ctx, cancel := context.WithTimeout(request.Context(), s.options.IngestPatience)
	defer cancel()

	s.options.Learn(ctx, alerts)

	start := s.options.Clock()
	err := taking.Ingest(ctx, alerts)
	end := s.options.Clock()

	if err == nil {
		s.options.Metrics.Taken(len(alerts), end, end.Sub(start))
		s.options.Saw(alerts)

		return true
	}

	s.refuse(writer, err, len(alerts))

	return false
}

// waiting says what the first settings wait for.
func (s *Server) waiting() string {
	if why := s.options.Objects.Waiting(); why != "" {
		return why
	}

	return "the engine to begin"
}

// refuse answers that alerts are not taken, and why.
func (s *Server) refuse(writer http.ResponseWriter, err error, alerts int) {
	switch {
	case errors.Is(err, engine.ErrBusy):
		s.options.Metrics.Refused(observe.ReasonBusy, alerts)
		again(writer, later, "the alerts are not taken: "+err.Error())
	case errors.Is(err, engine.ErrStopped):
		s.options.Metrics.Refused(observe.ReasonNotReady, alerts)
		again(writer, soon, "the alerts are not taken: the service "+err.Error())
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		s.options.Metrics.Refused(observe.ReasonTimeout, alerts)
		again(writer, soon, "the alerts may not be on disk: it has not been heard of in time")
	default:
		s.options.Metrics.Refused(observe.ReasonStore, alerts)
		again(writer, later, "the alerts are not on disk: "+err.Error())
	}
}
