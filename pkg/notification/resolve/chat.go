package resolve

import (
	"strings"
	"time"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/discord"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/slack"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/teams"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/telegram"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// slackRate is how often Slack takes a message for one channel (vendor's documentation).
func slackRate() delivery.Rate { return delivery.Rate{Messages: 1, Per: time.Second} }

// telegramRate is how often Telegram takes a message of one bot (vendor's documentation).
func telegramRate() delivery.Rate {
	const messages = 30

	return delivery.Rate{Messages: messages, Per: time.Second}
}

// chatRate is how often Telegram takes a message for one chat: one a second, and 20 a minute for a group (vendor's
// documentation). The number of a group is negative, and what has a name is none of a person.
func chatRate(chat string) delivery.Rate {
	const groups = 20

	rate := delivery.Rate{Messages: 1, Per: time.Second}

	if strings.HasPrefix(chat, "-") || strings.HasPrefix(chat, "@") {
		rate = tighter(rate, delivery.Rate{Messages: groups, Per: time.Minute})
	}

	return rate
}

// discordRate is how often Discord takes a message for one webhook: five in two seconds, and 30 a minute (observed;
// its documentation names no numbers, and its answers say when it has had enough).
func discordRate() delivery.Rate {
	const atOnce, aMinute = 5, 30

	return tighter(
		delivery.Rate{Messages: atOnce, Per: 2 * time.Second}, delivery.Rate{Messages: aMinute, Per: time.Minute},
	)
}

// teamsRate is how often Teams takes a message for one webhook (vendor's documentation).
func teamsRate() delivery.Rate {
	const messages = 4

	return delivery.Rate{Messages: messages, Per: time.Second}
}

func slackPart(spec *notificationv2beta2.SlackReceiver) part {
	return func(b *builder) []plan {
		with := b.config("slackConfigSelector", spec.SlackConfigSelector)
		own := with.spec.Slack

		settings := slack.Settings{
			BaseURL: b.api(with, "apiURL", own.APIURL, slackHost),
			Token:   b.credential(with.holder, b.at(with.holder, "slackTokenSecret"), own.SlackTokenSecret),
			Text:    b.text(&spec.ChannelReceiver, message.Text),
		}

		var plans []plan

		for _, name := range b.addresses("channels", spec.Channels) {
			settings.Channel = name
			plans = append(plans, b.plan("slack/"+name, settings, with.holder, delivery.Where{
				Credential: b.fromConfig(with), Rate: slackRate(),
			}))
		}

		return plans
	}
}

func telegramPart(spec *notificationv2beta2.TelegramReceiver) part {
	return func(b *builder) []plan {
		with := b.config("telegramConfigSelector", spec.TelegramConfigSelector)
		own, of := with.spec.Telegram, with.holder

		settings := telegram.Settings{
			BaseURL:        b.api(with, "apiURL", own.APIURL, telegramHost),
			Token:          b.credential(of, b.at(of, "telegramTokenSecret"), own.TelegramTokenSecret),
			MentionedUsers: spec.MentionedUsers,
			Text:           b.text(&spec.ChannelReceiver, message.Text),
		}

		var plans []plan

		for _, chat := range b.addresses("channels", spec.Channels) {
			settings.Chat = chat
			plans = append(plans, b.plan("telegram/"+chat, settings, with.holder, delivery.Where{
				Credential: b.fromConfig(with), Rate: chatRate(chat), Shared: telegramRate(),
			}))
		}

		return plans
	}
}

func discordPart(spec *notificationv2beta2.DiscordReceiver) part {
	return func(b *builder) []plan {
		settings := discord.Settings{
			Webhook:        b.robot("webhook", spec.Webhook),
			Kind:           b.kind("type", "", spec.Type, discord.Content, discord.Embed),
			MentionedUsers: spec.MentionedUsers,
			MentionedRoles: spec.MentionedRoles,
			Text:           b.text(&spec.ChannelReceiver, message.Markdown),
		}

		return []plan{b.plan("discord", settings, b.self, delivery.Where{
			Credential: b.fromRobot(settings.Webhook), Shared: discordRate(),
		})}
	}
}

func teamsPart(spec *notificationv2beta2.TeamsReceiver) part {
	return func(b *builder) []plan {
		settings := teams.Settings{
			Webhook: b.robot("webhook", spec.Webhook),
			Title:   b.title(&spec.ChannelReceiver, "titleTemplate", "", spec.TitleTemplate),
			Text:    b.text(&spec.ChannelReceiver, message.Markdown),
		}

		return []plan{b.plan("teams", settings, b.self, delivery.Where{
			Credential: b.fromRobot(settings.Webhook), Shared: teamsRate(),
		})}
	}
}
