// Package v1beta1 holds the tenancy kinds of the group tenant.kubesphere.io in the version they are
// stored in. Group, kinds, fields and labels are KubeSphere's contract: objects written for its releases
// 3.x and 4.x are accepted unchanged, and no field of either is lost in any served version.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package="../../applyconfiguration"
// +groupName=tenant.kubesphere.io
package v1beta1
