package app

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/preview"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// renderOptions are what render is asked.
type renderOptions struct {
	verbOptions

	receiver, alerts string
}

// rendered are the messages of a receiver.
type rendered struct {
	Receiver string            `json:"receiver"`
	Messages []preview.Message `json:"messages"`
	Findings []preview.Finding `json:"findings,omitempty"`
}

func newRenderCommand() *cobra.Command {
	options := &renderOptions{}
	command := &cobra.Command{
		Use: "render -f FILE", Short: "Print the messages that Receivers would be sent", Args: noArguments,
		Long: "render prints the messages that the Receivers in files would be sent, and sends none. Secrets and\n" +
			"ConfigMaps that they refer to are to be in the files too." + exits,
		RunE: func(command *cobra.Command, _ []string) error {
			made, err := options.render(command)
			if err != nil {
				return err
			}

			if err := printRendered(command.OutOrStdout(), options.format, made); err != nil {
				return err
			}

			for _, one := range made {
				if len(one.Messages) == 0 {
					return fmt.Errorf("nothing would be sent to Receiver %s", one.Receiver)
				}
			}

			return nil
		},
	}

	flags := command.Flags()
	options.addFlags(flags, formatYAML)
	flags.StringVar(&options.receiver, "receiver", "", "The Receiver. Empty: all in the files.")
	flags.StringVar(&options.alerts, "alerts", "", "A file with alerts, as they are posted. Empty: two to look at.")

	return command
}

func (o *renderOptions) render(command *cobra.Command) ([]rendered, error) {
	read, err := o.read(command)
	if err != nil {
		return nil, err
	}

	receivers := read.receivers
	if o.receiver != "" {
		receivers = receivers[:0:0]

		if one := read.receiver(o.receiver); one != nil {
			receivers = append(receivers, one)
		}
	}

	if len(receivers) == 0 {
		return nil, usageError{errors.New("-f: there is no such Receiver in it")}
	}

	alerts, err := alertsOf(o.alerts, command.InOrStdin())
	if err != nil {
		return nil, err
	}

	platform, _ := read.platform(o.namespace)
	made := make([]rendered, 0, len(receivers))

	for _, one := range receivers {
		data := message.Sample()
		if len(alerts) > 0 {
			data = preview.Data(alerts, one.Name, "", time.Now())
		}

		result := platform.Receiver(one, 0)

		messages, err := preview.Render(result, data)
		if err != nil {
			return nil, fmt.Errorf("render for Receiver %s: %w", one.Name, err)
		}

		made = append(made, rendered{
			Receiver: one.Name, Messages: messages, Findings: preview.Findings(result.Findings),
		})
	}

	return made, nil
}

// printRendered shows each message.
func printRendered(out io.Writer, format string, of []rendered) error {
	return printAs(out, format, of, func(table io.Writer) {
		line(table, "RECEIVER", "CHANNEL", "TARGET", "TITLE", "CHARACTERS")

		for _, one := range of {
			for _, message := range one.Messages {
				line(table, one.Receiver, message.Channel, message.Target, message.Title, len([]rune(message.Text)))
			}

			for _, finding := range one.Findings {
				line(table, one.Receiver, "-", finding.Field, finding.Message)
			}
		}
	})
}
