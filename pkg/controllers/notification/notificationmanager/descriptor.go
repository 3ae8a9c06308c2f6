// Package notificationmanager runs the service of each NotificationManager: its workload, its Service, its account and
// permissions. What the old operator left is taken over where it stands.
//
// All that it makes belongs to the NotificationManager and goes with it; volume claims stay, for they hold messages.
package notificationmanager

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/settings"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/notification/rendering"
)

// Name of the controller.
const Name = "notificationmanager"

const resource = "notificationmanagers"

// Descriptor describes the controller. The settings are read when it runs.
func Descriptor(settings *settings.Settings) manager.Descriptor {
	described := manager.Descriptor{
		Name:    Name,
		Aliases: []string{"notification-manager-operator", "notification-manager-deployment", "notification-manager"},
		Domain:  manager.Notification,
		Summary: "Runs the service of each NotificationManager, which takes alerts and tells people of them.",
		Gate:    features.NotificationManager,
		Requires: []manager.Required{
			{GroupVersionKind: managerKind(), Revision: notificationv2beta2.SchemaRevision, Closed: true},
		},
		Caches: []manager.Cached{{Kind: managerKind(), Resource: resource, Depth: manager.Full}},
		Writes: slices.Concat([]rbacv1.PolicyRule{{
			APIGroups: []string{notificationv2beta2.GroupName}, Resources: []string{resource + "/status"},
			Verbs: []string{"patch"},
		}}, rendering.ClusterRules(), rendering.NamespaceRules()), // Nobody grants more than they have.
		AddToScheme: []func(*runtime.Scheme) error{
			notificationv2beta2.AddToScheme, corev1.AddToScheme, appsv1.AddToScheme, rbacv1.AddToScheme,
			policyv1.AddToScheme, networkingv1.AddToScheme,
		},
		Flags: settings.AddFlags,
		New: func(dependencies manager.Dependencies) (*manager.Controller, error) {
			return New(settings, dependencies), nil
		},
	}

	for _, one := range kinds() {
		described.Caches = append(described.Caches, manager.Cached{
			Kind: one.kind, Resource: one.resource, Depth: manager.Full, Labels: ours(),
		})
		described.Writes = append(described.Writes, rbacv1.PolicyRule{
			APIGroups: []string{one.kind.Group}, Resources: []string{one.resource},
			// What was left by the old operator is looked at as a whole before it is taken over.
			Verbs: []string{"get", "create", "patch", "delete"},
		})
	}

	return described
}

// ours selects what belongs to a NotificationManager. The old operator put the same labels on what it made.
func ours() labels.Selector {
	named, err := labels.NewRequirement(notificationv2beta2.ManagerLabel, selection.Exists, nil)
	if err != nil { // It is a constant.
		return labels.Nothing()
	}

	return labels.SelectorFromSet(labels.Set{notificationv2beta2.AppLabel: notificationv2beta2.AppName}).Add(*named)
}

// kind is a kind of objects that are made.
type kind struct {
	kind     schema.GroupVersionKind
	resource string
	list     func() client.ObjectList
	object   func() client.Object
}

func kinds() []kind {
	return []kind{
		{
			corev1.SchemeGroupVersion.WithKind("ServiceAccount"), "serviceaccounts",
			func() client.ObjectList { return &corev1.ServiceAccountList{} },
			func() client.Object { return &corev1.ServiceAccount{} },
		},
		{
			rbacv1.SchemeGroupVersion.WithKind("ClusterRole"), "clusterroles",
			func() client.ObjectList { return &rbacv1.ClusterRoleList{} },
			func() client.Object { return &rbacv1.ClusterRole{} },
		},
		{
			rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding"), "clusterrolebindings",
			func() client.ObjectList { return &rbacv1.ClusterRoleBindingList{} },
			func() client.Object { return &rbacv1.ClusterRoleBinding{} },
		},
		{
			rbacv1.SchemeGroupVersion.WithKind("Role"), "roles",
			func() client.ObjectList { return &rbacv1.RoleList{} },
			func() client.Object { return &rbacv1.Role{} },
		},
		{
			rbacv1.SchemeGroupVersion.WithKind("RoleBinding"), "rolebindings",
			func() client.ObjectList { return &rbacv1.RoleBindingList{} },
			func() client.Object { return &rbacv1.RoleBinding{} },
		},
		{
			corev1.SchemeGroupVersion.WithKind("Service"), "services",
			func() client.ObjectList { return &corev1.ServiceList{} },
			func() client.Object { return &corev1.Service{} },
		},
		{
			networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"), "networkpolicies",
			func() client.ObjectList { return &networkingv1.NetworkPolicyList{} },
			func() client.Object { return &networkingv1.NetworkPolicy{} },
		},
		{
			policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"), "poddisruptionbudgets",
			func() client.ObjectList { return &policyv1.PodDisruptionBudgetList{} },
			func() client.Object { return &policyv1.PodDisruptionBudget{} },
		},
		{
			deploymentKind(), "deployments",
			func() client.ObjectList { return &appsv1.DeploymentList{} },
			func() client.Object { return &appsv1.Deployment{} },
		},
		{
			statefulSetKind(), "statefulsets",
			func() client.ObjectList { return &appsv1.StatefulSetList{} },
			func() client.Object { return &appsv1.StatefulSet{} },
		},
	}
}

func managerKind() schema.GroupVersionKind {
	return notificationv2beta2.SchemeGroupVersion.WithKind("NotificationManager")
}

func deploymentKind() schema.GroupVersionKind {
	return appsv1.SchemeGroupVersion.WithKind("Deployment")
}

func statefulSetKind() schema.GroupVersionKind {
	return appsv1.SchemeGroupVersion.WithKind("StatefulSet")
}
