package app

import (
	"context"
	"errors"
	"fmt"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/spf13/cobra"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/policy"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

// verbOptions are what render, check and explain have in common.
type verbOptions struct {
	files           []string
	format, cluster string
	target          rendering.Target
}

func newVerb(use, short, long, format string, run func(*cobra.Command, *verbOptions, []outcome) error) *cobra.Command {
	options := &verbOptions{target: rendering.Target{
		Namespace:   "kubesphere-monitoring-system",
		Prometheus:  map[string]string{"prometheus": "k8s", "role": "alert-rules"},
		ThanosRuler: map[string]string{"thanos-ruler": "kubesphere", "role": "alert-rules"},
	}}

	command := &cobra.Command{
		Use: use + " -f FILE", Short: short, Args: noArguments,
		Long: long + "\n\nAlertingPolicies and Namespaces in the files decide with their labels, as they would in a\n" +
			"cluster. How many rules other groups have is not known here.\n\n" +
			"Exit codes: 0 all is good, 1 something is refused, 2 the command line is wrong.",
		RunE: func(command *cobra.Command, _ []string) error {
			outcomes, err := options.outcomes(command)
			if err != nil {
				return err
			}

			if err := run(command, options, outcomes); err != nil {
				return err
			}

			return verdict(outcomes)
		},
	}

	flags := command.Flags()
	flags.StringSliceVarP(&options.files, "filename", "f", nil, "A file with manifests; - is the standard input.")
	flags.StringVarP(&options.format, "output", "o", format, "table, json or yaml")
	flags.StringVar(&options.cluster, "cluster", "", "As the manager has it in --alerting-cluster-name.")
	flags.StringVar(&options.target.Namespace, "target-namespace", options.target.Namespace,
		"As the manager has it in --alerting-rule-namespace.")

	return command
}

func newRenderCommand() *cobra.Command {
	return newVerb("render", "Print the PrometheusRules that groups become",
		"render prints the PrometheusRules that groups of rules become.", formatYAML,
		func(command *cobra.Command, options *verbOptions, outcomes []outcome) error {
			return printRendered(command.OutOrStdout(), options.format, outcomes)
		})
}

func newCheckCommand() *cobra.Command {
	return newVerb("check", "Say which rules are refused, and run the tests of groups",
		"check says which rules would be left out and why, and runs the tests that groups carry.", formatTable,
		func(command *cobra.Command, options *verbOptions, outcomes []outcome) error {
			return printChecked(command.OutOrStdout(), options.format, outcomes)
		})
}

func newExplainCommand() *cobra.Command {
	return newVerb("explain", "Show what of each rule is changed, and why",
		"explain shows for each rule what its author wrote, what is evaluated, and why they differ.", formatTable,
		func(command *cobra.Command, options *verbOptions, outcomes []outcome) error {
			return printExplained(command.OutOrStdout(), options.format, outcomes)
		})
}

// outcome is what becomes of a group.
type outcome struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`

	// Error is about the group as a whole.
	Error string `json:"error,omitempty"`

	// Rules are how many are evaluated.
	Rules int `json:"rules"`

	Rejected []alertingv2beta1.RejectedRule `json:"rejected,omitempty"`
	Tests    int                            `json:"tests,omitempty"`
	Failures []string                       `json:"failures,omitempty"`
	Notes    []string                       `json:"notes,omitempty"`
	Explain  []explanation                  `json:"explain,omitempty"`

	object *monitoringv1.PrometheusRule
}

// outcomes renders and tests what the files have.
func (o *verbOptions) outcomes(command *cobra.Command) ([]outcome, error) {
	if err := checkFormat(o.format); err != nil {
		return nil, err
	}

	if len(o.files) == 0 {
		return nil, usageError{errors.New("-f: name a file with manifests, or - for the standard input")}
	}

	read, err := readManifests(o.files, command.InOrStdin())
	if err != nil {
		return nil, err
	}

	groups := read.sorted()
	outcomes := make([]outcome, 0, len(groups))

	for _, group := range groups {
		made, err := o.outcome(command.Context(), group, read)
		if err != nil {
			return nil, err
		}

		outcomes = append(outcomes, made)
	}

	return outcomes, nil
}

func (o *verbOptions) outcome(ctx context.Context, group groupObject, read manifests) (outcome, error) {
	labels := read.namespaces[group.content.Namespace]
	bounds, _ := policy.Resolve(read.policies, policy.SubjectOf(group.content.Namespace, labels))

	made := outcome{
		Kind: group.kind, Namespace: group.content.Namespace, Name: group.content.Name,
		Tests: len(group.content.Spec.Tests), Notes: notesOf(group),
	}

	result, err := rendering.Render(group.content, rendering.Surroundings{
		Bounds: bounds, Allowance: bounds.RulesPerGroup, Cluster: o.cluster,
	})
	if err != nil {
		made.Error = err.Error()

		return made, nil //nolint:nilerr // It is what is asked for.
	}

	made.Rules, made.Rejected = len(result.Rules.Rules), result.Rejected
	made.Notes = append(made.Notes, result.Warnings...)
	made.object = rendering.Object(group.content, result, o.target)
	made.Explain = explain(group.content, result)

	failures, err := rendering.Test(ctx, group.content, result)
	if err != nil {
		return outcome{}, fmt.Errorf("%s %s: %w", made.Kind, made.title(), err)
	}

	for _, failure := range failures {
		made.Failures = append(made.Failures,
			fmt.Sprintf("spec.%s (%s): %s", failure.Field, failure.Test, failure.Message))
	}

	return made, nil
}

// notesOf tells what keeps a valid group from being evaluated.
func notesOf(group groupObject) []string {
	var notes []string

	if group.labels[alertingv2beta1.EnableLabel] != "true" {
		notes = append(notes, "it is not evaluated: its label "+alertingv2beta1.EnableLabel+` is not "true"`)
	}

	if group.content.Spec.Mode == alertingv2beta1.ModeDryRun {
		notes = append(notes, "it is not evaluated: its spec.mode is DryRun")
	}

	return notes
}

// title is how a group is named in tables.
func (o outcome) title() string {
	if o.Namespace == "" {
		return o.Name
	}

	return o.Namespace + "/" + o.Name
}

func (o outcome) good() bool { return o.Error == "" && len(o.Rejected) == 0 && len(o.Failures) == 0 }

// verdict turns what is refused into the exit code.
func verdict(outcomes []outcome) error {
	bad := 0

	for _, outcome := range outcomes {
		if !outcome.good() {
			bad++
		}
	}

	if bad == 0 {
		return nil
	}

	return fmt.Errorf("%d of %d groups are refused, or a part of them is", bad, len(outcomes))
}
