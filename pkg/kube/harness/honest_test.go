package harness_test

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
)

const finalizer = "test.kubesphere.io/role"

// honest keeps every promise. Its hooks are where saboteurs come in.
type honest struct {
	harness.Environment

	applier *kube.Applier

	// finalized is called after the finalizer was added.
	finalized func(context.Context, *widget) error
	// shown tells that a child needs no look, whatever it is like.
	shown func(client.Object) bool
	// found is asked about the source.
	found func(*widget, bool) bool
	// observed returns the generation to report.
	observed func(*widget) int64
	// before and after are called around a run with a living widget.
	before, after func(context.Context, *widget) error
	// keepRole and keepFinalizer leave a deletion unfinished.
	keepRole, keepFinalizer bool
}

func newHonest(environment harness.Environment) *honest {
	nothing := func(context.Context, *widget) error { return nil }

	return &honest{
		Environment: environment,
		applier:     kube.NewApplier(environment.Client, kube.FieldOwner("widget")),
		finalized:   nothing,
		shown:       func(client.Object) bool { return false },
		found:       func(_ *widget, is bool) bool { return is },
		observed:    func(w *widget) int64 { return w.Generation },
		before:      nothing,
		after:       nothing,
	}
}

// Reconcile implements reconcile.Reconciler.
func (r *honest) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var w widget
	if err := r.Client.Get(ctx, request.NamespacedName, &w); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}

	return kube.Result(r.reconcile(ctx, &w))
}

func (r *honest) reconcile(ctx context.Context, w *widget) error {
	if w.DeletionTimestamp != nil {
		return r.finish(ctx, w)
	}

	if kube.Paused(w) {
		return r.report(ctx, w, kube.Report{State: kube.StatePaused})
	}

	added, err := kube.AddFinalizer(ctx, r.Client, w, finalizer)
	if err != nil {
		return err
	}

	if added {
		return r.finalized(ctx, w)
	}

	if err := r.before(ctx, w); err != nil {
		return err
	}

	report, failure := r.work(ctx, w)

	return errors.Join(failure, r.report(ctx, w, report), r.after(ctx, w))
}

// work brings the children up and says how that went.
func (r *honest) work(ctx context.Context, w *widget) (kube.Report, error) {
	if w.Spec.Size < 0 {
		err := kube.Stalled("InvalidSize", errors.New("the size is negative"))

		return kube.Report{State: kube.StateStalled, Reason: "InvalidSize", Message: err.Error()}, err
	}

	source, err := r.source(ctx, w)
	if err != nil {
		return kube.Report{State: kube.StateFailed, Message: err.Error()}, err
	}

	if !r.found(w, source != nil) {
		return kube.Report{State: kube.StateProgressing, Reason: "NoSource", Message: "waiting for the source"}, nil
	}

	if err := r.children(ctx, w, source); err != nil {
		return kube.Report{State: kube.StateFailed, Message: err.Error()}, err
	}

	return kube.Report{State: kube.StateReady}, nil
}

func (r *honest) source(ctx context.Context, w *widget) (*corev1.ConfigMap, error) {
	source := &corev1.ConfigMap{}

	err := r.Client.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: w.Spec.Source}, source)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // Absence is an answer.
	}

	if err != nil {
		return nil, fmt.Errorf("reading the source: %w", err)
	}

	return source, nil
}

func (r *honest) children(ctx context.Context, w *widget, source *corev1.ConfigMap) error {
	secret, role := &corev1.Secret{}, &rbacv1.ClusterRole{}

	cachedSecret, err := r.child(ctx, client.ObjectKeyFromObject(w), secret)
	if err != nil {
		return err
	}

	cachedRole, err := r.child(ctx, client.ObjectKey{Name: roleName(w)}, role)
	if err != nil {
		return err
	}

	if cachedSecret == nil || !r.shown(cachedSecret) {
		if _, err := r.applier.Apply(ctx, cachedSecret, secretOf(w, source)); err != nil {
			return fmt.Errorf("making the secret: %w", err)
		}
	}

	changed, err := r.applier.Apply(ctx, cachedRole, roleOf(w))
	if err != nil {
		return fmt.Errorf("making the role: %w", err)
	}

	if changed {
		r.Recorder.Eventf(w, nil, corev1.EventTypeNormal, "RoleApplied", "Apply", "the role is %s", roleName(w))
	}

	return nil
}

// child returns what is there, nil for nothing.
func (r *honest) child(ctx context.Context, key client.ObjectKey, into client.Object) (client.Object, error) {
	err := r.Client.Get(ctx, key, into)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // Absence is an answer.
	}

	if err != nil {
		return nil, fmt.Errorf("reading a child: %w", err)
	}

	return into, nil
}

func roleName(w *widget) string {
	return "widget:" + w.Namespace + ":" + w.Name
}

func secretOf(w *widget, source *corev1.ConfigMap) *corev1ac.SecretApplyConfiguration {
	data := map[string][]byte{}
	for key, value := range source.Data {
		data[key] = []byte(value)
	}

	return corev1ac.Secret(w.Name, w.Namespace).
		WithOwnerReferences(metav1ac.OwnerReference().WithAPIVersion("test.kubesphere.io/v1").
			WithKind("Widget").WithName(w.Name).WithUID(w.UID)).
		WithLabels(w.Spec.Labels).
		WithLabels(map[string]string{"widget": "yes"}).
		WithData(data)
}

func roleOf(w *widget) *rbacv1ac.ClusterRoleApplyConfiguration {
	return rbacv1ac.ClusterRole(roleName(w)).
		WithRules(rbacv1ac.PolicyRule().WithAPIGroups("").WithResources("secrets").
			WithResourceNames(w.Name).WithVerbs(w.Spec.Verbs...))
}

// finish removes the role, which has no owner, and then the finalizer.
func (r *honest) finish(ctx context.Context, w *widget) error {
	if r.keepFinalizer {
		return nil
	}

	role, err := r.child(ctx, client.ObjectKey{Name: roleName(w)}, &rbacv1.ClusterRole{})
	if err != nil {
		return err
	}

	if role != nil && !r.keepRole {
		if _, err := kube.Delete(ctx, r.Client, role); err != nil {
			return err
		}

		return nil // Its going is an event.
	}

	_, err = kube.RemoveFinalizers(ctx, r.Client, w, finalizer)

	return err
}

func (r *honest) report(ctx context.Context, w *widget, report kube.Report) error {
	reported := w.copy()
	report.SetConditions(&reported.Status.Conditions, r.observed(w), r.Clock())

	_, err := kube.PatchStatus(ctx, r.Client, w, reported)

	return err
}

// object returns a widget that is content.
func object(name string) *widget {
	return &widget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       widgetSpec{Source: "source", Verbs: []string{"get", "list"}, Labels: map[string]string{"of": name}},
	}
}

func sourceMap() *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "source"},
		Data:       map[string]string{"key": "value"},
	}
}
