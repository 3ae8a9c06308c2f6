// Package platform reads what all workspaces and namespaces of a cluster have in common: which API groups there
// are, which roles each namespace and each workspace gets, and in the shape of which release of KubeSphere.
package platform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/aggregation"
)

// Platform is what all workspaces and namespaces have in common. It is shared, and not to be changed.
type Platform struct {
	access.Cluster

	// WorkspaceRoles are the roles of workspaces.
	WorkspaceRoles []access.Role
}

// Reader computes the Platform once, until something of it changes: with ten thousand namespaces that is most of
// the work.
type Reader struct {
	client  client.Reader
	profile access.Profile

	mutex sync.Mutex
	key   string
	last  *Platform
}

// NewReader returns a Reader for a controller that has the Caches of this package.
func NewReader(client client.Reader, profile access.Profile) *Reader {
	return &Reader{client: client, profile: profile}
}

// Requires lists the kinds that are read.
func Requires() []manager.Required {
	return []manager.Required{
		{GroupVersionKind: kindOf("BuiltinRole"), Revision: iamv1beta1.SchemaRevision},
		{GroupVersionKind: kindOf("RoleTemplate"), Revision: iamv1beta1.SchemaRevision},
		{GroupVersionKind: roleBaseKind(), Revision: iamv1beta1.SchemaRevision},
	}
}

// Caches lists what is read.
func Caches() []manager.Cached {
	return []manager.Cached{
		{Kind: kindOf("BuiltinRole"), Resource: "builtinroles", Depth: manager.Full},
		{Kind: kindOf("RoleTemplate"), Resource: "roletemplates", Depth: manager.Full},
		{Kind: roleBaseKind(), Resource: "rolebases", Depth: manager.Full},
		{Kind: apiServiceKind(), Resource: "apiservices", Depth: manager.MetadataOnly},
	}
}

// Watches tell a handler of every change of what is read.
func Watches(changed handler.EventHandler) []manager.Watch {
	return []manager.Watch{
		{Object: &iamv1beta1.BuiltinRole{}, Handler: changed, Predicates: []predicate.Predicate{contentChanged()}},
		{Object: &iamv1beta1.RoleTemplate{}, Handler: changed, Predicates: []predicate.Predicate{contentChanged()}},
		{Object: &iamv1alpha2.RoleBase{}, Handler: changed, Predicates: []predicate.Predicate{contentChanged()}},
		{
			Object: manager.MetadataOf(apiServiceKind()), Handler: changed,
			Predicates: []predicate.Predicate{comesOrGoes()},
		},
	}
}

// contentChanged keeps the writing of conditions out.
func contentChanged() predicate.Predicate {
	return predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{},
		predicate.LabelChangedPredicate{})
}

// comesOrGoes keeps out the status of an API, which changes whenever its server has a bad day.
func comesOrGoes() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }}
}

func kindOf(kind string) schema.GroupVersionKind { return iamv1beta1.SchemeGroupVersion.WithKind(kind) }

func roleBaseKind() schema.GroupVersionKind {
	return iamv1alpha2.SchemeGroupVersion.WithKind("RoleBase")
}

// apiServiceKind has an object for each group and version that the cluster serves.
func apiServiceKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}
}

// found is what the caches hold.
type found struct {
	services     metav1.PartialObjectMetadataList
	builtinRoles iamv1beta1.BuiltinRoleList
	roleBases    iamv1alpha2.RoleBaseList
	templates    iamv1beta1.RoleTemplateList
}

// Read returns the Platform as the caches have it.
func (r *Reader) Read(ctx context.Context) (Platform, error) {
	var have found
	have.services.SetGroupVersionKind(apiServiceKind())

	err := errors.Join(
		r.client.List(ctx, &have.services, client.UnsafeDisableDeepCopy),
		r.client.List(ctx, &have.builtinRoles, client.UnsafeDisableDeepCopy),
		r.client.List(ctx, &have.roleBases, client.UnsafeDisableDeepCopy),
		r.client.List(ctx, &have.templates, client.UnsafeDisableDeepCopy),
	)
	if err != nil {
		return Platform{}, fmt.Errorf("read what all namespaces have in common: %w", err)
	}

	key := have.key()

	r.mutex.Lock()
	defer r.mutex.Unlock()

	if r.last != nil && r.key == key {
		return *r.last, nil
	}

	computed, err := r.compute(&have)
	if err != nil {
		return Platform{}, err
	}

	r.key, r.last = key, &computed

	return computed, nil
}

func (r *Reader) compute(have *found) (Platform, error) {
	groups := GroupsOf(have.services.Items)
	definitions := access.Definitions(have.builtinRoles.Items, have.roleBases.Items)

	for i := range definitions {
		if err := complete(&definitions[i], have.templates.Items); err != nil {
			return Platform{}, err
		}
	}

	return Platform{
		Cluster: access.Cluster{
			Shapes: access.Resolve(r.profile, len(have.roleBases.Items), len(have.builtinRoles.Items)),
			Roles:  access.Roles(access.ScopeNamespace, groups, definitions),
			Groups: groups,
		},
		WorkspaceRoles: access.Roles(access.ScopeWorkspace, groups, definitions),
	}, nil
}

// complete adds the rules of the templates that a definition asks for. A template that is not there adds nothing;
// the controller of definitions says so.
func complete(definition *access.Definition, templates []iamv1beta1.RoleTemplate) error {
	role := aggregation.Role{
		Name: definition.Name, Annotations: definition.Annotations, Rules: definition.Content.Rules,
		Templates: definition.Content.AggregationRoleTemplates,
	}
	wanted := aggregation.WantedBy(role)
	sources := aggregation.Sources{Templates: map[string][]rbacv1.PolicyRule{}}

	for i := range templates {
		template := &templates[i]
		selected := wanted.Selector != nil && wanted.Selector.Matches(labels.Set(template.Labels))

		if selected || slices.Contains(wanted.Templates, template.Name) {
			sources.Templates[template.Name] = template.Spec.Rules
		}
	}

	result, err := aggregation.Aggregate(role, sources)
	if err != nil {
		return fmt.Errorf("complete the role %s: %w", definition.Name, err)
	}

	definition.Content.Rules = result.Rules

	return nil
}

// GroupsOf returns the API groups that the cluster serves, sorted, without the core group. An APIService is called
// <version>.<group>.
func GroupsOf(services []metav1.PartialObjectMetadata) []string {
	groups := make([]string, 0, len(services))

	for i := range services {
		if _, group, _ := strings.Cut(services[i].Name, "."); group != "" {
			groups = append(groups, group)
		}
	}

	slices.Sort(groups)

	return slices.Compact(groups)
}

// key changes when something that counts does. Lists from a cache come in any order.
func (f *found) key() string {
	versions := make([]string, 0, len(f.services.Items)+len(f.templates.Items))

	for i := range f.services.Items {
		versions = append(versions, f.services.Items[i].Name)
	}

	for i := range f.builtinRoles.Items {
		versions = append(versions, version("4", &f.builtinRoles.Items[i]))
	}

	for i := range f.roleBases.Items {
		versions = append(versions, version("3", &f.roleBases.Items[i]))
	}

	for i := range f.templates.Items {
		versions = append(versions, version("t", &f.templates.Items[i]))
	}

	slices.Sort(versions)

	return strings.Join(versions, ",")
}

func version(kind string, object client.Object) string {
	return kind + "/" + object.GetName() + "/" + object.GetResourceVersion()
}
