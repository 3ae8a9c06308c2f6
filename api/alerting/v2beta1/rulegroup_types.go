package v2beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RuleGroup holds the rules of a namespace. They see the series of their namespace and no others, and their
// alerts carry it as the label namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=rg,categories=alerting;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=1"
// +kubebuilder:printcolumn:name="Rules",type=integer,JSONPath=`.status.rules`
// +kubebuilder:printcolumn:name="Firing",type=integer,JSONPath=`.status.firing`
// +kubebuilder:printcolumn:name="Healthy",type=string,JSONPath=`.status.conditions[?(@.type=="Healthy")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Evaluator",type=string,priority=1,JSONPath=`.spec.evaluator`
// +kubebuilder:printcolumn:name="Mode",type=string,priority=1,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type RuleGroup struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the group should be.
	// +optional
	Spec RuleGroupSpec `json:"spec,omitempty"`

	// status is what was observed of the group.
	// +optional
	Status RuleGroupStatus `json:"status,omitempty"`
}

// RuleGroupSpec is what a RuleGroup should be.
type RuleGroupSpec struct {
	GroupSpec `json:",inline"`

	// rules of the group, evaluated in their order. At most 40, as in KubeSphere 3.4, where no AlertingPolicy allows
	// another number; never more than 1000. Contract: KubeSphere 3.4.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Rules []NamespaceRule `json:"rules"`
}

// RuleGroupList is a list of groups.
//
// +kubebuilder:object:root=true
type RuleGroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the groups.
	Items []RuleGroup `json:"items"`
}

// ClusterRuleGroup holds rules of the cluster. They see all series.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=crg,categories=alerting;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=1"
// +kubebuilder:printcolumn:name="Rules",type=integer,JSONPath=`.status.rules`
// +kubebuilder:printcolumn:name="Firing",type=integer,JSONPath=`.status.firing`
// +kubebuilder:printcolumn:name="Healthy",type=string,JSONPath=`.status.conditions[?(@.type=="Healthy")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Evaluator",type=string,priority=1,JSONPath=`.spec.evaluator`
// +kubebuilder:printcolumn:name="Mode",type=string,priority=1,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type ClusterRuleGroup struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the group should be.
	// +optional
	Spec ClusterRuleGroupSpec `json:"spec,omitempty"`

	// status is what was observed of the group.
	// +optional
	Status RuleGroupStatus `json:"status,omitempty"`
}

// ClusterRuleGroupSpec is what a ClusterRuleGroup should be.
type ClusterRuleGroupSpec struct {
	GroupSpec `json:",inline"`

	// rules of the group, evaluated in their order. At most 40, as in KubeSphere 3.4, where no AlertingPolicy allows
	// another number; never more than 1000. Contract: KubeSphere 3.4.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Rules []ClusterRule `json:"rules"`
}

// ClusterRuleGroupList is a list of groups.
//
// +kubebuilder:object:root=true
type ClusterRuleGroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the groups.
	Items []ClusterRuleGroup `json:"items"`
}

// GlobalRuleGroup holds rules of a fleet of clusters, each of which may narrow what it sees to some clusters and
// namespaces.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=grg,categories=alerting;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=1"
// +kubebuilder:printcolumn:name="Rules",type=integer,JSONPath=`.status.rules`
// +kubebuilder:printcolumn:name="Firing",type=integer,JSONPath=`.status.firing`
// +kubebuilder:printcolumn:name="Healthy",type=string,JSONPath=`.status.conditions[?(@.type=="Healthy")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Evaluator",type=string,priority=1,JSONPath=`.spec.evaluator`
// +kubebuilder:printcolumn:name="Mode",type=string,priority=1,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type GlobalRuleGroup struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the group should be.
	// +optional
	Spec GlobalRuleGroupSpec `json:"spec,omitempty"`

	// status is what was observed of the group.
	// +optional
	Status RuleGroupStatus `json:"status,omitempty"`
}

// GlobalRuleGroupSpec is what a GlobalRuleGroup should be.
type GlobalRuleGroupSpec struct {
	GroupSpec `json:",inline"`

	// rules of the group, evaluated in their order. At most 40, as in KubeSphere 3.4, where no AlertingPolicy allows
	// another number; never more than 1000. Contract: KubeSphere 3.4.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Rules []GlobalRule `json:"rules"`
}

// GlobalRuleGroupList is a list of groups.
//
// +kubebuilder:object:root=true
type GlobalRuleGroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the groups.
	Items []GlobalRuleGroup `json:"items"`
}
