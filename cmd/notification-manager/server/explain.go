package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/observe"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/preview"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
)

// explain says who is told of an alert with given labels, and why others are not.
func (s *Server) explain(writer http.ResponseWriter, request *http.Request) {
	query := request.URL.Query()

	set, err := labelsOf(query)
	if err != nil {
		answer(writer, http.StatusBadRequest, err.Error())

		return
	}

	engine, view := s.options.Engine(), s.options.Objects.View()
	if engine == nil || view == nil {
		again(writer, soon, "nothing can be explained yet: waiting for "+s.waiting())

		return
	}

	explanation, err := engine.Explain(request.Context(), set, query["receiver"]...)
	if err != nil {
		again(writer, soon, err.Error())

		return
	}

	show(writer, preview.Explain(set, explanation, s.options.Objects.Result))
}

// labelsOf reads labels of a query: ?labels= with a JSON object or with name=value,name=value, and ?label=name=value
// as often as needed, for values with a comma.
func labelsOf(query url.Values) (labels.Labels, error) {
	found := map[string]string{}

	for _, text := range query["labels"] {
		if strings.HasPrefix(strings.TrimSpace(text), "{") {
			if err := json.Unmarshal([]byte(text), &found); err != nil {
				return labels.EmptyLabels(), errors.New(`labels: is no JSON object of texts, as {"alertname":"Down"}`)
			}

			continue
		}

		for pair := range strings.SplitSeq(text, ",") {
			if err := addPair(found, pair); err != nil {
				return labels.EmptyLabels(), err
			}
		}
	}

	for _, pair := range query["label"] {
		if err := addPair(found, pair); err != nil {
			return labels.EmptyLabels(), err
		}
	}

	if len(found) == 0 {
		return labels.EmptyLabels(), errors.New("labels: are missing; give those of the alert, as in " +
			"?labels=alertname=Down,namespace=shop")
	}

	return labels.FromMap(found), nil
}

func addPair(to map[string]string, pair string) error {
	name, value, given := strings.Cut(strings.TrimSpace(pair), "=")
	if !given || name == "" {
		return errors.New("labels: " + strconv.Quote(shown(pair)) + " is no name=value")
	}

	to[name] = value

	return nil
}

// rendered is how a notification would look.
type rendered struct {
	Messages []preview.Message `json:"messages"`
	Findings []preview.Finding `json:"findings,omitempty"`
}

// render makes the messages of a receiver, and sends none.
func (s *Server) render(writer http.ResponseWriter, request *http.Request) {
	asked, view, ready := s.asked(writer, request)
	if !ready {
		return
	}

	alerts := []alert.Alert{testAlert(s.options.Clock())}

	if len(asked.Alert) > 0 {
		var err error

		if alerts, err = s.postedAlerts(asked); err != nil {
			answer(writer, http.StatusBadRequest, err.Error())

			return
		}
	}

	result, err := s.resolved(request.Context(), view, asked)
	if err != nil {
		answer(writer, http.StatusBadRequest, err.Error())

		return
	}

	messages, err := preview.Render(result, preview.Data(alerts, asked.Receiver.Name, view.Cluster, s.options.Clock()))
	if err != nil {
		answer(writer, http.StatusBadRequest, err.Error())

		return
	}

	show(writer, rendered{Messages: messages, Findings: preview.Findings(result.Findings)})
}

// Bounds of an answer with deliveries.
const (
	deliveriesUsual  = 100
	deliveriesAtMost = 10_000
)

// deliveriesShown are the last attempts, and what was given up.
type deliveriesShown struct {
	Deliveries  []observe.Receipt `json:"deliveries"`
	DeadLetters []observe.Receipt `json:"deadLetters"`
}

// deliveries shows what became of messages, newest first.
func (s *Server) deliveries(writer http.ResponseWriter, request *http.Request) {
	query := request.URL.Query()
	filter := observe.Filter{
		Receiver: query.Get("receiver"), Tenant: query.Get("tenant"), Outcome: observe.Outcome(query.Get("outcome")),
	}

	switch filter.Outcome {
	case "", observe.Delivered, observe.Retrying, observe.Dead:
	default:
		answer(writer, http.StatusBadRequest, "outcome: is none of delivered, retrying and dead")

		return
	}

	most, err := limitOf(query.Get("limit"))
	if err != nil {
		answer(writer, http.StatusBadRequest, err.Error())

		return
	}

	made := deliveriesShown{Deliveries: s.options.Observer.Receipts(filter, most), DeadLetters: []observe.Receipt{}}

	if engine := s.options.Engine(); engine != nil && (filter.Outcome == "" || filter.Outcome == observe.Dead) {
		letters, err := engine.DeadLetters(request.Context())
		if err != nil {
			again(writer, soon, err.Error())

			return
		}

		for i := len(letters) - 1; i >= 0 && len(made.DeadLetters) < most; i-- {
			one := observe.Of(&letters[i])
			one.Tenant = s.tenantOf(one.Receiver)

			if filter.Passes(&one) {
				made.DeadLetters = append(made.DeadLetters, one)
			}
		}
	}

	show(writer, made)
}

// tenantOf is whose a receiver is that is there still.
func (s *Server) tenantOf(receiver string) string {
	result, known := s.options.Objects.Result(receiver)
	if !known {
		return ""
	}

	return result.Receiver.Tenant
}

func limitOf(text string) (int, error) {
	if text == "" {
		return deliveriesUsual, nil
	}

	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > deliveriesAtMost {
		return 0, errors.New("limit: is no number from 1 to " + strconv.Itoa(deliveriesAtMost))
	}

	return limit, nil
}

// retry has a message tried again that was given up.
func (s *Server) retry(writer http.ResponseWriter, request *http.Request) {
	const decimal, bits = 10, 64

	id, err := strconv.ParseUint(request.PathValue("id"), decimal, bits)
	if err != nil {
		answer(writer, http.StatusBadRequest, "the id of a delivery is a number, as /api/v2/deliveries shows it")

		return
	}

	engine := s.options.Engine()
	if engine == nil {
		again(writer, soon, "nothing can be tried again yet: waiting for "+s.waiting())

		return
	}

	found, err := engine.Retry(request.Context(), id)

	switch {
	case err != nil:
		again(writer, soon, err.Error())
	case !found:
		answer(writer, http.StatusNotFound, "there is no such dead letter: it was tried again already, or forgotten")
	default:
		answer(writer, http.StatusOK, "it is tried again")
	}
}
