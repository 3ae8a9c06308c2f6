package observe

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
)

func receipt(id uint64, receiver string, verdict delivery.Verdict) *engine.Receipt {
	return &engine.Receipt{
		Task: delivery.Task{ID: id, Receiver: receiver, Reason: "Refused"}, Tenant: "t-" + receiver, Type: "webhook",
		Verdict: verdict, At: time.Unix(int64(id), 0), Took: time.Second, //nolint:gosec // it is small
	}
}

func ids(receipts []Receipt) []string {
	found := []string{}
	for _, one := range receipts {
		found = append(found, one.ID)
	}

	return found
}

func TestReceipts(t *testing.T) {
	t.Parallel()

	observer := New(NewMetrics(prometheus.NewRegistry()), 5, time.Now)

	if got := observer.Receipts(Filter{}, 10); len(got) != 0 {
		t.Errorf("nothing was tried, and there is %v", got)
	}

	for id := range uint64(8) {
		receiver := "even"
		if id%2 == 1 {
			receiver = "odd"
		}

		observer.Delivery(receipt(id, receiver, delivery.Verdict(id%3)))
	}

	observer.Delivery(receipt(8, engine.History, delivery.Delivered)) // not worth a place

	for name, test := range map[string]struct {
		filter Filter
		most   int
		want   []string
	}{
		"all, newest first": {Filter{}, 10, []string{"7", "6", "5", "4", "3"}},
		"some":              {Filter{}, 2, []string{"7", "6"}},
		"of a receiver":     {Filter{Receiver: "odd"}, 10, []string{"7", "5", "3"}},
		"of a tenant":       {Filter{Tenant: "t-even"}, 10, []string{"6", "4"}},
		"of an outcome":     {Filter{Outcome: Delivered}, 10, []string{"6", "3"}},
		"of none":           {Filter{Receiver: "other"}, 10, []string{}},
	} {
		if diff := cmp.Diff(test.want, ids(observer.Receipts(test.filter, test.most))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTallies(t *testing.T) {
	t.Parallel()

	observer := New(NewMetrics(prometheus.NewRegistry()), 5, time.Now)

	for id, verdict := range []delivery.Verdict{delivery.Delivered, delivery.Again, delivery.Dead, delivery.Delivered} {
		observer.Delivery(receipt(uint64(id), "ops", verdict))
	}

	got := observer.Tallies()["ops"]
	if got.Sent != 2 || got.Failed != 1 || got.Success.ID != "3" || got.Failure.ID != "2" {
		t.Errorf("the tally is %+v", got)
	}

	if got.Success.Reason != "" {
		t.Errorf("what was delivered has the reason %q", got.Success.Reason)
	}

	observer.Forget("ops")

	if len(observer.Tallies()) != 0 {
		t.Error("a receiver that is gone is still there")
	}
}

// No metric has a label whose values grow with the objects.
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()

	registry := prometheus.NewRegistry()
	observer := New(NewMetrics(registry), 5, time.Now)

	count := func() int {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}

		series := 0
		for _, family := range families {
			series += len(family.GetMetric())
		}

		return series
	}

	observer.Delivery(receipt(1, "first", delivery.Dead))

	before := count()

	for id := range uint64(100) {
		observer.Delivery(receipt(id, "receiver-"+strconv.FormatUint(id, 10), delivery.Dead))
	}

	if after := count(); after != before {
		t.Errorf("a hundred receivers make %d series of %d", after, before)
	}
}
