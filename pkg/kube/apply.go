package kube

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

var (
	errMismatch = errors.New("the cached object and the intent are not the same object")
	errNameless = errors.New("the intent does not say which object it is about")
)

// Applier writes the children of one controller by server-side apply, and only
// those that need it.
//
// Whether a child needs it is read from the child itself: the managedFields of
// the cached object say which fields are ours, so the cache must keep our entry
// (see TransformOwned). No hash is stored anywhere, so drift in a value, a field
// that somebody took from us and a field that we no longer want are all seen,
// and what others own is ignored.
//
// The cached object should be of a type that knows every field of the intent. A
// field it cannot show, as the spec in a PartialObjectMetadata or the stringData
// of a Secret, is written on every run. A status is neither written nor compared.
type Applier struct {
	client client.Client
	owner  client.FieldOwner
}

// NewApplier returns an Applier that writes through c under the field manager
// owner (see FieldOwner).
func NewApplier(c client.Client, owner client.FieldOwner) *Applier {
	return &Applier{client: c, owner: owner}
}

// Apply brings the child into the state of intent and says whether that changed
// it. cached is the child as the cache has it, nil (also a typed nil) where
// it has none. Fields that others own are taken over: what a controller declares
// is its own. Neither cached nor intent is modified.
func (a *Applier) Apply(ctx context.Context, cached client.Object, intent runtime.ApplyConfiguration) (bool, error) {
	wanted, err := toUnstructured(intent)
	if err != nil {
		return false, fmt.Errorf("reading the intent: %w", err)
	}

	return a.apply(ctx, cached, wanted)
}

// Write is Apply for a caller that knows already that the child needs it, as by a digest. The intent is sent as it is,
// so it should have no status.
func (a *Applier) Write(ctx context.Context, intent runtime.ApplyConfiguration) error {
	target, err := targetOf(intent)
	if err != nil {
		return fmt.Errorf("reading the intent: %w", err)
	}

	if err := a.client.Apply(ctx, intent, a.owner, client.ForceOwnership); err != nil {
		return fmt.Errorf("applying %s: %w", describe(target), err)
	}

	return nil
}

// ApplyReplacing is Apply for children with fields that cannot change once
// written, named by their top-level key, as "roleRef" of a RoleBinding. Where
// one differs from the intent, cached is deleted, provided it is still the very
// object that was compared, and made anew. What the intent leaves open in such a
// field is not compared. A child that is still being deleted is an error, to be
// retried.
func (a *Applier) ApplyReplacing(
	ctx context.Context, cached client.Object, intent runtime.ApplyConfiguration, immutable ...string,
) (bool, error) {
	wanted, err := toUnstructured(intent)
	if err != nil {
		return false, fmt.Errorf("reading the intent: %w", err)
	}

	if isNil(cached) {
		return a.apply(ctx, nil, wanted)
	}

	replace, err := a.mustReplace(cached, wanted, immutable)
	if err != nil {
		return false, fmt.Errorf("comparing %s with the intent: %w", describe(wanted), err)
	}

	if !replace {
		return a.apply(ctx, cached, wanted)
	}

	if err := a.remove(ctx, cached); err != nil {
		return false, fmt.Errorf("replacing %s: %w", describe(wanted), err)
	}

	return a.apply(ctx, nil, wanted)
}

// remove deletes cached if nobody has touched it since it was read.
func (a *Applier) remove(ctx context.Context, cached client.Object) error {
	if !cached.GetDeletionTimestamp().IsZero() {
		return errStillDeleting
	}

	uid, version := cached.GetUID(), cached.GetResourceVersion()
	_, err := deleteWith(ctx, a.client, cached, client.Preconditions{UID: &uid, ResourceVersion: &version})

	return err
}

var errStillDeleting = errors.New("the old one is still being deleted")

func (a *Applier) apply(ctx context.Context, cached client.Object, wanted *unstructured.Unstructured) (bool, error) {
	reason := "it does not exist"

	if !isNil(cached) {
		path, differs, err := a.compare(cached, wanted)
		if err != nil {
			return false, fmt.Errorf("comparing %s with the intent: %w", describe(wanted), err)
		}

		if !differs {
			return false, nil
		}

		reason = "differs at " + path
	}

	name := describe(wanted)
	log.FromContext(ctx).V(1).Info("Applying", "object", name, "because", reason)

	err := a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(wanted), a.owner, client.ForceOwnership)
	if err != nil {
		return false, fmt.Errorf("applying %s: %w", name, err)
	}

	// The answer is in wanted. A write that changes nothing leaves the version.
	return isNil(cached) || wanted.GetResourceVersion() != cached.GetResourceVersion(), nil
}

// compare returns where cached does not show what is wanted.
func (a *Applier) compare(cached client.Object, wanted *unstructured.Unstructured) (string, bool, error) {
	if client.ObjectKeyFromObject(cached) != client.ObjectKeyFromObject(wanted) {
		return "", false, fmt.Errorf("%w: cached is %s", errMismatch, describe(cached))
	}

	owned, err := ownedFields(cached, string(a.owner))
	if err != nil {
		return "", false, err
	}

	whole, err := a.viewOf(owned, cached, wanted)
	if err != nil {
		return "", false, err
	}

	path, differs := whole.mapDifference(withoutIdentity(wanted.Object))

	return path, differs, nil
}

func (a *Applier) viewOf(owned fields, cached client.Object, wanted *unstructured.Unstructured) (view, error) {
	current, err := content(cached)
	if err != nil {
		return view{}, err
	}

	return view{
		owned:  owned,
		intent: wanted.Object,
		normal: normalized(a.client.Scheme(), wanted, cached),
		cached: current,
	}, nil
}

// mustReplace tells whether cached has, in one of the fields named, something
// else than is wanted.
func (a *Applier) mustReplace(
	cached client.Object, wanted *unstructured.Unstructured, immutable []string,
) (bool, error) {
	current, err := content(cached)
	if err != nil {
		return false, err
	}

	normal := normalized(a.client.Scheme(), wanted, cached)

	for _, field := range immutable {
		if _, given := wanted.Object[field]; given && !includes(current[field], normal[field]) {
			return true, nil
		}
	}

	return false, nil
}

// isNil also sees through the interface, for a lookup in a map of typed children
// yields a nil pointer that is no nil Object.
func isNil(obj client.Object) bool {
	if obj == nil {
		return true
	}

	value := reflect.ValueOf(obj)

	return value.Kind() == reflect.Pointer && value.IsNil()
}
