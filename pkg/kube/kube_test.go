package kube_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

func TestPaused(t *testing.T) {
	t.Parallel()

	for value, want := range map[string]bool{"true": true, "True": false, "yes": false, "": false, "false": false} {
		obj := &corev1.Namespace{}
		obj.Annotations = map[string]string{kube.PausedAnnotation: value}

		if got := kube.Paused(obj); got != want {
			t.Errorf("Paused with %q = %v; want %v", value, got, want)
		}
	}

	if kube.Paused(&corev1.Namespace{}) {
		t.Error("Paused without annotations = true")
	}
}

func TestFieldOwner(t *testing.T) {
	t.Parallel()

	const limit = 128

	cases := map[string]struct{ controller, want string }{
		"short":       {"workspace", "ks-controller-manager/workspace"},
		"long":        {strings.Repeat("a", limit), "ks-controller-manager/" + strings.Repeat("a", limit-22)},
		"split runes": {strings.Repeat("a", limit-23) + "ä", "ks-controller-manager/" + strings.Repeat("a", limit-23)},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := string(kube.FieldOwner(tc.controller))
			if got != tc.want {
				t.Errorf("FieldOwner = %q; want %q", got, tc.want)
			}

			if len(got) > limit || !utf8.ValidString(got) {
				t.Errorf("FieldOwner has %d bytes, valid: %v", len(got), utf8.ValidString(got))
			}
		})
	}
}
