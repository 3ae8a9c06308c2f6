package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	defaultPageSize = 500
	defaultInterval = 20 * time.Millisecond

	// maxFailed is how many refusals end a migration: what keeps so many objects
	// from being written will most likely keep the rest, too.
	maxFailed = 20
	// shownFailed is how many of them the error names.
	shownFailed = 3
)

// Options say how hard a Migrator may press the API server. The zero value is
// fit for production.
type Options struct {
	// PageSize is how many objects one call lists. Zero means 500.
	PageSize int64
	// Interval is the time from one write to the next. Zero means 20 ms, 50
	// writes in a second.
	Interval time.Duration
	// Clock measures the interval. Nil means the real one.
	Clock clock.Clock
}

// Migrator brings stored objects to the storage version of their definition. It
// may be used concurrently, each migration then has a pace of its own.
type Migrator struct {
	client   client.Client
	pageSize int64
	interval time.Duration
	clock    clock.Clock
}

// New returns a Migrator. The client has to read live, as that of client.New
// does: a cache may still show the definition as it was.
func New(c client.Client, options Options) *Migrator {
	m := &Migrator{client: c, pageSize: options.PageSize, interval: options.Interval, clock: options.Clock}

	if m.pageSize == 0 {
		m.pageSize = defaultPageSize
	}

	if m.interval == 0 {
		m.interval = defaultInterval
	}

	if m.clock == nil {
		m.clock = clock.RealClock{}
	}

	return m
}

// Result is what a migration has found and done, also one that ended early.
type Result struct {
	// Needed says that the definition had other versions than its storage version
	// among those stored.
	Needed bool
	// Rewritten counts the objects that have been written.
	Rewritten int
	// Skipped counts those that did not need it: they are in the storage version
	// already, or gone.
	Skipped int
	// Failed names the objects that the API server refused to write, each as
	// "namespace/name: why". With 20 of them a migration ends, so there may be more.
	Failed []string
	// StoredVersions are those of the definition, as last seen. It is empty where
	// there is no definition.
	StoredVersions []string
}

// Migrate brings the objects of one definition, such as
// "workspaces.tenant.kubesphere.io", to its storage version and then removes the
// other versions from its status.storedVersions. A definition that is gone or on
// its way out needs nothing. Whatever ends a call early, the next one goes on
// from there; one after success writes nothing.
//
// If the definition changed meanwhile, the error is a conflict
// (apierrors.IsConflict) and asks to be called again.
func (m *Migrator) Migrate(ctx context.Context, definition string) (Result, error) {
	var result Result

	found, err := m.read(ctx, definition)
	if err != nil {
		return result, client.IgnoreNotFound(err)
	}

	result.StoredVersions = found.Status.StoredVersions
	if !found.outdated() {
		return result, nil
	}

	result.Needed = true

	kind, err := found.kind()
	if err != nil {
		return result, err
	}

	log.FromContext(ctx).Info("Bringing stored objects to the storage version",
		"definition", definition, "storageVersion", found.storage(), "storedVersions", found.Status.StoredVersions)

	if err := m.newWalk(definition, kind, &result).all(ctx); err != nil {
		return result, err
	}

	if len(result.Failed) > 0 {
		return result, refusal(found, result.Failed)
	}

	err = m.finish(ctx, found, &result)

	return result, err
}

// refusal is the error for objects that could not be written.
func refusal(d definition, failed []string) error {
	count := strconv.Itoa(len(failed))
	if len(failed) >= maxFailed {
		count = "at least " + count
	}

	shown := strings.Join(failed[:min(len(failed), shownFailed)], "; ")

	return fmt.Errorf("%s of the objects of %s cannot be written in version %s, so that %s must stay among the stored "+
		"versions (%s): make these objects valid, or delete them, or correct the admission that refuses them",
		count, d.Name, d.storage(), strings.Join(d.others(), ", "), shown)
}

// finish removes all but the storage version from those stored, if the
// definition is still the one whose objects have been rewritten.
func (m *Migrator) finish(ctx context.Context, before definition, result *Result) error {
	now, err := m.read(ctx, before.Name)
	if err != nil {
		result.StoredVersions = nil

		return client.IgnoreNotFound(err)
	}

	result.StoredVersions = now.Status.StoredVersions
	if !now.outdated() {
		return nil
	}

	// A definition that was made anew counts its generations anew.
	if now.UID != before.UID || now.Generation != before.Generation {
		return fmt.Errorf("finishing the migration: %w", apierrors.NewConflict(definitionResource(), before.Name,
			errors.New("it changed while its objects were being rewritten: migrate it again")))
	}

	stored := []string{now.storage()}
	if err := m.patchStored(ctx, now, stored); err != nil {
		return client.IgnoreNotFound(err)
	}

	result.StoredVersions = stored

	return nil
}

// patchStored writes status.storedVersions if the definition is still as read.
func (m *Migrator) patchStored(ctx context.Context, d definition, stored []string) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": d.ResourceVersion},
		"status":   map[string]any{"storedVersions": stored},
	})
	if err != nil {
		return fmt.Errorf("encoding the stored versions of %s: %w", d.Name, err)
	}

	err = m.client.Status().Patch(ctx, newDefinition(d.Name), client.RawPatch(types.MergePatchType, patch))
	if err != nil {
		return fmt.Errorf("writing the stored versions of %s: %w", d.Name, err)
	}

	return nil
}
