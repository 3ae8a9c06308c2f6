package alertmanager_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// BenchmarkTenants posts the same alerts of many tenants to Alertmanager, with a route for each as prometheus-operator
// makes them, and to the engine, with a receiver for each. It tells the alerts taken in a second (by the engine with
// each of them on disk, which Alertmanager does not do), what an alert that holds takes in memory, and the ratios of
// both. For routing alone it tells the ratio of what the engine's table routes in a second to what Alertmanager takes.
func BenchmarkTenants(b *testing.B) {
	for _, tenants := range []int{100, 1000, 10_000} {
		b.Run(strconv.Itoa(tenants), func(b *testing.B) {
			const alerts = 20_000

			bodies := bodiesOf(b, alerts, tenants)

			for b.Loop() {
				theirs := measureAlertmanager(b, bodies, alerts, tenants)
				ours := measureEngine(b, bodies, alerts, tenants)

				b.ReportMetric(theirs.rate, "alertmanager-alerts/s")
				b.ReportMetric(ours.rate, "alerts/s")
				b.ReportMetric(ours.rate/theirs.rate, "rate-ratio")
				b.ReportMetric(ours.routed/theirs.rate, "routing-ratio")
				b.ReportMetric(theirs.memory, "alertmanager-B/alert")
				b.ReportMetric(ours.memory, "B/alert")
				b.ReportMetric(ours.memory/theirs.memory, "memory-ratio")
				b.ReportMetric(theirs.goroutines, "alertmanager-goroutines")
				b.ReportMetric(ours.goroutines, "goroutines")
			}
		})
	}
}

// measured is what one of the two took.
type measured struct{ rate, routed, memory, goroutines float64 }

// bodiesOf are the alerts, a hundred in each body.
func bodiesOf(b *testing.B, alerts, tenants int) [][]byte {
	b.Helper()

	const size = 100

	var bodies [][]byte

	for from := 0; from < alerts; from += size {
		batch := make([]map[string]any, 0, size)

		for i := from; i < from+size; i++ {
			batch = append(batch, map[string]any{
				"startsAt": time.Now(), "endsAt": time.Now().Add(time.Hour),
				"labels": map[string]string{
					"alertname": "Down", "namespace": tenantName(i % tenants), "pod": fmt.Sprint("pod-", i), "cluster": "one",
					"severity": "critical", "job": "web", "instance": "10.0.0.1:80", "alerttype": "metric",
				},
				"annotations": map[string]string{"summary": fmt.Sprint("pod ", i, " is down")},
			})
		}

		body, err := json.Marshal(batch)
		if err != nil {
			b.Fatal(err)
		}

		bodies = append(bodies, body)
	}

	return bodies
}

func tenantName(i int) string { return fmt.Sprint("tenant-", i) }

func measureAlertmanager(b *testing.B, bodies [][]byte, alerts, tenants int) measured {
	b.Helper()

	address := startWithRoutes(b, tenants)
	before := metrics(b, address)
	start := time.Now()

	together(b, bodies, func(body []byte) error { return post(b.Context(), address, body) })

	for processed(b, address) < float64(alerts) {
		<-time.After(10 * time.Millisecond)
	}

	took := time.Since(start)
	after := collected(b, address)

	return measured{
		rate:       float64(alerts) / took.Seconds(),
		memory:     (after["go_memstats_heap_alloc_bytes"] - before["go_memstats_heap_alloc_bytes"]) / float64(alerts),
		goroutines: after["go_goroutines"] - before["go_goroutines"],
	}
}

// processed is how many alerts Alertmanager has routed.
func processed(b *testing.B, address string) float64 {
	b.Helper()

	return metrics(b, address)["alertmanager_dispatcher_alert_processing_duration_seconds_count"]
}

// collected are the metrics once the garbage is collected: the least heap of some time.
func collected(b *testing.B, address string) map[string]float64 {
	b.Helper()

	least := metrics(b, address)

	for range 100 {
		<-time.After(100 * time.Millisecond)

		if now := metrics(b, address); now["go_memstats_heap_alloc_bytes"] < least["go_memstats_heap_alloc_bytes"] {
			least = now
		}
	}

	return least
}

