package notification_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"
)

// BenchmarkLatency posts one alert after the other, each in a group of its own, and measures until its message is at
// the provider: through HTTP, the disk, and HTTP again.
func BenchmarkLatency(b *testing.B) {
	w := newWorld(b, "latency", nil)
	arrived := make(chan string, 1)

	w.webhook("sink", serve(b, http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		var body struct {
			Alerts []struct {
				Labels map[string]string `json:"labels"`
			} `json:"alerts"`
		}

		if json.NewDecoder(request.Body).Decode(&body) == nil && len(body.Alerts) > 0 {
			arrived <- body.Alerts[0].Labels["pod"]
		}
	})))
	w.start()

	var took []time.Duration

	for i := 0; b.Loop(); i++ {
		pod := strconv.Itoa(i)
		start := time.Now()

		if err := w.post("down-"+pod, pod); err != nil {
			b.Fatal(err)
		}

		for <-arrived != pod {
			continue
		}

		took = append(took, time.Since(start))
	}

	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
