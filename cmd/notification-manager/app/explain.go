package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/spf13/cobra"

	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/preview"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence"
)

// explainOptions are what explain is asked.
type explainOptions struct {
	verbOptions

	labels    []string
	receivers []string
	server    string
	tokenFile string
}

func newExplainCommand() *cobra.Command {
	options := &explainOptions{}
	command := &cobra.Command{
		Use:   "explain (-f FILE | --server URL) -l NAME=VALUE...",
		Short: "Show who is told of an alert, and why others are not", Args: noArguments,
		Long: "explain shows who is told of an alert with given labels, and for everybody else why not: from the\n" +
			"objects in files, or from a service that runs." +
			"\n\nExit codes: 0 somebody is told, 1 nobody is, 2 the command line is wrong.",
		RunE: func(command *cobra.Command, _ []string) error {
			explanation, err := options.explain(command)
			if err != nil {
				return err
			}

			if err := printExplanation(command.OutOrStdout(), options.format, explanation); err != nil {
				return err
			}

			for _, one := range explanation.Receivers {
				if one.Told {
					return nil
				}
			}

			return errors.New("nobody is told of this alert")
		},
	}

	flags := command.Flags()
	options.addFlags(flags, formatTable)
	flags.StringArrayVarP(&options.labels, "label", "l", nil, "A label of the alert, as name=value; as often as "+
		"needed.")
	flags.StringArrayVar(&options.receivers, "receiver", nil, "A Receiver to be told about, whether a way leads to it "+
		"or not; as often as needed.")
	flags.StringVar(&options.server, "server", "", "The address of a service that runs, as http://127.0.0.1:19093.")
	flags.StringVar(&options.tokenFile, "token-file", "", "A file with the token that the service wants.")

	return command
}

func (o *explainOptions) explain(command *cobra.Command) (preview.Explanation, error) {
	if err := checkFormat(o.format); err != nil {
		return preview.Explanation{}, err
	}

	set, err := o.set()
	if err != nil {
		return preview.Explanation{}, err
	}

	if o.server != "" {
		return o.ask(command.Context(), set)
	}

	read, err := o.read(command)
	if err != nil {
		return preview.Explanation{}, err
	}

	return read.explain(set, o.namespace, o.receivers), nil
}

// set are the labels of the alert.
func (o *explainOptions) set() (labels.Labels, error) {
	if len(o.labels) == 0 {
		return labels.EmptyLabels(), usageError{errors.New("-l: give the labels of the alert, as in -l alertname=Down")}
	}

	found := map[string]string{}

	for _, pair := range o.labels {
		name, value, given := strings.Cut(pair, "=")
		if !given || name == "" {
			return labels.EmptyLabels(), usageError{fmt.Errorf("-l=%s: want name=value", pair)}
		}

		found[name] = value
	}

	return labels.FromMap(found), nil
}

// explain routes an alert by the objects of the files, at this time.
func (m *manifests) explain(set labels.Labels, namespace string, names []string) preview.Explanation {
	manager := m.manager()
	settings, _ := follow.Settings(&manager.Spec, "")
	ownership := selector.OwnershipOf(&manager.Spec.Receivers)
	platform, _ := m.platform(namespace)
	table := routing.NewTable(settings.Routing)
	results := map[string]resolve.Result{}

	for _, one := range m.receivers {
		results[one.Name] = platform.Receiver(one, 0)
		table.PutReceiver(results[one.Name].Receiver.Route)
	}

	for _, one := range m.routers {
		if router, problems := routing.RouterOf(one); len(problems) == 0 {
			table.PutRouter(router)
		}
	}

	var silences silence.Set

	for _, one := range m.silences {
		if made, problems := silence.Compile(one, ownership, m.zone()); len(problems) == 0 {
			silences.Put(made)
		}
	}

	now := time.Now()
	explanation := table.Explain(set, func(owner selector.Owner, set labels.Labels) (string, bool) {
		if found := silences.For(owner, set, now); found != nil {
			return found.Name(), true
		}

		return "", false
	}, names...)

	return preview.Explain(set, explanation, func(name string) (resolve.Result, bool) {
		found, known := results[name]

		return found, known
	})
}

