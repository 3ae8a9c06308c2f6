package aggregate

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/aggregation"
)

// index finds roles by what they are made of.
const index = "aggregates"

// The values of the index.
const (
	byTemplate = "template/"
	byRole     = "role/"
	bySelector = "selector"
)

// Cached is what a controller of roles caches for its templates.
func Cached() manager.Cached {
	return manager.Cached{Kind: TemplateKind().GroupVersionKind, Resource: "roletemplates", Depth: manager.Full}
}

// TemplateKind is the kind that a controller of roles requires for its templates.
func TemplateKind() manager.Required {
	return manager.Required{
		GroupVersionKind: iamv1beta1.SchemeGroupVersion.WithKind("RoleTemplate"), Revision: iamv1beta1.SchemaRevision,
	}
}

// Indexes are what the Watches look roles up with. role is an empty one of the kind.
func Indexes(role client.Object) []manager.Index {
	return []manager.Index{{Object: role, Field: index, Value: madeOf}}
}

func madeOf(object client.Object) []string {
	role, isRole := read(object)
	if !isRole {
		return nil
	}

	wanted := aggregation.WantedBy(role)
	values := make([]string, 0, len(wanted.Templates)+len(wanted.Roles)+1)

	for _, name := range wanted.Templates {
		values = append(values, byTemplate+name)
	}

	for _, name := range wanted.Roles {
		values = append(values, byRole+name)
	}

	if wanted.Selector != nil {
		values = append(values, bySelector)
	}

	return values
}

// Watches wake the roles that a template is part of: one of RoleTemplate, by name or by label, or, as 3.x has it,
// another role. role is an empty one of the kind; reader reads it from the cache.
func Watches(reader client.Reader, role client.Object) []manager.Watch {
	ofTemplate := func(ctx context.Context, template client.Object) []reconcile.Request {
		return append(
			find(ctx, reader, role, client.MatchingFields{index: byTemplate + template.GetName()}, anyRole),
			find(ctx, reader, role, client.MatchingFields{index: bySelector}, selecting(template.GetLabels()))...)
	}

	ofRole := func(ctx context.Context, template client.Object) []reconcile.Request {
		return find(ctx, reader, role, client.MatchingFields{index: byRole + template.GetName()}, anyRole,
			client.InNamespace(template.GetNamespace()))
	}

	return []manager.Watch{
		{Object: &iamv1beta1.RoleTemplate{}, Handler: handler.EnqueueRequestsFromMapFunc(ofTemplate)},
		{Object: empty(role), Handler: handler.EnqueueRequestsFromMapFunc(ofRole)},
	}
}

func anyRole(client.Object) bool { return true }

// selecting tells which roles select a template with the given labels.
func selecting(set labels.Set) func(client.Object) bool {
	return func(object client.Object) bool {
		role, _ := read(object)
		selector := aggregation.WantedBy(role).Selector

		return selector != nil && selector.Matches(set)
	}
}

func find(
	ctx context.Context, reader client.Reader, like client.Object, by client.MatchingFields,
	wanted func(client.Object) bool, options ...client.ListOption,
) []reconcile.Request {
	list := listOf(like)

	var requests []reconcile.Request

	err := reader.List(ctx, list, append(options, by)...)
	if err == nil {
		err = meta.EachListItem(list, func(item runtime.Object) error {
			if role, isObject := item.(client.Object); isObject && wanted(role) {
				requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(role)})
			}

			return nil
		})
	}

	if err != nil { // The controller is being stopped: its next life looks at every role.
		log.FromContext(ctx).V(1).Info("Not looking for the roles of a template", "error", err.Error())
	}

	return requests
}
