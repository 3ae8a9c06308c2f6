package platform

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// ByWorkspace names the index that finds objects by the workspace they belong to.
const ByWorkspace = "workspace"

// WorkspaceOf returns the workspace that an object belongs to by its label, if it does to any.
func WorkspaceOf(object client.Object) []string {
	if name := object.GetLabels()[tenantv1beta1.WorkspaceLabel]; name != "" {
		return []string{name}
	}

	return nil
}

// IndexByWorkspace makes objects of a kind findable by their workspace. object is an empty one.
func IndexByWorkspace(object client.Object) manager.Index {
	return manager.Index{Object: object, Field: ByWorkspace, Value: WorkspaceOf}
}
