package notificationmanager_test

import (
	"context"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/notificationmanager"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/settings"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const namespace = "kubesphere-monitoring-system"

func TestNotificationManagerKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t))
}

func subject(t *testing.T) harness.Subject {
	t.Helper()

	scheme := runtime.NewScheme()

	for _, add := range notificationmanager.Descriptor(settings.Default()).AddToScheme {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return harness.Subject{
		Name:    notificationmanager.Name,
		Scheme:  scheme,
		Primary: &notificationv2beta2.NotificationManager{},
		Kinds: []client.ObjectList{
			&notificationv2beta2.NotificationManagerList{}, &corev1.ServiceAccountList{}, &corev1.ServiceList{},
			&appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{},
			&rbacv1.ClusterRoleList{}, &rbacv1.ClusterRoleBindingList{}, &policyv1.PodDisruptionBudgetList{},
			&networkingv1.NetworkPolicyList{},
		},
		StatusKinds: []client.Object{&notificationv2beta2.NotificationManager{}},
		New: func(environment harness.Environment) reconcile.Reconciler {
			return notificationmanager.New(settings.Default(), manager.Dependencies{
				Client: environment.Client, Live: environment.Client, Recorder: environment.Recorder,
				Clock: environment.PassiveClock(),
			}).Reconciler
		},
		Worlds: worlds(),
		Drifts: []harness.Drift{
			{Name: "another image", World: "least", Make: editDeployment(func(one *appsv1.Deployment) {
				one.Spec.Template.Spec.Containers[0].Image = "evil"
			})},
			{Name: "another port", World: "least", Make: editService},
		},
		// The NotificationManager and each kind; everything, and its status, with the old ones read and taken over.
		MaxReads: 24, MaxWrites: 30, Seeds: 6,
	}
}

func named(change func(*notificationv2beta2.NotificationManager)) *notificationv2beta2.NotificationManager {
	made := &notificationv2beta2.NotificationManager{ObjectMeta: metav1.ObjectMeta{Name: "nm"}}
	made.Spec.Receivers = notificationv2beta2.ReceiversSpec{
		TenantKey:              "user",
		GlobalReceiverSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"type": "global"}},
		TenantReceiverSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"type": "tenant"}},
	}

	if change != nil {
		change(made)
	}

	return made
}

func part(raw string) notificationv2beta2.PodPart {
	return notificationv2beta2.PodPart{RawExtension: runtime.RawExtension{Raw: []byte(raw)}}
}

func withVolume(object *notificationv2beta2.NotificationManager) {
	object.Spec.Delivery = &notificationv2beta2.Delivery{Storage: &notificationv2beta2.DeliveryStorage{
		VolumeClaimTemplate: &notificationv2beta2.VolumeClaimTemplate{
			Spec: part(`{"resources":{"requests":{"storage":"1Gi"}}}`),
		},
	}}
}

func worlds() []harness.World {
	three := notificationv2beta2.Number(3)

	return []harness.World{
		{Name: "least", Objects: []client.Object{named(nil)}},
		{Name: "a volume", Objects: []client.Object{named(withVolume)}},
		{Name: "secrets elsewhere, tenants and more", Objects: []client.Object{
			named(func(object *notificationv2beta2.NotificationManager) {
				object.Spec.DefaultSecretNamespace, object.Spec.Replicas = "federated", &three
				object.Spec.Sidecars = map[string]notificationv2beta2.PodPart{
					"tenant": part(`{"type":"kubesphere"}`), "other": part(`{"name":"other","image":"other:1"}`),
				}
				object.Spec.Template = &notificationv2beta2.Template{
					Text: &notificationv2beta2.ConfigmapKeySelector{Namespace: "templates", Name: "t"},
				}
				object.Spec.Resources = new(part(`{"limits":{"cpu":"0.5","memory":"1Gi"}}`))
			}),
		}},
		{Name: "unreadable", Fails: true, Objects: []client.Object{
			named(func(object *notificationv2beta2.NotificationManager) { object.Spec.Affinity = new(part(`[]`)) }),
		}},
		{Name: "paused", Objects: []client.Object{
			named(func(object *notificationv2beta2.NotificationManager) {
				object.Annotations = map[string]string{kube.PausedAnnotation: "true"}
			}),
		}},
	}
}

func editDeployment(edit func(*appsv1.Deployment)) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		list := &appsv1.DeploymentList{}
		if err := c.List(ctx, list); err != nil {
			return err
		}

		for i := range list.Items {
			edit(&list.Items[i])

			if err := c.Update(ctx, &list.Items[i]); err != nil {
				return err
			}
		}

		return nil
	}
}

func editService(ctx context.Context, c client.Client) error {
	list := &corev1.ServiceList{}
	if err := c.List(ctx, list); err != nil {
		return err
	}

	for i := range list.Items {
		if strings.HasSuffix(list.Items[i].Name, "-svc") {
			list.Items[i].Spec.Ports[0].TargetPort = intstr.FromInt32(1)
		}

		if err := c.Update(ctx, &list.Items[i]); err != nil {
			return err
		}
	}

	return nil
}
