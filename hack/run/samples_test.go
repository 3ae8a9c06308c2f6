package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

func TestReadSamples(t *testing.T) {
	const stream = `
apiVersion: v1
kind: Namespace
metadata:
  name: plain
---
apiVersion: tenant.kubesphere.io/v1beta1
kind: WorkspaceTemplate
metadata:
  name: good
---
apiVersion: tenant.kubesphere.io/v1beta1
kind: WorkspaceTemplate
metadata:
  name: broken
  annotations:
    samples.ks.kubesphere.io/expect: False/InvalidMetadata
`

	got, err := readSamples(strings.NewReader(stream), func(kind schema.GroupVersionKind) (bool, error) {
		return kind.Kind == "WorkspaceTemplate", nil
	})
	if err != nil {
		t.Fatalf("reading: %v", err)
	}

	kind := schema.GroupVersionKind{Group: "tenant.kubesphere.io", Version: "v1beta1", Kind: "WorkspaceTemplate"}
	want := []sample{
		{kind: kind, key: types.NamespacedName{Name: "good"}, want: expectation{status: "True"}},
		{
			kind: kind, key: types.NamespacedName{Name: "broken"},
			want: expectation{status: "False", reason: "InvalidMetadata"},
		},
	}

	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sample{}, expectation{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseExpectationRefuses(t *testing.T) {
	for _, text := range []string{"Broken", "/Reason", "true"} {
		if got, err := parseExpectation(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestRowOf(t *testing.T) {
	ready := expectation{status: "True"}
	broken := expectation{status: "False", reason: "Invalid"}

	for _, test := range []struct {
		name      string
		want      expectation
		condition map[string]any
		expected  bool
		problem   string
	}{
		{name: "ready", want: ready, condition: condition("True", "Fine", 2), expected: true},
		{name: "broken on purpose", want: broken, condition: condition("False", "Invalid", 2), expected: true},
		{
			name: "of an older generation", want: ready, condition: condition("True", "Fine", 1),
			problem: "Thing it: Ready is True (Fine) for an older generation; want True",
		},
		{
			name: "not ready", want: ready, condition: condition("False", "Missing", 2),
			problem: "Thing it: Ready is False (Missing): because; want True",
		},
		{
			name: "broken in another way", want: broken, condition: condition("False", "Missing", 2),
			problem: "Thing it: Ready is False (Missing): because; want False (Invalid)",
		},
		{
			name: "no condition", want: ready, condition: map[string]any{"type": "Stalled"},
			problem: "Thing it: has no condition Ready; want True",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			object := &unstructured.Unstructured{Object: map[string]any{
				"status": map[string]any{"conditions": []any{test.condition}},
			}}
			object.SetGeneration(2)

			got := rowOf(sample{
				kind: schema.GroupVersionKind{Kind: "Thing"}, key: types.NamespacedName{Name: "it"}, want: test.want,
			}, object)

			if got.asExpected() != test.expected {
				t.Fatalf("as expected: %t, want %t: %s", got.asExpected(), test.expected, got.problem())
			}

			if !test.expected && got.problem() != test.problem {
				t.Errorf("the problem is\n%s\nwant\n%s", got.problem(), test.problem)
			}
		})
	}
}

func condition(status, reason string, generation int64) map[string]any {
	return map[string]any{
		"type": "Ready", "status": status, "reason": reason, "message": "because", "observedGeneration": generation,
	}
}
