// Package loginrecord lets login records go when they are old, too many, or of users that do not exist.
package loginrecord

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// Name of the controller.
const Name = "login-record"

// Descriptor describes the controller.
func Descriptor(settings accounts.Settings) manager.Descriptor {
	return manager.Descriptor{
		Name:     Name,
		Aliases:  []string{"loginrecord"},
		Domain:   manager.Tenancy,
		Summary:  "Deletes login records that are old, too many, or of users that do not exist.",
		Gate:     features.LoginRecord,
		Requires: traces.Require("LoginRecord", "User"),
		Caches: []manager.Cached{
			traces.LoginRecords(),
			{Kind: traces.Kind("User"), Resource: "users", Depth: manager.Full},
		},
		Writes: []rbacv1.PolicyRule{
			{APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"loginrecords"}, Verbs: []string{"delete"}},
			// Before the records of a user go because it is not in the cache, it is asked for.
			{APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"users"}, Verbs: []string{"get"}},
		},
		AddToScheme: []func(*runtime.Scheme) error{iamv1beta1.AddToScheme},
		New: func(dependencies manager.Dependencies) (*manager.Controller, error) {
			return New(dependencies, settings)
		},
	}
}
