package suggest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/suggest"
)

func TestNearest(t *testing.T) {
	t.Parallel()

	known := []string{"tenancy", "workspace", "workspace-template", "rulegroup"}

	tests := map[string]struct {
		name string
		want []string
	}{
		"one letter off":     {name: "workspce", want: []string{"workspace"}},
		"swapped separator":  {name: "workspacetemplate", want: []string{"workspace-template", "workspace"}},
		"other case":         {name: "RuleGroup", want: []string{"rulegroup"}},
		"part of a name":     {name: "template", want: []string{"workspace-template"}},
		"nothing alike":      {name: "zzzzzzzzz", want: []string{}},
		"empty":              {name: "", want: []string{"tenancy", "rulegroup", "workspace"}},
		"longer than others": {name: "tenancy-controller-of-mine", want: []string{}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(test.want, suggest.Nearest(test.name, known)); diff != "" {
				t.Errorf("Nearest(%q) (-want +got):\n%s", test.name, diff)
			}
		})
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()

	known := []string{"b", "a"}

	tests := map[string]struct{ name, want string }{
		"near":    {name: "A", want: `; did you mean "a"?`},
		"nothing": {name: "zzz", want: "; known are a, b"},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if got := suggest.Sentence(test.name, known); got != test.want {
				t.Errorf("Sentence(%q) = %q, want %q", test.name, got, test.want)
			}
		})
	}
}
