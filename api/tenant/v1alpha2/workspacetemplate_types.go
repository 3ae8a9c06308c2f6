package v1alpha2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
)

// WorkspaceTemplate is the WorkspaceTemplate of v1beta1 under the version that KubeSphere 3.x wrote.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=wst,categories=tenant;kubesphere
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Manager",type=string,JSONPath=`.spec.template.spec.manager`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type WorkspaceTemplate struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is that of v1beta1.
	// +optional
	Spec v1beta1.WorkspaceTemplateSpec `json:"spec,omitempty"`

	// status is that of v1beta1.
	// +optional
	Status v1beta1.WorkspaceTemplateStatus `json:"status,omitempty"`
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
