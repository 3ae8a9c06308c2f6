package rendering

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/builder"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/scope"
)

// The labels of series that say where they come from.
const (
	labelNamespace = "namespace"
	labelCluster   = "cluster"
)

const annotationRunbook = "runbook_url"

// maxObject is how large the rules of one group may become, in bytes as JSON: what prometheus-operator takes is 512
// KiB as YAML, which is shorter.
const maxObject = 400 << 10

// Surroundings are what a group meets where it is rendered.
type Surroundings struct {
	Bounds policy.Bounds

	// Allowance is how many rules the group may have: the smaller of its own limit and what other groups left.
	Allowance policy.Bound[int]

	// Cluster is the name of this cluster in the label of series; empty where series have none.
	Cluster string
}

// Result is what became of a group.
type Result struct {
	// Rules are what evaluators read.
	Rules monitoringv1.RuleGroup

	// Rejected are the rules that are left out, in their order.
	Rejected []alertingv2beta1.RejectedRule

	// Warnings tell what was changed against the author's wish.
	Warnings []string

	// IDs has the identity of each rule of the group, as the evaluator will show it; empty for recording rules.
	IDs []string

	// Sources has the query of each rule before it was confined, empty for those left out: what tests are run on.
	Sources []string
}

// Render makes of a group what evaluators read. An error is about the group as a whole, by field: nothing of it can be
// used until it is corrected.
func Render(group Group, around Surroundings) (Result, error) {
	head, warnings, err := around.head(group)
	if err != nil {
		return Result{}, err
	}

	result := Result{Rules: head, Warnings: warnings, IDs: group.identify(), Sources: make([]string, len(group.Rules))}
	renderer := renderer{group: group, around: around, result: &result, seen: map[string]int{}}

	for i := range group.Rules {
		renderer.add(i)
	}

	return result, nil
}

// renderer collects the rules of a group.
type renderer struct {
	group  Group
	around Surroundings
	result *Result
	seen   map[string]int // what each rule gives, and the rule that gives it first
	plain  *scope.Scope   // of the rules that select nothing themselves
	size   int
	used   int
}

// add renders one rule, or rejects it.
func (r *renderer) add(index int) {
	rule := r.group.Rules[index]
	if rule.Disable {
		return
	}

	rendered, warnings, refusal := r.render(index, rule)
	if refusal == nil {
		refusal = r.fits(index, rendered)
	}

	if refusal != nil {
		refusal.Index, refusal.Name = int32(index), cmp.Or(rule.Alert, rule.Record) //nolint:gosec // Fewer than 2^31.
		refusal.Name = shorten(refusal.Name)
		r.result.Rejected = append(r.result.Rejected, *refusal)
		r.result.Sources[index] = ""

		return
	}

	for _, warning := range warnings {
		r.result.Warnings = append(r.result.Warnings, fmt.Sprintf("spec.rules[%d].%s", index, warning))
	}

	r.result.Rules.Rules = append(r.result.Rules.Rules, rendered)
}

// fits rejects what the group has already, and what it has no room for.
func (r *renderer) fits(index int, rule monitoringv1.Rule) *alertingv2beta1.RejectedRule {
	if refusal := r.room(); refusal != nil {
		return refusal
	}

	gives := outputOf(rule)
	if first, again := r.seen[gives]; again {
		return refuse("", ReasonDuplicate, fmt.Sprintf(
			"gives the same as spec.rules[%d]; change its name or one of its labels, or remove it", first))
	}

	size := sizeOf(rule)
	if r.size+size > maxObject {
		return refuse("", ReasonTooLarge, fmt.Sprintf(
			"does not fit: the rules of a group may have %d KiB together; move some to another group", maxObject>>10))
	}

	r.seen[gives] = index
	r.size += size
	r.used++

	return nil
}

func (r *renderer) room() *alertingv2beta1.RejectedRule {
	bound := r.around.Allowance
	if r.used < bound.Value {
		return nil
	}

	by := "at most"
	if bound.Given() {
		by = "by AlertingPolicy " + bound.By
	}

	return refuse("", ReasonTooManyRules, fmt.Sprintf(
		"is one too many: this group may have %d %s; move rules to another group, or ask for a higher limit",
		bound.Value, by))
}

// render makes one rule of one rule.
func (r *renderer) render(index int, rule Rule) (monitoringv1.Rule, []string, *alertingv2beta1.RejectedRule) {
	if refusal := checkFields(rule.Rule, r.around.Bounds); refusal != nil {
		return monitoringv1.Rule{}, nil, refusal
	}

	query, warnings, refusal := queryOf(rule)
	if refusal != nil {
		return monitoringv1.Rule{}, nil, refusal
	}

	confines, refusal := r.scopeOf(rule)
	if refusal != nil {
		return monitoringv1.Rule{}, nil, refusal
	}

	expression, err := confines.Expr(query)
	if err != nil {
		return monitoringv1.Rule{}, nil, refusalOf(err)
	}

	r.result.Sources[index] = query

	warnings = append(warnings, prefix("expr: ", expression.Warnings)...)

	labels, told, refusal := r.labels(index, rule, confines)
	if refusal != nil {
		return monitoringv1.Rule{}, nil, refusal
	}

	annotations, toldToo, refusal := annotationsOf(rule, confines)
	if refusal != nil {
		return monitoringv1.Rule{}, nil, refusal
	}

	return monitoringv1.Rule{
		Alert: rule.Alert, Record: rule.Record, Expr: intstr.FromString(expression.Text),
		For: durationOf[monitoringv1.Duration](rule.For), Labels: labels, Annotations: annotations,
		KeepFiringFor: durationOf[monitoringv1.NonEmptyDuration](rule.KeepFiringFor),
	}, slices.Concat(warnings, told, toldToo), nil
}

