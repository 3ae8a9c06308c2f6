package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// errKilled is what the calls of a dead process end in.
var errKilled = errors.New("the process was killed")

// meter counts the calls of a process, and ends its life.
type meter struct {
	counts

	mu sync.Mutex
	// lifetime is the number of writes after which the process is dead; zero
	// means it lives on.
	lifetime int
	total    int
}

// counts is what happened in a while.
type counts struct {
	reads  int
	writes []string // What was tried, to be named in messages.
	done   []string // What the server did of it.
	events []string
}

// take returns what happened since it was last called.
func (m *meter) take() counts {
	m.mu.Lock()
	defer m.mu.Unlock()

	taken := m.counts
	m.counts = counts{}

	return taken
}

func (m *meter) dead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()

	return m.lifetime > 0 && m.total >= m.lifetime
}

// read counts a read and does it.
func (m *meter) read(do func() error) error {
	if m.dead() {
		return errKilled
	}

	m.mu.Lock()
	m.reads++
	m.mu.Unlock()

	return do()
}

// write counts a write and does it. The last write of a process reaches the
// server, but the process does not live to see the answer.
func (m *meter) write(what string, do func() error) error {
	if m.dead() {
		return errKilled
	}

	m.mu.Lock()
	m.writes = append(m.writes, what)
	m.mu.Unlock()

	if err := do(); err != nil {
		return err
	}

	m.mu.Lock()
	m.done = append(m.done, what)
	m.total++
	m.mu.Unlock()

	if m.dead() {
		return errKilled
	}

	return nil
}

// Eventf implements events.EventRecorder.
//
//nolint:revive // Its arguments are not ours to choose.
func (m *meter) Eventf(_, _ runtime.Object, kind, reason, _, note string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()

	m.events = append(m.events, kind+" "+reason+" "+fmt.Sprintf(note, args...))
}

var _ events.EventRecorder = &meter{}

func named(verb string, obj client.Object) string {
	return fmt.Sprintf("%s %T %s", verb, obj, client.ObjectKeyFromObject(obj))
}

func namedIntent(verb string, intent runtime.ApplyConfiguration) string {
	obj, err := intentOf(intent)
	if err != nil {
		return fmt.Sprintf("%s %T", verb, intent)
	}

	return verb + " " + refOf(obj).String()
}

// client returns c with all calls counted.
//
//nolint:lll // One line per call there is.
func (m *meter) client(c client.WithWatch) client.Client {
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			return m.read(func() error { return c.Get(ctx, key, obj, opts...) })
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			return m.read(func() error { return c.List(ctx, list, opts...) })
		},
		Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
			var w watch.Interface

			err := m.read(func() (err error) {
				w, err = c.Watch(ctx, list, opts...)

				return err
			})

			return w, err
		},
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			return m.write(named("create", obj), func() error { return c.Create(ctx, obj, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			return m.write(named("delete", obj), func() error { return c.Delete(ctx, obj, opts...) })
		},
		DeleteAllOf: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteAllOfOption) error {
			return m.write(named("delete all of", obj), func() error { return c.DeleteAllOf(ctx, obj, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			return m.write(named("update", obj), func() error { return c.Update(ctx, obj, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return m.write(named("patch", obj), func() error { return c.Patch(ctx, obj, patch, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return m.write(namedIntent("apply", obj), func() error { return c.Apply(ctx, obj, opts...) })
		},
		SubResourceGet: func(ctx context.Context, c client.Client, name string, obj, sub client.Object, opts ...client.SubResourceGetOption) error {
			return m.read(func() error { return c.SubResource(name).Get(ctx, obj, sub, opts...) })
		},
		SubResourceCreate: func(ctx context.Context, c client.Client, name string, obj, sub client.Object, opts ...client.SubResourceCreateOption) error {
			return m.write(named("create "+name+" of", obj), func() error { return c.SubResource(name).Create(ctx, obj, sub, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, name string, obj client.Object, opts ...client.SubResourceUpdateOption) error {
			return m.write(named("update "+name+" of", obj), func() error { return c.SubResource(name).Update(ctx, obj, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, name string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			return m.write(named("patch "+name+" of", obj), func() error { return c.SubResource(name).Patch(ctx, obj, patch, opts...) })
		},
		SubResourceApply: func(ctx context.Context, c client.Client, name string, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			return m.write(namedIntent("apply "+name+" of", obj), func() error { return c.SubResource(name).Apply(ctx, obj, opts...) })
		},
	})
}
