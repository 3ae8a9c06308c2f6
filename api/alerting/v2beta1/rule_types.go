package v2beta1

// GroupSpec is what the groups of all levels have beside their rules.
type GroupSpec struct {
	// interval is the time between two evaluations, as a duration of Prometheus, for example 1m. Empty: that of the
	// evaluator. One that cannot be parsed is reported in the condition Accepted. Contract: KubeSphere 3.4.
	// +optional
	Interval string `json:"interval,omitempty"`

	// partial_response_strategy says what becomes of an evaluation by Thanos Ruler when a store does not answer: abort
	// (also when empty) or warn. Contract: KubeSphere 3.4.
	// +optional
	PartialResponseStrategy string `json:"partial_response_strategy,omitempty"` //nolint:tagliatelle // a contract

	// limit is the greatest number of alerts, or of series, that one rule may make; a rule that makes more fails. 0 or
	// absent: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +kubebuilder:validation:XValidation:rule="self >= 0",message="limit must be a whole number"
	Limit *int32 `json:"limit,omitempty"`

	// queryOffset is how far back an evaluation looks, so that late samples are seen, as a duration of Prometheus.
	// Empty: as the evaluator is set.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$`
	QueryOffset string `json:"queryOffset,omitempty"`

	// labels are added to every rule of the group that does not have them itself.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(name, size(name) > 0 && size(name) <= 128 && size(self[name]) <= 1024)",message="a label needs a name of 1 to 128 characters, and a value of at most 1024"
	Labels map[string]string `json:"labels,omitempty"`

	// evaluator is who evaluates the rules: ThanosRuler (also when empty) or Prometheus.
	// +optional
	// +kubebuilder:validation:Enum=Prometheus;ThanosRuler
	Evaluator Evaluator `json:"evaluator,omitempty"`

	// mode is Enforce (also when empty), or DryRun to see in the status what would become of the rules, without their
	// being evaluated.
	// +optional
	// +kubebuilder:validation:Enum=Enforce;DryRun
	Mode Mode `json:"mode,omitempty"`

	// tests are what the rules must answer for given series. They run before the rules are evaluated; when one fails,
	// the rules of before stay. They have the fields of promtool's rule tests.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	Tests []RuleTest `json:"tests,omitempty"`
}

// Evaluator is a program that evaluates rules.
type Evaluator string

// The evaluators.
const (
	EvaluatorPrometheus  Evaluator = "Prometheus"
	EvaluatorThanosRuler Evaluator = "ThanosRuler"
)

// Mode says whether a group takes effect.
type Mode string

// The modes.
const (
	ModeEnforce Mode = "Enforce"
	ModeDryRun  Mode = "DryRun"
)

// Rule is an alert, or a series that is computed ahead of its use. A rule that cannot work is reported in
// status.rejectedRules, and the others of its group work without it.
//
// +kubebuilder:validation:XValidation:rule="has(self.alert) != has(self.record)",message="a rule needs one of alert and record: alert to alert, record to compute a series"
// +kubebuilder:validation:XValidation:rule="!has(self.record) || has(self.expr) || has(self.exprBuilder)",message="a rule with record needs expr or exprBuilder"
// +kubebuilder:validation:XValidation:rule="!has(self.record) || !has(self.__for__) && !has(self.keepFiringFor)",message="a rule with record never fires: take for and keepFiringFor away"
// +kubebuilder:validation:XValidation:rule="!has(self.record) || !has(self.annotations) && !has(self.runbookURL)",message="a rule with record has nothing to say: take annotations and runbookURL away"
type Rule struct {
	// alert is the name of the alert. Contract: KubeSphere 3.4, which requires it; a rule has it or record.
	// +optional
	Alert string `json:"alert,omitempty"`

	// record is the name of the series that the rule computes, instead of alerting.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[a-zA-Z_:][a-zA-Z0-9_:]*$`
	Record string `json:"record,omitempty"`

	// expr is the query in PromQL, a string or a whole number; the alert fires for each series that it returns. In a
	// RuleGroup it sees the series of the group's namespace and no others. Without effect where exprBuilder is set.
	// Contract: KubeSphere 3.4.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	Expr Expression `json:"expr,omitempty"`

	// for is how long the query must have returned a series before the alert fires, as a duration of Prometheus, for
	// example 5m. Empty: it fires at once. Contract: KubeSphere 3.4.
	// +optional
	// +kubebuilder:validation:Pattern=`^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$`
	For string `json:"for,omitempty"`

	// keepFiringFor is how long the alert goes on firing after the query has ceased to return its series, as a duration
	// of Prometheus. Empty: it ends at once.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$`
	KeepFiringFor string `json:"keepFiringFor,omitempty"`

	// severity is put on the alert as the label severity: warning, error or critical in KubeSphere, which lets any
	// other pass too. Contract: KubeSphere 3.4.
	// +optional
	Severity string `json:"severity,omitempty"`

	// labels are put on the alert, or on the series. Those of an alert may be templates. Contract: KubeSphere 3.4.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// annotations describe the alert to people: summary, description and the like. They may be templates. Contract:
	// KubeSphere 3.4.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// runbookURL is the address of a page that says what to do about the alert. It becomes the annotation runbook_url.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s]+$`
	RunbookURL string `json:"runbookURL,omitempty"`

	// disable takes the rule out of evaluation. Contract: KubeSphere 3.4.
	// +optional
	Disable bool `json:"disable,omitempty"`
}

// NamespaceRule is a rule of a RuleGroup.
type NamespaceRule struct {
	Rule `json:",inline"`

	// exprBuilder is a form in place of expr, and has precedence.
	// +optional
	ExprBuilder *NamespaceExprBuilder `json:"exprBuilder,omitempty"`
}

// ClusterRule is a rule of a ClusterRuleGroup.
type ClusterRule struct {
	Rule `json:",inline"`

	// exprBuilder is a form in place of expr, and has precedence.
	// +optional
	ExprBuilder *ClusterExprBuilder `json:"exprBuilder,omitempty"`
}

// GlobalRule is a rule of a GlobalRuleGroup.
type GlobalRule struct {
	Rule `json:",inline"`

	// clusterSelector narrows the query to the series of some clusters. Empty: all.
	// +optional
	ClusterSelector *MetricLabelSelector `json:"clusterSelector,omitempty"`

	// namespaceSelector narrows the query to the series of some namespaces. Empty: all.
	// +optional
	NamespaceSelector *MetricLabelSelector `json:"namespaceSelector,omitempty"`

	// exprBuilder is a form in place of expr, and has precedence.
	// +optional
	ExprBuilder *GlobalExprBuilder `json:"exprBuilder,omitempty"`
}

// MetricLabelSelector selects series by the value of one label: by one of its fields. Contract: KubeSphere 3.4.
type MetricLabelSelector struct {
	// inValues are the values to select, taken as they are and not as patterns.
	// +optional
	// +listType=atomic
	InValues []string `json:"inValues,omitempty"`

	// matcher compares the value.
	// +optional
	Matcher *Matcher `json:"matcher,omitempty"`
}

// Matcher compares the value of a label.
type Matcher struct {
	// type is the operator: =, !=, =~ or !~. Another one is reported in status.rejectedRules.
	// +required
	Type string `json:"type"`

	// value to compare with. For =~ and !~ it is a regular expression, matched against the whole value of the label.
	// +optional
	Value string `json:"value,omitempty"`
}
