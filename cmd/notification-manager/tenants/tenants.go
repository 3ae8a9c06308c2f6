// Package tenants finds out which tenants the namespaces of alerts belong to, where a NotificationManager says that it
// is not the name of the namespace that tells: a sidecar is asked, or the API server who may see the namespace.
//
// It asks before alerts are taken, so that who routes them need not wait, and keeps the answers: while nobody answers,
// what was said before counts.
package tenants

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
)

// Ask says which of some tenants may see a namespace of a cluster. Where who is asked knows all tenants by itself the
// ones given are of no interest.
type Ask func(ctx context.Context, cluster, namespace string, among []string) ([]string, error)

// Options are what Tenants work with.
type Options struct {
	// Sidecar asks the sidecar, Review the API server: for the right of KubeSphere 4.2, or of those before.
	Sidecar Ask
	Review  func(since42 bool) Ask
	// Among are the tenants that have Receivers, and Cluster is the name of this cluster.
	Among   func() []string
	Cluster func() string
	// Clock tells the time.
	Clock func() time.Time
}

// Tenants are safe for use by several goroutines.
type Tenants struct {
	options Options

	mutex  sync.Mutex
	ask    Ask
	by     asker
	places map[place]*answer
}

// asker is who is asked.
type asker uint8

const (
	byName asker = iota
	bySidecar
	byReview
	byReview42
)

// place is a namespace of a cluster.
type place struct{ cluster, namespace string }

// answer is what was said of a namespace.
type answer struct {
	tenants []string
	// among are the tenants that were asked about.
	among []string
	// at is when it was said, and used when somebody wanted to know last.
	at, used time.Time
}

const (
	// fresh is how long an answer is not asked for again, and kept how long one is that nobody wants to know.
	fresh = 5 * time.Minute
	kept  = 24 * time.Hour
	// patience is how long is waited for answers before alerts are taken without.
	patience = 3 * time.Second
	// abreast is how many namespaces are asked about at once.
	abreast = 8
	// look is how often is looked for answers that are old.
	look = 30 * time.Second
)

// New makes Tenants that ask nobody yet.
func New(options Options) *Tenants {
	return &Tenants{options: options, places: map[place]*answer{}}
}

// For is how namespaces are resolved as a NotificationManager wants it; nil is by their names.
func (t *Tenants) For(manager *notificationv2beta2.NotificationManager) routing.TenantResolver {
	ask, by := t.askerOf(&manager.Spec)

	t.mutex.Lock()
	defer t.mutex.Unlock()

	if t.by != by { // what another one has said does not count
		clear(t.places)
	}

	t.ask, t.by = ask, by

	if ask == nil {
		return nil
	}

	return t.of
}

// askerOf is who is asked.
func (t *Tenants) askerOf(spec *notificationv2beta2.NotificationManagerSpec) (Ask, asker) {
	part, given := spec.Sidecars[notificationv2beta2.TenantSidecar]
	if !given {
		return nil, byName
	}

	var sidecar struct {
		Type string `json:"type"`
	}

	switch {
	case json.Unmarshal(part.Raw, &sidecar) != nil || sidecar.Type != notificationv2beta2.KubeSphereSidecar:
		return t.options.Sidecar, bySidecar
	case spec.TenantMatch == notificationv2beta2.TenantMatchRuleLevel:
		return t.options.Review(true), byReview42
	default:
		return t.options.Review(false), byReview
	}
}

// of gives the tenants of a namespace as they are known.
func (t *Tenants) of(cluster, namespace string) []string {
	t.mutex.Lock()
	defer t.mutex.Unlock()

	if found := t.places[place{cluster, namespace}]; found != nil {
		return found.tenants
	}

	return nil
}

// Learn asks about the namespaces of alerts that are not known, and returns when it is known or could not be found
// out in time: alerts of the platform must not wait for what concerns tenants alone.
func (t *Tenants) Learn(ctx context.Context, alerts []alert.Alert) {
	t.mutex.Lock()
	ask := t.ask
	t.mutex.Unlock()

	if ask == nil {
		return
	}

	among := t.options.Among()
	unknown := t.unknown(alerts, among)

	if len(unknown) == 0 {
		return
	}

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	t.find(ctx, ask, unknown, among)
}

// unknown are the namespaces of alerts about which not all was asked.
func (t *Tenants) unknown(alerts []alert.Alert, among []string) []place {
	var unknown []place

	own, now := t.options.Cluster(), t.options.Clock()

	t.mutex.Lock()
	defer t.mutex.Unlock()

	for i := range alerts {
		at := place{alerts[i].Labels.Get(alert.Cluster), alerts[i].Labels.Get(alert.Namespace)}
		if at.namespace == "" {
			continue
		}

		if at.cluster == "" {
			at.cluster = own
		}

		found := t.places[at]
		if found != nil {
			found.used = now
		}

		if (found == nil || !contains(found.among, among)) && !slices.Contains(unknown, at) {
			unknown = append(unknown, at)
		}
	}

	return unknown
}

// contains tells whether all of some texts are among others; both are sorted.
func contains(all, some []string) bool {
	for _, one := range some {
		if _, found := slices.BinarySearch(all, one); !found {
			return false
		}
	}

	return true
}

// find asks about namespaces, several at once, and keeps what is said.
func (t *Tenants) find(ctx context.Context, ask Ask, places []place, among []string) {
	var group errgroup.Group

	group.SetLimit(abreast)

	for _, at := range places {
		group.Go(func() error {
			found, err := ask(ctx, at.cluster, at.namespace, among)
			if err != nil {
				klog.FromContext(ctx).Error(err, "Cannot find out the tenants of a namespace: what was known counts",
					"cluster", at.cluster, "namespace", at.namespace)

				return nil
			}

			t.keep(at, &answer{tenants: found, among: among})

			return nil
		})
	}

	_ = group.Wait()
}

func (t *Tenants) keep(at place, found *answer) {
	now := t.options.Clock()

	t.mutex.Lock()
	defer t.mutex.Unlock()

	found.at, found.used = now, now

	if before := t.places[at]; before != nil {
		found.used = before.used
	}

	t.places[at] = found
}

// Run asks again about what is old, until the context ends.
func (t *Tenants) Run(ctx context.Context) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()

	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			t.renew(ctx)
		}
	}
}

// renew asks again about what is old, and forgets what nobody wants to know.
func (t *Tenants) renew(ctx context.Context) {
	ask, old := t.old()
	if ask == nil || len(old) == 0 {
		return
	}

	t.find(ctx, ask, old, t.options.Among())
}

func (t *Tenants) old() (Ask, []place) {
	now := t.options.Clock()

	t.mutex.Lock()
	defer t.mutex.Unlock()

	var old []place

	for at, found := range t.places {
		switch {
		case now.Sub(found.used) >= kept:
			delete(t.places, at)
		case now.Sub(found.at) >= fresh:
			old = append(old, at)
		}
	}

	return t.ask, old
}
