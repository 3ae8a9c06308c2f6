// Package servingcert keeps the certificate that a webhook serves with, without anybody's help: an authority in a
// Secret, which all replicas share, and for each process a certificate of its own, which no other ever sees. Both are
// renewed long before they end, and nothing is served that clients were not told to trust before.
package servingcert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// Period is how often a keeper looks whether all is as it should be.
const Period = time.Minute

// spreading is how long everybody is given to learn of a new authority before a certificate of it replaces one that is
// still good.
const spreading = 5 * time.Minute

// Secrets are those of one namespace.
type Secrets interface {
	Get(ctx context.Context, name string, options metav1.GetOptions) (*corev1.Secret, error)
	Update(ctx context.Context, secret *corev1.Secret, options metav1.UpdateOptions) (*corev1.Secret, error)
}

// Publish tells clients whom to trust. It is called often, and writes only what is not there yet.
type Publish func(ctx context.Context, bundle []byte) error

// Keeper keeps the certificate of one process.
type Keeper struct {
	secrets Secrets
	name    string
	hosts   []string
	publish Publish
	clock   clock.Clock

	current atomic.Pointer[tls.Certificate]
}

// New makes a keeper with the name of its Secret and the names and addresses, at least one, that clients call by.
func New(secrets Secrets, name string, hosts []string, publish Publish, clock clock.Clock) *Keeper {
	return &Keeper{secrets: secrets, name: name, hosts: hosts, publish: publish, clock: clock}
}

// ErrNotReady says that there is no certificate yet.
var ErrNotReady = errors.New("there is no certificate yet")

// Certificate is what tls.Config asks for at each connection.
func (k *Keeper) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if err := k.Ready(); err != nil {
		return nil, err
	}

	return k.current.Load(), nil
}

// Ready says what is missing to serve.
func (k *Keeper) Ready() error {
	current := k.current.Load()
	if current == nil || !current.Leaf.NotAfter.After(k.clock.Now()) {
		return ErrNotReady
	}

	return nil
}

// Run keeps the certificate until the context ends. What fails is tried again; what is served stays.
func (k *Keeper) Run(ctx context.Context) {
	logger, failing := klog.FromContext(ctx).WithValues("secret", k.name), false

	for {
		err := k.Ensure(ctx)

		switch {
		case err != nil && ctx.Err() == nil && !failing:
			logger.Error(err, "the certificate cannot be kept; trying again", "period", Period)
		case err == nil && failing:
			logger.Info("the certificate is kept again")
		}

		failing = err != nil

		select {
		case <-ctx.Done():
			return
		case <-k.clock.After(Period):
		}
	}
}

// Ensure looks once: the authority is there and lasts, clients trust it, and the certificate is of it.
func (k *Keeper) Ensure(ctx context.Context) error {
	signer, err := k.authority(ctx)
	if err != nil {
		return err
	}

	if err := k.publish(ctx, signer.bundle()); err != nil {
		return fmt.Errorf("tell clients whom to trust: %w", err)
	}

	now := k.clock.Now()
	if current := k.current.Load(); current != nil && !outdated(current, signer, now) {
		return nil
	}

	issued, err := signer.issue(k.hosts, now)
	if err != nil {
		return err
	}

	k.current.Store(issued)

	return nil
}

// outdated tells that a certificate is to be replaced.
func outdated(current *tls.Certificate, signer *authority, now time.Time) bool {
	switch {
	case !signer.trusts(current, now):
		return true
	case signer.issued(current):
		return isLate(current.Leaf, now)
	default:
		return now.After(signer.trusted[0].NotBefore.Add(skew + spreading))
	}
}

// authority is that of the Secret, or a new one where it has none that can be used or lasts. The Secret itself is made
// by somebody else: who may make Secrets can have one filled with the token of any account of the namespace.
func (k *Keeper) authority(ctx context.Context) (*authority, error) {
	secret, err := k.secrets.Get(ctx, k.name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w; the manifest that gives the right to it makes it, empty", err)
	}

	known, err := readAuthority(secret.Data)
	if err != nil {
		klog.FromContext(ctx).Info("The Secret has no authority; making one", "secret", k.name, "reason", err.Error())

		return k.renew(ctx, secret, nil)
	}

	if known.expires(k.clock.Now()) {
		return k.renew(ctx, secret, known.trusted)
	}

	return known, nil
}

func (k *Keeper) renew(
	ctx context.Context, secret *corev1.Secret, before []*x509.Certificate,
) (*authority, error) {
	made, data, err := k.make(before)
	if err != nil {
		return nil, err
	}

	renewed := secret.DeepCopy()
	if renewed.Data == nil {
		renewed.Data = map[string][]byte{}
	}

	maps.Copy(renewed.Data, data)

	_, err = k.secrets.Update(ctx, renewed, metav1.UpdateOptions{})

	return k.agreed(ctx, made, err)
}

func (k *Keeper) make(before []*x509.Certificate) (*authority, map[string][]byte, error) {
	made, err := newAuthority(k.name, before, k.clock.Now())
	if err != nil {
		return nil, nil, err
	}

	data, err := made.encode()

	return made, data, err
}

// agreed is the authority that was written, or that of a replica that was faster.
func (k *Keeper) agreed(ctx context.Context, made *authority, err error) (*authority, error) {
	if err == nil {
		return made, nil
	}

	if !apierrors.IsConflict(err) {
		return nil, fmt.Errorf("write the authority: %w", err)
	}

	secret, err := k.secrets.Get(ctx, k.name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the authority of another replica: %w", err)
	}

	other, err := readAuthority(secret.Data)
	if err != nil {
		return nil, fmt.Errorf("read the authority of another replica: %w", err)
	}

	return other, nil
}

// Same tells whether two bundles are the same, whatever is around the certificates.
func Same(a, b []byte) bool { return bytes.Equal(bytes.TrimSpace(a), bytes.TrimSpace(b)) }
