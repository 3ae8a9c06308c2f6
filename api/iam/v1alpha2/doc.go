// Package v1alpha2 serves users, groups and roles under the version that KubeSphere 3.x stores them in. The
// schemas are those of v1beta1 to the letter, so that a client of either version loses nothing of the other's
// fields. RoleBase is the one kind that only this version has.
//
// +kubebuilder:object:generate=true
// +groupName=iam.kubesphere.io
package v1alpha2
