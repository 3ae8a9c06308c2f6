package v1beta1

// Keys that a cluster of KubeSphere 3.x or 4.x carries; they are part of the contract.
const (
	// WorkspaceLabel on a namespace, or on any object that belongs to a workspace, names that workspace.
	WorkspaceLabel = "kubesphere.io/workspace"

	// NamespaceLabel on a namespace is its own name. 3.x set it on all; its NetworkPolicies select by it.
	NamespaceLabel = "kubesphere.io/namespace"

	// ManagedLabel "true" on a namespace asks for the built-in roles of 4.x.
	ManagedLabel = "kubesphere.io/managed"

	// ProtectedLabel "true" keeps an object from being deleted.
	ProtectedLabel = "kubesphere.io/protected-resource"

	// CreatorAnnotation names the user who made an object.
	CreatorAnnotation = "kubesphere.io/creator"

	// DeletionPropagationAnnotation on a Workspace or a WorkspaceTemplate says what becomes of the namespaces when
	// it is deleted: Orphan (also when absent), Background or Foreground. Contract: KubeSphere 4.x.
	DeletionPropagationAnnotation = "kubesphere.io/deletion-propagation"

	// AdmittedAnnotation on a namespace is the workspace that it was let into within its limits. The manager sets
	// it, and never freezes a namespace that has it.
	AdmittedAnnotation = "tenant.kubesphere.io/admitted"

	// SelfServiceAnnotation "true" on a namespace says that a member of the workspace made it.
	SelfServiceAnnotation = "tenant.kubesphere.io/self-service"

	// CreatorBoundAnnotation on a namespace says that this creator was made its administrator, which is done once.
	CreatorBoundAnnotation = "tenant.kubesphere.io/creator-bound"

	// ProjectRolesAnnotation on a WorkspaceTemplate or Workspace: "true" makes workspace roles effective in its
	// namespaces also where that is off by default (system-workspace), "false" switches it off.
	ProjectRolesAnnotation = "tenant.kubesphere.io/project-roles"

	// CustomAnnotation "true" on a BuiltinRole or RoleBase under the name of a built-in role lets its rules count
	// in place of the built-in ones.
	CustomAnnotation = "tenant.kubesphere.io/custom"

	// SystemWorkspace is the workspace of the platform's own namespaces.
	SystemWorkspace = "system-workspace"

	// CascadingDeletionFinalizer holds a WorkspaceTemplate (and, in 4.x, a Workspace) until what was made
	// for it is gone.
	CascadingDeletionFinalizer = "kubesphere.io/cascading-deletion"

	// LegacyWorkspaceFinalizer is what 3.x left on a Workspace.
	LegacyWorkspaceFinalizer = "finalizers.tenant.kubesphere.io"

	// LegacyWorkspaceTemplateFinalizer is what 3.x left on a WorkspaceTemplate.
	LegacyWorkspaceTemplateFinalizer = "finalizers.workspacetemplate.kubesphere.io"

	// LegacyNamespaceFinalizer is what 3.x left on every namespace.
	LegacyNamespaceFinalizer = "finalizers.kubesphere.io/namespaces"

	// LegacyOrphanFinalizer is what the API server of 3.x added to a WorkspaceTemplate or a Workspace that
	// was deleted with propagationPolicy=Orphan.
	LegacyOrphanFinalizer = "orphan.finalizers.kubesphere.io"
)

// SchemaRevision is the number of the schemas of this group. It stands in the annotation
// ks.kubesphere.io/schema-revision of each definition, so that a manager can tell one that is older than it needs,
// and grows with each change of a field.
const SchemaRevision = 3
