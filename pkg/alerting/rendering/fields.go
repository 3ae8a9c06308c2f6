package rendering

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
)

// The reasons for which a rule is left out, beside those of package scope.
const (
	ReasonInvalid         = "Invalid"
	ReasonInvalidForm     = "InvalidExprBuilder"
	ReasonInvalidSelector = "InvalidSelector"
	ReasonInvalidDuration = "InvalidDuration"
	ReasonInvalidName     = "InvalidName"
	ReasonRequired        = "Required"
	ReasonRequiredLabel   = "RequiredByPolicy"
	ReasonDuplicate       = "Duplicate"
	ReasonTooManyRules    = "TooManyRules"
	ReasonTooLarge        = "TooLarge"
)

// GroupError is what makes a whole group unusable.
type GroupError struct {
	Field   string
	Message string
}

func (e *GroupError) Error() string { return e.Field + ": " + e.Message }

// head reads what a group says of all its rules.
func (s Surroundings) head(group Group) (monitoringv1.RuleGroup, []string, error) {
	spec := group.Spec
	head := monitoringv1.RuleGroup{Name: group.Name, PartialResponseStrategy: spec.PartialResponseStrategy}

	if !slices.Contains([]string{"", "abort", "warn"}, strings.ToLower(spec.PartialResponseStrategy)) {
		return head, nil, &GroupError{
			"spec.partial_response_strategy", "is neither abort nor warn; use one, or leave it out",
		}
	}

	interval, warnings, err := s.interval(spec.Interval)
	if err != nil {
		return head, nil, err
	}

	if _, err := readDuration(spec.QueryOffset); err != nil {
		return head, nil, &GroupError{"spec.queryOffset", err.Error()}
	}

	head.Interval = durationOf[monitoringv1.Duration](interval)
	head.QueryOffset = durationOf[monitoringv1.Duration](spec.QueryOffset)

	if spec.Limit != nil && *spec.Limit > 0 {
		limit := int(*spec.Limit)
		head.Limit = &limit
	}

	return head, warnings, nil
}

// interval returns how often a group is evaluated: not more often than the policies allow.
func (s Surroundings) interval(text string) (string, []string, error) {
	least := s.Bounds.MinInterval

	interval, err := readDuration(text)
	if err != nil {
		return "", nil, &GroupError{"spec.interval", err.Error()}
	}

	if text == "" || interval >= least.Value {
		return text, nil, nil
	}

	allowed := model.Duration(least.Value).String()

	return allowed, []string{fmt.Sprintf("spec.interval: %s instead of %s, by AlertingPolicy %s",
		allowed, text, least.By)}, nil
}

// checkFields looks at all of a rule but its query and its templates.
func checkFields(rule alertingv2beta1.Rule, bounds policy.Bounds) *alertingv2beta1.RejectedRule {
	switch {
	case rule.Alert == "" && rule.Record == "":
		return refuse("alert", ReasonRequired, "is missing, and so is record; set one of the two")
	case rule.Alert != "" && rule.Record != "":
		return refuse("record", ReasonInvalid, "is set, and so is alert; make two rules of them")
	case rule.Record != "":
		return checkRecord(rule)
	default:
		return checkAlert(rule, bounds)
	}
}

func checkRecord(rule alertingv2beta1.Rule) *alertingv2beta1.RejectedRule {
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"for", rule.For != ""},
		{"keepFiringFor", rule.KeepFiringFor != ""},
		{"annotations", len(rule.Annotations) > 0},
		{"runbookURL", rule.RunbookURL != ""},
		{"severity", rule.Severity != ""},
	} {
		if field.set {
			return refuse(field.name, ReasonInvalid, "is for alerts; leave it out of a rule that records")
		}
	}

	// Evaluators before Prometheus 3 know no other names.
	if !model.LegacyValidation.IsValidMetricName(rule.Record) {
		return refuse("record", ReasonInvalidName,
			"is no name of a metric; use letters, digits, _ and :, as in job:errors:rate5m")
	}

	return nil
}

func checkAlert(rule alertingv2beta1.Rule, bounds policy.Bounds) *alertingv2beta1.RejectedRule {
	if !utf8.ValidString(rule.Alert) {
		return refuse("alert", ReasonInvalidName, "is not valid UTF-8")
	}

	if isTemplate(rule.Severity) || !utf8.ValidString(rule.Severity) {
		return refuse("severity", ReasonInvalid, "is a template; use a plain word such as warning, error or critical")
	}

	if _, err := readDuration(rule.For); err != nil {
		return refuse("for", ReasonInvalidDuration, err.Error())
	}

	if _, err := readDuration(rule.KeepFiringFor); err != nil {
		return refuse("keepFiringFor", ReasonInvalidDuration, err.Error())
	}

	return checkRequired(rule, bounds)
}

func checkRequired(rule alertingv2beta1.Rule, bounds policy.Bounds) *alertingv2beta1.RejectedRule {
	for _, required := range bounds.RequiredLabels {
		if rule.Labels[required.Value] == "" && (required.Value != "severity" || rule.Severity == "") {
			return refuse("labels", ReasonRequiredLabel, missing("label", required))
		}
	}

	for _, required := range bounds.RequiredAnnotations {
		if rule.Annotations[required.Value] == "" && (required.Value != annotationRunbook || rule.RunbookURL == "") {
			return refuse("annotations", ReasonRequiredLabel, missing("annotation", required))
		}
	}

	return nil
}

func missing(what string, required policy.Bound[string]) string {
	return fmt.Sprintf("AlertingPolicy %s asks for the %s %s; add it", required.By, what, required.Value)
}

// readDuration reads a duration as Prometheus writes them. Nothing is zero.
func readDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}

	duration, err := model.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration; write it as in 30s, 5m or 1h30m", shorten(text))
	}

	return time.Duration(duration), nil
}

func isTemplate(text string) bool { return strings.Contains(text, "{{") }

// outputOf tells apart what rules give: alerts or series of a name and some labels.
func outputOf(rule monitoringv1.Rule) string {
	parts := []string{"alert", rule.Alert}
	if rule.Record != "" {
		parts = []string{"record", rule.Record}
	}

	for _, name := range slices.Sorted(maps.Keys(rule.Labels)) {
		parts = append(parts, name, rule.Labels[name])
	}

	return strings.Join(parts, "\x00")
}

func sizeOf(rule monitoringv1.Rule) int {
	// Strings can always be encoded.
	text, _ := json.Marshal(rule) //nolint:errchkjson // See above.

	return len(text)
}
