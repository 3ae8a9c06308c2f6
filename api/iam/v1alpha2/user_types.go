package v1alpha2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
)

// User is the User of v1beta1 under the version that KubeSphere 3.x wrote.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=ksuser,categories=iam;kubesphere
// +kubebuilder:printcolumn:name="Email",type=string,JSONPath=`.spec.email`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="LastLogin",type=date,JSONPath=`.status.lastLoginTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type User struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the object should be.
	// +required
	Spec v1beta1.UserSpec `json:"spec"`

	// status is what was observed.
	// +optional
	Status v1beta1.UserStatus `json:"status,omitempty"`
}

// UserList is a list of them.
//
// +kubebuilder:object:root=true
type UserList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items of the list.
	Items []User `json:"items"`
}

// LoginRecord is the LoginRecord of v1beta1 under the version that KubeSphere 3.x wrote.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=loginrec,categories=iam;kubesphere
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=`.metadata.labels.iam\.kubesphere\.io/user-ref`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.provider`
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.spec.sourceIP`
// +kubebuilder:printcolumn:name="Success",type=boolean,JSONPath=`.spec.success`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.spec.reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type LoginRecord struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the object should be.
	// +required
	Spec v1beta1.LoginRecordSpec `json:"spec"`
}

// LoginRecordList is a list of them.
//
// +kubebuilder:object:root=true
type LoginRecordList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items of the list.
	Items []LoginRecord `json:"items"`
}
