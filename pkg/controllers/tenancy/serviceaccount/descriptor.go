// Package serviceaccount gives ServiceAccounts the role that their annotation names.
//
// By the contract of KubeSphere whoever may write the annotation has any role of the namespace: the native role edit,
// for one, may annotate every ServiceAccount and use its token, and so would be admin. KubeSphere's own API server
// asks before it lets anybody through; plain Kubernetes does not. So the annotation counts only while the admission
// policy is in force that asks instead (Guard): it lets pass who may bind the role. Without it nothing is given, and
// nothing that was given before is taken.
package serviceaccount

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

// Name of the controller.
const Name = "service-account"

// Guard is the name of the ValidatingAdmissionPolicy, and of its binding, without which the annotation counts for
// nothing. It refuses to set or change the annotation to those who may not bind the role.
const Guard = "ks-service-account-roles"

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	return manager.Descriptor{
		Name:    Name,
		Aliases: []string{"serviceaccount"},
		Domain:  manager.Tenancy,
		Summary: "Gives ServiceAccounts the role that their annotation names, where an admission policy guards it.",
		Gate:    features.ServiceAccount,
		Requires: []manager.Required{
			{GroupVersionKind: iamRoleKind(), Revision: iamv1beta1.SchemaRevision},
		},
		Caches: caches(),
		Writes: writes(),
		AddToScheme: []func(*runtime.Scheme) error{
			corev1.AddToScheme, iamv1beta1.AddToScheme, rbacv1.AddToScheme, admissionregistrationv1.AddToScheme,
		},
		New: New,
	}
}

func caches() []manager.Cached {
	return []manager.Cached{
		{
			Kind: accountKind(), Resource: "serviceaccounts", Depth: manager.Digested,
			Digest: manager.Digest{Name: "service account roles", Of: func(object client.Object) string {
				return projection.TextOf(object, kube.PausedAnnotation)
			}},
		},
		{
			Kind: bindingKind(), Resource: "rolebindings", Depth: manager.Digested, Labels: ofAccounts(),
			Digest: manager.Digest{Name: "service account bindings", Of: digestOf},
		},
		platform.RolesIn(iamRoleKind()),
		platform.RolesIn(roleKind()),
		{
			Kind: guardKind(), Resource: "validatingadmissionpolicybindings", Depth: manager.Full, Name: Guard,
		},
	}
}

// digestOf keeps of a binding also whom it is for.
func digestOf(object client.Object) string {
	label := iamv1beta1.ServiceAccountLabel

	return object.GetLabels()[label] + "/" + string(projection.DigestOf(object, label))
}

// ofAccounts selects the bindings made for ServiceAccounts, also those that KubeSphere made.
func ofAccounts() labels.Selector {
	// The key is a constant, so nothing can be wrong with the requirement.
	requirement, err := labels.NewRequirement(iamv1beta1.ServiceAccountLabel, selection.Exists, nil)
	if err != nil {
		return labels.Nothing()
	}

	return labels.NewSelector().Add(*requirement)
}

func writes() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"get", "patch"}},
		{
			APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"},
			Verbs: []string{"get", "create", "patch", "delete"},
		},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"roles"}, Verbs: []string{"bind"}},
	}
}

func accountKind() schema.GroupVersionKind {
	return corev1.SchemeGroupVersion.WithKind("ServiceAccount")
}

func bindingKind() schema.GroupVersionKind { return rbacv1.SchemeGroupVersion.WithKind("RoleBinding") }

func roleKind() schema.GroupVersionKind { return rbacv1.SchemeGroupVersion.WithKind("Role") }

func iamRoleKind() schema.GroupVersionKind { return iamv1beta1.SchemeGroupVersion.WithKind("Role") }

func guardKind() schema.GroupVersionKind {
	return admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicyBinding")
}
