package message_test

import (
	"strconv"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// typical are alerts with eight labels and two annotations.
func typical(count int) []alert.Alert {
	alerts := make([]alert.Alert, count)
	for i := range alerts {
		alerts[i] = firing("alertname", "KubePodCrashLooping", "alerttype", "metric", "cluster", "host",
			"container", "app", "namespace", "shop", "pod", "orders-"+strconv.Itoa(i), "rule_id", "0a1b2c3d",
			"severity", "critical")
		alerts[i].Annotations = labels.FromStrings(
			"message", "Pod shop/orders-"+strconv.Itoa(i)+" restarts again and again.",
			"runbook_url", "https://runbooks.example.com/pods")
	}

	return alerts
}

func BenchmarkNew(b *testing.B) {
	alerts := typical(1000)

	for b.Loop() {
		message.New(alerts, message.Notification{Receiver: "ops", Now: now()})
	}

	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "µs/alert")
}

func BenchmarkRender(b *testing.B) {
	set, _ := message.Compile(nil, message.Options{TimeZone: "Asia/Shanghai"})

	for _, name := range []string{message.Text, message.Markdown, message.HTML} {
		for _, count := range []int{1, 100} {
			b.Run(name+"/"+strconv.Itoa(count), func(b *testing.B) {
				found, err := set.Text(name, name)
				if name == message.HTML {
					found, err = set.HTML(name, name)
				}

				if err != nil {
					b.Fatal(err)
				}

				data := message.New(typical(count), message.Notification{Receiver: "ops", Now: now()})

				b.ReportAllocs()

				for b.Loop() {
					if _, err := found.Render(data); err != nil {
						b.Fatal(err)
					}
				}

				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000/float64(count), "µs/alert")
			})
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	set, _ := message.Compile(nil, message.Options{})

	found, err := set.Text(message.Text, message.Text)
	if err != nil {
		b.Fatal(err)
	}

	for _, count := range []int{100, 1000} {
		for _, most := range []int{2048, 19960} {
			b.Run(strconv.Itoa(count)+"/"+strconv.Itoa(most), func(b *testing.B) {
				data := message.New(typical(count), message.Notification{Receiver: "ops", Now: now()})

				parts := 0

				for b.Loop() {
					made, err := message.Split(data, message.Limit{Max: most}, found.Render)
					if err != nil {
						b.Fatal(err)
					}

					parts = len(made)
				}

				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "ms/op")
				b.ReportMetric(float64(parts), "parts")
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		message.Compile(nil, message.Options{})
	}
}
