package preview

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// Message is a message as it would be sent.
type Message struct {
	Channel string `json:"channel"`
	Target  string `json:"target"`
	Title   string `json:"title,omitempty"`
	Text    string `json:"text"`
}

// Finding is what is wrong with an object, as it is shown.
type Finding struct {
	Kind    string `json:"kind"`
	Name    string `json:"name,omitempty"`
	Field   string `json:"field,omitempty"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Policy  string `json:"policy,omitempty"`
	DryRun  bool   `json:"dryRun,omitempty"`
	// Breaks says that messages wait until it is mended.
	Breaks bool `json:"breaks"`
}

// Findings are what is wrong, as it is shown.
func Findings(from []resolve.Finding) []Finding {
	made := make([]Finding, 0, len(from))

	for i := range from {
		one := &from[i]
		made = append(made, Finding{
			Kind: one.Kind, Name: one.Name, Field: one.Field, Reason: string(one.Reason), Message: one.Message,
			Policy: one.Policy, DryRun: one.DryRun, Breaks: one.Breaks,
		})
	}

	return made
}

// Data is what alerts are rendered from for a receiver: all of them in one message, with the name of the cluster
// where they have none.
func Data(alerts []alert.Alert, receiver, cluster string, now time.Time) *message.Data {
	named := make([]alert.Alert, len(alerts))

	for i := range alerts {
		named[i] = alerts[i]

		if cluster != "" && !named[i].Labels.Has(alert.Cluster) {
			named[i].Labels = labels.NewBuilder(named[i].Labels).Set(alert.Cluster, cluster).Labels()
		}
	}

	return message.New(named, message.Notification{Receiver: receiver, Now: now})
}

// Render makes the messages of a receiver without sending them. Targets that cannot be used have none.
func Render(result resolve.Result, data *message.Data) ([]Message, error) {
	made := []Message{}

	for i := range result.Receiver.Targets {
		to := &result.Receiver.Targets[i]
		if to.Channel == nil {
			continue
		}

		messages, err := render(to, data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", to.Key, err)
		}

		for _, one := range messages {
			made = append(made, Message{Channel: string(to.Type), Target: to.Key, Title: one.Title, Text: one.Text})
		}
	}

	return made, nil
}

// render makes messages; a defect of a channel is an error.
func render(to *target.Target, data *message.Data) (messages []channel.Message, err error) {
	defer func() {
		if recover() != nil {
			err = errDefect
		}
	}()

	return to.Channel.Render(data)
}

// errDefect stands for a defect of the program, whose own words may show what nobody is to see.
var errDefect = errors.New("this channel failed by a defect of the program")

// sendAbreast is how many targets are sent to at once.
const sendAbreast = 8

// errNobody is a receiver without a target.
var errNobody = errors.New("nobody would be told: no channel is on")

// Send sends a message to each target of a receiver, and returns when all have answered. The error tells of each
// target that has not taken it.
func Send(ctx context.Context, result resolve.Result, data *message.Data) error {
	if len(result.Receiver.Targets) == 0 {
		return nobody(result.Findings)
	}

	failed := make([]error, len(result.Receiver.Targets))

	var group errgroup.Group

	group.SetLimit(sendAbreast)

	for i := range result.Receiver.Targets {
		to := &result.Receiver.Targets[i]

		group.Go(func() error {
			if err := send(ctx, to, data); err != nil {
				failed[i] = fmt.Errorf("%s: %w", to.Key, err)
			}

			return nil
		})
	}

	_ = group.Wait()

	return errors.Join(failed...)
}

// nobody says why there is no target.
func nobody(findings []resolve.Finding) error {
	if len(findings) == 0 {
		return errNobody
	}

	return fmt.Errorf("%w: %w", errNobody, &resolve.BrokenError{Findings: findings})
}

// send sends the messages of one target; a defect of a channel is an error.
func send(ctx context.Context, to *target.Target, data *message.Data) (err error) {
	defer func() {
		if recover() != nil {
			err = errDefect
		}
	}()

	if to.Channel == nil {
		return to.Broken
	}

	messages, err := to.Channel.Render(data)
	if err != nil {
		return err
	}

	for _, one := range messages {
		if err := sendOne(ctx, to, one); err != nil {
			return err
		}
	}

	return nil
}

func sendOne(ctx context.Context, to *target.Target, one channel.Message) error {
	if to.Timeout > 0 {
		var cancel context.CancelFunc

		ctx, cancel = context.WithTimeout(ctx, to.Timeout)
		defer cancel()
	}

	return to.Channel.Send(ctx, one)
}
