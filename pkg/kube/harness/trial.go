package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// trial is one server, from empty to wiped, and what has happened there.
type trial struct {
	subject Subject
	server  client.WithWatch // Enters what it makes into the ledger.
	ledger  *ledger
	clock   *clock
	primary schema.GroupVersionKind

	planted map[Ref]bool
	keys    map[types.NamespacedName]bool
}

// inTrial runs do on an empty server and wipes it afterwards.
func inTrial(ctx context.Context, b Backend, s Subject, do func(context.Context, *trial) error) error {
	if err := s.validate(); err != nil {
		return err
	}

	primary, err := apiutil.GVKForObject(s.Primary, s.Scheme)
	if err != nil {
		return fmt.Errorf("finding the kind of a %T: %w", s.Primary, err)
	}

	server, err := b.Open(ctx, s)
	if err != nil {
		return fmt.Errorf("opening a server: %w", err)
	}

	entries := &ledger{}
	tr := &trial{
		subject: s,
		server:  entries.keep(server),
		ledger:  entries,
		clock:   &clock{now: epoch()},
		primary: primary,
		planted: map[Ref]bool{},
		keys:    map[types.NamespacedName]bool{},
	}

	err = do(log.IntoContext(ctx, logr.Discard()), tr)

	// The server must be clean for the next trial even when this one timed out.
	if wiped := b.Wipe(context.WithoutCancel(ctx), server, entries.refs()); wiped != nil {
		return errors.Join(err, fmt.Errorf("wiping the server: %w", wiped))
	}

	return err
}

// plant creates objects, each with its status, and deletes those that are to be
// found being deleted. One that needs another first, as its namespace, is put
// off until nothing else can be done.
func (tr *trial) plant(ctx context.Context, objects []client.Object) error {
	for len(objects) > 0 {
		var (
			putOff []client.Object
			reason error
		)

		for _, obj := range objects {
			err := tr.plantOne(ctx, obj)
			if apierrors.IsNotFound(err) {
				putOff, reason = append(putOff, obj), err

				continue
			}

			if err != nil {
				return err
			}
		}

		if len(putOff) == len(objects) {
			return reason
		}

		objects = putOff
	}

	return nil
}

func (tr *trial) plantOne(ctx context.Context, original client.Object) error {
	obj, err := toUnstructured(tr.subject.Scheme, original)
	if err != nil {
		return err
	}

	ref := refOf(obj)
	tr.planted[ref] = true

	if ref.Kind == tr.primary {
		tr.keys[ref.Key] = true
	}

	status, hasStatus := obj.Object["status"]
	deleted := obj.GetDeletionTimestamp() != nil

	obj.SetDeletionTimestamp(nil)
	obj.SetResourceVersion("")
	obj.SetUID("")

	if err := tr.server.Create(ctx, obj); err != nil {
		return fmt.Errorf("creating %s: %w", ref, err)
	}

	if hasStatus && tr.hasStatusSubresource(ref.Kind) {
		obj.Object["status"] = status
		if err := tr.server.Status().Update(ctx, obj); err != nil {
			return fmt.Errorf("setting the status of %s: %w", ref, err)
		}
	}

	if !deleted {
		return nil
	}

	return tr.remove(ctx, obj)
}

func (tr *trial) remove(ctx context.Context, obj client.Object) error {
	err := client.IgnoreNotFound(tr.server.Delete(ctx, obj))
	if err != nil {
		return fmt.Errorf("deleting %s: %w", obj.GetName(), err)
	}

	return nil
}

func (tr *trial) hasStatusSubresource(gvk schema.GroupVersionKind) bool {
	return slices.ContainsFunc(tr.subject.StatusKinds, func(obj client.Object) bool {
		kind, err := apiutil.GVKForObject(obj, tr.subject.Scheme)

		return err == nil && kind == gvk
	})
}

// objects returns those of the trial's objects that are there, sorted by kind
// and name.
func (tr *trial) objects(ctx context.Context) ([]*unstructured.Unstructured, error) {
	var found []*unstructured.Unstructured

	for _, kind := range tr.subject.Kinds {
		gvk, err := itemKind(tr.subject.Scheme, kind)
		if err != nil {
			return nil, err
		}

		list := emptyListOf(gvk)
		if err := tr.server.List(ctx, list); err != nil {
			return nil, fmt.Errorf("listing %s: %w", gvk.Kind, err)
		}

		for i := range list.Items {
			if tr.ledger.has(refOf(&list.Items[i])) {
				found = append(found, &list.Items[i])
			}
		}
	}

	slices.SortFunc(found, func(a, b *unstructured.Unstructured) int {
		return strings.Compare(refOf(a).String(), refOf(b).String())
	})

	return found, nil
}

// children returns the objects that are there and were not planted.
func (tr *trial) children(ctx context.Context) ([]*unstructured.Unstructured, error) {
	all, err := tr.objects(ctx)

	return slices.DeleteFunc(all, func(obj *unstructured.Unstructured) bool {
		return tr.planted[refOf(obj)]
	}), err
}

// primaries returns the objects of the primary kind that are there.
func (tr *trial) primaries(ctx context.Context) ([]*unstructured.Unstructured, error) {
	all, err := tr.objects(ctx)

	return slices.DeleteFunc(all, func(obj *unstructured.Unstructured) bool {
		return obj.GroupVersionKind() != tr.primary
	}), err
}

// requests returns every key of the primary kind ever seen, sorted: a queue also
// holds what has gone.
func (tr *trial) requests(ctx context.Context) ([]types.NamespacedName, error) {
	present, err := tr.primaries(ctx)
	if err != nil {
		return nil, err
	}

	for _, obj := range present {
		tr.keys[client.ObjectKeyFromObject(obj)] = true
	}

	keys := make([]types.NamespacedName, 0, len(tr.keys))
	for key := range tr.keys {
		keys = append(keys, key)
	}

	slices.SortFunc(keys, func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })

	return keys, nil
}

// typed returns obj as its Go type, for the functions of a Subject.
func (tr *trial) typed(obj *unstructured.Unstructured) (client.Object, error) {
	made, err := tr.subject.Scheme.New(obj.GroupVersionKind())
	if err != nil {
		return nil, fmt.Errorf("making a %s: %w", obj.GetKind(), err)
	}

	into, isObject := made.(client.Object)
	if !isObject {
		return nil, fmt.Errorf("%w: %T", errNoObject, made)
	}

	return into, intoObject(obj, into)
}
