// Package builder writes the query that the form of a rule stands for: a threshold on a metric of workloads or of
// nodes. It is what KubeSphere 3.4's consoles fill in instead of a query; the names of the metrics are those of
// KubeSphere's recording rules.
//
// The same form always gives the same query, names are matched as they are and never as patterns, and each scope of a
// form on several clusters keeps its own names.
package builder

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
)

// Query is what a form stands for.
type Query struct {
	Text     string
	Warnings []string // of thresholds that a form sets beside the one that counts
}

// Error says which field of a form cannot be built, below exprBuilder, and what to put there.
type Error struct {
	Field   string
	Message string
}

func (e *Error) Error() string { return e.Field + ": " + e.Message }

// Namespace builds the form of a rule in a RuleGroup.
func Namespace(form *alertingv2beta1.NamespaceExprBuilder) (Query, error) {
	if form.Workload == nil {
		return Query{}, &Error{"workload", "is missing; describe the workloads, or set expr instead of exprBuilder"}
	}

	return Workload(form.Workload)
}

// Cluster builds the form of a rule in a ClusterRuleGroup.
func Cluster(form *alertingv2beta1.ClusterExprBuilder) (Query, error) {
	if form.Node == nil {
		return Query{}, &Error{"node", "is missing; describe the nodes, or set expr instead of exprBuilder"}
	}

	return Node(form.Node)
}

// Global builds the form of a rule in a GlobalRuleGroup. Workloads come first when a form describes both.
func Global(form *alertingv2beta1.GlobalExprBuilder) (Query, error) {
	switch {
	case form.Workload != nil && form.Node != nil:
		query, err := ScopedWorkload(form.Workload)
		query.Warnings = append(query.Warnings, "exprBuilder.node: workload is set too, and counts")

		return query, err
	case form.Workload != nil:
		return ScopedWorkload(form.Workload)
	case form.Node != nil:
		return ScopedNode(form.Node)
	default:
		return Query{}, &Error{
			"workload", "is missing, and so is node; describe one, or set expr instead of exprBuilder",
		}
	}
}

// Workload builds a threshold on workloads of one namespace. Without names it is about all of the kind.
func Workload(form *alertingv2beta1.WorkloadExpr) (Query, error) {
	kind, err := kindOf(form.Kind)
	if err != nil {
		return Query{}, err
	}

	one, err := choose("workload.", workloadThresholds(kind, form.MetricThreshold))
	if err != nil {
		return Query{}, err
	}

	return one.compare("workload.", form.Comparator, one.selector(workloads(kind, form.Names)))
}

// Node builds a threshold on nodes. Without names it is about all.
func Node(form *alertingv2beta1.NodeExpr) (Query, error) {
	one, err := choose("node.", nodeThresholds(form.MetricThreshold))
	if err != nil {
		return Query{}, err
	}

	return one.compare("node.", form.Comparator, one.selector(named("node", "", form.Names)))
}

// ScopedWorkload builds a threshold on workloads of several namespaces and clusters.
func ScopedWorkload(form *alertingv2beta1.ScopedWorkloadExpr) (Query, error) {
	kind, err := kindOf(form.Kind)
	if err != nil {
		return Query{}, err
	}

	one, err := choose("workload.", workloadThresholds(kind, form.MetricThreshold))
	if err != nil {
		return Query{}, err
	}

	selectors := make([]string, 0, len(form.Names))
	for _, scope := range form.Names {
		selectors = append(selectors, one.selector(
			exactly("cluster", scope.Cluster), exactly("namespace", scope.Namespace), workloads(kind, scope.Names)))
	}

	if len(selectors) == 0 {
		selectors = []string{one.selector(workloads(kind, nil))}
	}

	return one.compare("workload.", form.Comparator, union(selectors))
}

// ScopedNode builds a threshold on nodes of several clusters.
func ScopedNode(form *alertingv2beta1.ScopedNodeExpr) (Query, error) {
	one, err := choose("node.", nodeThresholds(form.MetricThreshold))
	if err != nil {
		return Query{}, err
	}

	selectors := make([]string, 0, len(form.Names))
	for _, scope := range form.Names {
		selectors = append(selectors, one.selector(exactly("cluster", scope.Cluster), named("node", "", scope.Names)))
	}

	if len(selectors) == 0 {
		selectors = []string{one.selector()}
	}

	return one.compare("node.", form.Comparator, union(selectors))
}

// kindOf returns the kind as recording rules write it. KubeSphere 3.4's constants are in lower case.
func kindOf(kind string) (string, error) {
	for _, known := range []string{"Deployment", "StatefulSet", "DaemonSet"} {
		if strings.EqualFold(kind, known) {
			return known, nil
		}
	}

	return "", &Error{"workload.kind", fmt.Sprintf(
		"%q is no kind of workload; use deployment, statefulset or daemonset", shorten(kind))}
}

// compare is the whole query: a side that is greater than it should be, or smaller.
func (t threshold) compare(prefix, comparator, selectors string) (Query, error) {
	if !slices.Contains([]string{"<", "<=", ">", ">="}, comparator) {
		return Query{}, &Error{prefix + "comparator", fmt.Sprintf("%q is no comparison; use <, <=, > or >=",
			shorten(comparator))}
	}

	text := selectors + " " + comparator + " " + strconv.FormatFloat(*t.value, 'f', -1, 64)

	return Query{Text: text, Warnings: t.warnings}, nil
}

// union is the selectors of several scopes, each with its own names. Anything else would make a cross product of them.
func union(selectors []string) string {
	slices.Sort(selectors)

	selectors = slices.Compact(selectors)
	if len(selectors) == 1 {
		return selectors[0]
	}

	return "(" + strings.Join(selectors, " or ") + ")"
}

func shorten(text string) string {
	const enough = 40
	if len(text) <= enough {
		return text
	}

	return strings.ToValidUTF8(text[:enough], "") + "..."
}

// sorted returns different names in their order.
func sorted(names []string) []string {
	return slices.Compact(slices.SortedFunc(slices.Values(names), cmp.Compare[string]))
}
