package resolve

import (
	"fmt"
	"math"
	"strconv"
	"time"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
)

const (
	// defaultTimeout is how long a message may take where the options say nothing.
	defaultTimeout = 30 * time.Second
	// longestTimeout is how long it may take at most: a target that answers no more would hold up its line.
	longestTimeout = 10 * time.Minute
)

// completeOptions are the options with an empty one in place of each that is missing.
func completeOptions(set *notificationv2beta2.Options) notificationv2beta2.Options {
	var made notificationv2beta2.Options
	if set != nil {
		made = *set
	}

	made.Global = orElse(made.Global, &notificationv2beta2.GlobalOptions{})
	made.Email = orElse(made.Email, &notificationv2beta2.EmailOptions{})
	made.Wechat = orElse(made.Wechat, &notificationv2beta2.WechatOptions{})
	made.Slack = orElse(made.Slack, &notificationv2beta2.SlackOptions{})
	made.Webhook = orElse(made.Webhook, &notificationv2beta2.WebhookOptions{})
	made.DingTalk = orElse(made.DingTalk, &notificationv2beta2.DingTalkOptions{})
	made.Sms = orElse(made.Sms, &notificationv2beta2.SmsOptions{})
	made.Pushover = orElse(made.Pushover, &notificationv2beta2.PushoverOptions{})
	made.Feishu = orElse(made.Feishu, &notificationv2beta2.FeishuOptions{})
	made.Discord = orElse(made.Discord, &notificationv2beta2.DiscordOptions{})
	made.Telegram = orElse(made.Telegram, &notificationv2beta2.TelegramOptions{})

	return made
}

// commonOptions are what all channels have, by channel.
func commonOptions(of *notificationv2beta2.Options) map[channel.Type]notificationv2beta2.ChannelOptions {
	return map[channel.Type]notificationv2beta2.ChannelOptions{
		channel.DingTalk: of.DingTalk.ChannelOptions,
		channel.Discord:  of.Discord.ChannelOptions,
		channel.Email:    of.Email.ChannelOptions,
		channel.Feishu:   of.Feishu.ChannelOptions,
		channel.Slack:    of.Slack.ChannelOptions,
		channel.Telegram: of.Telegram.ChannelOptions,
		channel.Webhook:  of.Webhook.ChannelOptions,
		channel.WeCom:    of.Wechat.ChannelOptions,
		sms:              of.Sms.ChannelOptions,
		pushover:         of.Pushover.ChannelOptions,
	}
}

// timeout is how long a message of a channel may take.
func (p *Platform) timeout(of channel.Type) time.Duration {
	seconds := p.common[of].NotificationTimeout

	switch {
	case seconds == nil || *seconds <= 0:
		return defaultTimeout
	case *seconds >= notificationv2beta2.Number(longestTimeout/time.Second):
		return longestTimeout
	default:
		return time.Duration(*seconds) * time.Second
	}
}

// whole is a number of the contract as one of the machine's; what is less than nothing is nothing.
func whole(number notificationv2beta2.Number) int {
	return int(min(max(number, 0), math.MaxInt32))
}

// limited tells whether a rate is one.
func limited(rate delivery.Rate) bool {
	return rate.Messages > 0 && rate.Per > 0
}

// tighter is a rate that keeps two others: as few at once as either lets go, and as slowly in the long run.
func tighter(a, b delivery.Rate) delivery.Rate {
	switch {
	case !limited(a):
		return b
	case !limited(b):
		return a
	}

	if slowness(a) < slowness(b) {
		a, b = b, a
	}

	if a.Messages <= b.Messages {
		return a
	}

	return delivery.Rate{
		Messages: b.Messages, Per: time.Duration(math.Ceil(slowness(a) * float64(b.Messages))),
	}
}

// slowness is how long one message takes, in nanoseconds.
func slowness(rate delivery.Rate) float64 {
	return float64(rate.Per) / float64(rate.Messages)
}

// throttled is the rate of an option; what it leaves out is as in the default.
func throttled(set *notificationv2beta2.Throttle, otherwise delivery.Rate) delivery.Rate {
	if set == nil {
		return otherwise
	}

	if set.Threshold > 0 {
		otherwise.Messages = whole(set.Threshold)
	}

	if set.Unit > 0 {
		otherwise.Per = time.Duration(set.Unit)
	}

	return otherwise
}

// rateOf reads a limit of the API. One that cannot be used is none.
func rateOf(set *notificationv2beta2.RateLimit, field string, report func(field, text string)) delivery.Rate {
	const (
		least, most = time.Second, 24 * time.Hour
		otherwise   = time.Minute
	)

	if set == nil {
		return delivery.Rate{}
	}

	if set.Messages <= 0 {
		report(field+".messages", "is "+strconv.Itoa(int(set.Messages))+", and there is no limit; write at least 1")

		return delivery.Rate{}
	}

	per, problem := duration(set.Per, least, most, otherwise)
	if problem != "" {
		report(field+".per", problem)
	}

	return delivery.Rate{Messages: int(set.Messages), Per: per}
}

// duration reads a length of time within bounds; where it cannot be used it is another one, and a problem.
func duration(
	text notificationv2beta2.Duration, least, most, otherwise time.Duration,
) (length time.Duration, problem string) {
	if text == "" {
		return otherwise, ""
	}

	length, err := text.Parse()

	switch {
	case err != nil:
		return otherwise, fmt.Sprintf("%v; until then it is %s", err, otherwise)
	case length < least || length > most:
		return otherwise, fmt.Sprintf("%s is not from %s to %s; until it is, %s counts", length, least, most, otherwise)
	default:
		return length, ""
	}
}

func managerLimits(spec *notificationv2beta2.NotificationManagerSpec, log *findings) delivery.Limits {
	limits := delivery.DefaultLimits()
	if spec.Delivery == nil {
		return limits
	}

	return retried(limits, spec.Delivery.Retry, "spec.delivery.retry", func(field, text string) {
		log.add(onManager(field, text))
	})
}

// retried are limits with what a policy of retries says.
func retried(
	limits delivery.Limits, set *notificationv2beta2.RetryPolicy, field string, report func(field, text string),
) delivery.Limits {
	if set == nil {
		return limits
	}

	for _, one := range []struct {
		field       string
		text        notificationv2beta2.Duration
		least, most time.Duration
		into        *time.Duration
	}{
		{"maxAge", set.MaxAge, time.Minute, 168 * time.Hour, &limits.MaxAge},
		{"minBackoff", set.MinBackoff, 100 * time.Millisecond, time.Hour, &limits.MinBackoff},
		{"maxBackoff", set.MaxBackoff, time.Second, 6 * time.Hour, &limits.MaxBackoff},
	} {
		length, problem := duration(one.text, one.least, one.most, *one.into)
		if problem != "" {
			report(field+"."+one.field, problem)
		}

		*one.into = length
	}

	if limits.MinBackoff > limits.MaxBackoff {
		if set.MinBackoff != "" && set.MaxBackoff != "" {
			report(field+".maxBackoff", "is less than minBackoff, which counts for both; make it greater")
		}

		limits.MaxBackoff = limits.MinBackoff
	}

	return limits
}
