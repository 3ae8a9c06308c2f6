package platform

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// RolesIn is what is kept of a kind of roles that are in namespaces: of what the controller of namespaces makes a
// digest, and of all others that they are there. It is one store for all who ask, for these are most of the objects of
// a large cluster.
func RolesIn(kind schema.GroupVersionKind) manager.Cached {
	return manager.Cached{
		Kind: kind, Resource: "roles", Depth: manager.Digested,
		Digest: manager.Digest{Name: "role", Of: func(object client.Object) string { return access.Mark(object) }},
	}
}
