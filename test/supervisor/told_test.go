package supervisor_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// A transition is told once, in an event on the Lease of the domain and in the metrics; a start at which all is well
// is no transition.
func TestTransitionsAreTold(t *testing.T) {
	began := time.Now()

	gadgetController, _ := gadgets()
	widgetController, watched := widgets()
	started := start(t, manager.Catalog{gadgetController, widgetController})
	others := watchBystander(t, started, watched)

	started.waitFor(t, "gadget", manager.Waiting, manager.ReasonCRDMissing)
	withGadgets(t)
	started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)

	want := []string{"Warning ControllerWaiting gadget: CRDMissing", "Normal ControllerRunning gadget: Running"}

	eventually(t, timeout, "both transitions are told, each once", func(ctx context.Context) error {
		told, err := toldSince(ctx, began)
		if err == nil && !slices.Equal(told, want) {
			err = fmt.Errorf("told was %q, want %q", told, want)
		}

		return err
	})

	page, err := get(t.Context(), started.diagnostics+"/metrics")
	if err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{
		`ks_controller_state{controller="gadget",domain="edge",reason="Running",state="Running"} 1`,
		`ks_controller_state{controller="widget",domain="alerting",reason="Running",state="Running"} 1`,
		`ks_controller_restarts_total{controller="gadget"} 0`,
		`ks_reconcile_outcomes_total{controller="widget",outcome="run"}`,
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}

	others.check(t)
}

// toldSince lists the events about the Leases in the order in which they came.
func toldSince(ctx context.Context, began time.Time) ([]string, error) {
	events := &eventsv1.EventList{}
	if err := admin.List(ctx, events, client.InNamespace(accountNamespace)); err != nil {
		return nil, fmt.Errorf("list the events: %w", err)
	}

	slices.SortFunc(events.Items, func(a, b eventsv1.Event) int { return a.EventTime.Compare(b.EventTime.Time) })

	var told []string

	for _, event := range events.Items {
		if event.Regarding.Kind != "Lease" || event.EventTime.Time.Before(began) {
			continue
		}

		note := strings.SplitN(event.Note, ":", 3)
		told = append(told, fmt.Sprintf("%s %s %s", event.Type, event.Reason, strings.Join(note[:2], ":")))
	}

	return told, nil
}
