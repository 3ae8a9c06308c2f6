package follow

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"

	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
)

// A Secret of which a version is told while it is read for the first time is read again if it is another one.
func TestToldWhileFirstRead(t *testing.T) {
	t.Parallel()

	ref := resolve.Reference{Kind: resolve.KindSecret, Namespace: "vault", Name: "a"}

	for name, test := range map[string]struct {
		told, want string
		changed    []resolve.Reference
		reads      int
	}{
		"a later version": {"2", "token 2", []resolve.Reference{ref}, 2},
		"the same":        {"1", "token 1", nil, 1},
		"it is gone":      {"", "token 2", []resolve.Reference{ref}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var (
				s       *sources
				changed []resolve.Reference
				reads   int
			)

			client := fake.NewClientset()
			client.PrependReactor("get", "secrets", func(kubetesting.Action) (bool, runtime.Object, error) {
				reads++
				if reads == 1 {
					s.seen(ref, test.told)

					return true, version("1"), nil
				}

				return true, version("2"), nil
			})

			s = newSources(t.Context(), client, nil, func(one resolve.Reference) {
				changed = append(changed, one)
			}, func(string, string) {})

			if found, err := s.get(ref); err != nil || found.secret["token"].Reveal() != "token 1" {
				t.Fatalf("first read: %v, %v", found, err)
			}

			if woken := len(s.some) > 0; woken != (test.reads > 1) {
				t.Errorf("woken: %v", woken)
			}

			s.refresh()

			found, err := s.get(ref)
			if err != nil || found.secret["token"].Reveal() != test.want || reads != test.reads {
				t.Errorf("kept after %d reads: %v, %v, want %s after %d", reads, found, err, test.want, test.reads)
			}

			if diff := cmp.Diff(test.changed, changed); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func version(of string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "vault", Name: "a", ResourceVersion: of},
		Data:       map[string][]byte{"token": []byte("token " + of)},
	}
}
