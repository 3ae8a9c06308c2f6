package scope

import (
	"fmt"
	"slices"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/internal/promql"
)

// fieldExpr is the field of an expression in errors.
const fieldExpr = "expr"

// info reads series that no selector names.
const info = "info"

// Scope applies a policy. It may be used by several goroutines at once.
type Scope struct {
	policy      Policy
	language    *promql.Language
	enforcement *promql.Enforcement
	names       map[string]any // what templates may call
}

// Expression is a confined expression.
type Expression struct {
	// Text is the expression to evaluate, in the form in which Prometheus prints it: without comments and line breaks.
	Text string

	// Warnings tell what was changed against the author's wish.
	Warnings []string

	// Selectors is how many selectors it has.
	Selectors int

	// MaxRange is how far back from its evaluation it looks. Times that are fixed by @ are not counted.
	MaxRange time.Duration
}

// New returns the scope of a policy, or what is wrong with the policy.
func New(policy Policy) (*Scope, error) {
	if !slices.Contains([]Conflict{Replace, Reject}, policy.Conflict) {
		return nil, fmt.Errorf("conflict: %q is not known: leave it empty to replace, or use %s",
			policy.Conflict, Reject)
	}

	if !slices.Contains([]Templates{Confined, Mute, Free}, policy.Templates) {
		return nil, fmt.Errorf("templates: %q is not known: leave it empty to confine, or use %s or %s",
			policy.Templates, Mute, Free)
	}

	functions := policy.Functions
	if functions == nil {
		functions = StableFunctions()
	} else if len(policy.Enforced) > 0 && slices.Contains(functions, info) {
		return nil, fmt.Errorf("functions: %s cannot be confined: take it off the list, or enforce no matchers", info)
	}

	language, err := promql.NewLanguage(functions)
	if err != nil {
		return nil, fmt.Errorf("functions: %w", err)
	}

	enforcement, err := promql.NewEnforcement(policy.Enforced, policy.Conflict == Reject)
	if err != nil {
		return nil, fmt.Errorf("enforced: %w", err)
	}

	names := templateNames()
	if policy.Templates != Free {
		names[functionTmpl] = true // rules have no such function; known, it is refused with a remedy
	}

	return &Scope{policy: policy, language: language, enforcement: enforcement, names: names}, nil
}

// Expr confines the expression of a rule. Errors are of type *Error.
func (s *Scope) Expr(text string) (Expression, error) {
	expression, refusal := s.expression(fieldExpr, text)
	if refusal != nil {
		return Expression{}, refusal
	}

	return expression, nil
}

// expression confines an expression that stands in a field.
func (s *Scope) expression(field, text string) (Expression, *Error) {
	confined, err := s.language.Confine(text, s.enforcement)
	if err != nil {
		return Expression{}, refusalOf(field, err)
	}

	if limit := s.policy.MaxSelectors; limit > 0 && confined.Selectors > limit {
		return Expression{}, refuse(field, ReasonTooManySelectors, fmt.Sprintf("it has %d selectors, "+
			"and %d are allowed: record a part of it with a rule of its own", confined.Selectors, limit))
	}

	if limit := s.policy.MaxRange; limit > 0 {
		if confined.Fixed {
			return Expression{}, refuse(field, ReasonRangeTooLong, fmt.Sprintf("it looks at a fixed time (@), "+
				"and %s back is as far as it may look: use offset", limit))
		}

		if confined.Reach > limit {
			return Expression{}, refuse(field, ReasonRangeTooLong, fmt.Sprintf("it looks back %s, "+
				"and %s is as far as it may look: shorten its ranges and offsets", confined.Reach, limit))
		}
	}

	return Expression{
		Text: confined.Text, Warnings: confined.Warnings, Selectors: confined.Selectors, MaxRange: confined.Reach,
	}, nil
}
