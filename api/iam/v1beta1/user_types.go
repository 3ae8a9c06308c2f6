package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// User is the account of a person or a program. Its password is kept as a bcrypt hash: one that is written in
// plain is hashed by the
// manager at once.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:resource:scope=Cluster,shortName=ksuser,categories=iam;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=2"
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
	Spec UserSpec `json:"spec"`

	// status is what was observed.
	// +optional
	Status UserStatus `json:"status,omitempty"`
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

// LoginRecord tells of one try to log in. It belongs to the user that its label iam.kubesphere.io/user-ref names.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:resource:scope=Cluster,shortName=loginrec,categories=iam;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=2"
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
	Spec LoginRecordSpec `json:"spec"`
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
