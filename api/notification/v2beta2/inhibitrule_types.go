package v2beta2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// InhibitRule keeps alerts from being told while another alert says already what is wrong. It counts for everybody.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=ninh,categories=notification-manager;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=1"
// +kubebuilder:printcolumn:name="Equal",type=string,JSONPath=`.spec.equal`
// +kubebuilder:printcolumn:name="Inhibited",type=integer,JSONPath=`.status.inhibitedAlerts`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type InhibitRule struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which alerts keep which others from being told.
	// +required
	Spec InhibitRuleSpec `json:"spec"`

	// status is what was observed of the object.
	// +optional
	Status InhibitRuleStatus `json:"status,omitempty"`
}

// InhibitRuleSpec says which alerts keep which others from being told. An alert never inhibits itself: one that both
// matchers select is inhibited by no alert that both select.
type InhibitRuleSpec struct {
	// enabled false switches the rule off. Absent: it is on.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// sourceMatcher selects the alerts that say it already, by their labels.
	// +required
	// +kubebuilder:validation:XValidation:rule="has(self.matchLabels) && size(self.matchLabels) > 0 || has(self.matchExpressions) && size(self.matchExpressions) > 0",message="must select by a label at least: one that selects every alert would inhibit them all"
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || size(self.matchLabels) <= 32) && (!has(self.matchExpressions) || size(self.matchExpressions) <= 32)",message="must have at most 32 matchLabels and 32 matchExpressions"
	SourceMatcher LabelSelector `json:"sourceMatcher"`

	// targetMatcher selects the alerts that are not told meanwhile.
	// +required
	// +kubebuilder:validation:XValidation:rule="has(self.matchLabels) && size(self.matchLabels) > 0 || has(self.matchExpressions) && size(self.matchExpressions) > 0",message="must select by a label at least: one that selects every alert would inhibit them all"
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || size(self.matchLabels) <= 32) && (!has(self.matchExpressions) || size(self.matchExpressions) <= 32)",message="must have at most 32 matchLabels and 32 matchExpressions"
	TargetMatcher LabelSelector `json:"targetMatcher"`

	// equal are the labels that both alerts must have the same value of; one that is missing counts as empty.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Equal []string `json:"equal,omitempty"`

	// comment says what the rule is for.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Comment string `json:"comment,omitempty"`
}

// InhibitRuleStatus is what was observed of an InhibitRule.
type InhibitRuleStatus struct {
	CommonStatus `json:",inline"`

	// inhibitedAlerts is the number of alerts that fire and are not told because of the rule.
	// +optional
	// +kubebuilder:validation:Minimum=0
	InhibitedAlerts *int32 `json:"inhibitedAlerts,omitempty"`
}

// InhibitRuleList is a list of InhibitRules.
//
// +kubebuilder:object:root=true
type InhibitRuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the InhibitRules.
	Items []InhibitRule `json:"items"`
}
