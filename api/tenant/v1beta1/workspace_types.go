package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Workspace is a group of namespaces that belong to one team. A namespace joins it by carrying the label
// kubesphere.io/workspace with the name of the workspace. A Workspace is usually made from the
// WorkspaceTemplate of the same name; change that one, not the Workspace.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=ws,categories=tenant;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=3"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Manager",type=string,JSONPath=`.spec.manager`
// +kubebuilder:printcolumn:name="Namespaces",type=integer,JSONPath=`.status.namespaceCount`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Workspace struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the workspace should be.
	// +optional
	Spec WorkspaceSpec `json:"spec,omitempty"`

	// status is what was observed of the workspace.
	// +optional
	Status WorkspaceStatus `json:"status,omitempty"`
}

// WorkspaceSpec is what a workspace should be. Contract: KubeSphere 3.4 v1alpha1 and 4.1 v1beta1.
type WorkspaceSpec struct {
	// manager is the name of the user who administers the workspace. Empty: nobody but the platform's
	// administrators.
	// +optional
	Manager string `json:"manager,omitempty"`

	// networkIsolation asks that pods of the workspace accept traffic only from their own workspace.
	// Unset leaves the decision to the namespaces. Contract: KubeSphere 3.x, where 4.x dropped it.
	// +optional
	NetworkIsolation *bool `json:"networkIsolation,omitempty"`
}

// WorkspaceStatus is what was observed of a workspace.
type WorkspaceStatus struct {
	// conditions tell how the workspace is: Ready, Reconciling and Stalled, then Accepted.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that the status was computed from.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// namespaceCount is the number of namespaces that carry the workspace's label, those being deleted
	// included.
	// +optional
	// +kubebuilder:validation:Minimum=0
	NamespaceCount *int32 `json:"namespaceCount,omitempty"`

	// namespaceLimit is the greatest number of namespaces that members may bring the workspace to; the strictest
	// WorkspacePolicy decides. Absent: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	NamespaceLimit *int32 `json:"namespaceLimit,omitempty"`

	// frozenNamespaces are the namespaces that members made beyond the limit, sorted, at most 100 of them. No
	// role of the workspace is effective in them until there is room.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	FrozenNamespaces []string `json:"frozenNamespaces,omitempty"`
}

// WorkspaceList is a list of workspaces.
//
// +kubebuilder:object:root=true
type WorkspaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the workspaces.
	Items []Workspace `json:"items"`
}
