// Package v1alpha2 serves WorkspaceTemplate under the version that KubeSphere 3.x stores it in. Its schema is that
// of v1beta1 to the letter, so that a client of either version loses nothing of the other's fields.
//
// +kubebuilder:object:generate=true
// +groupName=tenant.kubesphere.io
package v1alpha2
