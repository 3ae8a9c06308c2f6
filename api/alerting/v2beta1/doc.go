// Package v2beta1 holds the groups of alerting and recording rules of the group alerting.kubesphere.io. Group, kinds,
// fields and labels are KubeSphere 3.4's contract: its objects are accepted unchanged, and none of their fields is
// lost. What is of this project is optional, and is said to be so at the field.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package="../../applyconfiguration"
// +groupName=alerting.kubesphere.io
package v2beta1
