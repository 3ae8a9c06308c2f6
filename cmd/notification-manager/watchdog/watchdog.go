// Package watchdog notices when alerts stop arriving. Something that always fires, such as Prometheus' Watchdog, has
// to come again and again; when it stays away too long an alert of our own is told, and told resolved when it is back.
package watchdog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
)

// Options are what a Watchdog works with.
type Options struct {
	// View is what holds now; nil before there are settings.
	View func() *follow.View
	// Ingest takes the alert that tells that alerts are missing.
	Ingest func(ctx context.Context, alerts []alert.Alert) error
	// Show is told when the awaited alert came last, and whether it stays away.
	Show func(last time.Time, missing bool)
	// Folder is where is kept, over a restart, that alerts are missing; empty is nowhere.
	Folder string
	// Clock tells the time.
	Clock clock.WithTicker
}

// Watchdog is safe for use by several goroutines.
type Watchdog struct {
	options Options

	mutex sync.Mutex
	// last is when the awaited alert came, or since when it is awaited.
	last time.Time
	seen bool
	// since is since when alerts are missing; zero while they come.
	since time.Time
}

// file is where is kept that alerts are missing.
const file = "watchdog.json"

// kept is what the file holds.
type kept struct {
	Since time.Time `json:"since"`
}

// New makes a watchdog that takes up what an earlier process has kept.
func New(options Options) (*Watchdog, error) {
	w := &Watchdog{options: options, last: options.Clock.Now()}
	if options.Folder == "" {
		return w, nil
	}

	text, err := os.ReadFile(filepath.Join(options.Folder, file))
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}

	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}

	var was kept
	if json.Unmarshal(text, &was) == nil { // else it is as if alerts had come
		w.since = was.Since
	}

	return w, nil
}

// Saw looks for the awaited alert among those that have come.
func (w *Watchdog) Saw(alerts []alert.Alert) {
	view := w.options.View()
	if view == nil || view.Watchdog == nil {
		return
	}

	for i := range alerts {
		if alerts[i].Status == alert.Firing && view.Watchdog.Matcher.Matches(alerts[i].Labels) {
			w.mutex.Lock()
			w.last, w.seen = w.options.Clock.Now(), true
			w.mutex.Unlock()

			return
		}
	}
}

// Last is when the awaited alert came last; zero where it has not come since the process began.
func (w *Watchdog) Last() time.Time {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	if !w.seen {
		return time.Time{}
	}

	return w.last
}

// Missing tells whether alerts are missing, and since when.
func (w *Watchdog) Missing() (since time.Time, missing bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	return w.since, !w.since.IsZero()
}

// pause is how often is looked whether the alert stays away.
const pause = 5 * time.Second

// Run looks until the context ends.
func (w *Watchdog) Run(ctx context.Context) {
	ticker := w.options.Clock.NewTicker(pause)
	defer ticker.Stop()

	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			if err := w.look(ctx); err != nil && ctx.Err() == nil {
				klog.FromContext(ctx).Error(err, "Cannot tell whether alerts arrive, tries again")
			}
		}
	}
}

// look tells when alerts begin to be missing, and when they are back. What it cannot tell it tells the next time.
func (w *Watchdog) look(ctx context.Context) error {
	view := w.options.View()
	if view == nil {
		return nil
	}

	now := w.options.Clock.Now()
	since, missing := w.Missing()
	last := w.lastOrStart()

	defer func() {
		_, missing := w.Missing()
		w.options.Show(w.Last(), missing)
	}()

	switch {
	case view.Watchdog == nil && missing, missing && w.back(since):
		return w.tell(ctx, view, since, now)
	case view.Watchdog == nil:
		w.restart(now)

		return nil
	case !missing && now.Sub(last) >= view.Watchdog.Timeout:
		return w.tell(ctx, view, last.Add(view.Watchdog.Timeout), time.Time{})
	default:
		return nil
	}
}

func (w *Watchdog) lastOrStart() time.Time {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	return w.last
}

// back tells whether the alert has come since it was missing.
func (w *Watchdog) back(since time.Time) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	return w.seen && w.last.After(since)
}

// restart begins to wait anew: while nothing is watched for nothing is missing.
func (w *Watchdog) restart(now time.Time) {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	if !w.seen {
		w.last = now
	}
}

// tell posts the alert, firing or ended, and keeps what it has told.
func (w *Watchdog) tell(ctx context.Context, view *follow.View, since, ended time.Time) error {
	one := missingAlert(view.Manager.Name, since, ended)

	if err := w.options.Ingest(ctx, []alert.Alert{one}); err != nil {
		return fmt.Errorf("telling that alerts are missing, or back: %w", err)
	}

	klog.FromContext(ctx).Info("The alert of the watchdog is missing, or back",
		"status", one.Status.String(), "since", since)

	if !ended.IsZero() {
		since = time.Time{}
	}

	w.mutex.Lock()
	w.since = since
	w.mutex.Unlock()

	return w.keep(since)
}

// missingAlert is the alert.
func missingAlert(manager string, since, ended time.Time) alert.Alert {
	one := alert.Alert{
		Labels: labels.FromStrings(
			alert.Name, follow.MissingAlert, alert.Type, follow.MissingType, alert.Severity, "critical",
			"notificationmanager", manager,
		),
		Annotations: labels.FromStrings(
			"summary", "No alerts arrive any more",
			"message", "The alert that always fires has not arrived for longer than spec.watchdog.timeout of the "+
				"NotificationManager "+manager+" allows. Look after Prometheus and Alertmanager: other alerts may not "+
				"arrive either.",
		),
		StartsAt: since, EndsAt: ended,
	}

	if !ended.IsZero() {
		one.Status = alert.Resolved
	}

	return one
}

// keep writes down whether alerts are missing.
func (w *Watchdog) keep(since time.Time) error {
	if w.options.Folder == "" {
		return nil
	}

	path := filepath.Join(w.options.Folder, file)

	if since.IsZero() {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("--data: %w", err)
		}

		return nil
	}

	text, err := json.Marshal(kept{Since: since})
	if err != nil {
		return fmt.Errorf("write down since when alerts are missing: %w", err)
	}

	const mode = 0o600

	err = os.WriteFile(path+".new", text, mode)
	if err == nil {
		err = os.Rename(path+".new", path)
	}

	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}

	return nil
}
