// Package alertmanager makes KubeSphere's Alertmanager, which posts to the service of the oldest NotificationManager
// that takes alerts from one, and the Secret with its configuration.
//
// What others made stays theirs: an Alertmanager, a Service or a Secret of these names that was there before is left as
// it is. The configuration is made once and updated for as long as nobody has edited it, which is told from a digest in
// an annotation; an edited one stays until the annotation notification.kubesphere.io/reset asks for ours again.
//
// Nothing of it goes with the NotificationManager, for the Alertmanager has silences that are nowhere else.
package alertmanager

import (
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/settings"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Name of the controller, and of the objects that it makes.
const (
	Name = "alertmanager"

	// Instance is the name of the Alertmanager object.
	Instance = "main"
	// ObjectName is the name of the Secret, of the Service and of the disruption budget.
	ObjectName = "alertmanager-main"
	// ConfigKey is the key of the configuration in the Secret.
	ConfigKey = "alertmanager.yaml"

	// InitialAnnotation on the Secret is a digest of the configuration that was written last.
	InitialAnnotation = "notification.kubesphere.io/initial-configuration"
	// ResetAnnotation "true" on the Secret has its configuration replaced by ours.
	ResetAnnotation = "notification.kubesphere.io/reset"

	managedByLabel = "app.kubernetes.io/managed-by"
	componentLabel = "app.kubernetes.io/component"
)

// Descriptor describes the controller. The settings are read when it runs.
func Descriptor(settings *settings.Settings) manager.Descriptor {
	writes := func(group, resource string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	}

	return manager.Descriptor{
		Name:    Name,
		Aliases: []string{ObjectName},
		Domain:  manager.Notification,
		Summary: "Makes KubeSphere's Alertmanager, and the configuration by which it posts to the notification " +
			"service.",
		Gate: features.Alertmanager,
		Requires: []manager.Required{{
			GroupVersionKind: managerKind(), Revision: notificationv2beta2.SchemaRevision, Closed: true,
		}},
		Optional: []schema.GroupVersionKind{alertmanagerKind()},
		Caches: []manager.Cached{
			{Kind: managerKind(), Resource: "notificationmanagers", Depth: manager.Full},
			{Kind: nodeKind(), Resource: "nodes", Depth: manager.MetadataOnly},
			{Kind: secretKind(), Resource: "secrets", Depth: manager.Full, Name: ObjectName},
			{Kind: serviceKind(), Resource: "services", Depth: manager.Full, Labels: ours()},
			{Kind: budgetKind(), Resource: "poddisruptionbudgets", Depth: manager.Full, Labels: ours()},
			{Kind: alertmanagerKind(), Resource: "alertmanagers", Depth: manager.Full, Labels: ours()},
		},
		Writes: []rbacv1.PolicyRule{
			// Creating cannot be restricted by name.
			writes("", "secrets", "create"),
			{
				APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{ObjectName},
				Verbs: []string{"get", "patch"},
			},
			writes("", "services", "get", "create", "patch"),
			writes(budgetKind().Group, "poddisruptionbudgets", "get", "create", "patch"),
			writes(alertmanagerKind().Group, "alertmanagers", "get", "create", "patch"),
		},
		AddToScheme: []func(*runtime.Scheme) error{
			notificationv2beta2.AddToScheme, corev1.AddToScheme, policyv1.AddToScheme, monitoringv1.AddToScheme,
		},
		New: func(dependencies manager.Dependencies) (*manager.Controller, error) {
			return New(settings, dependencies), nil
		},
	}
}

// labelsOfOurs mark what is made here. Only that is written.
func labelsOfOurs() map[string]string {
	return map[string]string{managedByLabel: kube.ManagerName, componentLabel: Name}
}

func ours() labels.Selector { return labels.SelectorFromSet(labelsOfOurs()) }

func managerKind() schema.GroupVersionKind {
	return notificationv2beta2.SchemeGroupVersion.WithKind("NotificationManager")
}

func alertmanagerKind() schema.GroupVersionKind {
	return monitoringv1.SchemeGroupVersion.WithKind(monitoringv1.AlertmanagersKind)
}

func nodeKind() schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind("Node") }

func secretKind() schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind("Secret") }

func serviceKind() schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind("Service") }

func budgetKind() schema.GroupVersionKind {
	return policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget")
}
