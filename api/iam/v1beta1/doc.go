// Package v1beta1 holds the kinds of the group iam.kubesphere.io in the version they are stored in: users and
// groups, roles and who holds them. Group, kinds, fields and labels are KubeSphere's contract: objects written
// for its releases 3.x and 4.x are accepted unchanged, and no field of either is lost in any served version.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package="../../applyconfiguration"
// +groupName=iam.kubesphere.io
package v1beta1
