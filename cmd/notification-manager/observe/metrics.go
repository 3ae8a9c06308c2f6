package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
)

// Metrics are what is counted. None of their labels is the name of an object: there may be thousands.
type Metrics struct {
	registry prometheus.Registerer

	alerts, panics prometheus.Counter
	refused        *prometheus.CounterVec
	requests       *prometheus.CounterVec
	ingest, commit prometheus.Histogram

	groups, active, pending, underway, dead, unread, unwritten, failed prometheus.Gauge
	lastAlert, lastWatchdog, missing                                   prometheus.Gauge
	receivers, findings                                                *prometheus.GaugeVec

	deliveries, failures *prometheus.CounterVec
	send                 *prometheus.HistogramVec
	latency, edit        prometheus.Histogram
	lookups              *prometheus.CounterVec
	writes               *prometheus.CounterVec
}

const namespace = "ks_notification_manager"

// NewMetrics makes metrics that a registry shows.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{registry: registry}
	m.makeIngest()
	m.makeState()
	m.makeDelivery()

	return m
}

func (m *Metrics) makeIngest() {
	m.alerts = m.counter("alerts_total", "Alerts that were taken.")
	m.panics = m.counter("http_panics_total", "Requests whose handling failed by a defect of the program.")
	m.refused = m.counters("alerts_refused_total", "Alerts that were not taken, by why.", "reason")
	m.requests = m.counters("http_requests_total", "Requests by path and status.", "path", "code")
	m.ingest = m.histogram("ingest_seconds", "From a body that was read to its alerts on disk.", 0.0005, 16)
	m.commit = m.histogram("commit_seconds", "How long the store took to write the changes of a turn.", 0.0001, 16)
	m.lastAlert = m.gauge("last_alert_timestamp_seconds", "When an alert was taken last.")
	m.lastWatchdog = m.gauge("last_watchdog_timestamp_seconds", "When the alert of the watchdog came last.")
	m.missing = m.gauge("watchdog_missing", "1 while the alert of the watchdog stays away.")
}

func (m *Metrics) makeState() {
	m.groups = m.gauge("groups", "Groups of alerts.")
	m.active = m.gauge("active_alerts", "Alerts that hold, as far as groups hold them.")
	m.pending = m.gauge("pending_messages", "Messages that wait to be delivered.")
	m.underway = m.gauge("sending_messages", "Messages that are being sent.")
	m.dead = m.gauge("dead_letters", "Messages that were given up and are kept.")
	m.unread = m.gauge("store_unread_rows", "Rows of the store that could not be read at the start.")
	m.unwritten = m.gauge("store_unwritten_changes", "Changes that the store has not taken.")
	m.failed = m.gauge("store_failed", "1 while the store takes no changes.")
	m.receivers = m.gauges("receivers", "Receivers by whether all of their targets can be used.", "state")
	m.findings = m.gauges("findings", "What is wrong with objects, by kind and reason.", "kind", "reason")
	m.edit = m.histogram("edit_seconds", "From a change that was seen to its being in force.", 0.001, 14)
	m.lookups = m.counters("lookups_total", "Secrets and ConfigMaps read, by the result.", "kind", "result")
	m.writes = m.counters("status_writes_total", "Statuses written, by kind and result.", "kind", "result")
}

func (m *Metrics) makeDelivery() {
	m.deliveries = m.counters("deliveries_total", "Attempts to deliver by type of channel and outcome.",
		"type", "outcome")
	m.failures = m.counters("delivery_failures_total", "Attempts that failed by type of channel and reason.",
		"type", "reason")
	m.send = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "send_seconds", Help: "How long attempts took, by type of channel.",
		Buckets: prometheus.ExponentialBuckets(0.002, 2, 15),
	}, []string{"type"})
	m.registry.MustRegister(m.send)
	m.latency = m.histogram("latency_seconds", "From the decision to tell to the message's arrival.", 0.004, 24)
}

func (m *Metrics) counter(name, help string) prometheus.Counter { //nolint:ireturn // as the library has it
	made := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(made)

	return made
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	made := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(made)

	return made
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge { //nolint:ireturn // as the library has it
	made := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(made)

	return made
}

func (m *Metrics) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	made := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(made)

	return made
}

// histogram has so many buckets, each twice as wide as the one before.
func (m *Metrics) histogram( //nolint:ireturn // as the library has it
	name, help string, first float64, buckets int,
) prometheus.Histogram {
	made := prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(first, 2, buckets),
	})
	m.registry.MustRegister(made)

	return made
}

