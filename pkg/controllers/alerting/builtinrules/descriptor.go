// Package builtinrules makes the groups of rules that come with the platform, and keeps them up to date where nobody
// has edited them.
//
// What wakes it when there is no group yet is the definition of GlobalRuleGroups itself: the controller cannot run
// without it, and groups can be made from the moment it is there. So the one request that there ever is names the
// definition, and one run looks at all groups of ours; their own events lead to the same request.
package builtinrules

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/builtin"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Name of the controller.
const Name = "builtin-rules"

const resource = "globalrulegroups"

// Definition is the name of the definition that requests are about.
const Definition = resource + "." + alertingv2beta1.GroupName

// Descriptor describes the controller.
func Descriptor() manager.Descriptor {
	return manager.Descriptor{
		Name:    Name,
		Domain:  manager.Alerting,
		Summary: "Makes the groups of rules that come with the platform, and updates those that nobody has edited.",
		Gate:    features.BuiltinRules,
		Requires: []manager.Required{
			{GroupVersionKind: groupKind(), Revision: alertingv2beta1.SchemaRevision},
		},
		Caches: []manager.Cached{
			{Kind: groupKind(), Resource: resource, Depth: manager.Full},
			{
				Kind: definitionKind(), Resource: definitions.Resource, Depth: manager.MetadataOnly, Name: Definition,
			},
		},
		Writes: []rbacv1.PolicyRule{{
			APIGroups: []string{alertingv2beta1.GroupName}, Resources: []string{resource},
			Verbs: []string{"create", "patch"},
		}},
		AddToScheme: []func(*runtime.Scheme) error{alertingv2beta1.AddToScheme},
		New: func(dependencies manager.Dependencies) (*manager.Controller, error) {
			groups, err := builtin.Groups()
			if err != nil {
				return nil, err
			}

			return New(groups, dependencies), nil
		},
	}
}

func groupKind() schema.GroupVersionKind {
	return alertingv2beta1.SchemeGroupVersion.WithKind("GlobalRuleGroup")
}

func definitionKind() schema.GroupVersionKind {
	return definitions.Reference(Definition).GroupVersionKind()
}
