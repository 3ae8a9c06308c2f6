package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NamespaceAssignment puts the namespaces that a selector selects into a workspace, and keeps doing so for those
// that come later. Deleting it leaves the namespaces where they are.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=nsa,categories=tenant;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=3"
// +kubebuilder:printcolumn:name="Workspace",type=string,JSONPath=`.spec.workspace`
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Assigned",type=integer,JSONPath=`.status.assigned`
// +kubebuilder:printcolumn:name="Pending",type=integer,JSONPath=`.status.pending`
// +kubebuilder:printcolumn:name="Refused",type=integer,JSONPath=`.status.refused`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type NamespaceAssignment struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the assignment asks for.
	// +required
	Spec NamespaceAssignmentSpec `json:"spec"`

	// status is what was observed of the assignment.
	// +optional
	Status NamespaceAssignmentStatus `json:"status,omitempty"`
}

// NamespaceAssignmentSpec is what an assignment asks for.
type NamespaceAssignmentSpec struct {
	// workspace is the name of the workspace to put the namespaces into.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Workspace string `json:"workspace"`

	// selector selects namespaces by label. One that selects everything is refused. Namespaces of the system
	// (kube-*, kubesphere-*, default) are never selected.
	// +required
	Selector metav1.LabelSelector `json:"selector"`

	// from are the workspaces that namespaces may be taken from. Empty: only namespaces that belong to none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=63
	From []string `json:"from,omitempty"`

	// mode is Enforce, or DryRun to see in the status what would change.
	// +optional
	// +kubebuilder:default=Enforce
	// +kubebuilder:validation:Enum=Enforce;DryRun
	Mode Mode `json:"mode,omitempty"`
}

// NamespaceAssignmentStatus is what was observed of an assignment.
type NamespaceAssignmentStatus struct {
	// conditions tell how the assignment is: Ready, Reconciling and Stalled, then Accepted, ResolvedRefs and
	// Programmed.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that the status was computed from.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// assigned is the number of selected namespaces that are in the workspace.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Assigned *int32 `json:"assigned,omitempty"`

	// pending is the number of namespaces that are to be put into the workspace, or would be with mode Enforce.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Pending *int32 `json:"pending,omitempty"`

	// refused is the number of selected namespaces that stay where they are.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Refused *int32 `json:"refused,omitempty"`

	// changes are the first 100 of the pending and the refused namespaces, sorted by name.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +kubebuilder:validation:MaxItems=100
	Changes []AssignmentChange `json:"changes,omitempty"`
}

// AssignmentChange is what becomes of one namespace.
type AssignmentChange struct {
	// namespace is its name.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`

	// from is the workspace it is in now. Empty: in none.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	From string `json:"from,omitempty"`

	// refused says why the namespace stays where it is. Empty: it is moved.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Refused string `json:"refused,omitempty"`
}

// NamespaceAssignmentList is a list of assignments.
//
// +kubebuilder:object:root=true
type NamespaceAssignmentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the assignments.
	Items []NamespaceAssignment `json:"items"`
}
