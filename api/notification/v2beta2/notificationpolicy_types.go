package v2beta2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NotificationPolicy says what the Configs, Receivers and Silences of tenants may do. It says nothing of the platform's
// own, which have the label type=global or type=default. Where several policies are for one tenant, the strictest
// counts, field by field.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=notificationpolicies,scope=Cluster,shortName=npol,categories=notification-manager;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=1"
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Tenants",type=integer,JSONPath=`.status.tenants`
// +kubebuilder:printcolumn:name="Rejected",type=integer,JSONPath=`.status.rejected`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type NotificationPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the policy asks for.
	// +optional
	Spec NotificationPolicySpec `json:"spec,omitempty"`

	// status is what was observed of the policy.
	// +optional
	Status NotificationPolicyStatus `json:"status,omitempty"`
}

// NotificationPolicySpec is what a policy asks for.
type NotificationPolicySpec struct {
	// selector says which tenants the policy is for. Empty: all.
	// +optional
	Selector TenantSelector `json:"selector,omitempty"`

	// priority orders policies where they are shown; what is allowed does not depend on it, for the strictest counts.
	// +optional
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	// +kubebuilder:validation:XValidation:rule="self - self == 0",message="must be a whole number"
	Priority int32 `json:"priority,omitempty"`

	// mode is Enforce (also when empty), or DryRun to see in the status what would be refused.
	// +optional
	// +kubebuilder:validation:Enum=Enforce;DryRun
	Mode PolicyMode `json:"mode,omitempty"`

	// limits are the greatest amounts.
	// +optional
	Limits PolicyLimits `json:"limits,omitempty"`

	// allow says what the objects of tenants may do.
	// +optional
	Allow PolicyAllow `json:"allow,omitempty"`
}

// PolicyMode says whether a policy takes effect.
type PolicyMode string

// The modes of a policy.
const (
	PolicyModeEnforce PolicyMode = "Enforce"
	PolicyModeDryRun  PolicyMode = "DryRun"
)

// TenantSelector selects tenants. A tenant is who the label that spec.receivers.tenantKey of the NotificationManager
// names has as its value: in KubeSphere a user, by user=<name>. A selector that has both fields selects what both
// select.
type TenantSelector struct {
	// tenants are names of tenants. Empty: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Tenants []string `json:"tenants,omitempty"`

	// objects selects the objects of tenants by their labels. Absent: all.
	// +optional
	Objects *metav1.LabelSelector `json:"objects,omitempty"`
}

// PolicyLimits are the greatest amounts of what each tenant may have. What is absent has no limit.
type PolicyLimits struct {
	// receivers is the greatest number of Receivers. The oldest count first.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	// +kubebuilder:validation:XValidation:rule="self - self == 0",message="must be a whole number"
	Receivers *int32 `json:"receivers,omitempty"`

	// targets is the greatest number of people, chats and addresses that one Receiver tells.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	// +kubebuilder:validation:XValidation:rule="self - self == 0",message="must be a whole number"
	Targets *int32 `json:"targets,omitempty"`

	// rate is the greatest number of messages to each target of a tenant.
	// +optional
	Rate *RateLimit `json:"rate,omitempty"`

	// pending is the greatest number of messages that wait for one target of a tenant. Those above
	// it are told together, in fewer messages.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +kubebuilder:validation:XValidation:rule="self - self == 0",message="must be a whole number"
	Pending *int32 `json:"pending,omitempty"`
}

// PolicyAllow says what the objects of tenants may do. What is absent is allowed.
type PolicyAllow struct {
	// channels are the channels that tenants may be told by. Absent: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Channels []ChannelName `json:"channels,omitempty"`

	// egress says which addresses the messages of tenants may go to.
	// +optional
	Egress PolicyEgress `json:"egress,omitempty"`

	// secrets says which credentials tenants may use.
	// +optional
	Secrets PolicySecrets `json:"secrets,omitempty"`
}

// ChannelName is the name of a channel, as in the spec of a Receiver.
//
// +kubebuilder:validation:Enum=dingtalk;discord;email;feishu;pushover;slack;sms;teams;telegram;webhook;wechat
type ChannelName string

// PolicyEgress says which addresses the messages of tenants may go to. Loopback, link-local (with it the cloud's
// metadata), multicast and unspecified addresses are refused to tenants in any case.
type PolicyEgress struct {
	// allow are the networks that may be reached, such as 203.0.113.0/24 or 2001:db8::/32. Empty: all that nothing else
	// forbids.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Format=cidr
	Allow []string `json:"allow,omitempty"`

	// deny are networks that may not be reached, whatever else allows them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Format=cidr
	Deny []string `json:"deny,omitempty"`

	// hosts are the names of the servers that may be reached: hooks.example.com, or *.example.com for all below it.
	// Empty: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`
	Hosts []string `json:"hosts,omitempty"`

	// privateNetworks is Deny to refuse private addresses, those of the cluster among them; Allow, also when empty,
	// refuses those that deny names.
	// +optional
	// +kubebuilder:validation:Enum=Allow;Deny
	PrivateNetworks AccessMode `json:"privateNetworks,omitempty"`
}

// PolicySecrets says which credentials tenants may use.
type PolicySecrets struct {
	// namespaces are those whose Secrets and ConfigMaps the objects of tenants may name. Empty: the
	// defaultSecretNamespace alone, and there those that are labelled as the tenant's.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`

	// values is Deny to refuse credentials that are written into the object itself; Allow, also when empty, takes them.
	// +optional
	// +kubebuilder:validation:Enum=Allow;Deny
	Values AccessMode `json:"values,omitempty"`

	// defaultConfigs is Deny to keep tenants from the credentials of the platform; Allow, also when empty, lets those
	// use them that have none of their own.
	// +optional
	// +kubebuilder:validation:Enum=Allow;Deny
	DefaultConfigs AccessMode `json:"defaultConfigs,omitempty"`
}

// NotificationPolicyStatus is what was observed of a policy.
type NotificationPolicyStatus struct {
	CommonStatus `json:",inline"`

	// tenants is the number of tenants with objects that the policy selects.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Tenants int32 `json:"tenants"`

	// rejected is the number of objects that the policy refuses, or would refuse with mode Enforce.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Rejected int32 `json:"rejected"`

	// rejections are the first 100 of them, by kind and name.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Rejections []PolicyRejection `json:"rejections,omitempty"`
}

// PolicyRejection is an object that a policy refuses.
type PolicyRejection struct {
	// kind of the object.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`

	// name of the object.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// field is the path of the field to change, for example spec.webhook.url.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Field string `json:"field,omitempty"`

	// message says what is refused and what to do about it, cut to 1024 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// NotificationPolicyList is a list of policies.
//
// +kubebuilder:object:root=true
type NotificationPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the policies.
	Items []NotificationPolicy `json:"items"`
}
