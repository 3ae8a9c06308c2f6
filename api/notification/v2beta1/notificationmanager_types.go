package v2beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// NotificationManager is the NotificationManager of v2beta2 under the version that KubeSphere 3.x wrote before.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=nm,categories=notification-manager;kubesphere
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="Durable",type=string,JSONPath=`.status.conditions[?(@.type=="Durable")].status`
// +kubebuilder:printcolumn:name="Pending",type=integer,JSONPath=`.status.pendingDeliveries`
// +kubebuilder:printcolumn:name="Dead",type=integer,JSONPath=`.status.deadLetters`
// +kubebuilder:printcolumn:name="Healthy",type=string,JSONPath=`.status.conditions[?(@.type=="Healthy")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type NotificationManager struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is that of v2beta2.
	// +optional
	Spec v2beta2.NotificationManagerSpec `json:"spec,omitempty"`

	// status is that of v2beta2.
	// +optional
	Status v2beta2.NotificationManagerStatus `json:"status,omitempty"`
}

// NotificationManagerList is a list of NotificationManagers.
//
// +kubebuilder:object:root=true
type NotificationManagerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the NotificationManagers.
	Items []NotificationManager `json:"items"`
}
