package promql

import "testing"

// BenchmarkParse is the part of BenchmarkConfine that is the parser's: once for what was written, once for the proof.
func BenchmarkParse(b *testing.B) {
	l := language(b)

	b.ReportAllocs()

	for b.Loop() {
		if _, err := l.parse(benchmarked); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConfine(b *testing.B) {
	l, enforcement := language(b), enforce(b, false, OneOf("namespace", "mine"))

	b.ReportAllocs()

	for b.Loop() {
		if _, err := l.Confine(benchmarked, enforcement); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProve(b *testing.B) {
	l, enforcement := language(b), enforce(b, false)

	written, err := l.parse(benchmarked)
	if err != nil {
		b.Fatal(err)
	}

	b.ReportAllocs()

	for b.Loop() {
		if err := prove(written, written, enforcement); err != nil {
			b.Fatal(err)
		}
	}
}

const benchmarked = `sum by (pod) (rate(container_cpu_usage_seconds_total{container!="",image=~"shop/.*"}[5m])) > 0.8`
