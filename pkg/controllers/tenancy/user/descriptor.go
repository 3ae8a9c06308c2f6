// Package user hashes the passwords of users, keeps their states, and removes what names a user that is deleted.
package user

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// Name of the controller.
const Name = "user"

// Descriptor describes the controller.
func Descriptor(settings accounts.Settings) manager.Descriptor {
	return manager.Descriptor{
		Name:     Name,
		Aliases:  []string{"user-webhook"},
		Domain:   manager.Tenancy,
		Summary:  "Hashes the password of each User, keeps its state, and cleans up after it.",
		Gate:     features.User,
		Requires: append(traces.Require("User", "LoginRecord", "GroupBinding"), traces.BindingKinds()...),
		Caches: append([]manager.Cached{
			{Kind: traces.Kind("User"), Resource: "users", Depth: manager.Full},
			{Kind: traces.Kind("GroupBinding"), Resource: "groupbindings", Depth: manager.Full},
			traces.LoginRecords(),
		}, traces.BindingCaches(iamv1beta1.UserLabel)...),
		Writes:      writes(),
		AddToScheme: []func(*runtime.Scheme) error{iamv1beta1.AddToScheme, rbacv1.AddToScheme, corev1.AddToScheme},
		New: func(dependencies manager.Dependencies) (*manager.Controller, error) {
			return New(dependencies, settings)
		},
	}
}

func writes() []rbacv1.PolicyRule {
	return append([]rbacv1.PolicyRule{
		{APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"users"}, Verbs: []string{"patch"}},
		{
			APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"groupbindings"},
			Verbs: []string{"patch", "delete"},
		},
		{APIGroups: []string{iamv1beta1.GroupName}, Resources: []string{"loginrecords"}, Verbs: []string{"delete"}},
		// The kubeconfig and the service account of a user that is gone; they are never read.
		{
			APIGroups: []string{corev1.GroupName}, Resources: []string{"configmaps", "secrets", "serviceaccounts"},
			Verbs: []string{"delete"},
		},
	}, traces.BindingWrites()...)
}
