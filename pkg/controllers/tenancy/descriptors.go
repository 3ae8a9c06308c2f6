// Package tenancy lists the controllers of the domain.
package tenancy

import (
	"slices"

	"github.com/spf13/pflag"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/builtinrole"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/group"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/groupbinding"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/loginrecord"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/namespace"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/namespaceassignment"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/projector"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/serviceaccount"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspace"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspacepolicy"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspacerole"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspacerolebinding"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspacetemplate"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// Descriptors returns the controllers of the domain.
func Descriptors() manager.Catalog {
	return closed(slices.Concat(
		manager.Catalog{
			workspace.Descriptor(),
			workspacetemplate.Descriptor(),
			withProfile(),
			namespaceassignment.Descriptor(),
			workspacepolicy.Descriptor(),
			workspacerole.Descriptor(),
			workspacerolebinding.Descriptor(),
			builtinrole.Descriptor(),
			builtinrole.RoleBaseDescriptor(),
		},
		projector.Descriptors(),
		manager.Catalog{
			serviceaccount.Descriptor(),
		},
		withAccounts(),
		manager.Catalog{
			group.Descriptor(),
			groupbinding.Descriptor(),
		},
	))
}

// closed keeps users, roles and bindings out of the roles for people: whoever could write them could become an
// administrator, and a User has the hash of a password. What is about more than one workspace is closed as well.
func closed(catalog manager.Catalog) manager.Catalog {
	platform := []string{"NamespaceAssignment", "WorkspacePolicy"}

	for i := range catalog {
		for j := range catalog[i].Requires {
			required := &catalog[i].Requires[j]
			required.Closed = required.Group == iamv1beta1.GroupName || slices.Contains(platform, required.Kind)
		}
	}

	return catalog
}

// withProfile is the controller of namespaces with the flag that says what their roles look like. The controller is
// made when the flags are read.
func withProfile() manager.Descriptor {
	profile := access.ProfileAuto
	described := namespace.Descriptor(profile)

	described.Flags = func(flags *pflag.FlagSet) {
		flags.Var(&profile, "compat", "Roles of namespaces as in KubeSphere v3 or v4; auto looks for "+
			"RoleBases, which only v3 has, and BuiltinRoles, which only v4 has.")
	}
	described.New = func(dependencies manager.Dependencies) (*manager.Controller, error) {
		return namespace.New(profile, dependencies)
	}

	return described
}

// withAccounts are the controllers of users and of their login records with the flags of KubeSphere 3.4. The
// controllers share the settings: a record is kept for as long as it may lock its user.
func withAccounts() manager.Catalog {
	settings := accounts.DefaultSettings()
	users, records := user.Descriptor(settings), loginrecord.Descriptor(settings)

	users.Flags = func(flags *pflag.FlagSet) {
		flags.IntVar(&settings.MaxTries, "authenticate-rate-limiter-max-retries", settings.MaxTries,
			"Number of failed passwords that lock a user for a while. 0: never.")
		flags.DurationVar(&settings.TriesWindow, "authenticate-rate-limiter-duration", settings.TriesWindow,
			"How long a failed password counts, and how long a user stays locked.")
	}
	users.New = func(dependencies manager.Dependencies) (*manager.Controller, error) {
		return user.New(dependencies, settings)
	}

	records.Flags = func(flags *pflag.FlagSet) {
		flags.DurationVar(&settings.RetentionPeriod, "login-history-retention-period", settings.RetentionPeriod,
			"How long login records are kept. 0: for ever.")
		flags.IntVar(&settings.MaximumEntries, "login-history-maximum-entries", settings.MaximumEntries,
			"How many login records of a user are kept. 0: all.")
	}
	records.New = func(dependencies manager.Dependencies) (*manager.Controller, error) {
		return loginrecord.New(dependencies, settings)
	}

	return manager.Catalog{users, records}
}
