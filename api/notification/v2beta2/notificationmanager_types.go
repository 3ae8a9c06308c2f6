package v2beta2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NotificationManager is a service that takes alerts and tells people of them. It says which Configs, Receivers,
// Silences and tenants it works for, and how it runs.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=nm,categories=notification-manager;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=1"
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

	// spec is what the service should be.
	// +optional
	Spec NotificationManagerSpec `json:"spec,omitempty"`

	// status is what was observed of the service.
	// +optional
	Status NotificationManagerStatus `json:"status,omitempty"`
}

// NotificationManagerSpec is what the service should be.
type NotificationManagerSpec struct {
	ManagerPod      `json:",inline"`
	ManagerPodRules `json:",inline"`

	// receivers says which Receivers and Silences are whose. Contract: KubeSphere 3.4.
	// +required
	Receivers ReceiversSpec `json:"receivers"`

	// defaultConfigSelector selects the Configs of the platform. Contract: KubeSphere 3.4.
	// +optional
	DefaultConfigSelector *metav1.LabelSelector `json:"defaultConfigSelector,omitempty"`

	// defaultSecretNamespace is the namespace of Secrets and ConfigMaps that are named without one. Empty: the one that
	// the service runs in. Contract: KubeSphere 3.4.
	// +optional
	DefaultSecretNamespace string `json:"defaultSecretNamespace,omitempty"`

	// history is told of every message that was sent, and that was given up. Contract: KubeSphere 3.4.
	// +optional
	History *HistoryReceiver `json:"history,omitempty"`

	// groupLabels are the labels whose alerts, where they have the same values, go into one message. Contract:
	// KubeSphere 3.4.
	// +optional
	// +listType=atomic
	GroupLabels []string `json:"groupLabels,omitempty"`

	// batchMaxSize is the greatest number of alerts in one message. Contract: KubeSphere 3.4.
	// +optional
	// +kubebuilder:default=100
	BatchMaxSize Number `json:"batchMaxSize,omitempty"`

	// batchMaxWait is how long alerts are gathered for one message, after a first one that is told at once. It counts
	// where grouping is absent. Contract: KubeSphere 3.4.
	// +optional
	// +kubebuilder:default="1m"
	BatchMaxWait Duration `json:"batchMaxWait,omitempty"`

	// routePolicy is All: the receivers of routers, and those of the tenants of the alert's namespace; RouterFirst: the
	// latter where no router selects the alert; or RouterOnly. Another one is reported in the condition Accepted.
	// Contract: KubeSphere 3.4.
	// +optional
	// +kubebuilder:default=All
	RoutePolicy RoutePolicy `json:"routePolicy,omitempty"`

	// template says what messages look like. Contract: KubeSphere 3.4.
	// +optional
	Template *Template `json:"template,omitempty"`

	// mode is Relay (also when empty) for alerts that Alertmanager sends, which says when they are told and told again;
	// or Engine for alerts that Prometheus itself sends, which are grouped, inhibited and told again here.
	// +optional
	// +kubebuilder:validation:Enum=Relay;Engine
	Mode ManagerMode `json:"mode,omitempty"`

	// grouping says when alerts of one group are told, and told again. Absent: as batchMaxWait says.
	// +optional
	Grouping *Grouping `json:"grouping,omitempty"`

	// tenantMatch says which alerts are a tenant's: those with a label namespace that the tenant may see
	// (NamespaceLabel, also when empty), or of them those alone that have rule_level="namespace" (RuleLevel, as
	// KubeSphere 4.2 has it).
	// +optional
	// +kubebuilder:validation:Enum=NamespaceLabel;RuleLevel
	TenantMatch TenantMatch `json:"tenantMatch,omitempty"`

	// delivery says what becomes of what is taken, until it is delivered.
	// +optional
	Delivery *Delivery `json:"delivery,omitempty"`

	// auth says whom the service answers. Absent: everybody who reaches it.
	// +optional
	Auth *ManagerAuth `json:"auth,omitempty"`

	// watchdog notices when alerts stop arriving.
	// +optional
	Watchdog *Watchdog `json:"watchdog,omitempty"`
}

// RoutePolicy says whom routers and tenants bring alerts to.
type RoutePolicy string

// The policies of routes.
const (
	RouteAll         RoutePolicy = "All"
	RouteRouterFirst RoutePolicy = "RouterFirst"
	RouteRouterOnly  RoutePolicy = "RouterOnly"
)

// ManagerMode says who sends alerts.
type ManagerMode string

// The modes of a NotificationManager.
const (
	ManagerModeRelay  ManagerMode = "Relay"
	ManagerModeEngine ManagerMode = "Engine"
)

// TenantMatch says which alerts are a tenant's.
type TenantMatch string

// The ways to match tenants.
const (
	TenantMatchNamespaceLabel TenantMatch = "NamespaceLabel"
	TenantMatchRuleLevel      TenantMatch = "RuleLevel"
)

