// Package tenancy lists the controllers of the domain.
package tenancy

import (
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/builtinrole"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/namespace"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspace"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspacerole"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspacerolebinding"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspacetemplate"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// Descriptors returns the controllers of the domain.
func Descriptors() manager.Catalog {
	return manager.Catalog{
		workspace.Descriptor(),
		workspacetemplate.Descriptor(),
		namespace.Descriptor(access.ProfileAuto),
		workspacerole.Descriptor(),
		workspacerolebinding.Descriptor(),
		builtinrole.Descriptor(),
		builtinrole.RoleBaseDescriptor(),
	}
}
