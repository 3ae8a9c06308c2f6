// Package rulefiles makes of PrometheusRules the files that Prometheus and Thanos Ruler read: one file for each object,
// under a name that stays, and a marker by which an evaluator shows which set of files it has loaded.
//
// An evaluator takes over the state of alerts from the group of the same name in the same file. So the name of a file
// follows from the name of its object alone: not from its UID, its size or its neighbours.
package rulefiles

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// Dialect is whose files are written.
type Dialect string

// The dialects. Thanos Ruler knows one field more, which Prometheus refuses.
const (
	Prometheus  Dialect = "prometheus"
	ThanosRuler Dialect = "thanos-ruler"
)

// Object names a PrometheusRule.
type Object struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String is how an object is named in texts.
func (o Object) String() string { return o.Namespace + "/" + o.Name }

// File is the file of one object.
type File struct {
	Object

	// FileName is its name, without a folder.
	FileName string

	Content []byte

	// Digest tells versions of the file apart.
	Digest string

	Groups, Rules int
}

// header begins every file, and says to whom it belongs.
const header = "# Written by ks-rule-agent, which overwrites changes."

// Ours tells whether a file is one of ours, by how it begins.
func Ours(content []byte) bool { return strings.HasPrefix(string(content), header) }

// The parts of a file, as evaluators name them.
//
//nolint:tagliatelle // It is their format.
type (
	fileText struct {
		Groups []groupText `json:"groups"`
	}

	groupText struct {
		Name        string            `json:"name"`
		Interval    string            `json:"interval,omitempty"`
		QueryOffset string            `json:"query_offset,omitempty"`
		Limit       int               `json:"limit,omitempty"`
		Strategy    string            `json:"partial_response_strategy,omitempty"`
		Labels      map[string]string `json:"labels,omitempty"`
		Rules       []ruleText        `json:"rules"`
	}

	ruleText struct {
		Alert         string            `json:"alert,omitempty"`
		Record        string            `json:"record,omitempty"`
		Expr          string            `json:"expr"`
		For           string            `json:"for,omitempty"`
		KeepFiringFor string            `json:"keep_firing_for,omitempty"`
		Labels        map[string]string `json:"labels,omitempty"`
		Annotations   map[string]string `json:"annotations,omitempty"`
	}
)

// Render makes the file of an object. The error is a *Refusal, for something that the evaluator would refuse: one such
// file keeps it from loading all others.
func Render(rule *monitoringv1.PrometheusRule, dialect Dialect) (File, error) {
	object := Object{Namespace: rule.Namespace, Name: rule.Name}

	name, err := FileName(object)
	if err != nil {
		return File{}, &Refusal{Object: object, Field: "metadata.name", Reason: ReasonInvalidName, Message: err.Error()}
	}

	if refusal := check(rule.Spec.Groups, dialect); refusal != nil {
		refusal.Object = object

		return File{}, refusal
	}

	file := File{Object: object, FileName: name, Groups: len(rule.Spec.Groups)}
	text := fileText{Groups: make([]groupText, 0, len(rule.Spec.Groups))}

	for _, group := range rule.Spec.Groups {
		file.Rules += len(group.Rules)
		text.Groups = append(text.Groups, textOf(group, dialect))
	}

	return file.with(text)
}

// with writes the content.
func (f File) with(text fileText) (File, error) {
	body, err := yaml.Marshal(text)
	if err != nil { // Strings, numbers and maps of them can always be written.
		return File{}, &Refusal{Object: f.Object, Field: "spec", Reason: ReasonInvalid, Message: err.Error()}
	}

	whose := ""
	if f.Object != (Object{}) {
		whose = " Made of PrometheusRule " + f.Object.String() + "."
	}

	made := f
	made.Content = fmt.Appendf(nil, "%s%s\n%s", header, whose, body)
	made.Digest = digest(made.FileName, made.Content)

	return made, nil
}

func textOf(group monitoringv1.RuleGroup, dialect Dialect) groupText {
	text := groupText{
		Name: group.Name, Interval: valueOf(group.Interval), QueryOffset: valueOf(group.QueryOffset),
		Labels: maps.Clone(group.Labels), Rules: make([]ruleText, 0, len(group.Rules)),
	}

	if group.Limit != nil && *group.Limit > 0 {
		text.Limit = *group.Limit
	}

	if dialect == ThanosRuler {
		text.Strategy = strings.ToLower(group.PartialResponseStrategy)
	}

	for _, rule := range group.Rules {
		text.Rules = append(text.Rules, ruleText{
			Alert: rule.Alert, Record: rule.Record, Expr: rule.Expr.String(),
			For: valueOf(rule.For), KeepFiringFor: valueOf(rule.KeepFiringFor),
			Labels: rule.Labels, Annotations: rule.Annotations,
		})
	}

	return text
}

func valueOf[T ~string](text *T) string {
	if text == nil {
		return ""
	}

	return string(*text)
}

// digest tells contents apart under their names.
func digest(name string, content []byte) string {
	hash := sha256.New()
	_, _ = fmt.Fprintf(hash, "%s\x00%d\x00", name, len(content))
	_, _ = hash.Write(content)

	const enough = 16

	return hex.EncodeToString(hash.Sum(nil)[:enough])
}
