package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestManagersOf(t *testing.T) {
	got := managersOf([]unstructured.Unstructured{
		template("payments", "alice", "True"),
		template("broken", "carol", "False"),
		template("nobodys", "", "True"),
	})

	if diff := cmp.Diff(map[string]string{"payments": "alice"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGrantsOf(t *testing.T) {
	got := grantsOf("alice", map[string]string{"payments": "alice", "research": "bob"})
	want := []grant{
		{verb: "get", workspace: "payments", allowed: true},
		{verb: "update", workspace: "payments", allowed: true},
		{verb: "delete", workspace: "payments"},
		{verb: "get", workspace: "research"},
		{verb: "update", workspace: "research"},
		{verb: "delete", workspace: "research"},
		{verb: "get", workspace: "somebody-elses"},
		{verb: "update", workspace: "somebody-elses"},
		{verb: "delete", workspace: "somebody-elses"},
	}

	if diff := cmp.Diff(want, got, cmp.AllowUnexported(grant{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCompareCounts(t *testing.T) {
	namespaces := []unstructured.Unstructured{
		namespace("api", "payments"), namespace("web", "payments"), namespace("default", ""),
	}

	for _, test := range []struct {
		name       string
		workspaces []unstructured.Unstructured
		want       string // of the error
	}{
		{name: "right", workspaces: []unstructured.Unstructured{workspace("payments", 2), workspace("research", 0)}},
		{
			name:       "too few",
			workspaces: []unstructured.Unstructured{workspace("payments", 1)},
			want:       "workspace payments counts 1 namespaces of 2",
		},
		{
			name:       "nothing to count",
			workspaces: []unstructured.Unstructured{workspace("research", 0)},
			want:       "there is no workspace with a namespace",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := compareCounts(test.workspaces, namespaces)

			switch {
			case test.want == "" && err != nil:
				t.Errorf("failed: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func template(name, manager, ready string) unstructured.Unstructured {
	return named(name, map[string]any{
		"spec":   map[string]any{"template": map[string]any{"spec": map[string]any{"manager": manager}}},
		"status": map[string]any{"conditions": []any{condition(ready, "Fine", 1)}},
	})
}

func workspace(name string, namespaces int64) unstructured.Unstructured {
	return named(name, map[string]any{"status": map[string]any{"namespaceCount": namespaces}})
}

func namespace(name, workspace string) unstructured.Unstructured {
	object := named(name, map[string]any{})
	if workspace != "" {
		object.SetLabels(map[string]string{workspaceLabel: workspace})
	}

	return object
}

func named(name string, content map[string]any) unstructured.Unstructured {
	object := unstructured.Unstructured{Object: content}
	object.SetName(name)

	return object
}
