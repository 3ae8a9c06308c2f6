// Package server answers over HTTP: it takes alerts, sends single messages to try a receiver, and shows what becomes
// of alerts and messages. Paths, methods and the keys of answers are those of KubeSphere 3.4, where it has them.
//
// Nothing that it shows holds a credential.
package server

import (
	"context"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/klog/v2"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/observe"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
)

// Engine is what takes alerts, and knows what becomes of them.
type Engine interface {
	Ingest(ctx context.Context, alerts []alert.Alert) error
	Explain(ctx context.Context, set labels.Labels, names ...string) (routing.Explanation, error)
	DeadLetters(ctx context.Context) ([]delivery.Task, error)
	Retry(ctx context.Context, id uint64) (bool, error)
}

// Objects is what is known of the objects.
type Objects interface {
	View() *follow.View
	Waiting() string
	Receiver(name string) *notificationv2beta2.Receiver
	Config(name string) *notificationv2beta2.Config
	Receivers() []*notificationv2beta2.Receiver
	Configs() []*notificationv2beta2.Config
	Result(name string) (resolve.Result, bool)
	Reload()
}

// Options are what a Server works with.
type Options struct {
	// Engine gives the engine; nil before it works.
	Engine func() Engine
	// Objects are the objects.
	Objects Objects
	// Observer has the receipts, Metrics counts, and Gatherer shows what was counted.
	Observer *observe.Observer
	Metrics  *observe.Metrics
	Gatherer prometheus.Gatherer
	// Learn finds out what has to be known before alerts are taken.
	Learn func(ctx context.Context, alerts []alert.Alert)
	// Saw is told of alerts that were taken.
	Saw func(alerts []alert.Alert)
	// Users knows the users of the cluster by their tokens.
	Users Users
	// Clock tells the time.
	Clock func() time.Time
	// IngestPatience is how long a client waits for its alerts to be on disk, SendPatience for messages to be sent.
	IngestPatience, SendPatience time.Duration
	// Version is the version of the program.
	Version string
}

// Server answers requests.
type Server struct {
	options Options
	gate    *gate
	// sending are the places for requests that send messages.
	sending chan struct{}
}

// sendingAtMost is how many requests may send messages at once.
const sendingAtMost = 16

// New makes a server.
func New(options Options) *Server {
	return &Server{
		options: options, gate: newGate(options.Users, options.Clock), sending: make(chan struct{}, sendingAtMost),
	}
}

// guarded says who is answered at a path.
type guarded uint8

const (
	// open is for everybody: probes and metrics.
	open guarded = iota
	// posting is for everybody, unless all endpoints are guarded.
	posting
	// trusted is for those whom the NotificationManager lets in, if it says whom.
	trusted
)

// route is one path.
type route struct {
	methods []string
	path    string
	guarded guarded
	serve   http.HandlerFunc
}

func (s *Server) routes() []route {
	get, post := []string{http.MethodGet}, []string{http.MethodPost}

	return []route{
		{post, "/api/v2/alerts", posting, s.alerts},
		{post, "/api/v2/verify", trusted, s.verify},
		{post, "/api/v2/notifications", trusted, s.notify},
		{post, "/api/v2/render", trusted, s.render},
		{get, "/api/v2/explain", trusted, s.explain},
		{get, "/api/v2/deliveries", trusted, s.deliveries},
		{post, "/api/v2/deliveries/{id}/retry", trusted, s.retry},
		{get, "/receivers", trusted, s.receivers},
		{get, "/configs", trusted, s.configs},
		{get, "/receiverWithConfig", trusted, s.receiverWithConfig},
		{get, "/status", trusted, s.status},
		{[]string{http.MethodGet, http.MethodPost}, "/-/reload", trusted, s.reload},
		{get, "/-/ready", open, s.ready},
		{get, "/-/live", open, s.live},
		{get, "/metrics", open, promhttp.HandlerFor(s.options.Gatherer, promhttp.HandlerOpts{}).ServeHTTP},
	}
}

// Handler answers at all paths.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()

	for _, one := range s.routes() {
		handler := s.counted(one.path, s.gate.guard(one.guarded, s.options.Objects.View, one.serve))
		for _, method := range one.methods {
			mux.Handle(method+" "+one.path, handler)
		}
	}

	mux.Handle("/", s.counted("other", func(writer http.ResponseWriter, request *http.Request) {
		answer(writer, http.StatusNotFound,
			"there is nothing at "+shown(request.URL.Path)+" for "+shown(request.Method))
	}))

	return mux
}

// counted counts requests, and makes an answer of a defect of the program: it ends the request, not the process.
func (s *Server) counted(path string, serve http.HandlerFunc) http.HandlerFunc {
	return func(writer http.ResponseWriter, request *http.Request) {
		noted := &noting{ResponseWriter: writer}

		defer func() {
			if recover() != nil {
				s.failed(noted, path)
			}

			s.options.Metrics.Request(path, strconv.Itoa(noted.code()))
		}()

		serve(noted, request)
	}
}

// failed answers, if nobody has, that a request could not be handled. What has failed is not shown: it may be anything.
func (s *Server) failed(writer *noting, path string) {
	const why = "the request could not be handled, by a defect of the program"

	s.options.Metrics.Panic()
	klog.Background().Error(nil, why, "path", path, "stack", string(debug.Stack()))

	if writer.status == 0 {
		answer(writer, http.StatusInternalServerError, why)
	}
}

// noting notes the status of an answer.
type noting struct {
	http.ResponseWriter

	status int
}

// WriteHeader notes the status.
func (n *noting) WriteHeader(status int) {
	if n.status == 0 {
		n.status = status
	}

	n.ResponseWriter.WriteHeader(status)
}

// Write writes, with the status 200 where none was given.
func (n *noting) Write(text []byte) (int, error) {
	if n.status == 0 {
		n.status = http.StatusOK
	}

	return n.ResponseWriter.Write(text) //nolint:wrapcheck // it is what it wraps
}

// Unwrap gives what it wraps to who needs more of it.
func (n *noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }

func (n *noting) code() int {
	if n.status == 0 {
		return http.StatusOK
	}

	return n.status
}
