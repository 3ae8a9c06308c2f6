package v1beta1

// Keys that a cluster of KubeSphere 3.x or 4.x carries; they are part of the contract.
const (
	// WorkspaceLabel on a namespace, or on any object that belongs to a workspace, names that workspace.
	WorkspaceLabel = "kubesphere.io/workspace"

	// CascadingDeletionFinalizer holds a WorkspaceTemplate (and, in 4.x, a Workspace) until what was made
	// for it is gone.
	CascadingDeletionFinalizer = "kubesphere.io/cascading-deletion"

	// LegacyWorkspaceFinalizer is what 3.x left on a Workspace.
	LegacyWorkspaceFinalizer = "finalizers.tenant.kubesphere.io"

	// LegacyWorkspaceTemplateFinalizer is what 3.x left on a WorkspaceTemplate.
	LegacyWorkspaceTemplateFinalizer = "finalizers.workspacetemplate.kubesphere.io"

	// LegacyOrphanFinalizer is what the API server of 3.x added to a WorkspaceTemplate or a Workspace that
	// was deleted with propagationPolicy=Orphan.
	LegacyOrphanFinalizer = "orphan.finalizers.kubesphere.io"
)

// SchemaRevision is the number of the schemas of this group. It stands in the annotation
// ks.kubesphere.io/schema-revision of each definition, so that a manager can tell one that is older than it needs,
// and grows with each change of a field.
const SchemaRevision = 1
