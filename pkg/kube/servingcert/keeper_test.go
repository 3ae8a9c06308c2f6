package servingcert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	clocktesting "k8s.io/utils/clock/testing"
)

const secretName, host = "ca", "hooks.system.svc"

// world has what the replicas of a webhook share.
type world struct {
	secrets Secrets
	clock   *clocktesting.FakeClock
	trusted []byte
	refuses error
}

func newWorld() *world {
	return &world{
		secrets: fake.NewClientset(&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: secretName},
		}).CoreV1().Secrets("system"),
		clock: clocktesting.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
}

func (w *world) replica() *Keeper {
	publish := func(_ context.Context, bundle []byte) error {
		if w.refuses != nil {
			return w.refuses
		}

		w.trusted = bytes.Clone(bundle)

		return nil
	}

	return New(w.secrets, secretName, []string{host, "127.0.0.1"}, publish, w.clock)
}

func ensure(t *testing.T, keepers ...*Keeper) {
	t.Helper()

	for _, keeper := range keepers {
		if err := keeper.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// served is the certificate that a client gets, which it must be able to trust.
func (w *world) served(t *testing.T, keeper *Keeper) *x509.Certificate {
	t.Helper()

	certificate, err := keeper.Certificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}

	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(w.trusted) {
		t.Fatal("clients trust nobody")
	}

	for _, name := range []string{host, "127.0.0.1"} {
		_, err := certificate.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: w.clock.Now()})
		if err != nil {
			t.Errorf("at %s: %v", w.clock.Now(), err)
		}
	}

	return certificate.Leaf
}

func TestReplicasShareAnAuthorityAndNoCertificate(t *testing.T) {
	w := newWorld()
	first, second := w.replica(), w.replica()

	if err := first.Ready(); !errors.Is(err, ErrNotReady) {
		t.Errorf("ready before there is a certificate: %v", err)
	}

	ensure(t, first)

	trusted := w.trusted

	ensure(t, second)

	if !bytes.Equal(trusted, w.trusted) {
		t.Error("the second replica has an authority of its own")
	}

	if w.served(t, first).Equal(w.served(t, second)) {
		t.Error("two processes have the same certificate, so the same key")
	}
}

// For three years, looked at every second day, each replica serves at any time what clients trust, and nothing that
// lasts is renewed.
func TestTimePasses(t *testing.T) {
	w := newWorld()
	first, second := w.replica(), w.replica()
	ensure(t, first, second)

	certificates, authorities := map[string]bool{}, map[string]bool{}

	for range 3 * 365 / 2 {
		w.clock.Step(48 * time.Hour)

		// The one that has not looked yet must be trusted too.
		ensure(t, first)
		certificates[w.served(t, first).SerialNumber.String()] = true
		w.served(t, second)
		ensure(t, second)

		read, err := readCertificates(w.trusted)
		if err != nil {
			t.Fatal(err)
		}

		if len(read) > 2 {
			t.Fatalf("%d authorities are trusted", len(read))
		}

		authorities[read[0].SerialNumber.String()] = true
	}

	if len(authorities) < 4 || len(authorities) > 6 || len(certificates) < 50 || len(certificates) > 65 {
		t.Errorf("%d authorities and %d certificates in three years", len(authorities), len(certificates))
	}
}

// A certificate that is good stays until everybody knows the new authority.
func TestNewAuthorityIsKnownBeforeItIsUsed(t *testing.T) {
	w := newWorld()
	keeper := w.replica()
	ensure(t, keeper)

	// Late in the life of the authority, with a certificate that is not late.
	w.clock.Step(authorityLife/3*2 - skew)
	ensure(t, keeper)
	before := w.served(t, keeper)

	w.clock.Step(2 * skew)
	ensure(t, keeper)

	if !w.served(t, keeper).Equal(before) {
		t.Error("the new authority is used at once")
	}

	w.clock.Step(2 * spreading)
	ensure(t, keeper)

	if w.served(t, keeper).Equal(before) {
		t.Error("the new authority is not used")
	}
}

func TestWhatIsNotPublishedIsNotServed(t *testing.T) {
	w := newWorld()
	keeper := w.replica()
	w.refuses = errors.New("forbidden")

	if err := keeper.Ensure(t.Context()); !errors.Is(err, w.refuses) {
		t.Errorf("got %v", err)
	}

	if err := keeper.Ready(); !errors.Is(err, ErrNotReady) {
		t.Errorf("serves although nobody trusts it: %v", err)
	}
}

// Whatever somebody does to the Secret, it is an authority again, and its other keys stay.
func TestBrokenSecrets(t *testing.T) {
	good := func() map[string][]byte {
		made, err := newAuthority("x", nil, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}

		data, err := made.encode()
		if err != nil {
			t.Fatal(err)
		}

		return data
	}

	mixed := good()
	mixed[privateKey] = good()[privateKey]

	for name, data := range map[string]map[string][]byte{
		"empty":              nil,
		"no key":             {bundleKey: good()[bundleKey]},
		"no certificate":     {privateKey: good()[privateKey]},
		"another's key":      mixed,
		"garbage":            {bundleKey: []byte("x"), privateKey: []byte("y")},
		"garbage in a block": {bundleKey: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()

			data := maps.Clone(data)
			if data == nil {
				data = map[string][]byte{}
			}

			data["note"] = []byte("mine")

			_, err := w.secrets.Update(t.Context(), &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: secretName}, Data: data,
			}, metav1.UpdateOptions{})
			if err != nil {
				t.Fatal(err)
			}

			keeper := w.replica()
			ensure(t, keeper)
			w.served(t, keeper)

			secret, err := w.secrets.Get(t.Context(), secretName, metav1.GetOptions{})
			if err != nil || string(secret.Data["note"]) != "mine" {
				t.Errorf("got %v, %v", slices.Sorted(maps.Keys(secret.Data)), err)
			}
		})
	}
}

// outrun is a Secret that another replica writes just before this one does.
type outrun struct {
	Secrets

	other func()
}

func (o *outrun) Update(
	_ context.Context, secret *corev1.Secret, _ metav1.UpdateOptions,
) (*corev1.Secret, error) {
	o.other()

	return nil, apierrors.NewConflict(corev1.Resource("secrets"), secret.Name, errors.New("it was written"))
}

func TestFasterReplicaWins(t *testing.T) {
	w := newWorld()
	other := w.replica()
	first := func() { ensure(t, other) }
	slow := New(&outrun{Secrets: w.secrets, other: first}, secretName, []string{host, "127.0.0.1"},
		func(_ context.Context, bundle []byte) error {
			if !Same(w.trusted, bundle) {
				t.Error("the slow replica tells of an authority of its own")
			}

			return nil
		}, w.clock)

	ensure(t, slow)
	w.served(t, slow)
}

// Without the Secret nothing can be served, and the reason says what to do.
func TestMissingSecret(t *testing.T) {
	w := newWorld()
	w.secrets = fake.NewClientset().CoreV1().Secrets("system")

	err := w.replica().Ensure(t.Context())
	if !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), "manifest") {
		t.Errorf("got %v", err)
	}
}
