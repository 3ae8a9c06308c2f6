package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AlertingPolicy says which rules the RuleGroups of the namespaces it selects may have. Without a selector it is for
// the ClusterRuleGroups and GlobalRuleGroups too. Where several are for one group, the strictest counts, field by
// field.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=alertingpolicies,scope=Cluster,shortName=alp,categories=alerting;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=1"
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Namespaces",type=integer,JSONPath=`.status.namespaces`
// +kubebuilder:printcolumn:name="Rejected",type=integer,JSONPath=`.status.rejected`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type AlertingPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the policy asks for.
	// +optional
	Spec AlertingPolicySpec `json:"spec,omitempty"`

	// status is what was observed of the policy.
	// +optional
	Status AlertingPolicyStatus `json:"status,omitempty"`
}

// AlertingPolicySpec is what a policy asks for.
type AlertingPolicySpec struct {
	// selector says which namespaces the policy is for. Empty: all, and the groups of the cluster.
	// +optional
	Selector PolicySelector `json:"selector,omitempty"`

	// priority orders policies where they are shown; what is allowed does not depend on it, for the strictest counts.
	// +optional
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	Priority int32 `json:"priority,omitempty"`

	// mode is Enforce (also when empty), or DryRun to see in the status what would be refused.
	// +optional
	// +kubebuilder:validation:Enum=Enforce;DryRun
	Mode Mode `json:"mode,omitempty"`

	// limits are the greatest amounts.
	// +optional
	Limits PolicyLimits `json:"limits,omitempty"`

	// required is what every rule that alerts must have.
	// +optional
	Required PolicyRequired `json:"required,omitempty"`

	// allow says what rules may do.
	// +optional
	Allow PolicyAllow `json:"allow,omitempty"`
}

// Mode says whether a policy takes effect.
type Mode string

// The modes.
const (
	ModeEnforce Mode = "Enforce"
	ModeDryRun  Mode = "DryRun"
)

// PolicySelector selects namespaces. One that has both fields selects what both select.
type PolicySelector struct {
	// workspaces are the names of workspaces whose namespaces are selected. Empty: the namespaces of all, and those
	// that belong to none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Workspaces []string `json:"workspaces,omitempty"`

	// namespaces selects namespaces by their labels. Absent: all.
	// +optional
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`
}

// PolicyLimits are the greatest amounts of what the groups of a namespace may have. What is absent has no limit, unless
// the field says otherwise.
type PolicyLimits struct {
	// groupsPerNamespace is the greatest number of groups in a namespace. The oldest count first.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	GroupsPerNamespace *int32 `json:"groupsPerNamespace,omitempty"`

	// rulesPerGroup is the greatest number of rules in a group. Where no policy says so it is 40, as in KubeSphere 3.4.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	RulesPerGroup *int32 `json:"rulesPerGroup,omitempty"`

	// rulesPerNamespace is the greatest number of rules in all groups of a namespace.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	RulesPerNamespace *int32 `json:"rulesPerNamespace,omitempty"`

	// minInterval is the shortest interval of a group, as a duration of Prometheus, for example 30s.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$`
	MinInterval string `json:"minInterval,omitempty"`

	// maxRange is the longest time that a query may look back, its offset included, as a duration of Prometheus, for
	// example 1d.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$`
	MaxRange string `json:"maxRange,omitempty"`

	// selectorsPerRule is the greatest number of selectors of series in the query of a rule.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	SelectorsPerRule *int32 `json:"selectorsPerRule,omitempty"`
}

// PolicyRequired is what every rule that alerts must have.
type PolicyRequired struct {
	// labels are the names of labels that a rule must have, its group's included. A rule with a severity has the label
	// severity.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Labels []string `json:"labels,omitempty"`

	// annotations are the names of annotations that a rule must have. A rule with a runbookURL has the annotation
	// runbook_url.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Annotations []string `json:"annotations,omitempty"`
}

// PolicyAllow says what rules may do.
type PolicyAllow struct {
	// functions are the names of the functions of PromQL that queries may call. Absent: all that are not experimental.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	Functions []string `json:"functions,omitempty"`

	// conflict says what becomes of a rule that asks for the series of another namespace: Replace (also when empty)
	// asks for those of its own namespace instead, as KubeSphere 3.4 does, and warns; Reject refuses the rule.
	// +optional
	// +kubebuilder:validation:Enum=Reject;Replace
	Conflict ConflictMode `json:"conflict,omitempty"`

	// templateQueries says what becomes of queries within labels and annotations: Confine (also when empty) narrows
	// them to the series of the namespace, as those of rules; Forbid refuses the rule.
	// +optional
	// +kubebuilder:validation:Enum=Confine;Forbid
	TemplateQueries TemplateQueriesMode `json:"templateQueries,omitempty"`
}

// ConflictMode says what becomes of a rule that asks for the series of another namespace.
type ConflictMode string

// The modes of conflicts.
const (
	ConflictReject  ConflictMode = "Reject"
	ConflictReplace ConflictMode = "Replace"
)

// TemplateQueriesMode says what becomes of queries within labels and annotations.
type TemplateQueriesMode string

// The modes of queries within templates.
const (
	TemplateQueriesConfine TemplateQueriesMode = "Confine"
	TemplateQueriesForbid  TemplateQueriesMode = "Forbid"
)

// AlertingPolicyStatus is what was observed of a policy.
type AlertingPolicyStatus struct {
	// conditions tell how the policy is: Ready, Reconciling and Stalled, then Accepted.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that the status was computed from.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// namespaces is the number of namespaces that the policy selects.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Namespaces int32 `json:"namespaces"`

	// rejected is the number of rules in them that the policy refuses, or would refuse with mode Enforce.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Rejected int32 `json:"rejected"`
}

// AlertingPolicyList is a list of policies.
//
// +kubebuilder:object:root=true
type AlertingPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the policies.
	Items []AlertingPolicy `json:"items"`
}
