package app

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/preview"
	"github.com/ks-core/ks-controller-manager/pkg/notification/inhibition"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence/schedule"
)

// verbOptions are what the verbs that read files have in common.
type verbOptions struct {
	files             []string
	format, namespace string
}

func (o *verbOptions) addFlags(flags *pflag.FlagSet, format string) {
	flags.StringSliceVarP(&o.files, "filename", "f", nil, "A file with manifests; - is the standard input.")
	flags.StringVarP(&o.format, "output", "o", format, "table, json or yaml")
	flags.StringVar(&o.namespace, "namespace", "kubesphere-monitoring-system", "The namespace that the service runs "+
		"in.")
}

// read reads the files.
func (o *verbOptions) read(command *cobra.Command) (*manifests, error) {
	if err := checkFormat(o.format); err != nil {
		return nil, err
	}

	return readManifests(o.files, command.InOrStdin())
}

const exits = "\n\nExit codes: 0 all is good, 1 something is refused, 2 the command line is wrong."

func newCheckCommand() *cobra.Command {
	options := &verbOptions{}
	command := &cobra.Command{
		Use: "check -f FILE", Short: "Say what is wrong with objects of notification", Args: noArguments,
		Long: "check says what is wrong with NotificationManagers, Configs, Receivers, Routers, Silences,\n" +
			"InhibitRules and NotificationPolicies. Secrets and ConfigMaps that they refer to are to be in the\n" +
			"files too. Without a NotificationManager there one counts as KubeSphere installs it." + exits,
		RunE: func(command *cobra.Command, _ []string) error {
			read, err := options.read(command)
			if err != nil {
				return err
			}

			verdicts := read.verdicts(options.namespace)
			if err := printVerdicts(command.OutOrStdout(), options.format, verdicts); err != nil {
				return err
			}

			return judged(verdicts)
		},
	}
	options.addFlags(command.Flags(), formatTable)

	return command
}

// verdict is what is wrong with an object.
type verdict struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Good says that nothing is wrong, though there may be something to think about.
	Good     bool              `json:"good"`
	Findings []preview.Finding `json:"findings,omitempty"`
	Warnings []string          `json:"warnings,omitempty"`
	Channels []string          `json:"channels,omitempty"`
}

// verdicts judges all objects, in the order of their kinds.
func (m *manifests) verdicts(namespace string) []verdict {
	platform, common := m.platform(namespace)
	made := m.shared(common)
	ownership := selector.OwnershipOf(&m.manager().Spec.Receivers)

	for _, one := range m.receivers {
		result := platform.Receiver(one, 0)
		judged := verdictOf(follow.KindReceiver, one.Name, result.Findings)

		for _, use := range result.Channels {
			judged.Channels = append(judged.Channels, strings.TrimSpace(string(use.Type)+" "+use.Config))
		}

		made = append(made, judged)
	}

	for _, one := range m.routers {
		_, problems := routing.RouterOf(one)
		judged := verdictOf(follow.KindRouter, one.Name, findingsOf(follow.KindRouter, one.Name, problems))
		judged.Warnings = selector.Warnings(field.NewPath("spec", "alertSelector"), one.Spec.AlertSelector)
		made = append(made, judged)
	}

	for _, one := range m.silences {
		_, problems := silence.Compile(one, ownership, m.zone())
		judged := verdictOf(follow.KindSilence, one.Name, findingsOf(follow.KindSilence, one.Name, problems))
		judged.Warnings = silence.Warnings(one)
		made = append(made, judged)
	}

	for _, one := range m.rules {
		_, problems := inhibition.Compile(one)
		made = append(made, verdictOf(follow.KindInhibitRule, one.Name,
			findingsOf(follow.KindInhibitRule, one.Name, problems)))
	}

	return made
}

// shared judges the NotificationManager, the Configs and the policies, about which the findings of all are.
func (m *manifests) shared(findings []resolve.Finding) []verdict {
	about := func(kind follow.Kind, name string) []resolve.Finding {
		var found []resolve.Finding

		for _, one := range findings {
			if one.Kind == string(kind) && (one.Name == name || kind == follow.KindManager) {
				found = append(found, one)
			}
		}

		return found
	}

	var made []verdict

	for _, one := range m.managers {
		made = append(made, verdictOf(follow.KindManager, one.Name,
			append(about(follow.KindManager, ""), follow.Check(&one.Spec)...)))
	}

	for _, one := range m.configs {
		made = append(made, verdictOf(follow.KindConfig, one.Name, about(follow.KindConfig, one.Name)))
	}

	for _, one := range m.policies {
		made = append(made, verdictOf(follow.KindPolicy, one.Name, about(follow.KindPolicy, one.Name)))
	}

	return made
}

// verdictOf judges an object by what was found: what a policy on trial would refuse is not wrong yet.
func verdictOf(kind follow.Kind, name string, findings []resolve.Finding) verdict {
	made := verdict{Kind: string(kind), Name: name, Good: true, Findings: preview.Findings(findings)}

	for _, one := range findings {
		made.Good = made.Good && one.DryRun
	}

	return made
}

func findingsOf(kind follow.Kind, name string, problems field.ErrorList) []resolve.Finding {
	var made []resolve.Finding

	for _, one := range problems {
		made = append(made, resolve.Finding{
			Kind: string(kind), Name: name, Field: one.Field, Reason: resolve.Invalid, Message: one.ErrorBody(),
			Breaks: true,
		})
	}

	return made
}

// zone is the zone of schedules that name none.
func (m *manifests) zone() *time.Location {
	template := m.manager().Spec.Template
	if template == nil || template.TimeZone == "" {
		return time.UTC
	}

	zone, err := schedule.LoadZone(template.TimeZone)
	if err != nil { // a finding about the NotificationManager
		return time.UTC
	}

	return zone
}

// printVerdicts says what is wrong, each in a line of its own.
func printVerdicts(out io.Writer, format string, verdicts []verdict) error {
	return printAs(out, format, verdicts, func(table io.Writer) {
		line(table, "KIND", "NAME", "RESULT", "WHAT")

		for _, one := range verdicts {
			for _, finding := range one.Findings {
				line(table, one.Kind, one.Name, resultOf(finding), describe(one, finding))
			}

			for _, warning := range one.Warnings {
				line(table, one.Kind, one.Name, "note", warning)
			}

			if one.Good {
				line(table, one.Kind, one.Name, "good", strings.Join(one.Channels, ", "))
			}
		}
	})
}

func resultOf(finding preview.Finding) string {
	switch {
	case finding.DryRun:
		return "on trial"
	case finding.Breaks:
		return "refused"
	default:
		return "wrong"
	}
}

// describe names the other object that a finding is about, the field, and what is wrong.
func describe(of verdict, finding preview.Finding) string {
	var parts []string

	if finding.Kind != of.Kind {
		parts = append(parts, strings.TrimSpace(finding.Kind+" "+finding.Name))
	}

	if finding.Field != "" {
		parts = append(parts, finding.Field)
	}

	return strings.Join(append(parts, finding.Message), ": ")
}

// judged turns what is wrong into the exit code.
func judged(verdicts []verdict) error {
	bad := 0

	for _, one := range verdicts {
		if !one.Good {
			bad++
		}
	}

	if bad == 0 {
		return nil
	}

	return fmt.Errorf("%d of %d objects have something wrong with them", bad, len(verdicts))
}
