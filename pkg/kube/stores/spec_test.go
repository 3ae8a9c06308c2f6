package stores

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestValidate(t *testing.T) {
	t.Parallel()

	kind := corev1.SchemeGroupVersion.WithKind("Secret")
	trim := Trim{Name: "nothing", Do: func(client.Object) {}}

	tests := map[string]struct {
		spec Spec
		want string // empty: it is fine
	}{
		"full":                  {Spec{Kind: kind, Resource: "secrets", Depth: Full}, ""},
		"slim":                  {Spec{Kind: kind, Resource: "secrets", Depth: Slim, Trim: trim}, ""},
		"metadata":              {Spec{Kind: kind, Resource: "secrets", Depth: MetadataOnly}, ""},
		"trimmed metadata":      {Spec{Kind: kind, Resource: "secrets", Depth: MetadataOnly, Trim: trim}, ""},
		"versions":              {Spec{Kind: kind, Resource: "secrets", Depth: VersionOnly}, ""},
		"nothing":               {Spec{}, "no kind or no resource"},
		"no kind":               {Spec{Resource: "secrets", Depth: Full}, "no kind or no resource"},
		"no resource":           {Spec{Kind: kind, Depth: Full}, "no kind or no resource"},
		"no depth":              {Spec{Kind: kind, Resource: "secrets"}, `unknown depth ""`},
		"unknown depth":         {Spec{Kind: kind, Resource: "secrets", Depth: "deep"}, `unknown depth "deep"`},
		"slim without a trim":   {Spec{Kind: kind, Resource: "secrets", Depth: Slim}, "takes a Trim"},
		"full with a trim":      {Spec{Kind: kind, Resource: "secrets", Depth: Full, Trim: trim}, "full takes no Trim"},
		"versions with a trim":  {Spec{Kind: kind, Resource: "secrets", Depth: VersionOnly, Trim: trim}, "version takes no Trim"},
		"a trim without a name": {Spec{Kind: kind, Resource: "secrets", Depth: Slim, Trim: Trim{Do: trim.Do}}, "a name and a function"},
		"a name without a trim": {Spec{Kind: kind, Resource: "secrets", Depth: Full, Trim: Trim{Name: "x"}}, "a name and a function"},
		"a name only, metadata": {Spec{Kind: kind, Resource: "secrets", Depth: MetadataOnly, Trim: Trim{Name: "x"}}, "a name and a function"},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			err := test.spec.Validate()
			if test.want == "" && err != nil {
				t.Errorf("Validate = %v", err)
			}

			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("Validate = %v, want %q", err, test.want)
			}
		})
	}
}
