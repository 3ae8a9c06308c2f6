package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WorkspacePolicy says what the workspaces it selects may have. Where several select one workspace, the strictest
// limit counts.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=workspacepolicies,scope=Cluster,shortName=wsp,categories=tenant;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=3"
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Namespaces",type=integer,JSONPath=`.spec.limits.namespaces`
// +kubebuilder:printcolumn:name="Workspaces",type=integer,JSONPath=`.status.workspaceCount`
// +kubebuilder:printcolumn:name="Full",type=string,JSONPath=`.status.fullWorkspaces`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type WorkspacePolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the policy asks for.
	// +optional
	Spec WorkspacePolicySpec `json:"spec,omitempty"`

	// status is what was observed of the policy.
	// +optional
	Status WorkspacePolicyStatus `json:"status,omitempty"`
}

// WorkspacePolicySpec is what a policy asks for.
type WorkspacePolicySpec struct {
	// selector selects workspaces by label. Empty: all workspaces.
	// +optional
	Selector metav1.LabelSelector `json:"selector,omitempty"`

	// priority orders policies where they are shown; limits do not depend on it, for the strictest counts.
	// +optional
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	Priority int32 `json:"priority,omitempty"`

	// mode is Enforce, or DryRun to see in the status what would be refused.
	// +optional
	// +kubebuilder:default=Enforce
	// +kubebuilder:validation:Enum=Enforce;DryRun
	Mode Mode `json:"mode,omitempty"`

	// limits are the greatest amounts.
	// +optional
	Limits WorkspaceLimits `json:"limits,omitempty"`
}

// Mode says whether a policy or an assignment takes effect.
type Mode string

// The modes.
const (
	ModeEnforce Mode = "Enforce"
	ModeDryRun  Mode = "DryRun"
)

// WorkspaceLimits are the greatest amounts of what a workspace may have.
type WorkspaceLimits struct {
	// namespaces is the greatest number of namespaces that members may bring the workspace to. Administrators of the
	// platform may exceed it. Absent: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Namespaces *int32 `json:"namespaces,omitempty"`
}

// WorkspacePolicyStatus is what was observed of a policy.
type WorkspacePolicyStatus struct {
	// conditions tell how the policy is: Ready, Reconciling and Stalled, then Accepted.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that the status was computed from.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// workspaceCount is the number of workspaces that the policy selects.
	// +optional
	// +kubebuilder:validation:Minimum=0
	WorkspaceCount *int32 `json:"workspaceCount,omitempty"`

	// fullWorkspaces are the selected workspaces that have as many namespaces as this policy allows, or more,
	// sorted. Their members are refused further namespaces.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10000
	FullWorkspaces []string `json:"fullWorkspaces,omitempty"`
}

// WorkspacePolicyList is a list of policies.
//
// +kubebuilder:object:root=true
type WorkspacePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the policies.
	Items []WorkspacePolicy `json:"items"`
}