// startWithRoutes starts an Alertmanager with a route for each tenant, which tells nobody within the time of this.
func startWithRoutes(b *testing.B, tenants int) string {
	b.Helper()

	var config strings.Builder

	config.WriteString("route:\n  receiver: none\n  group_by: [alertname]\n  group_wait: 1h\n  routes:\n")

	for i := range tenants {
		fmt.Fprintf(&config, "  - {receiver: none, continue: true, matchers: ['namespace=%q']}\n", tenantName(i))
	}

	config.WriteString("receivers: [{name: none}]\n")

	dir, address := b.TempDir(), freeAddress(b)

	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(config.String()), 0o600); err != nil {
		b.Fatal(err)
	}

	run(b, address, path, dir)

	return address
}

// metrics are those without labels.
func metrics(b *testing.B, address string) map[string]float64 {
	b.Helper()

	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		b.Fatal(err)
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}

	defer response.Body.Close()

	values := map[string]float64{}

	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			values[name] = value
		}
	}

	return values
}

func measureEngine(b *testing.B, bodies [][]byte, alerts, tenants int) measured {
	b.Helper()

	sink := newTold()
	ours := startEngine(b, sink, time.Hour)

	for i := range tenants {
		if err := ours.PutReceiver(b.Context(), tenantReceiver(tenantName(i), sink)); err != nil {
			b.Fatal(err)
		}
	}

	heap, goroutines := heapNow(), runtime.NumGoroutine()
	start := time.Now()

	together(b, bodies, func(body []byte) error { return take(b.Context(), ours, body) })

	took := time.Since(start)

	return measured{
		rate:       float64(alerts) / took.Seconds(),
		routed:     routingRate(b, bodies, tenants),
		memory:     (heapNow() - heap) / float64(alerts),
		goroutines: float64(runtime.NumGoroutine() - goroutines),
	}
}

// routingRate is how many alerts are routed in a second by one core, with nothing else done.
func routingRate(b *testing.B, bodies [][]byte, tenants int) float64 {
	b.Helper()

	table := routing.NewTable(routing.Config{})
	for i := range tenants {
		table.PutReceiver(tenantReceiver(tenantName(i), nil).Route)
	}

	var (
		result routing.Result
		routed int
		took   time.Duration
	)

	for _, body := range bodies {
		alerts, _, err := alert.Decode(body, time.Now())
		if err != nil {
			b.Fatal(err)
		}

		start := time.Now()

		for i := range alerts {
			table.Route(alerts[i].Labels, &result)
			routed += len(result.Matches)
		}

		took += time.Since(start)
	}

	return float64(routed) / took.Seconds()
}

func take(ctx context.Context, ours *engine.Engine, body []byte) error {
	read, refused, err := alert.Decode(body, time.Now())
	if err != nil || len(refused) > 0 {
		return fmt.Errorf("%v, %w", refused, err)
	}

	return ours.Ingest(ctx, read)
}

// together posts all bodies, by several clients at once: each waits for its answer, as clients do.
func together(b *testing.B, bodies [][]byte, post func(body []byte) error) {
	b.Helper()

	const clients = 16

	group := errgroup.Group{}
	group.SetLimit(clients)

	for _, body := range bodies {
		group.Go(func() error { return post(body) })
	}

	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

func tenantReceiver(tenant string, sink *told) *target.Receiver {
	return &target.Receiver{
		Tenant: tenant,
		Route: &routing.Receiver{
			Name: tenant, Owner: selector.Owner{Kind: selector.Tenant, Tenant: tenant},
			Labels:   labels.FromStrings("type", "tenant", "user", tenant),
			Channels: []routing.Channel{{Type: "webhook", Enabled: true}},
		},
		Targets: []target.Target{{Key: "webhook", Type: "webhook", Channel: sink, Timeout: time.Minute}},
	}
}

func heapNow() float64 {
	runtime.GC() //nolint:revive // what is counted is what is left
	runtime.GC() //nolint:revive // the first may leave what had been marked already

	var stats runtime.MemStats

	runtime.ReadMemStats(&stats)

	return float64(stats.HeapAlloc)
}
