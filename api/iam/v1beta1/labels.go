package v1beta1

// Keys that a cluster of KubeSphere 3.x or 4.x carries; they are part of the contract.
const (
	// UserLabel on bindings and login records names the user they speak of.
	UserLabel = "iam.kubesphere.io/user-ref"

	// RoleLabel on what was made of a role, or for a binding, names the role.
	RoleLabel = "iam.kubesphere.io/role-ref"

	// RoleBindingLabel on the native RoleBinding names the one it was made of.
	RoleBindingLabel = "iam.kubesphere.io/rolebinding-ref"

	// ClusterRoleLabel on the native ClusterRole names the one it was made of.
	ClusterRoleLabel = "iam.kubesphere.io/clusterrole-ref"

	// ClusterRoleBindingLabel on the native ClusterRoleBinding names the one it was made of.
	ClusterRoleBindingLabel = "iam.kubesphere.io/clusterrolebinding-ref"

	// GroupLabel on GroupBindings and bindings names the group they speak of.
	GroupLabel = "iam.kubesphere.io/group-ref"

	// GroupParentLabel on a Group names the group it is part of.
	GroupParentLabel = "iam.kubesphere.io/group-parent"

	// ServiceAccountLabel on a native RoleBinding names the service account it was made for.
	ServiceAccountLabel = "iam.kubesphere.io/serviceaccount-ref"

	// IdentityProviderLabel on a User names the provider that the user comes from; such a user has no password.
	IdentityProviderLabel = "iam.kubesphere.io/identify-provider"

	// OriginUIDLabel on a User is its name at the identity provider.
	OriginUIDLabel = "iam.kubesphere.io/origin-uid"

	// ScopeLabel on a RoleTemplate says where it counts: global, cluster, workspace or namespace.
	ScopeLabel = "iam.kubesphere.io/scope"

	// RoleTemplateLabel marks roles that are templates ("true"), in 3.x.
	RoleTemplateLabel = "iam.kubesphere.io/role-template"

	// RoleBaseScopePrefix begins the labels of a RoleBase that say where its role belongs.
	RoleBaseScopePrefix = "scope.kubesphere.io/"

	// AutoAggregateAnnotation "true" on a role lets its roleSelector add templates.
	AutoAggregateAnnotation = "iam.kubesphere.io/auto-aggregate"

	// AggregationRolesAnnotation is a JSON list of the names of the templates a role of 3.x is made of.
	AggregationRolesAnnotation = "iam.kubesphere.io/aggregation-roles"

	// ServiceAccountRoleAnnotation on a ServiceAccount names the role it is to hold in its namespace.
	ServiceAccountRoleAnnotation = "iam.kubesphere.io/role"

	// GlobalRoleAnnotation on a User names its GlobalRole.
	GlobalRoleAnnotation = "iam.kubesphere.io/globalrole"

	// UninitializedAnnotation on a User asks it to change its first password.
	UninitializedAnnotation = "iam.kubesphere.io/uninitialized"

	// LastPasswordChangeAnnotation on a User is when its password last changed, in RFC 3339.
	LastPasswordChangeAnnotation = "iam.kubesphere.io/last-password-change-time"

	// UserFinalizer holds a User until its bindings and records are gone. Both majors have it.
	UserFinalizer = "finalizers.kubesphere.io/users"

	// LegacyGroupFinalizer is what 3.x left on a Group.
	LegacyGroupFinalizer = "finalizers.kubesphere.io/groups"

	// LegacyGroupBindingFinalizer is what 3.x left on a GroupBinding.
	LegacyGroupBindingFinalizer = "finalizers.kubesphere.io/groupsbindings"

	// LegacyGlobalRoleFinalizer is what 4.x left on a GlobalRole.
	LegacyGlobalRoleFinalizer = "finalizers.kubesphere.io/globalroles"

	// LegacyGlobalRoleBindingFinalizer is what 4.x left on a GlobalRoleBinding.
	LegacyGlobalRoleBindingFinalizer = "finalizers.kubesphere.io/globalrolebindings"

	// LegacyWorkspaceRoleFinalizer is what 4.x left on a WorkspaceRole.
	LegacyWorkspaceRoleFinalizer = "finalizers.kubesphere.io/workspaceroles"

	// LegacyWorkspaceRoleBindingFinalizer is what 4.x left on a WorkspaceRoleBinding.
	LegacyWorkspaceRoleBindingFinalizer = "finalizers.kubesphere.io/workspacerolebindings"

	// LegacyServiceAccountFinalizer is what 4.x left on its own kind of ServiceAccount.
	LegacyServiceAccountFinalizer = "finalizers.kubesphere.io/serviceaccount"
)

// SchemaRevision is the number of the schemas of this group. It stands in the annotation
// ks.kubesphere.io/schema-revision of each definition, so that a manager can tell one that is older than it needs,
// and grows with each change of a field.
const SchemaRevision = 2
