package features_test

import (
	"strings"
	"testing"

	"k8s.io/component-base/featuregate"

	"github.com/ks-core/ks-controller-manager/pkg/features"
)

func newGates(t *testing.T) features.Gates {
	t.Helper()

	gates, err := features.New()
	if err != nil {
		t.Fatal(err)
	}

	return gates
}

func TestSet(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		value string
		want  map[featuregate.Feature]bool
		fails string
	}{
		"nothing": {
			value: "",
			want:  map[featuregate.Feature]bool{features.Workspace: true, features.WorkspaceTemplate: true},
		},
		"one off": {
			value: "WorkspaceTemplate=false",
			want:  map[featuregate.Feature]bool{features.Workspace: true, features.WorkspaceTemplate: false},
		},
		"all beta off": {
			value: "AllBeta=false",
			want:  map[featuregate.Feature]bool{features.Workspace: false, features.WorkspaceTemplate: false},
		},
		"spaces and a trailing comma": {
			value: " Workspace=true , WorkspaceTemplate=false, ",
			want:  map[featuregate.Feature]bool{features.Workspace: true, features.WorkspaceTemplate: false},
		},
		"unknown": {
			value: "WorkspceTemplate=true",
			fails: `unknown feature gate "WorkspceTemplate"; did you mean "WorkspaceTemplate"`,
		},
		"no value":           {value: "Workspace", fails: "want Name=true or Name=false"},
		"not a bool":         {value: "Workspace=maybe", fails: `Workspace="maybe": want true or false`},
		"dependency missing": {value: "Workspace=false", fails: "WorkspaceTemplate"},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			gates := newGates(t)

			err := features.Set(gates, test.value)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Fatalf("Set(%q) = %v, want an error with %q", test.value, err, test.fails)
				}

				if !gates.Enabled(features.Workspace) || !gates.Enabled(features.WorkspaceTemplate) {
					t.Error("a refused value changed the gates")
				}

				return
			}

			if err != nil {
				t.Fatalf("Set(%q): %v", test.value, err)
			}

			for feature, want := range test.want {
				if got := gates.Enabled(feature); got != want {
					t.Errorf("after Set(%q): %s = %t, want %t", test.value, feature, got, want)
				}
			}
		})
	}
}
