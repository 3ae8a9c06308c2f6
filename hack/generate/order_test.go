package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every order of the same properties becomes one, and nothing else moves.
func TestPropertiesAreOrdered(t *testing.T) {
	const (
		head = "spec:\n  zeta: 1\n  alpha: 2\n  schema:\n    properties:\n"
		spec = "      spec:\n        description: |-\n          two\n\n          parts: of it\n        properties:\n"
		one  = "          load1m:\n            type: number\n"
		five = "          load5m:\n            type: number\n"
		many = "          load15m:\n            items:\n              properties:\n"
		b, a = "                b: {}\n", "                a: {}\n"
		more = "        type: object\n"
		kind = "      kind:\n        type: string\n"
		tail = "    type: object\n"
	)

	want := head + kind + spec + many + a + b + one + five + more + tail

	for name, content := range map[string]string{
		"as it should be": want,
		"turned around":   head + spec + five + one + many + b + a + more + kind + tail,
		"by number":       head + kind + spec + one + five + many + a + b + more + tail,
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, ordered(content)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
