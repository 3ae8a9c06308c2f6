// Package v2beta2 holds the kinds of the group notification.kubesphere.io: who is told of alerts, by which channels,
// with which credentials, and what nobody is told of. Kinds, fields, defaults and labels that KubeSphere 3.4 and 4.1
// have are a contract: their objects are accepted unchanged, and none of their fields is lost. What is of this project
// is optional, bounded, and is said to be so at the field.
//
// The version v2beta1, which KubeSphere 3.x wrote before, is served with the same schema, and nothing is converted: a
// Credential is read in the form of either version, whichever the object is read in.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package="../../applyconfiguration"
// +groupName=notification.kubesphere.io
package v2beta2
