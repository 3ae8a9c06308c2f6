package webhook_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/channeltest"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/webhook"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// BenchmarkSend sends to a sink on this machine, which takes its share of the processors. What is grown is counted
// from the middle to the end, at both ends of the connections; with -benchtime 1000000x it shows that a million
// sends leave nothing behind.
func BenchmarkSend(b *testing.B) {
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	defer sink.Close()

	made, err := webhook.New(webhook.Settings{URL: secret.New(sink.URL)}, channeltest.Client(b),
		channeltest.NewClock().Now)
	if err != nil {
		b.Fatal(err)
	}

	messages, err := made.Render(channeltest.Data("the disk of db-0 is full"))
	if err != nil {
		b.Fatal(err)
	}

	var (
		sent   atomic.Int64
		middle = held{}
	)

	b.SetParallelism(8) // sends wait for the network
	b.ReportAllocs()
	b.ResetTimer()

	b.RunParallel(func(each *testing.PB) {
		for each.Next() {
			if err := made.Send(b.Context(), messages[0]); err != nil {
				b.Error(err)

				return
			}

			if sent.Add(1) == int64(b.N+1)/2 {
				middle = holding()
			}
		}
	})

	b.StopTimer()

	end := holding()

	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
	b.ReportMetric(float64(end.goroutines-middle.goroutines), "goroutines-grown")
	b.ReportMetric(float64(end.descriptors-middle.descriptors), "descriptors-grown")
	b.ReportMetric(float64(end.heap-middle.heap)/(1<<20), "heap-MiB-grown")
}

// held is what the process holds.
type held struct {
	goroutines, descriptors int
	heap                    int64
}

func holding() held {
	runtime.GC() //nolint:revive // what is left after it is what is held

	var memory runtime.MemStats

	runtime.ReadMemStats(&memory)

	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		entries = nil
	}

	return held{
		goroutines:  runtime.NumGoroutine(),
		descriptors: len(entries),
		heap:        int64(memory.HeapAlloc), //nolint:gosec // no heap is that large
	}
}
