package agent

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-logr/logr"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

// Options say what an agent works on.
type Options struct {
	// Folder is where the evaluator finds its files.
	Folder string

	// URL is where the evaluator answers.
	URL *url.URL

	Dialect rulefiles.Dialect

	// Debounce is how long is waited for more changes after one. Resync is how often is looked whether all is still
	// as it was.
	Debounce, Resync time.Duration

	// Reloading and Confirming are how long the evaluator may take to read its files, and to show that it has.
	Reloading, Confirming time.Duration
}

// Source has the objects. It is asked after each change.
type Source interface {
	Rules() []*monitoringv1.PrometheusRule
}

// Reporter tells others how it goes. It is asked after each round, and tells what has changed.
type Reporter interface {
	// Last returns what was told before this process began.
	Last(ctx context.Context) (rulefiles.Report, error)
	Tell(ctx context.Context, report rulefiles.Report) error
}

// Agent keeps the rules of one evaluator. It is for one goroutine.
type Agent struct {
	options   Options
	source    Source
	reporter  Reporter
	metrics   *Metrics
	folder    *folder
	evaluator *evaluator

	rendered   map[rulefiles.Object]rendering
	quarantine map[string]rulefiles.Refusal // by the digest of the file

	good  rulefiles.Set // what the evaluator has shown last
	known bool          // whether it has
	found rulefiles.Set // what lay in the folder at first
	begun bool

	health health
}

// New returns an agent. It does nothing before it runs.
func New(options Options, source Source, reporter Reporter, metrics *Metrics) *Agent {
	return &Agent{
		options: options, source: source, reporter: reporter, metrics: metrics,
		folder: newFolder(options.Folder, options.Dialect),
		evaluator: &evaluator{
			url: options.URL, client: &http.Client{}, dialect: options.Dialect,
			reloading: options.Reloading, confirming: options.Confirming,
		},
		rendered: map[rulefiles.Object]rendering{}, quarantine: map[string]rulefiles.Refusal{},
	}
}

// Run goes on until its context ends. It looks at the objects after each change, and at the folder and the evaluator
// every now and then.
func (a *Agent) Run(ctx context.Context, changes <-chan struct{}) {
	backoff := a.backoff()
	timer := time.NewTimer(0)

	defer timer.Stop()

	for {
		select {
		case <-ctx.Done():
			return
		case <-changes:
			a.gather(ctx, changes)
		case <-timer.C:
		}

		if ctx.Err() != nil {
			return
		}

		next := a.options.Resync

		if err := a.Round(ctx); err != nil {
			next = min(backoff.Step(), next)
			logr.FromContextOrDiscard(ctx).Error(err, "The rules are not as they should be", "retryAfter", next)
		} else {
			backoff = a.backoff()
		}

		timer.Reset(next)
	}
}

// maxRetry is how long is waited at most after failures.
const maxRetry = 15 * time.Second

func (*Agent) backoff() wait.Backoff {
	return wait.Backoff{Duration: 250 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 16, Cap: maxRetry}
}

// gather waits until changes have ended for a moment, and not much longer where they do not end.
func (a *Agent) gather(ctx context.Context, changes <-chan struct{}) {
	const patience = 5

	last := time.NewTimer(patience * a.options.Debounce)
	defer last.Stop()

	quiet := time.NewTimer(a.options.Debounce)
	defer quiet.Stop()

	for {
		select {
		case <-changes:
			quiet.Reset(a.options.Debounce)
		case <-quiet.C:
			return
		case <-last.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Prepare writes the files of all objects without asking an evaluator: for the time before one starts, so that it
// finds the alerts of its last life again. Rules that come later than its start begin anew.
func (a *Agent) Prepare(ctx context.Context) error {
	if err := a.begin(ctx); err != nil {
		return err
	}

	wanted, refusals := a.wanted()
	for _, refusal := range refusals {
		logr.FromContextOrDiscard(ctx).Info("Leaving out an object", "object", refusal.Object.String(),
			"field", refusal.Field, "reason", refusal.Message)
	}

	return a.folder.write(wanted)
}

// Clear removes everything of ours from the folder, and lets the evaluator forget it.
func (a *Agent) Clear(ctx context.Context) ([]string, error) {
	names, err := a.folder.clear()
	if err != nil {
		return names, err
	}

	if err := a.evaluator.reload(ctx); err != nil {
		return names, fmt.Errorf("the files are gone, and the evaluator has to be reloaded or restarted: %w", err)
	}

	return names, nil
}
