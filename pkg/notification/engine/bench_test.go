package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/utils/clock"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
)

// benchEngine is an engine on a real disk that waits for it.
func benchEngine(b *testing.B, settings Settings) *Engine {
	b.Helper()

	kept, _, err := store.Open(filepath.Join(b.TempDir(), "store"), time.Now(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}

	made := New(Options{
		Store: kept, Clock: clock.RealClock{}, Random: func() float64 { return 0.5 }, Abreast: 64, Grace: time.Second,
	})
	ctx, cancel := context.WithCancel(b.Context())

	var running sync.WaitGroup

	running.Go(func() {
		if err := made.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(func() {
		cancel()
		running.Wait()

		if err := kept.Close(); err != nil {
			b.Error(err)
		}
	})

	if err := made.Configure(ctx, settings); err != nil {
		b.Fatal(err)
	}

	return made
}

func batch(from, size, of int) []alert.Alert {
	alerts := make([]alert.Alert, size)
	for i := range alerts {
		number := (from + i) % of
		alerts[i] = alert.Alert{
			StartsAt: time.Now(),
			Labels: labels.FromStrings("alertname", fmt.Sprint("down-", number%1000), "namespace", "shop",
				"cluster", "one", "pod", strconv.Itoa(number), "severity", "critical", "job", "web",
				"instance", "10.0.0.1:80", "alerttype", "metric"),
			Annotations: labels.FromStrings("summary", "a pod is down", "runbook", "http://runbooks/down"),
		}
	}

	return alerts
}

// BenchmarkIngest posts batches of a hundred, by many clients at once, each waiting for the disk.
func BenchmarkIngest(b *testing.B) {
	const size, clients, distinct = 100, 16, 20_000

	ops := &provider{}
	made := benchEngine(b, grouped())

	if err := made.PutReceiver(b.Context(), receiverOf("ops", ops)); err != nil {
		b.Fatal(err)
	}

	batches := make([][]alert.Alert, distinct/size)
	for i := range batches {
		batches[i] = batch(i*size, size, distinct)
	}

	b.ResetTimer()
	b.SetParallelism(clients)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if err := made.Ingest(b.Context(), batches[i%len(batches)]); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "alerts/s")
}

// BenchmarkMemory holds a hundred thousand alerts in ten thousand groups.
func BenchmarkMemory(b *testing.B) {
	const size, alerts = 1000, 100_000

	ops := &provider{}
	made := benchEngine(b, grouped())

	if err := made.PutReceiver(b.Context(), receiverOf("ops", ops)); err != nil {
		b.Fatal(err)
	}

	before := heap()
	routines := runtime.NumGoroutine()

	for b.Loop() {
		for i := 0; i < alerts; i += size {
			if err := made.Ingest(b.Context(), batch(i, size, alerts)); err != nil {
				b.Fatal(err)
			}
		}
	}

	b.ReportMetric(float64(heap()-before)/alerts, "B/alert")
	b.ReportMetric(float64(runtime.NumGoroutine()-routines), "goroutines")
}

func heap() uint64 {
	runtime.GC() //nolint:revive // what is counted is what is left
	runtime.GC() //nolint:revive // the first may leave what had been marked already

	var stats runtime.MemStats

	runtime.ReadMemStats(&stats)

	return stats.HeapAlloc
}
