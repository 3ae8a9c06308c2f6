// Package v2beta1 serves NotificationManager, Config and Receiver under the version that KubeSphere 3.x wrote before
// v2beta2. Their schemas are those of v2beta2 to the letter, so that a client of either version loses nothing of the
// other's fields. Router, Silence, InhibitRule and NotificationPolicy never had this version.
//
// +kubebuilder:object:generate=true
// +groupName=notification.kubesphere.io
package v2beta1
