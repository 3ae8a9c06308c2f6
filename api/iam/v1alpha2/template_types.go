package v1alpha2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
)

// RoleBase is a role that each workspace or each namespace gets; its label scope.kubesphere.io/... says which.
// Contract:
// KubeSphere 3.x, where 4.x has BuiltinRole.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=rolebases,scope=Cluster,shortName=rolebase,categories=iam;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=2"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type RoleBase struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// role is a whole WorkspaceRole, GlobalRole, Role or ClusterRole.
	// +required
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Role runtime.RawExtension `json:"role"`

	// status is what was observed.
	// +optional
	Status v1beta1.Status `json:"status,omitempty"`
}

// RoleBaseList is a list of them.
//
// +kubebuilder:object:root=true
type RoleBaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items of the list.
	Items []RoleBase `json:"items"`
}
