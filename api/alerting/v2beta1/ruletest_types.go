package v2beta1

// RuleTest says what the rules of a group must answer for given series.
//
// +kubebuilder:validation:XValidation:rule="has(self.alertTests) || has(self.exprTests)",message="a test needs something to expect: alertTests or exprTests"
type RuleTest struct {
	// name of the test, unique within the group.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`

	// interval is the time between two samples of inputSeries, as a duration of Prometheus. Empty: the interval of the
	// group, and 1m where it has none.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$`
	Interval string `json:"interval,omitempty"`

	// inputSeries are the series that there are. Rules are tested as they are written, so those of a RuleGroup see them
	// without the label namespace too.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	InputSeries []InputSeries `json:"inputSeries,omitempty"`

	// alertTests say which alerts fire, and when.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	AlertTests []AlertTest `json:"alertTests,omitempty"`

	// exprTests say what queries return, such as for what a rule records.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	ExprTests []ExprTest `json:"exprTests,omitempty"`
}

// InputSeries is a series with its samples.
type InputSeries struct {
	// series is its name with its labels, for example up{job="api"}.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Series string `json:"series"`

	// values are the samples in promtool's notation, for example "0+1x10" or "1 _ stale". In YAML they belong in
	// quotes: 0x10 without is the number 16.
	// +required
	// +kubebuilder:validation:MaxLength=16384
	Values string `json:"values"`
}

// AlertTest says which alerts of a name fire at a time.
type AlertTest struct {
	// evalTime is the time since the first sample, as a duration of Prometheus.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$`
	EvalTime string `json:"evalTime"`

	// alert is the name of the alert.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Alert string `json:"alert"`

	// expect are the alerts of the name that fire, in any order. Empty: none does.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Expect []ExpectedAlert `json:"expect,omitempty"`
}

// ExpectedAlert is an alert that fires.
type ExpectedAlert struct {
	// labels of the alert, apart from its name.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Labels map[string]string `json:"labels,omitempty"`

	// annotations of the alert.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]string `json:"annotations,omitempty"`
}

// ExprTest says what a query returns at a time.
type ExprTest struct {
	// expr is the query in PromQL.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	Expr string `json:"expr"`

	// evalTime is the time since the first sample, as a duration of Prometheus.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$`
	EvalTime string `json:"evalTime"`

	// expect are the samples that the query returns, in any order. Empty: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Expect []ExpectedSample `json:"expect,omitempty"`
}

// ExpectedSample is a sample that a query returns.
type ExpectedSample struct {
	// labels of the sample, written as a series, for example up{job="api"}. Empty: {}.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Labels string `json:"labels,omitempty"`

	// value of the sample, a number as Prometheus writes it, in quotes: "1.5", "1e9", "NaN", "+Inf".
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^([-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?Inf|NaN)$`
	Value string `json:"value"`
}
