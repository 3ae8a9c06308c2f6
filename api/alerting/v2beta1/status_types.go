package v2beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RuleGroupStatus is what was observed of a group of any level. KubeSphere 3.4 leaves it empty, and answers with the
// fields rulesStatus and rulesStats when its API server is asked for a group.
type RuleGroupStatus struct {
	// observedGeneration is the metadata.generation that the status was computed from.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions tell how the group is: Ready, Reconciling and Stalled, then Accepted, TestsPassed, Programmed and
	// Healthy.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// rulesStatus tells how each rule is, in the order of spec.rules.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	RulesStatus []RuleStatus `json:"rulesStatus,omitempty"`

	// rulesStats are the numbers of rules by their state.
	// +optional
	RulesStats *RulesStats `json:"rulesStats,omitempty"`

	// rejectedRules are the rules that cannot work, and are not evaluated.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	RejectedRules []RejectedRule `json:"rejectedRules,omitempty"`

	// prometheusRule names the object that the rules are written to.
	// +optional
	PrometheusRule *ObjectReference `json:"prometheusRule,omitempty"`

	// rules is the number of rules in the group.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Rules *int32 `json:"rules,omitempty"`

	// firing is the number of alerts of the group that fire.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Firing *int32 `json:"firing,omitempty"`
}

// RuleStatus tells how a rule is, as the replicas of its evaluator say together.
type RuleStatus struct {
	// name is the alert or the record of the rule.
	// +required
	Name string `json:"name"`

	// ruleID is the label rule_id of the rule. It tells it from others of its name.
	// +optional
	RuleID string `json:"ruleID,omitempty"`

	// state is inactive, pending, firing or disabled. Empty: not known, or the rule records.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	State string `json:"state,omitempty"`

	// health of the last evaluation: ok, err or unknown.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Health string `json:"health,omitempty"`

	// lastError is what the last evaluation failed with, cut to 1024 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	LastError string `json:"lastError,omitempty"`

	// activeAlerts is the number of alerts of the rule that are pending or fire.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ActiveAlerts int32 `json:"activeAlerts,omitempty"`

	// activeSince is when the first of the alerts that are pending or fire became active.
	// +optional
	ActiveSince *metav1.Time `json:"activeSince,omitempty"`
}

// States of a rule.
const (
	StateInactive = "inactive"
	StatePending  = "pending"
	StateFiring   = "firing"
	StateDisabled = "disabled"
)

// Healths of a rule.
const (
	HealthOK      = "ok"
	HealthErr     = "err"
	HealthUnknown = "unknown"
)

// RulesStats are the numbers of rules by their state.
type RulesStats struct {
	// inactive is the number of rules without an active alert.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Inactive int32 `json:"inactive"`

	// pending is the number of rules with a pending alert, and none that fires.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Pending int32 `json:"pending"`

	// firing is the number of rules with an alert that fires.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Firing int32 `json:"firing"`

	// disabled is the number of rules that are not evaluated because they are disabled.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Disabled int32 `json:"disabled"`
}

// RejectedRule is a rule that cannot work.
type RejectedRule struct {
	// index of the rule in spec.rules, from 0.
	// +required
	// +kubebuilder:validation:Minimum=0
	Index int32 `json:"index"`

	// name is the alert or the record of the rule.
	// +optional
	Name string `json:"name,omitempty"`

	// field is the path of the field to change, for example spec.rules[3].expr.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Field string `json:"field,omitempty"`

	// reason in one word, for programs.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// message says what is wrong and what to do about it, cut to 1024 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// ObjectReference names an object.
type ObjectReference struct {
	// namespace of the object.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the object.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}
