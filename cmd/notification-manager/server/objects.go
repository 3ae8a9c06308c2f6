package server

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/preview"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// receiverShown is a Receiver and what it came to.
type receiverShown struct {
	Name   string            `json:"name"`
	Owner  string            `json:"owner"`
	Tenant string            `json:"tenant,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`

	Spec     *notificationv2beta2.ReceiverSpec `json:"spec"`
	Targets  []targetShown                     `json:"targets"`
	Findings []preview.Finding                 `json:"findings,omitempty"`

	Configs []configShown `json:"configs,omitempty"`
}

// targetShown is one address, without what is secret of it.
type targetShown struct {
	Channel string `json:"channel"`
	Target  string `json:"target"`
	Usable  bool   `json:"usable"`
}

// configShown is a Config.
type configShown struct {
	Name   string            `json:"name"`
	Owner  string            `json:"owner"`
	Tenant string            `json:"tenant,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`

	Spec *notificationv2beta2.ConfigSpec `json:"spec"`
}

// receivers shows Receivers: those of a tenant, those with a channel of a type, or all.
func (s *Server) receivers(writer http.ResponseWriter, request *http.Request) {
	shown := []receiverShown{}

	for _, one := range s.options.Objects.Receivers() {
		if made := s.receiverOf(one); wanted(request, made.Tenant, channelsOf(&one.Spec)) {
			shown = append(shown, made)
		}
	}

	slices.SortFunc(shown, func(a, b receiverShown) int { return strings.Compare(a.Name, b.Name) })
	show(writer, shown)
}

// configs shows Configs.
func (s *Server) configs(writer http.ResponseWriter, request *http.Request) {
	shown := []configShown{}

	for _, one := range s.options.Objects.Configs() {
		if made := s.configOf(one); wanted(request, made.Tenant, channelsOf(&one.Spec)) {
			shown = append(shown, made)
		}
	}

	slices.SortFunc(shown, func(a, b configShown) int { return strings.Compare(a.Name, b.Name) })
	show(writer, shown)
}

// receiverWithConfig shows a Receiver with the Configs that it uses.
func (s *Server) receiverWithConfig(writer http.ResponseWriter, request *http.Request) {
	name := request.URL.Query().Get("name")
	if name == "" {
		answer(writer, http.StatusBadRequest, "name: is missing; give that of a Receiver, as in ?name=ops")

		return
	}

	found := s.options.Objects.Receiver(name)
	if found == nil || !wanted(request, s.receiverOf(found).Tenant, channelsOf(&found.Spec)) {
		answer(writer, http.StatusNotFound, "there is no such Receiver")

		return
	}

	made := s.receiverOf(found)

	result, _ := s.options.Objects.Result(name)
	for _, use := range result.Channels {
		if config := s.options.Objects.Config(use.Config); use.Config != "" && config != nil {
			made.Configs = append(made.Configs, s.configOf(config))
		}
	}

	made.Configs = slices.CompactFunc(made.Configs, func(a, b configShown) bool { return a.Name == b.Name })

	show(writer, made)
}

// wanted tells whether an object is asked for, by tenant and type.
func wanted(request *http.Request, tenant string, types []string) bool {
	query := request.URL.Query()
	wantedTenant, wantedType := query.Get("tenant"), query.Get("type")

	return (wantedTenant == "" || wantedTenant == tenant) &&
		(wantedType == "" || slices.Contains(types, wantedType))
}

func (s *Server) receiverOf(one *notificationv2beta2.Receiver) receiverShown {
	made := receiverShown{
		Name: one.Name, Labels: one.Labels, Spec: redactedReceiver(&one.Spec), Targets: []targetShown{},
		Owner: selector.Ignored.String(),
	}

	if view := s.options.Objects.View(); view != nil {
		owner := view.Ownership.Of(one.Labels)
		made.Owner, made.Tenant = owner.Kind.String(), owner.Tenant
	}

	if result, known := s.options.Objects.Result(one.Name); known {
		made.Targets = targetsOf(result)
		made.Findings = preview.Findings(result.Findings)
	}

	return made
}

func targetsOf(result resolve.Result) []targetShown {
	made := make([]targetShown, 0, len(result.Receiver.Targets))

	for i := range result.Receiver.Targets {
		to := &result.Receiver.Targets[i]
		made = append(made, targetShown{Channel: string(to.Type), Target: to.Key, Usable: to.Broken == nil})
	}

	return made
}

func (s *Server) configOf(one *notificationv2beta2.Config) configShown {
	made := configShown{
		Name: one.Name, Labels: one.Labels, Spec: redactedConfig(&one.Spec), Owner: selector.Ignored.String(),
	}

	if view := s.options.Objects.View(); view != nil {
		owner := view.Platform.OwnerOf(one)
		made.Owner, made.Tenant = owner.Kind.String(), owner.Tenant
	}

	return made
}

// status shows how things stand.
func (s *Server) status(writer http.ResponseWriter, _ *http.Request) {
	state, at := s.options.Observer.State()

	made := struct {
		Version  string            `json:"version"`
		Ready    bool              `json:"ready"`
		Waiting  string            `json:"waiting,omitempty"`
		Manager  string            `json:"notificationManager,omitempty"`
		Cluster  string            `json:"cluster,omitempty"`
		At       string            `json:"at,omitempty"`
		Groups   int               `json:"groups"`
		Active   int               `json:"activeAlerts"`
		Pending  int               `json:"pendingMessages"`
		UnderWay int               `json:"sendingMessages"`
		Dead     int               `json:"deadLetters"`
		Store    string            `json:"store"`
		Findings []preview.Finding `json:"findings,omitempty"`
	}{
		Version: s.options.Version, Groups: state.Groups, Active: state.Active, Pending: state.Pending,
		UnderWay: state.UnderWay, Dead: state.Dead, Store: "good",
	}

	made.Waiting = s.unready()
	made.Ready = made.Waiting == ""

	if !at.IsZero() {
		made.At = at.UTC().Format("2006-01-02T15:04:05Z07:00")
	}

	if state.Err != nil {
		made.Store = state.Err.Error()
	}

	if view := s.options.Objects.View(); view != nil {
		made.Manager, made.Cluster = view.Manager.Name, view.Cluster
		made.Findings = preview.Findings(view.Findings)
	}

	show(writer, made)
}

// unready says why no alerts are taken; empty where they are.
func (s *Server) unready() string {
	if s.options.Engine() == nil {
		return s.waiting()
	}

	switch state, at := s.options.Observer.State(); {
	case at.IsZero():
		return "the engine to take up what was kept"
	case state.Err != nil:
		return "the store: " + state.Err.Error()
	default:
		return ""
	}
}

func (s *Server) ready(writer http.ResponseWriter, _ *http.Request) {
	if why := s.unready(); why != "" {
		again(writer, soon, "not ready: waiting for "+why)

		return
	}

	answer(writer, http.StatusOK, "ready")
}

func (*Server) live(writer http.ResponseWriter, _ *http.Request) {
	answer(writer, http.StatusOK, "alive")
}

// reload reads again all that objects refer to. Nobody needs to ask for it: what changes is seen.
func (s *Server) reload(writer http.ResponseWriter, _ *http.Request) {
	s.options.Objects.Reload()
	answer(writer, http.StatusOK, "reloaded")
}

// channelsOf are the names of the channels of a spec.
func channelsOf[S any](spec *S) []string {
	names := fieldsSet(spec)
	slices.SortFunc(names, cmp.Compare[string])

	return names
}
