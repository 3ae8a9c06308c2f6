package routing

import (
	"iter"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// Receiver is somebody who may be told of an alert. Nothing changes one once it is in a Table.
type Receiver struct {
	// Name is unique.
	Name string
	// UID tells it from others that had the name before.
	UID string
	// Owner says whose it is.
	Owner selector.Owner
	// Labels are its own, by which routers choose it.
	Labels labels.Labels
	// Channels are its ways to be told: at most 64.
	Channels []Channel
}

// Channel is one way to tell a receiver. Its name is that of its field in the spec.
type Channel struct {
	Type string
	// Enabled says whether it is used.
	Enabled bool
	// Alerts says of which alerts it tells.
	Alerts selector.Selector
	// Broken says why it cannot be used; it is then not Enabled.
	Broken string
}

// maxChannels is how many channels a ChannelSet has room for.
const maxChannels = 64

// ChannelSet are some of the channels of one receiver: bit n is for Receiver.Channels[n].
type ChannelSet uint64

// Has tells whether the channel with this place in Receiver.Channels is one of them.
func (c ChannelSet) Has(place int) bool {
	return c>>uint(place)&1 == 1
}

// Types are the names of channels of the receiver, in their order.
func (r *Receiver) Types(set ChannelSet) iter.Seq[string] {
	return func(yield func(string) bool) {
		for place := range r.Channels {
			if set.Has(place) && !yield(r.Channels[place].Type) {
				return
			}
		}
	}
}

// withTypes gives the enabled channels with one of the types; all enabled ones where no type is named.
func (r *Receiver) withTypes(types ...string) ChannelSet {
	var set ChannelSet

	for place := range r.Channels {
		if r.Channels[place].Enabled && (len(types) == 0 || slices.Contains(types, r.Channels[place].Type)) {
			set |= 1 << uint(place)
		}
	}

	return set
}

// ReceiverOf makes a Receiver of an object. A channel with a broken selector is switched off and a finding: nobody
// is told of alerts that were not meant for them, and the other channels do as ever.
func ReceiverOf(
	object *notificationv2beta2.Receiver, ownership selector.Ownership,
) (*Receiver, field.ErrorList) {
	made := &Receiver{
		Name:   object.Name,
		UID:    string(object.UID),
		Owner:  ownership.Of(object.Labels),
		Labels: labels.FromMap(object.Labels),
	}

	var problems field.ErrorList

	for _, source := range channelsOf(&object.Spec) {
		path := field.NewPath("spec", source.name, "alertSelector")
		alerts, found := selector.Compile(path, source.common.AlertSelector)
		channel := Channel{
			Type:    source.name,
			Enabled: len(found) == 0 && (source.common.Enabled == nil || *source.common.Enabled),
			Alerts:  alerts,
		}

		if len(found) > 0 {
			channel.Broken = found[0].Error()
		}

		problems = append(problems, found...)
		made.Channels = append(made.Channels, channel)
	}

	return made, problems
}

// namedChannel is what a channel of a Receiver has in common with the others.
type namedChannel struct {
	name   string
	common *notificationv2beta2.ChannelReceiver
}

// channelsOf are the channels that a Receiver has, in the order of its fields.
func channelsOf(spec *notificationv2beta2.ReceiverSpec) []namedChannel {
	var found []namedChannel

	add := func(name string, common *notificationv2beta2.ChannelReceiver) {
		found = append(found, namedChannel{name: name, common: common})
	}

	if spec.DingTalk != nil {
		add("dingtalk", &spec.DingTalk.ChannelReceiver)
	}

	if spec.Email != nil {
		add("email", &spec.Email.ChannelReceiver)
	}

	if spec.Slack != nil {
		add("slack", &spec.Slack.ChannelReceiver)
	}

	if spec.Webhook != nil {
		add("webhook", &spec.Webhook.ChannelReceiver)
	}

	if spec.Wechat != nil {
		add("wechat", &spec.Wechat.ChannelReceiver)
	}

	if spec.Sms != nil {
		add("sms", &spec.Sms.ChannelReceiver)
	}

	if spec.Pushover != nil {
		add("pushover", &spec.Pushover.ChannelReceiver)
	}

	if spec.Feishu != nil {
		add("feishu", &spec.Feishu.ChannelReceiver)
	}

	if spec.Discord != nil {
		add("discord", &spec.Discord.ChannelReceiver)
	}

	if spec.Telegram != nil {
		add("telegram", &spec.Telegram.ChannelReceiver)
	}

	if spec.Teams != nil {
		add("teams", &spec.Teams.ChannelReceiver)
	}

	return found
}
