package evaluation

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
)

// RuleText is a rule as it is written.
type RuleText struct {
	Alert, Record, Expr string
	For, KeepFiringFor  time.Duration
	Labels, Annotations map[string]string
}

// CheckRule returns what Prometheus has against a rule, nil for nothing.
func CheckRule(text RuleText) []error {
	errs, err := checkRule(text)
	if err != nil {
		return []error{err}
	}

	// Labels and annotations come from maps.
	slices.SortStableFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })

	return errs
}

func checkRule(text RuleText) (errs []error, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = failed(reason)
		}
	}()

	if len(text.Expr) > maxExpression {
		return nil, errTooLong
	}

	if priceOfText(text.Expr) > maxRegexp {
		return nil, errRegexp
	}

	rule := rulefmt.Rule{
		Alert: text.Alert, Record: text.Record, Expr: text.Expr,
		For: model.Duration(text.For), KeepFiringFor: model.Duration(text.KeepFiringFor),
		Labels: text.Labels, Annotations: text.Annotations,
	}

	for _, wrapped := range rule.Validate(rulefmt.RuleNode{}, model.UTF8Validation, newParser(false)) {
		errs = append(errs, errors.Unwrap(&wrapped))
	}

	return errs, nil
}
