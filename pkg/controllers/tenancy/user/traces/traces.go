package traces

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

const (
	// Batch is how many objects a run removes at most. A user with thousands of bindings holds up no other for long.
	Batch = 200

	// maxFailures is after how many errors a run gives up: the next would most likely fail the same way.
	maxFailures = 5
)

// Trace is an object that names a holder, and what becomes of it.
type Trace struct {
	// Kind names the kind for people.
	Kind   string
	Object client.Object

	// Patch takes the holder off the object, which others are named in too. Nil: the object goes.
	Patch []byte
}

// Bindings finds the bindings that name a holder.
func Bindings(ctx context.Context, reader client.Reader, holder accounts.Holder) ([]Trace, error) {
	var (
		found []Trace
		errs  []error
	)

	for _, kind := range bindingKinds() {
		traces, err := find(ctx, reader, kind, holder)
		found, errs = append(found, traces...), append(errs, err)
	}

	return found, errors.Join(errs...)
}

func find(
	ctx context.Context, reader client.Reader, kind bindingKind, holder accounts.Holder,
) ([]Trace, error) {
	if err := reader.List(ctx, kind.list, client.MatchingFields{HolderIndex: holder.Key()}); err != nil {
		return nil, fmt.Errorf("find the bindings of %s: %w", holder.Key(), err)
	}

	var found []Trace

	err := meta.EachListItem(kind.list, func(item runtime.Object) error {
		binding, isObject := item.(client.Object)
		if !isObject {
			return fmt.Errorf("%T is no object", item)
		}

		trace, err := bindingTrace(kind.name, binding, holder)
		found = append(found, trace)

		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the bindings of %s: %w", holder.Key(), err)
	}

	return found, nil
}

func bindingTrace(kind string, binding client.Object, holder accounts.Holder) (Trace, error) {
	trace := Trace{Kind: kind, Object: binding}

	subjects, isKept := subjectsOf(binding)
	if !isKept {
		return trace, nil
	}

	cut := holder.CutFrom(binding.GetLabels(), subjects)
	if cut.Delete {
		return trace, nil
	}

	var err error

	trace.Patch, err = cut.Patch(binding.GetResourceVersion())

	return trace, err
}

// Remove brings a batch of what was found to what should become of it, and says whether there is more to do. What is
// on its way out already needs nothing.
func Remove(ctx context.Context, writer client.Writer, found []Trace) (bool, error) {
	var errs []error

	done := 0

	for _, trace := range found {
		if !trace.Object.GetDeletionTimestamp().IsZero() {
			continue
		}

		if done == Batch {
			return true, errors.Join(errs...)
		}

		if err := remove(ctx, writer, trace); err != nil {
			errs = append(errs, err)
		}

		if len(errs) == maxFailures {
			break
		}

		done++
	}

	return false, errors.Join(errs...)
}

func remove(ctx context.Context, writer client.Writer, trace Trace) error {
	if trace.Patch == nil {
		_, err := kube.Delete(ctx, writer, trace.Object)

		return err
	}

	err := writer.Patch(ctx, trace.Object, client.RawPatch(types.MergePatchType, trace.Patch))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("patch %s %s: %w", trace.Kind, client.ObjectKeyFromObject(trace.Object), err)
	}

	return nil
}

// Awaited names a few of what was found, and says how many others there are.
func Awaited(found []Trace) string {
	names := make([]string, 0, len(found))
	for _, trace := range found {
		key := client.ObjectKeyFromObject(trace.Object)
		names = append(names, trace.Kind+" "+trimSlash(key))
	}

	return accounts.Names(names)
}

func trimSlash(key client.ObjectKey) string {
	if key.Namespace == "" {
		return key.Name
	}

	return key.String()
}
