// Package v1alpha1 holds what the group alerting.kubesphere.io has beside KubeSphere's kinds: the policies that say
// which rules the groups of v2beta1 may have.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package="../../applyconfiguration"
// +groupName=alerting.kubesphere.io
package v1alpha1