// queryOf returns the query of a rule: its form counts, as it did in KubeSphere, before expr.
func queryOf(rule Rule) (string, []string, *alertingv2beta1.RejectedRule) {
	if rule.Build == nil {
		if rule.Expr == "" {
			return "", nil, refuse("expr", ReasonRequired, "is missing, and so is exprBuilder; set one of the two")
		}

		return string(rule.Expr), nil, nil
	}

	query, err := rule.Build()

	if refused, ok := errors.AsType[*builder.Error](err); ok {
		return "", nil, refuse("exprBuilder."+refused.Field, ReasonInvalidForm, refused.Message)
	}

	if err != nil {
		return "", nil, refuse("exprBuilder", ReasonInvalidForm, err.Error())
	}

	return query.Text, query.Warnings, nil
}

// labels are the author's, then those that say whose alert it is. Nobody but the platform says that.
func (r *renderer) labels(
	index int, rule Rule, confines *scope.Scope,
) (map[string]string, []string, *alertingv2beta1.RejectedRule) {
	ours := r.ours(index, rule)
	labels := map[string]string{}

	var warnings []string

	for _, source := range []map[string]string{r.group.Spec.Labels, rule.Labels} {
		for _, name := range slices.Sorted(maps.Keys(source)) {
			value := source[name]
			if slices.Contains(scope.ReservedLabels(), name) {
				warnings = append(warnings, reservedWarning(name, value, ours)...)

				continue
			}

			confined, told, err := confines.Label(name, value)
			if err != nil {
				return nil, nil, refusalOf(err)
			}

			labels[name] = confined
			warnings = append(warnings, prefix("labels."+name+": ", told)...)
		}
	}

	maps.Copy(labels, ours)

	return labels, warnings, nil
}

// ours are the labels that a rule gets from us. Those of a recording rule are labels of series: no more than whose
// they are.
func (r *renderer) ours(index int, rule Rule) map[string]string {
	ours := map[string]string{}

	if r.group.Level == alertingv2beta1.LevelNamespace {
		ours[labelNamespace] = r.group.Namespace
	}

	if r.around.Cluster != "" && r.group.Level != alertingv2beta1.LevelGlobal {
		ours[labelCluster] = r.around.Cluster
	}

	if rule.Record != "" {
		return ours
	}

	ours[alertingv2beta1.RuleLabelLevel] = r.group.Level
	ours[alertingv2beta1.RuleLabelGroup] = r.group.Name
	ours[alertingv2beta1.RuleLabelID] = r.result.IDs[index]
	ours[alertingv2beta1.RuleLabelAlertType] = alertingv2beta1.AlertTypeMetric
	ours[alertingv2beta1.RuleLabelType] = alertingv2beta1.RuleTypeCustom

	if rule.Build != nil {
		ours[alertingv2beta1.RuleLabelType] = alertingv2beta1.RuleTypeTemplate
	}

	if rule.Severity != "" {
		ours[alertingv2beta1.RuleLabelSeverity] = rule.Severity
	}

	return ours
}

// reservedWarning tells that an author's label does not count. What KubeSphere's webhook wrote into rules says the
// same as ours and needs no word.
func reservedWarning(name, value string, ours map[string]string) []string {
	if actual, set := ours[name]; set && actual == value || name == alertingv2beta1.RuleLabelID {
		return nil
	}

	return []string{"labels." + name + ": is set by the platform; the value given here does not count"}
}

func annotationsOf(rule Rule, confines *scope.Scope) (map[string]string, []string, *alertingv2beta1.RejectedRule) {
	var warnings []string

	annotations := map[string]string{}

	for _, name := range slices.Sorted(maps.Keys(rule.Annotations)) {
		confined, told, err := confines.Annotation(name, rule.Annotations[name])
		if err != nil {
			return nil, nil, refusalOf(err)
		}

		annotations[name] = confined
		warnings = append(warnings, prefix("annotations."+name+": ", told)...)
	}

	if rule.RunbookURL != "" {
		confined, told, err := confines.Annotation(annotationRunbook, rule.RunbookURL)
		if err != nil {
			return nil, nil, refusalOf(err)
		}

		annotations[annotationRunbook] = confined

		warnings = append(warnings, prefix("runbookURL: ", told)...)
	}

	if len(annotations) == 0 {
		return nil, warnings, nil
	}

	return annotations, warnings, nil
}

func prefix(with string, texts []string) []string {
	prefixed := make([]string, 0, len(texts))
	for _, text := range texts {
		prefixed = append(prefixed, with+text)
	}

	return prefixed
}

func durationOf[T ~string](text string) *T {
	if text == "" {
		return nil
	}

	duration := T(text)

	return &duration
}
