package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// WorkspaceTemplate is what people write to get a workspace: it yields the Workspace of its own name and
// lets the workspace's manager see and administer it.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=wst,categories=tenant;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=3"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Manager",type=string,JSONPath=`.spec.template.spec.manager`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type WorkspaceTemplate struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the workspace that should be.
	// +optional
	Spec WorkspaceTemplateSpec `json:"spec,omitempty"`

	// status is what was observed of the template.
	// +optional
	Status WorkspaceTemplateStatus `json:"status,omitempty"`
}

// WorkspaceTemplateSpec is the workspace that should be. Contract: KubeSphere 3.4 v1alpha2 and 4.1
// v1beta1.
type WorkspaceTemplateSpec struct {
	// template is the Workspace to make.
	Template Template `json:"template"`

	// placement says on which clusters of a fleet the workspace should be. This manager serves the
	// cluster it runs in: the Workspace is made here, and a condition names the clusters it is not made on.
	Placement Placement `json:"placement"`

	// overrides change the workspace on single clusters of a fleet. Contract: KubeSphere 3.x, where 4.x
	// dropped it.
	// +optional
	// +listType=atomic
	Overrides []Override `json:"overrides,omitempty"`
}

// Template is the Workspace that a WorkspaceTemplate yields.
type Template struct {
	// metadata holds the labels and annotations of the Workspace. Other fields are kept and have no
	// effect.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Metadata TemplateMetadata `json:"metadata,omitempty"`

	// spec is the spec of the Workspace.
	// +optional
	Spec WorkspaceSpec `json:"spec,omitempty"`
}

// TemplateMetadata is the part of an object's metadata that a template passes on.
type TemplateMetadata struct {
	// labels of the Workspace.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// annotations of the Workspace.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Placement says on which clusters of a fleet a workspace should be: those named in clusters, or else those
// that clusterSelector selects.
type Placement struct {
	// clusters names the clusters.
	// +optional
	// +listType=atomic
	Clusters []ClusterReference `json:"clusters,omitempty"`

	// clusterSelector selects clusters by label; an empty selector selects all.
	// +optional
	ClusterSelector *metav1.LabelSelector `json:"clusterSelector,omitempty"`
}

// ClusterReference names a cluster of a fleet.
type ClusterReference struct {
	// name of the cluster.
	Name string `json:"name"`
}

// Override changes a workspace on one cluster of a fleet.
type Override struct {
	// clusterName names the cluster.
	// +optional
	ClusterName string `json:"clusterName,omitempty"`

	// clusterOverrides are the changes, made in their order.
	// +optional
	// +listType=atomic
	ClusterOverrides []ClusterOverride `json:"clusterOverrides,omitempty"`
}

// ClusterOverride is one change, in the manner of a JSON patch.
type ClusterOverride struct {
	// op is the operation: add, remove or replace. Empty means replace.
	// +optional
	Op string `json:"op,omitempty"`

	// path is the JSON pointer of the field to change, for example /spec/networkIsolation.
	// +optional
	Path string `json:"path,omitempty"`

	// value is the new value: any JSON, objects, lists, strings, numbers, booleans and null alike.
	// +optional
	// +nullable
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	Value *runtime.RawExtension `json:"value,omitempty"`
}

// WorkspaceTemplateStatus is what was observed of a template.
type WorkspaceTemplateStatus struct {
	// conditions tell how the template is: Ready, Reconciling and Stalled, then Accepted and Programmed.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that the status was computed from.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// WorkspaceTemplateList is a list of templates.
//
// +kubebuilder:object:root=true
type WorkspaceTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the templates.
	Items []WorkspaceTemplate `json:"items"`
}