// askPatience is how long a service may take to answer.
const askPatience = 10 * time.Second

// ask asks a service that runs.
func (o *explainOptions) ask(ctx context.Context, set labels.Labels) (preview.Explanation, error) {
	var explanation preview.Explanation

	address, err := url.Parse(o.server)
	if err != nil || address.Host == "" {
		return explanation, usageError{fmt.Errorf("--server=%s: want one as http://127.0.0.1:19093", o.server)}
	}

	query := url.Values{"receiver": o.receivers}

	set.Range(func(label labels.Label) { query.Add("label", label.Name+"="+label.Value) })

	address = address.JoinPath("/api/v2/explain")
	address.RawQuery = query.Encode()

	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return explanation, usageError{fmt.Errorf("--server: %w", err)}
	}

	if err := o.authorize(request); err != nil {
		return explanation, err
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return explanation, fmt.Errorf("--server: %w", err)
	}
	defer response.Body.Close()

	err = readAnswer(response, &explanation)

	return explanation, err
}

func (o *explainOptions) authorize(request *http.Request) error {
	if o.tokenFile == "" {
		return nil
	}

	token, err := os.ReadFile(o.tokenFile)
	if err != nil {
		return usageError{fmt.Errorf("--token-file: %w", err)}
	}

	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))

	return nil
}

// readAnswer reads what was asked for, or why it is not given.
func readAnswer(response *http.Response, into any) error {
	const most = 16 << 20

	text, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return fmt.Errorf("--server: %w", err)
	}

	if response.StatusCode != http.StatusOK {
		var refusal struct {
			Message string `json:"Message"` //nolint:tagliatelle // the contract has it so
		}

		_ = json.Unmarshal(text, &refusal) // else there is nothing to say about it

		return fmt.Errorf("--server: answered %s: %s", response.Status, refusal.Message)
	}

	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("--server: read the answer: %w", err)
	}

	return nil
}

// printExplanation shows each receiver with its channels.
func printExplanation(out io.Writer, format string, of preview.Explanation) error {
	return printAs(out, format, of, func(table io.Writer) {
		tenants := strings.Join(of.Tenants, ", ")
		if tenants == "" {
			tenants = of.NoTenants
		}

		line(table, "policy:", of.Policy)
		line(table, "tenants:", tenants)

		for _, one := range of.Routers {
			line(table, "router "+one.Name+":", orText(one.Why, "selects it for "+strings.Join(one.Receivers, ", ")))
		}

		line(table)
		line(table, "RECEIVER", "OWNER", "CHANNEL", "TOLD", "WHY")

		for _, one := range of.Receivers {
			via := strings.Join(append(one.Via, one.Routers...), " ")

			if len(one.Channels) == 0 {
				line(table, one.Name, one.Owner, "-", one.Told, one.Why)
			}

			for _, channel := range one.Channels {
				line(table, one.Name, one.Owner, channel.Type, channel.Told,
					orText(channel.Why, orText(channel.Waiting, via)))
			}
		}
	})
}

func orText(text, other string) string {
	if text == "" {
		return other
	}

	return text
}

// alertsOf reads alerts of a file, or gives one to look at.
func alertsOf(path string, input io.Reader) ([]alert.Alert, error) {
	if path == "" {
		return nil, nil
	}

	var (
		text []byte
		err  error
	)

	if path == "-" {
		text, err = io.ReadAll(input)
	} else {
		text, err = os.ReadFile(path)
	}

	if err != nil {
		return nil, usageError{fmt.Errorf("--alerts: %w", err)}
	}

	alerts, refused, err := alert.Decode(text, time.Now())

	switch {
	case err != nil:
		return nil, fmt.Errorf("--alerts: %w", err)
	case len(refused) > 0:
		return nil, fmt.Errorf("--alerts: %w", refused[0])
	default:
		return alerts, nil
	}
}
