package rendering

import (
	"errors"
	"slices"
	"strings"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/scope"
)

// scopeOf returns what confines a rule. Most rules of a group share it.
func (r *renderer) scopeOf(rule Rule) (*scope.Scope, *alertingv2beta1.RejectedRule) {
	selects, refusal := rule.matchers()
	if refusal != nil {
		return nil, refusal
	}

	if len(selects) == 0 && r.plain != nil {
		return r.plain, nil
	}

	confines, err := scope.New(r.confinement(selects))
	if err != nil {
		return nil, refuse("", ReasonInvalidSelector, err.Error())
	}

	if len(selects) == 0 {
		r.plain = confines
	}

	return confines, nil
}

// confinement is what the level of the group and the policies ask for, and what the rule itself selects.
func (r *renderer) confinement(selects []scope.Matcher) scope.Policy {
	bounds := r.around.Bounds
	confinement := scope.Policy{
		Enforced:     selects,
		Templates:    scope.Free,
		MaxRange:     bounds.MaxRange.Value,
		MaxSelectors: bounds.SelectorsPerRule.Value,
	}

	confinement.Functions = functionsOf(r.group.Spec.Evaluator, bounds.Functions)

	if bounds.RejectConflicts.Value {
		confinement.Conflict = scope.Reject
	}

	if r.group.Level == alertingv2beta1.LevelNamespace {
		confinement.Enforced = append(confinement.Enforced, scope.OneOf(labelNamespace, r.group.Namespace))
		confinement.Templates = scope.Confined
	}

	if r.around.Cluster != "" && r.group.Level != alertingv2beta1.LevelGlobal {
		confinement.Enforced = append(confinement.Enforced, scope.OneOf(labelCluster, r.around.Cluster))
	}

	if bounds.ForbidTemplateQueries.Value {
		confinement.Templates = scope.Mute
	}

	return confinement
}

// functionUnknownToThanos has been stable since Prometheus 3.16. Thanos 0.42 has an older parser, and one rule that it
// cannot parse keeps it from loading any.
const functionUnknownToThanos = "first_over_time"

// functionsOf are those that the policies allow and the evaluator knows.
func functionsOf(evaluator alertingv2beta1.Evaluator, allowed policy.Bound[[]string]) []string {
	functions := scope.StableFunctions()
	if allowed.Given() {
		functions = slices.Clone(allowed.Value)
	}

	if evaluator == alertingv2beta1.EvaluatorPrometheus {
		return functions
	}

	return slices.DeleteFunc(functions, func(name string) bool { return name == functionUnknownToThanos })
}

// refusalOf is the refusal of a scope, by field of the rule.
func refusalOf(err error) *alertingv2beta1.RejectedRule {
	if refused, ok := errors.AsType[*scope.Error](err); ok {
		return refuse(refused.Field, refused.Reason, refused.Message)
	}

	return refuse("expr", ReasonInvalid, err.Error())
}

// maxMessage is how long a message may be, in bytes: a status has room for many.
const maxMessage = 512

func refuse(field, reason, message string) *alertingv2beta1.RejectedRule {
	return &alertingv2beta1.RejectedRule{Field: field, Reason: reason, Message: cut(message, maxMessage)}
}

// shorten keeps a name short enough to be shown.
func shorten(name string) string {
	const enough = 128

	return cut(name, enough)
}

func cut(text string, length int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= length {
		return text
	}

	const ellipsis = "..."

	return strings.ToValidUTF8(text[:length-len(ellipsis)], "") + ellipsis
}
