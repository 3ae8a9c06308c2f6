package v2beta1

// Keys that a cluster of KubeSphere 3.4 carries on groups; they are part of the contract.
const (
	// EnableLabel "true" on a group lets its rules be evaluated. Without it they are not, and the group says so.
	EnableLabel = "alerting.kubesphere.io/enable"

	// BuiltinLabel "true" on a group says that it came with the platform.
	BuiltinLabel = "alerting.kubesphere.io/builtin"

	// InitialConfigurationAnnotation on a group that came with the platform is what it was at first, as JSON, to be
	// set back to.
	InitialConfigurationAnnotation = "alerting.kubesphere.io/initial-configuration"
)

// Keys that KubeSphere 3.4 puts on each PrometheusRule that it makes. Its evaluator selects by the first.
const (
	// RuleLevelLabel is the level of the rules: namespace, cluster or global.
	RuleLevelLabel = "alerting.kubesphere.io/rule_level"

	// OwnerNamespaceLabel is the namespace that the rules are of.
	OwnerNamespaceLabel = "alerting.kubesphere.io/owner_namespace"

	// OwnerClusterLabel is the cluster that the rules are of.
	OwnerClusterLabel = "alerting.kubesphere.io/owner_cluster"
)

// Labels that KubeSphere 3.4 puts on each alert. Its Alertmanager routes and groups by them, its console finds the
// alerts of a rule by them; a rule cannot set them itself.
const (
	// RuleLabelLevel is the level of the rule: namespace, cluster or global.
	RuleLabelLevel = "rule_level"

	// RuleLabelGroup is the name of the group.
	RuleLabelGroup = "rule_group"

	// RuleLabelType is custom for a rule with expr, template for one with exprBuilder.
	RuleLabelType = "rule_type"

	// RuleLabelID tells one rule from all others. KubeSphere 3.4 writes it into the labels of the rule, where it is
	// kept.
	RuleLabelID = "rule_id"

	// RuleLabelAlertType is metric for all rules of these kinds.
	RuleLabelAlertType = "alerttype"

	// RuleLabelSeverity is the severity of the rule.
	RuleLabelSeverity = "severity"
)

// Values of RuleLevelLabel and RuleLabelLevel.
const (
	LevelNamespace = "namespace"
	LevelCluster   = "cluster"
	LevelGlobal    = "global"
)

// Values of RuleLabelType and RuleLabelAlertType.
const (
	RuleTypeTemplate = "template"
	RuleTypeCustom   = "custom"
	AlertTypeMetric  = "metric"
)

// ConditionTestsPassed on a group says whether its rules pass its tests. It stands beside the conditions that all
// kinds have.
const ConditionTestsPassed = "TestsPassed"

// The bounds of the schemas, for who writes what they limit.
const (
	// MaxRules is the greatest number of rules in a group, and of entries in its status. It is there to bound what the
	// API server checks; how many a group may have is for policies to say.
	MaxRules = 1000

	// MaxTests is the greatest number of tests in a group, and of what one test has of each kind.
	MaxTests = 100

	// MaxGroupLabels is the greatest number of labels that a group adds to its rules.
	MaxGroupLabels = 32

	// MaxMessage is the length of the longest message in a status, in characters; a longer one is cut.
	MaxMessage = 1024
)

// SchemaRevision is the number of the schemas of this group. It stands in the annotation
// ks.kubesphere.io/schema-revision of each definition, so that a manager can tell one that is older than it needs,
// and grows with each change of a field.
const SchemaRevision = 1
