package v2beta2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Router brings alerts to Receivers that would not be told of them by their labels alone.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=nroute,categories=notification-manager;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=1"
// +kubebuilder:printcolumn:name="Order",type=integer,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Receivers",type=integer,JSONPath=`.status.matchedReceivers`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Router struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which alerts go to whom.
	// +optional
	Spec RouterSpec `json:"spec,omitempty"`

	// status is what was observed of the object.
	// +optional
	Status RouterStatus `json:"status,omitempty"`
}

// RouterSpec says which alerts go to whom.
type RouterSpec struct {
	// enabled false switches the router off. Absent: it is on.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// alertSelector selects the alerts by their labels. Contract: KubeSphere 3.4.
	// +required
	AlertSelector *LabelSelector `json:"alertSelector"`

	// receivers are told of the alerts: those of name, regexName, selector and channels together. Contract: KubeSphere
	// 3.4.
	// +required
	Receivers ReceiverSelector `json:"receivers"`

	// order is the place of the router among the others, the smallest first; those of the same order stand by their
	// names. It counts where one has continue false. Absent: 0.
	// +optional
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	// +kubebuilder:validation:XValidation:rule="self - self == 0",message="must be a whole number"
	Order int32 `json:"order,omitempty"`

	// continue false ends the way of an alert that the router selects: no router after it is asked. Absent: all are.
	// +optional
	Continue *bool `json:"continue,omitempty"`
}

// ReceiverSelector selects Receivers. Contract: KubeSphere 3.4.
type ReceiverSelector struct {
	// name are names of Receivers.
	// +optional
	// +listType=atomic
	Name []string `json:"name,omitempty"`

	// regexName is a regular expression for names of Receivers, searched for anywhere in the name.
	// +optional
	RegexName string `json:"regexName,omitempty"`

	// selector selects Receivers by their labels.
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`

	// channels are the Receivers of tenants.
	// +optional
	// +listType=atomic
	Channels []Channel `json:"channels,omitempty"`

	// type is the one channel that is told by, such as email. Empty: all.
	// +optional
	Type string `json:"type,omitempty"`
}

// Channel selects the Receivers of a tenant.
type Channel struct {
	// tenant is the name of the tenant.
	// +required
	Tenant string `json:"tenant"`

	// type are the channels that are told by, such as email. Empty: all.
	// +optional
	// +listType=atomic
	Type []string `json:"type,omitempty"`
}

// RouterStatus is what was observed of a Router.
type RouterStatus struct {
	CommonStatus `json:",inline"`

	// matchedReceivers is the number of Receivers that the router selects.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MatchedReceivers *int32 `json:"matchedReceivers,omitempty"`

	// unknownReceivers are the names in spec.receivers.name that no Receiver has, the first 100 of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	UnknownReceivers []string `json:"unknownReceivers,omitempty"`
}

// RouterList is a list of Routers.
//
// +kubebuilder:object:root=true
type RouterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the Routers.
	Items []Router `json:"items"`
}
