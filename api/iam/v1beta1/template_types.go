package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// RoleTemplate is a set of permissions for roles to aggregate.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:resource:scope=Cluster,shortName=rolet,categories=iam;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=2"
// +kubebuilder:printcolumn:name="Scope",type=string,JSONPath=`.metadata.labels.iam\.kubesphere\.io/scope`
// +kubebuilder:printcolumn:name="Category",type=string,JSONPath=`.metadata.labels.iam\.kubesphere\.io/category`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type RoleTemplate struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the object should be.
	// +optional
	Spec RoleTemplateSpec `json:"spec,omitempty"`
}

// RoleTemplateList is a list of them.
//
// +kubebuilder:object:root=true
type RoleTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items of the list.
	Items []RoleTemplate `json:"items"`
}

// Category groups role templates where they are shown.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:resource:path=categories,scope=Cluster,shortName=rolecat,categories=iam;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=2"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Category struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the object should be.
	// +optional
	Spec CategorySpec `json:"spec,omitempty"`
}

// CategoryList is a list of them.
//
// +kubebuilder:object:root=true
type CategoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items of the list.
	Items []Category `json:"items"`
}

// BuiltinRole is a role that each workspace, or each namespace that targetSelector selects, gets. Contract:
// KubeSphere 4.1.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=builtinr,categories=iam;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=2"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type BuiltinRole struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// targetSelector selects, by labels, the workspaces or namespaces that get the role. Unset or empty: all.
	// +optional
	TargetSelector *metav1.LabelSelector `json:"targetSelector,omitempty"`

	// role is a whole WorkspaceRole or Role, which says by its kind where it belongs.
	// +required
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Role runtime.RawExtension `json:"role"`

	// status is what was observed.
	// +optional
	Status Status `json:"status,omitempty"`
}

// BuiltinRoleList is a list of them.
//
// +kubebuilder:object:root=true
type BuiltinRoleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items of the list.
	Items []BuiltinRole `json:"items"`
}
