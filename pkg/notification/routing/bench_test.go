package routing

import (
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// platform has so many tenants, each with a namespace and a Receiver; one Receiver in ten has a selector. There are
// two global Receivers, and as many Routers as a platform may have: some for everything, and one for each tenant.
func platform(tb testing.TB, tenants int, config Config) *Table {
	tb.Helper()

	table := NewTable(config)
	put(tb, table,
		withBoth("global-critical", global(), matching("severity", "critical")),
		withEmail("global-all", global(), nil),
		routerTo("events", matching("alerttype", "event"), notificationv2beta2.ReceiverSelector{RegexName: "^global"}),
	)

	for i := range tenants {
		var alerts *apiSelector
		if i%10 == 0 {
			alerts = matching("severity", "critical")
		}

		name := fmt.Sprintf("tenant-%05d", i)
		put(tb, table,
			withEmail(name, tenant(name), alerts),
			routerTo(name, matching("severity", "critical", "namespace", name),
				notificationv2beta2.ReceiverSelector{Name: []string{name}}),
		)
	}

	return table
}

// alertsOf are some alerts, from namespaces all over the platform.
func alertsOf(tenants int) []labels.Labels {
	const count = 1024

	made := make([]labels.Labels, 0, count)

	for i := range count {
		severity := []string{"info", "warning", "critical"}[i%3]
		made = append(made, labels.FromStrings("alertname", "PodDown", "alerttype", "metric", "cluster", "host",
			"namespace", fmt.Sprintf("tenant-%05d", i*7919%tenants), "pod", fmt.Sprint("pod-", i), "rule_id", "0123456789abcdef",
			"severity", severity, "workload", fmt.Sprint("workload-", i%50)))
	}

	return made
}

func TestNoAllocations(t *testing.T) {
	names := map[string][]string{}

	for i := range 100 {
		name := fmt.Sprintf("tenant-%05d", i)
		names[name] = []string{name}
	}

	for what, config := range map[string]Config{"namespaces": {}, "users": {Resolve: members(names)}} {
		table, alerts := platform(t, 100, config), alertsOf(100)

		var result Result

		next := 0

		allocations := testing.AllocsPerRun(1000, func() {
			table.Route(alerts[next%len(alerts)], &result)
			next++

			if len(result.Matches) < 2 {
				t.Fatalf("%s: %v", what, result.Matches)
			}
		})

		if allocations > 0 {
			t.Errorf("%s: %v allocations", what, allocations)
		}
	}
}

// BenchmarkRoute routes on one goroutine: the rate has to be the same for all sizes.
func BenchmarkRoute(b *testing.B) {
	for _, tenants := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("tenants=%d", tenants), func(b *testing.B) {
			table, alerts := platform(b, tenants, Config{}), alertsOf(tenants)

			var result Result

			b.ReportAllocs()

			for i := 0; b.Loop(); i++ {
				table.Route(alerts[i%len(alerts)], &result)
			}

			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "alerts/s")
		})
	}
}

// BenchmarkRouteParallel routes on all cores.
func BenchmarkRouteParallel(b *testing.B) {
	for _, tenants := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("tenants=%d", tenants), func(b *testing.B) {
			table, alerts := platform(b, tenants, Config{}), alertsOf(tenants)

			b.ReportAllocs()
			b.RunParallel(func(loop *testing.PB) {
				var result Result

				for i := 0; loop.Next(); i++ {
					table.Route(alerts[i%len(alerts)], &result)
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "alerts/s")
		})
	}
}

// BenchmarkRouteUsers has five users in each namespace, each with a Receiver.
func BenchmarkRouteUsers(b *testing.B) {
	const perNamespace = 5

	for _, tenants := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("tenants=%d", tenants), func(b *testing.B) {
			namespaces := make(map[string][]string, tenants)

			for i := range tenants {
				name := fmt.Sprintf("tenant-%05d", i)
				for user := range perNamespace {
					namespaces[name] = append(namespaces[name], fmt.Sprintf("tenant-%05d", (i+user*31)%tenants))
				}
			}

			table, alerts := platform(b, tenants, Config{Resolve: members(namespaces)}), alertsOf(tenants)

			var result Result

			b.ReportAllocs()

			for i := 0; b.Loop(); i++ {
				table.Route(alerts[i%len(alerts)], &result)
			}

			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "alerts/s")
		})
	}
}

// BenchmarkPutReceiver replaces one of so many Receivers: the cost has to be the same for all sizes.
func BenchmarkPutReceiver(b *testing.B) {
	for _, tenants := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("tenants=%d", tenants), func(b *testing.B) {
			table := platform(b, tenants, Config{})

			one, _ := ReceiverOf(withEmail("tenant-00042", tenant("tenant-00042"), nil), ownership())

			b.ReportAllocs()

			for b.Loop() {
				table.PutReceiver(one)
			}
		})
	}
}

// BenchmarkPutRouter replaces a Router that looks at all Receivers.
func BenchmarkPutRouter(b *testing.B) {
	table := platform(b, 10_000, Config{})
	one, _ := RouterOf(routerTo("events", nil, notificationv2beta2.ReceiverSelector{RegexName: "^global"}))

	b.ReportAllocs()

	for b.Loop() {
		table.PutRouter(one)
	}
}