// ReceiversSpec says which Receivers and Silences are whose. Contract: KubeSphere 3.4.
type ReceiversSpec struct {
	// tenantKey is the name of the label whose value is the name of a tenant. Empty: user.
	// +required
	TenantKey string `json:"tenantKey"`

	// globalReceiverSelector selects the Receivers that are told of every alert. It has matchLabels alone, and one of
	// them that fits suffices.
	// +required
	GlobalReceiverSelector *metav1.LabelSelector `json:"globalReceiverSelector"`

	// tenantReceiverSelector selects the objects of tenants. It has matchLabels alone, and one of them that fits
	// suffices.
	// +required
	TenantReceiverSelector *metav1.LabelSelector `json:"tenantReceiverSelector"`

	// options are for all receivers of a channel.
	// +optional
	Options *Options `json:"options,omitempty"`
}

// HistoryReceiver is told of every message. Contract: KubeSphere 3.4.
type HistoryReceiver struct {
	// webhook is where it is posted to.
	// +required
	Webhook *WebhookReceiver `json:"webhook"`
}

// Template says what messages look like. Contract: KubeSphere 3.4.
type Template struct {
	// text is a ConfigMap with templates.
	// +optional
	Text *ConfigmapKeySelector `json:"text,omitempty"`

	// reloadCycle has no effect: a changed ConfigMap is in force at once.
	// +optional
	// +kubebuilder:default="1m"
	ReloadCycle Duration `json:"reloadCycle,omitempty"`

	// languagePack are ConfigMaps with dictionaries.
	// +optional
	// +listType=atomic
	LanguagePack []ConfigmapKeySelector `json:"languagePack,omitempty"`

	// language is the one that messages are translated to, by its name in a language pack.
	// +optional
	// +kubebuilder:default="English"
	Language string `json:"language,omitempty"`

	// timeZone is the name of the zone that messages tell times in, and that schedules without one of their own are in,
	// such as Asia/Shanghai. Empty: UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_+/-]+$`
	TimeZone string `json:"timeZone,omitempty"`
}

// Grouping says when alerts of one group are told, and told again.
type Grouping struct {
	// wait is how long a new group is gathered before it is told, from 0s to 1h. Empty: 0s.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('1h')",message="must be a duration from 0s to 1h"
	Wait Duration `json:"wait,omitempty"`

	// interval is the time before what is new in a group is told, from 1s to 24h. Empty: 5m.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="must be a duration from 1s to 24h"
	Interval Duration `json:"interval,omitempty"`

	// repeat is the time before a group that has not changed is told again, from 1m to 720h. Empty: 12h.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('720h')",message="must be a duration from 1m to 720h"
	Repeat Duration `json:"repeat,omitempty"`
}

// Watchdog notices when alerts stop arriving: an alert that always fires, such as Prometheus' Watchdog, has to come
// again and again.
type Watchdog struct {
	// matcher selects the alert that has to come, by its labels. Absent: alertname=Watchdog.
	// +optional
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || size(self.matchLabels) <= 32) && (!has(self.matchExpressions) || size(self.matchExpressions) <= 32)",message="must have at most 32 matchLabels and 32 matchExpressions"
	Matcher *LabelSelector `json:"matcher,omitempty"`

	// timeout is how long it may stay away before people are told, from 1m to 24h. Empty: 10m.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="must be a duration from 1m to 24h"
	Timeout Duration `json:"timeout,omitempty"`

	// receivers are the names of the Receivers that are told. Empty: the global ones.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Receivers []string `json:"receivers,omitempty"`
}

// NotificationManagerStatus is what was observed of the service.
type NotificationManagerStatus struct {
	CommonStatus `json:",inline"`

	// replicas is the number of pods that there are.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// readyReplicas is the number of pods that take alerts.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReadyReplicas *int32 `json:"readyReplicas,omitempty"`

	// endpoint is the address that alerts are posted to.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Endpoint string `json:"endpoint,omitempty"`

	// pendingDeliveries is the number of messages that wait to be delivered.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PendingDeliveries *int64 `json:"pendingDeliveries,omitempty"`

	// deadLetters is the number of messages that were given up and are kept.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DeadLetters *int64 `json:"deadLetters,omitempty"`

	// tenants is the number of tenants with a Receiver.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Tenants *int32 `json:"tenants,omitempty"`

	// receivers is the number of Receivers that may be told.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReceiverCount *int32 `json:"receivers,omitempty"`

	// lastAlert is when an alert arrived last.
	// +optional
	LastAlert *metav1.Time `json:"lastAlert,omitempty"`

	// lastWatchdog is when the alert of the watchdog arrived last.
	// +optional
	LastWatchdog *metav1.Time `json:"lastWatchdog,omitempty"`
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
