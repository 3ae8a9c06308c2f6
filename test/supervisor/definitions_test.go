package supervisor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// A missing definition stopped every controller of KubeSphere's manager (ks-installer#1816); one that came late
// needed a restart.
func TestKindComesLateAndGoes(t *testing.T) {
	gadgetController, _ := gadgets()
	widgetController, watched := widgets()
	started := start(t, manager.Catalog{gadgetController, widgetController})
	others := watchBystander(t, started, watched)

	row := started.waitFor(t, "gadget", manager.Waiting, manager.ReasonCRDMissing)
	if !strings.Contains(row.Message, "Gadget of supervisor.example.com/v1") {
		t.Errorf("the message does not name the kind: %q", row.Message)
	}

	established := define(t, "gadgets")
	t.Cleanup(func() { cleanDefinition(t, gadgetDefinition) })

	object := gadget("first", "a")
	create(t, object)

	eventually(t, prompt-time.Since(established), "the first object of a late kind is reconciled",
		func(ctx context.Context) error { return observed(ctx, object) })

	row = started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	if row.Definitions[gadgetDefinition] == 0 {
		t.Errorf("the page does not tell the generation of the definition: %+v", row)
	}

	others.check(t)

	removed := undefine(t, gadgetDefinition)

	started.waitFor(t, "gadget", manager.Waiting, manager.ReasonCRDMissing)
	always(t, time.Second+prompt, "what was removed is left in peace", func(context.Context) error {
		if late := started.calls.since(removed.Add(prompt), "gadgets"); len(late) > 0 {
			return fmt.Errorf("requests 5 s after the removal: %v", late)
		}

		return nil
	})

	status, err := started.status(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for _, cached := range status.Caches {
		if strings.Contains(cached.Resource, "gadgets") {
			t.Errorf("still kept: %+v", cached)
		}
	}

	others.check(t)
}

// A definition that is older than the controller would have fields pruned in silence.
func TestOutdatedDefinition(t *testing.T) {
	gadgetController, _ := gadgets()
	widgetController, watched := widgets()
	started := start(t, manager.Catalog{gadgetController, widgetController})
	others := watchBystander(t, started, watched)

	withGadgets(t)
	started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)

	tests := map[string]struct {
		patch, want string
	}{
		"an older schema": {
			patch: `[{"op":"replace","path":"/metadata/annotations/ks.kubesphere.io~1schema-revision","value":"1"}]`,
			want:  "has schema revision 1, 2 is needed",
		},
		"no schema of ours": {
			patch: `[{"op":"remove","path":"/metadata/annotations/ks.kubesphere.io~1schema-revision"}]`,
			want:  "has schema revision 0, 2 is needed",
		},
		"no status subresource": {
			patch: `[{"op":"remove","path":"/spec/versions/0/subresources"}]`,
			want:  "has no status subresource",
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			definition := definitions.Reference(gadgetDefinition)
			if err := admin.Patch(t.Context(), definition,
				client.RawPatch("application/json-patch+json", []byte(test.patch))); err != nil {
				t.Fatal(err)
			}

			row := started.waitFor(t, "gadget", manager.Waiting, manager.ReasonCRDOutdated)
			if !strings.Contains(row.Message, test.want) || !strings.Contains(row.Message, "apply config/crd") {
				t.Errorf("the message does not say %q and what to do: %q", test.want, row.Message)
			}

			define(t, "gadgets")
			started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
		})
	}

	others.check(t)
}

// A controller that left as soon as its definition is deleted would never take its finalizers off, and the
// definition would hang for good.
func TestTerminatingDefinition(t *testing.T) {
	gadgetController, _ := gadgets()
	widgetController, watched := widgets()
	catalog := manager.Catalog{gadgetController, widgetController}
	started := start(t, catalog)
	others := watchBystander(t, started, watched)

	withGadgets(t)

	ours, foreign := gadget("ours", "a"), gadget("foreign", "a")
	ours.Spec.Finalize, foreign.Spec.Finalize = true, true
	foreign.Finalizers = []string{"example.com/somebody-elses"}

	create(t, ours)
	create(t, foreign)

	for _, object := range []*Gadget{ours, foreign} {
		eventually(t, timeout, "it is held", func(ctx context.Context) error { return observed(ctx, object) })
	}

	if err := deleteDefinition(t.Context(), gadgetDefinition); err != nil {
		t.Fatal(err)
	}

	row := started.waitFor(t, "gadget", manager.Running, manager.ReasonCRDTerminating)
	if !strings.Contains(row.Message, gadgetDefinition) {
		t.Errorf("the message does not name the definition: %q", row.Message)
	}

	eventually(t, timeout, "ours is let go", func(ctx context.Context) error { return gone(ctx, ours) })

	// Also a process that starts now must help the definition to its end.
	if err := started.stop(); err != nil {
		t.Fatal(err)
	}

	again := start(t, catalog)
	again.waitFor(t, "gadget", manager.Running, manager.ReasonCRDTerminating)

	if err := admin.Patch(t.Context(), foreign,
		client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		t.Fatal(err)
	}

	eventually(t, timeout, "the definition is gone", func(ctx context.Context) error {
		return gone(ctx, definitions.Reference(gadgetDefinition))
	})
	again.waitFor(t, "gadget", manager.Waiting, manager.ReasonCRDMissing)

	others.manager = again
	others.before = again.waitFor(t, "widget", manager.Running, manager.ReasonRunning)
	others.check(t)
}

// An optional kind switches its part of a controller on and off.
func TestOptionalKindComesAndGoes(t *testing.T) {
	gadgetController, suffers := gadgets()
	widgetController, watched := widgets()
	started := start(t, manager.Catalog{gadgetController, widgetController})
	others := watchBystander(t, started, watched)

	withGadgets(t)

	object := gadget("optional", "a")
	create(t, object)

	sees := func(want bool) func(context.Context) error {
		return func(ctx context.Context) error {
			err := observed(ctx, object)
			if err == nil && object.Status.Gizmos != want {
				err = fmt.Errorf("the controller sees gizmos: %t, want %t", object.Status.Gizmos, want)
			}

			return err
		}
	}

	eventually(t, timeout, "it works without", sees(false))

	before := suffers.builds()

	established := define(t, "gizmos")
	t.Cleanup(func() { cleanDefinition(t, gizmoDefinition) })

	eventually(t, prompt-time.Since(established), "the part is switched on", sees(true))

	row := started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	if len(row.Optional) != 1 || row.Optional[0] != gizmoDefinition || row.Restarts != 0 {
		t.Errorf("the page: %+v", row)
	}

	undefine(t, gizmoDefinition)
	eventually(t, prompt, "the part is switched off", sees(false))

	if made := suffers.builds() - before; made != 2 {
		t.Errorf("it was made %d times, want once for each change", made)
	}

	others.check(t)
}
