package migration

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// maxRestarts is how often a list may have to start over.
const maxRestarts = 5

// walk goes through the objects of a definition and has each of them written.
type walk struct {
	client     client.Client
	pageSize   int64
	pace       pacer
	definition string
	kind       schema.GroupVersionKind
	result     *Result

	next     string // where the next page begins, empty for the first
	resumed  bool   // next is what the API server gave for one that had expired
	restarts int
}

func (m *Migrator) newWalk(definition string, kind schema.GroupVersionKind, result *Result) *walk {
	return &walk{
		client:     m.client,
		pageSize:   m.pageSize,
		pace:       pacer{clock: m.clock, interval: m.interval},
		definition: definition,
		kind:       kind,
		result:     result,
	}
}

// all writes every object, or as many as can be before too many are refused.
func (w *walk) all(ctx context.Context) error {
	for {
		page, err := w.page(ctx)
		if err != nil {
			return fmt.Errorf("listing the objects of %s: %w", w.definition, err)
		}

		for i := range page {
			if err := w.rewrite(ctx, &page[i]); err != nil {
				return fmt.Errorf("rewriting %s of %s: %w", nameOf(&page[i]), w.definition, err)
			}

			if len(w.result.Failed) >= maxFailed {
				return nil
			}
		}

		if w.next == "" {
			return nil
		}
	}
}

// page returns the next objects. Only their names are used, so it is the
// metadata that is asked for.
func (w *walk) page(ctx context.Context) ([]metav1.PartialObjectMetadata, error) {
	for {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(w.kind.GroupVersion().WithKind(w.kind.Kind + "List"))

		err := w.client.List(ctx, list, client.Limit(w.pageSize), client.Continue(w.next))
		if err == nil {
			w.next, w.resumed = list.Continue, false

			return list.Items, nil
		}

		if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
			return nil, err
		}

		if !w.resume(err) {
			return nil, err
		}
	}
}

// resume finds where to go on after the API server has forgotten the state in
// which the list began, as it does within minutes. Its answer says how to go on
// with the present state. That is as good here: what has been added before that
// place is stored in the new version. Without such an answer the list starts
// over, which a long one cannot do forever.
func (w *walk) resume(expired error) bool {
	next := ""
	if status := apierrors.APIStatus(nil); errors.As(expired, &status) && !w.resumed {
		next = status.Status().Continue
	}

	w.next, w.resumed = next, next != ""
	if w.resumed {
		return true
	}

	w.restarts++
	w.result.Skipped, w.result.Failed = 0, nil // they will be met again

	return w.restarts <= maxRestarts
}

// rewrite has an object encoded anew. The patch is empty on purpose. With a
// resourceVersion it would fail where somebody else has written since the list,
// and say nothing about the version which that was stored in.
func (w *walk) rewrite(ctx context.Context, listed *metav1.PartialObjectMetadata) error {
	if err := w.pace.wait(ctx); err != nil {
		return err
	}

	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(w.kind)
	object.SetNamespace(listed.Namespace)
	object.SetName(listed.Name)

	err := w.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte("{}")))

	switch {
	case err == nil && object.ResourceVersion != listed.ResourceVersion:
		w.result.Rewritten++
	case err == nil, apierrors.IsNotFound(err):
		w.result.Skipped++
	case refused(err):
		w.result.Failed = append(w.result.Failed, nameOf(listed)+": "+err.Error())
	default:
		return err
	}

	return nil
}

// refused tells whether an error is about the object, so that others may fare
// better, and not about the API server or the way to it.
func refused(err error) bool {
	status := apierrors.APIStatus(nil)
	if !errors.As(err, &status) {
		return false
	}

	switch status.Status().Code {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	default:
		return true
	}
}

func nameOf(object client.Object) string {
	if object.GetNamespace() == "" {
		return object.GetName()
	}

	return client.ObjectKeyFromObject(object).String()
}
