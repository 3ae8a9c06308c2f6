// Package projector makes the native roles and bindings that stand for KubeSphere's own. There is one controller for
// each of KubeSphere's kinds; they differ in what they decide, and in nothing else.
package projector

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/component-base/featuregate"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

// kind is one of KubeSphere's kinds, and the native kind that stands for it.
type kind struct {
	// controller is the name of the controller.
	controller string
	summary    string
	gate       featuregate.Feature

	// source is an empty object of KubeSphere's kind.
	source   client.Object
	kind     string
	resource string

	// native is an empty object of the native kind.
	native         client.Object
	nativeKind     string
	nativeResource string

	// prefix begins the name of the native object; ref is the label on it that names the source.
	prefix, ref string

	// legacy is the finalizer that KubeSphere left on the source, if any.
	legacy string

	// roleKinds are the kinds that a binding can refer to. A role has none.
	roleKinds []string

	// isNamespaced tells whether source and native object are in a namespace.
	isNamespaced bool

	// isCrowded is set for kinds of which there may be some for each of many namespaces.
	isCrowded bool
}

func (k kind) gvk() schema.GroupVersionKind { return iamv1beta1.SchemeGroupVersion.WithKind(k.kind) }

func (k kind) nativeGVK() schema.GroupVersionKind {
	return rbacv1.SchemeGroupVersion.WithKind(k.nativeKind)
}

func (k kind) isBinding() bool { return len(k.roleKinds) > 0 }

// newSource and newNative return an object to read into.
func (k kind) newSource() client.Object { return copyOf(k.source) }
func (k kind) newNative() client.Object { return copyOf(k.native) }

func copyOf(object client.Object) client.Object {
	copied, isObject := object.DeepCopyObject().(client.Object)
	if !isObject {
		return object // A copy is always of the same type.
	}

	return copied
}

// identity is who the native object of a source is.
func (k kind) identity(key client.ObjectKey) projection.Identity {
	return projection.Identity{
		Namespace: key.Namespace, Name: k.prefix + key.Name,
		Component: k.controller, Ref: k.ref, Source: key.Name,
	}
}

// digest is what is kept in memory of a native object.
func (k kind) digest() manager.Digest {
	return manager.Digest{
		Name: "projection of " + k.controller,
		Of:   func(object client.Object) string { return string(projection.DigestOf(object, k.ref)) },
	}
}

// statusOf returns the status of any of KubeSphere's kinds. Nil: the object is none of them.
func statusOf(object client.Object) *iamv1beta1.Status {
	switch source := object.(type) {
	case *iamv1beta1.GlobalRole:
		return &source.Status
	case *iamv1beta1.Role:
		return &source.Status
	case *iamv1beta1.ClusterRole:
		return &source.Status
	case *iamv1beta1.GlobalRoleBinding:
		return &source.Status
	case *iamv1beta1.RoleBinding:
		return &source.Status
	case *iamv1beta1.ClusterRoleBinding:
		return &source.Status
	default:
		return nil
	}
}

// bindingOf returns what the kinds of bindings have in common. Nil: the object is no binding.
func bindingOf(object client.Object) *iamv1beta1.BindingContent {
	switch source := object.(type) {
	case *iamv1beta1.GlobalRoleBinding:
		return &source.BindingContent
	case *iamv1beta1.RoleBinding:
		return &source.BindingContent
	case *iamv1beta1.ClusterRoleBinding:
		return &source.BindingContent
	default:
		return nil
	}
}
