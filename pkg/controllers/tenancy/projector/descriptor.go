package projector

import (
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/aggregate"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

// Descriptors describe the controllers of this package.
func Descriptors() manager.Catalog {
	all := kinds()
	catalog := make(manager.Catalog, 0, len(all))

	for _, of := range all {
		catalog = append(catalog, of.descriptor())
	}

	return catalog
}

func kinds() []kind {
	return []kind{globalRole(), globalRoleBinding(), role(), roleBinding(), clusterRole(), clusterRoleBinding()}
}

func (k kind) descriptor() manager.Descriptor {
	return manager.Descriptor{
		Name:        k.controller,
		Aliases:     k.aliases(),
		Domain:      manager.Tenancy,
		Summary:     k.summary,
		Gate:        k.gate,
		Requires:    k.requires(),
		Caches:      append([]manager.Cached{k.sourceCache(), k.nativeCache()}, k.otherCaches()...),
		Writes:      k.writes(),
		AddToScheme: []func(*runtime.Scheme) error{iamv1beta1.AddToScheme, rbacv1.AddToScheme},
		New: func(dependencies manager.Dependencies) (*manager.Controller, error) {
			if k.isBinding() {
				return newBinding(k, dependencies)
			}

			return newRole(k, dependencies)
		},
	}
}

// aliases are what KubeSphere called what the controller does: the same, without hyphens.
func (k kind) aliases() []string {
	if alias := strings.ReplaceAll(k.controller, "-", ""); alias != k.controller {
		return []string{alias}
	}

	return nil
}

func (k kind) requires() []manager.Required {
	required := []manager.Required{ours(k.kind)}
	if !k.isBinding() {
		return append(required, aggregate.TemplateKind())
	}

	for _, role := range k.roleKinds {
		required = append(required, ours(role))
	}

	return append(required, ours("User"))
}

func ours(kind string) manager.Required {
	return manager.Required{
		GroupVersionKind: iamv1beta1.SchemeGroupVersion.WithKind(kind), Revision: iamv1beta1.SchemaRevision,
	}
}

// sourceCache leaves out what the controller of namespaces makes and projects itself.
func (k kind) sourceCache() manager.Cached {
	cached := manager.Cached{Kind: k.gvk(), Resource: k.resource, Depth: manager.Full}

	switch {
	case k.isCrowded:
		cached.Depth, cached.Trim = manager.Slim, stores.Trim{Name: "binding", Do: trimBinding}
	case !k.isBinding() && k.isNamespaced:
		cached.Labels = notOfNamespaces()
	}

	return cached
}

// nativeCache holds what this controller makes, and what KubeSphere made under the same names.
func (k kind) nativeCache() manager.Cached {
	cached := manager.Cached{
		Kind: k.nativeGVK(), Resource: k.nativeResource, Depth: manager.Digested, Digest: k.digest(),
	}

	switch {
	case k.ref == "": // Bindings of platform administrators have no label of KubeSphere's.
		cached.Digest.Of = func(object client.Object) string {
			if !strings.HasPrefix(object.GetName(), k.prefix) &&
				!strings.HasSuffix(object.GetName(), projection.AdminSuffix) {
				return ""
			}

			return string(projection.DigestOf(object, k.ref))
		}
	case k.kind == kindGlobalRole:
		cached.Labels = labels.SelectorFromSet(labels.Set{
			tenancy.ManagedByLabel: tenancy.ManagedBy, tenancy.ComponentLabel: k.controller,
		})
	default:
		cached.Labels = and(notOfNamespaces(), k.ref, selection.Exists)
	}

	return cached
}

func (k kind) otherCaches() []manager.Cached {
	if k.isBinding() {
		caches := []manager.Cached{presence("User", "users")}
		for _, role := range k.roleKinds {
			caches = append(caches, presence(role, strings.ToLower(role)+"s"))
		}

		return caches
	}

	caches := []manager.Cached{aggregate.Cached()}
	if k.isNamespaced {
		caches = append(caches, manager.Cached{
			Kind: apiServiceKind(), Resource: "apiservices", Depth: manager.MetadataOnly,
		})
	}

	return caches
}

// presence keeps of a kind which objects there are, and nothing else.
func presence(kind, resource string) manager.Cached {
	if kind == kindRole {
		return platform.RolesIn(iamv1beta1.SchemeGroupVersion.WithKind(kind))
	}

	return manager.Cached{
		Kind: iamv1beta1.SchemeGroupVersion.WithKind(kind), Resource: resource, Depth: manager.Digested,
		Digest: stores.Presence(),
	}
}

// notOfNamespaces leaves out what the controller of namespaces makes.
func notOfNamespaces() labels.Selector {
	return and(labels.NewSelector(), tenancy.ComponentLabel, selection.NotEquals, access.Component)
}

func and(selector labels.Selector, key string, operator selection.Operator, values ...string) labels.Selector {
	// The keys and values are all constants, so nothing can be wrong with the requirement.
	requirement, err := labels.NewRequirement(key, operator, values)
	if err != nil {
		return labels.Nothing()
	}

	return selector.Add(*requirement)
}

// writes lists what the controller changes. It gives what it does not hold itself, so it needs escalate and bind:
// whoever may write the kinds of iam.kubesphere.io gives what is written there.
func (k kind) writes() []rbacv1.PolicyRule {
	verb := "escalate"
	roles := []string{k.nativeResource}

	if k.isBinding() {
		verb, roles = "bind", []string{"clusterroles"}
		if k.isNamespaced {
			roles = append(roles, "roles")
		}
	}

	return []rbacv1.PolicyRule{
		{APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{k.resource}, Verbs: []string{"get", "patch"}},
		{
			APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{k.resource + "/status"},
			Verbs: []string{"patch"},
		},
		{
			APIGroups: []string{rbacv1.GroupName}, Resources: []string{k.nativeResource},
			Verbs: []string{"get", "create", "patch", "delete"},
		},
		{APIGroups: []string{rbacv1.GroupName}, Resources: roles, Verbs: []string{verb}},
	}
}
