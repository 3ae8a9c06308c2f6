// Package tenancy lists the controllers of the domain.
package tenancy

import (
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspace"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/workspacetemplate"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Descriptors returns the controllers of the domain.
func Descriptors() manager.Catalog {
	return manager.Catalog{
		workspace.Descriptor(),
		workspacetemplate.Descriptor(),
	}
}
