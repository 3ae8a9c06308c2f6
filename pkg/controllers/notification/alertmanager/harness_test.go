package alertmanager_test

import (
	"context"
	"maps"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/alertmanager"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/settings"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const namespace = "kubesphere-monitoring-system"

func TestAlertmanagerKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t))
}

func subject(t *testing.T) harness.Subject {
	t.Helper()

	scheme := runtime.NewScheme()

	for _, add := range alertmanager.Descriptor(settings.Default()).AddToScheme {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return harness.Subject{
		Name:    alertmanager.Name,
		Scheme:  scheme,
		Primary: &notificationv2beta2.NotificationManager{},
		Kinds: []client.ObjectList{
			&notificationv2beta2.NotificationManagerList{}, &corev1.NodeList{}, &corev1.SecretList{},
			&corev1.ServiceList{}, &policyv1.PodDisruptionBudgetList{}, &monitoringv1.AlertmanagerList{},
		},
		StatusKinds: []client.Object{&notificationv2beta2.NotificationManager{}, &monitoringv1.Alertmanager{}},
		New: func(environment harness.Environment) reconcile.Reconciler {
			return build(manager.Dependencies{
				Client: environment.Client, Live: environment.Client, Recorder: environment.Recorder,
				Clock: environment.PassiveClock(),
			}, true)
		},
		Worlds: worlds(),
		Drifts: []harness.Drift{
			{Name: "more replicas", World: "a NotificationManager", Make: editAlertmanager},
			{Name: "to be set back", World: "a NotificationManager", Make: editSecret(map[string]string{
				alertmanager.ResetAnnotation: "true",
			})},
		},
		// The NotificationManagers, the nodes, the Secret, and what is to be written, twice where it is not there.
		MaxReads: 9, MaxWrites: 4, Seeds: 6,
		NoConditions: true, // The status of a NotificationManager is for others.
		Remains:      func(client.Object) bool { return true },
		// Without its label a thing is no longer ours, and the Secret is edited by users.
		Unrepaired: func(client.Object) bool { return true },
	}
}

func build(dependencies manager.Dependencies, isThere bool) reconcile.Reconciler {
	dependencies.Present = func(schema.GroupVersionKind) bool { return isThere }

	return alertmanager.New(settings.Default(), dependencies).Reconciler
}

func nm(change func(*notificationv2beta2.NotificationManager)) *notificationv2beta2.NotificationManager {
	made := &notificationv2beta2.NotificationManager{ObjectMeta: metav1.ObjectMeta{Name: "nm"}}
	if change != nil {
		change(made)
	}

	return made
}

func nodes(names ...string) []client.Object {
	var made []client.Object
	for _, name := range names {
		made = append(made, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}

	return made
}

func secret(text string, annotations map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: alertmanager.ObjectName, Annotations: annotations,
		},
		Data: map[string][]byte{alertmanager.ConfigKey: []byte(text), "mine.tmpl": []byte("a")},
	}
}

func worlds() []harness.World {
	theirs := &monitoringv1.Alertmanager{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: alertmanager.Instance,
	}}
	theirs.Spec.Replicas = new(int32(7))

	return []harness.World{
		{Name: "a NotificationManager", Objects: append(nodes("a", "b", "c"), nm(nil))},
		{Name: "an engine", Objects: []client.Object{
			nm(func(object *notificationv2beta2.NotificationManager) {
				object.Spec.Mode = notificationv2beta2.ManagerModeEngine
			}),
		}},
		{Name: "paused", Objects: []client.Object{
			nm(func(object *notificationv2beta2.NotificationManager) {
				object.Annotations = map[string]string{kube.PausedAnnotation: "true"}
			}),
		}},
		{Name: "everything is somebody's", Together: true, Objects: []client.Object{
			nm(nil), theirs, secret("theirs", nil),
			&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: alertmanager.ObjectName}},
		}},
		{Name: "theirs, to be set back", Together: true, Objects: []client.Object{
			nm(nil), secret("theirs", map[string]string{alertmanager.ResetAnnotation: "true"}),
		}},
	}
}

func editAlertmanager(ctx context.Context, c client.Client) error {
	found := &monitoringv1.Alertmanager{}
	found.Namespace, found.Name = namespace, alertmanager.Instance

	return c.Patch(ctx, found, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":9}}`)))
}

func editSecret(annotations map[string]string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		found := &corev1.Secret{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: alertmanager.ObjectName}, found); err != nil {
			return err
		}

		found.Data[alertmanager.ConfigKey] = []byte("route: {}")
		maps.Copy(found.Annotations, annotations)

		return c.Update(ctx, found)
	}
}
