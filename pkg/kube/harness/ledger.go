package harness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// ledger remembers what has been made through a client, and so what belongs to a
// trial: a live server has much that does not.
type ledger struct {
	mu   sync.Mutex
	made map[Ref]bool
}

func (l *ledger) add(obj *unstructured.Unstructured) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.made == nil {
		l.made = map[Ref]bool{}
	}

	l.made[refOf(obj)] = true
}

func (l *ledger) has(ref Ref) bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.made[ref]
}

// refs returns all objects, sorted.
func (l *ledger) refs() []Ref {
	l.mu.Lock()
	defer l.mu.Unlock()

	refs := make([]Ref, 0, len(l.made))
	for ref := range l.made {
		refs = append(refs, ref)
	}

	slices.SortFunc(refs, func(a, b Ref) int { return strings.Compare(a.String(), b.String()) })

	return refs
}

func refOf(obj *unstructured.Unstructured) Ref {
	return Ref{Kind: obj.GroupVersionKind(), Key: client.ObjectKeyFromObject(obj)}
}

// keep returns a client that enters what it makes.
func (l *ledger) keep(c client.WithWatch) client.WithWatch {
	return interceptor.NewClient(c, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if err := c.Create(ctx, obj, opts...); err != nil {
				return err
			}

			made, err := toUnstructured(c.Scheme(), obj)
			if err == nil {
				l.add(made)
			}

			return err
		},
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration,
			opts ...client.ApplyOption,
		) error {
			intent, err := intentOf(obj)
			if err != nil {
				return err
			}

			return l.enter(ctx, c, intent, func() error { return c.Apply(ctx, obj, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch,
			opts ...client.PatchOption,
		) error {
			do := func() error { return c.Patch(ctx, obj, patch, opts...) }
			if patch.Type() != types.ApplyPatchType {
				return do()
			}

			intent, err := toUnstructured(c.Scheme(), obj)
			if err != nil {
				return err
			}

			return l.enter(ctx, c, intent, do)
		},
	})
}

// enter does a write that may make an object, which it does if there was none.
func (l *ledger) enter(ctx context.Context, c client.Reader, obj *unstructured.Unstructured, do func() error) error {
	err := c.Get(ctx, client.ObjectKeyFromObject(obj), emptyOf(obj.GroupVersionKind()))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("looking for what may be made: %w", err)
	}

	isNew := apierrors.IsNotFound(err)

	if err := do(); err != nil {
		return err
	}

	if isNew {
		l.add(obj)
	}

	return nil
}