// delivery counts an attempt.
func (m *Metrics) delivery(receipt *engine.Receipt) {
	kind := string(receipt.Type)
	if kind == "" {
		kind = "unknown"
	}

	m.deliveries.WithLabelValues(kind, string(outcomeOf(receipt.Verdict))).Inc()

	if receipt.Took > 0 {
		m.send.WithLabelValues(kind).Observe(receipt.Took.Seconds())
	}

	if receipt.Verdict == delivery.Delivered {
		m.latency.Observe(receipt.At.Sub(receipt.Task.Created).Seconds())
	} else {
		m.failures.WithLabelValues(kind, receipt.Task.Reason).Inc()
	}
}

// turn shows how things stand.
func (m *Metrics) turn(state, before *engine.State) {
	m.groups.Set(float64(state.Groups))
	m.active.Set(float64(state.Active))
	m.pending.Set(float64(state.Pending))
	m.underway.Set(float64(state.UnderWay))
	m.dead.Set(float64(state.Dead))
	m.unread.Set(float64(state.Unread))
	m.unwritten.Set(float64(state.Unwritten))
	m.failed.Set(one(state.Err != nil))

	if state.Commit != before.Commit { // a turn without a commit shows that of the one before
		m.commit.Observe(state.Commit.Seconds())
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}

	return 0
}

// Why alerts are not taken.
const (
	// ReasonMalformed is an alert that cannot be read.
	ReasonMalformed = "malformed"
	// ReasonBody is a body that cannot be read, or is too large; it counts as one alert.
	ReasonBody = "body"
	// ReasonBusy is an engine with too much before it.
	ReasonBusy = "busy"
	// ReasonNotReady is a process without settings, or one that is stopping.
	ReasonNotReady = "not_ready"
	// ReasonStore is a store that takes nothing.
	ReasonStore = "store"
	// ReasonTimeout is a client that did not wait.
	ReasonTimeout = "timeout"
)

// Taken counts alerts that were taken, and how long it took.
func (m *Metrics) Taken(alerts int, at time.Time, took time.Duration) {
	m.alerts.Add(float64(alerts))
	m.ingest.Observe(took.Seconds())
	m.lastAlert.Set(seconds(at))
}

// Refused counts alerts that were not taken, for one of the reasons above.
func (m *Metrics) Refused(reason string, alerts int) {
	m.refused.WithLabelValues(reason).Add(float64(alerts))
}

// Request counts a request. The path is one of those that are served, not what the client wrote.
func (m *Metrics) Request(path, code string) {
	m.requests.WithLabelValues(path, code).Inc()
}

// Panic counts a request that could not be handled.
func (m *Metrics) Panic() {
	m.panics.Inc()
}

// Watchdog shows when the alert of the watchdog came last, and whether it stays away.
func (m *Metrics) Watchdog(last time.Time, missing bool) {
	m.lastWatchdog.Set(seconds(last))
	m.missing.Set(one(missing))
}

// Edited counts a change by how long it took to be in force.
func (m *Metrics) Edited(took time.Duration) {
	m.edit.Observe(took.Seconds())
}

// LookedUp counts a Secret or a ConfigMap that was read.
func (m *Metrics) LookedUp(kind, result string) {
	m.lookups.WithLabelValues(kind, result).Inc()
}

// Wrote counts a status that was written.
func (m *Metrics) Wrote(kind, result string) {
	m.writes.WithLabelValues(kind, result).Inc()
}

// Problem is a finding as far as it is counted.
type Problem struct{ Kind, Reason string }

// Resolved shows how many receivers can be used as a whole, in part and not at all, and what was found.
func (m *Metrics) Resolved(usable, partly, unusable int, problems map[Problem]int) {
	m.receivers.WithLabelValues("usable").Set(float64(usable))
	m.receivers.WithLabelValues("partly").Set(float64(partly))
	m.receivers.WithLabelValues("unusable").Set(float64(unusable))
	m.findings.Reset()

	for problem, count := range problems {
		m.findings.WithLabelValues(problem.Kind, problem.Reason).Set(float64(count))
	}
}

func seconds(at time.Time) float64 {
	const perSecond = 1e9

	if at.IsZero() {
		return 0
	}

	return float64(at.UnixNano()) / perSecond
}
