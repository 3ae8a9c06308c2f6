// Package evaluator is what is known of rules where they are evaluated: it reads the answers of Prometheus and Thanos
// Ruler, and makes one state of those of all replicas.
package evaluator

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
)

// GroupKey names a group of ours as its rules show it.
type GroupKey struct {
	Level     string // empty for rules that record, which do not say
	Namespace string
	Group     string
}

// Rule is the state of one rule.
type Rule struct {
	// ID is the rule_id of an alert, or the name of what is recorded.
	ID string

	State     string
	Health    string
	LastError string

	// Active is how many alerts are pending or firing, and Since when the first of them became so.
	Active int
	Since  time.Time
}

// State is what one evaluator, or all of them together, know of our rules.
type State map[GroupKey][]Rule

// Page is one answer: a part of all, and the token of the next part, empty with the last.
type Page struct {
	State State
	Next  string
}

// answer is what /api/v1/rules says.
type answer struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		Groups []group `json:"groups"`
		Next   string  `json:"groupNextToken"`
	} `json:"data"`
}

type group struct {
	Name  string `json:"name"`
	Rules []struct {
		Type      string            `json:"type"`
		Name      string            `json:"name"`
		Labels    map[string]string `json:"labels"`
		State     string            `json:"state"`
		Health    string            `json:"health"`
		LastError string            `json:"lastError"`
		Alerts    []struct {
			State    string    `json:"state"`
			ActiveAt time.Time `json:"activeAt"`
		} `json:"alerts"`
	} `json:"rules"`
}

var errAnswer = errors.New("the evaluator answered with an error")

// Read reads an answer of /api/v1/rules.
func Read(body io.Reader) (Page, error) {
	var read answer
	if err := json.NewDecoder(body).Decode(&read); err != nil {
		return Page{}, fmt.Errorf("read the rules of an evaluator: %w", err)
	}

	if read.Status != "success" {
		return Page{}, fmt.Errorf("%w: %s", errAnswer, clip(read.Error))
	}

	page := Page{State: State{}, Next: read.Data.Next}
	for _, group := range read.Data.Groups {
		page.State.add(group)
	}

	return page, nil
}

// add takes the rules of ours over: alerts with our labels, and all that record.
func (s State) add(group group) {
	for _, one := range group.Rules {
		key := GroupKey{
			Level:     one.Labels[alertingv2beta1.RuleLabelLevel],
			Namespace: one.Labels["namespace"], Group: one.Labels[alertingv2beta1.RuleLabelGroup],
		}
		rule := Rule{
			ID: one.Labels[alertingv2beta1.RuleLabelID], State: cmp.Or(one.State, alertingv2beta1.StateInactive),
			Health: cmp.Or(one.Health, alertingv2beta1.HealthUnknown), LastError: clip(one.LastError),
			Active: len(one.Alerts),
		}

		if one.Type == "recording" {
			key.Level, key.Group, rule.ID = "", group.Name, one.Name
		}

		if rule.ID == "" {
			continue // not of ours
		}

		for _, alert := range one.Alerts {
			rule.Since = earlier(rule.Since, alert.ActiveAt)
		}

		s[key] = append(s[key], rule)
	}
}

// Merge makes one state of those of all replicas: the worst of each rule, for a replica that has just started knows of
// no alert yet, and one that cannot evaluate is a failure that must be seen.
func Merge(replicas ...State) State {
	merged := State{}

	for _, replica := range replicas {
		for key, rules := range replica {
			merged[key] = mergeRules(merged[key], rules)
		}
	}

	return merged
}

func mergeRules(known, more []Rule) []Rule {
	merged := slices.Clone(known)

	for _, rule := range more {
		at := slices.IndexFunc(merged, func(one Rule) bool { return one.ID == rule.ID })
		if at < 0 {
			merged = append(merged, rule)

			continue
		}

		merged[at] = worse(merged[at], rule)
	}

	slices.SortFunc(merged, func(a, b Rule) int { return cmp.Compare(a.ID, b.ID) })

	return merged
}

func worse(a, b Rule) Rule {
	states := []string{alertingv2beta1.StateInactive, alertingv2beta1.StatePending, alertingv2beta1.StateFiring}
	healths := []string{alertingv2beta1.HealthUnknown, alertingv2beta1.HealthOK, alertingv2beta1.HealthErr}

	return Rule{
		ID:     a.ID,
		State:  worst(states, a.State, b.State),
		Health: worst(healths, a.Health, b.Health),
		// Of two errors always the same one, whichever replica answers first.
		LastError: longest(a.LastError, b.LastError),
		Active:    max(a.Active, b.Active),
		Since:     earlier(a.Since, b.Since),
	}
}

func worst(order []string, a, b string) string {
	if slices.Index(order, a) < slices.Index(order, b) {
		return b
	}

	return a
}

func longest(a, b string) string {
	if order := cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)); order >= 0 {
		return a
	}

	return b
}

func earlier(a, b time.Time) time.Time {
	switch {
	case a.IsZero():
		return b
	case b.IsZero() || a.Before(b):
		return a
	default:
		return b
	}
}

// clip keeps errors, which quote queries, from filling a status.
func clip(text string) string {
	const enough = 256
	if len(text) <= enough {
		return text
	}

	return strings.ToValidUTF8(text[:enough], "") + "..."
}
