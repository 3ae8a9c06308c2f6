package resolve

import (
	"time"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/feishu"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// feishuRate is how often Feishu takes a message of one robot or app: five a second, and 100 a minute (vendor's
// documentation).
func feishuRate() delivery.Rate {
	const aSecond, aMinute = 5, 100

	return tighter(
		delivery.Rate{Messages: aSecond, Per: time.Second}, delivery.Rate{Messages: aMinute, Per: time.Minute},
	)
}

func feishuParts(spec *notificationv2beta2.FeishuReceiver) []part {
	var parts []part

	if len(spec.User) > 0 || len(spec.Department) > 0 {
		parts = append(parts, feishuApp(spec))
	}

	if spec.ChatBot != nil {
		parts = append(parts, feishuRobot(spec))
	}

	if len(parts) == 0 {
		parts = append(parts, nobody("user, department and chatbot"))
	}

	return parts
}

// feishuForm is how messages for Feishu are made.
func feishuForm(b *builder, spec *notificationv2beta2.FeishuReceiver) (kind string, text *message.Template) {
	kind = b.kind("tmplType", b.platform.options.Feishu.TmplType, spec.TmplType, feishu.Post, feishu.Text)

	fallback := message.FeishuPost
	if kind == feishu.Text {
		fallback = message.FeishuText
	}

	return kind, b.text(&spec.ChannelReceiver, fallback)
}

func feishuApp(spec *notificationv2beta2.FeishuReceiver) part {
	return func(b *builder) []plan {
		with := b.config("feishuConfigSelector", spec.FeishuConfigSelector)
		app := with.spec.Feishu
		settings := feishu.AppSettings{
			BaseURL:     b.api(with, "apiURL", app.APIURL, feishuHost),
			AppID:       b.credential(with.holder, b.at(with.holder, "appID"), app.AppID),
			AppSecret:   b.credential(with.holder, b.at(with.holder, "appSecret"), app.AppSecret),
			Users:       b.some("user", spec.User),
			Departments: b.some("department", spec.Department),
		}
		settings.Kind, settings.Text = feishuForm(b, spec)

		made := b.plan("feishu/app", settings, with.holder, delivery.Where{
			Credential: b.fromConfig(with), Shared: feishuRate(),
		})
		made.people = len(settings.Users) + len(settings.Departments)

		return []plan{made}
	}
}

func feishuRobot(spec *notificationv2beta2.FeishuReceiver) part {
	return func(b *builder) []plan {
		settings := feishu.RobotSettings{
			Webhook:  b.robot("chatbot.webhook", spec.ChatBot.Webhook),
			Secret:   b.credential(b.self, b.field("chatbot.secret"), spec.ChatBot.Secret),
			Keywords: spec.ChatBot.Keywords,
		}
		settings.Kind, settings.Text = feishuForm(b, spec)

		return []plan{b.plan("feishu/chatbot", settings, b.self, delivery.Where{
			Credential: b.fromRobot(settings.Webhook), Shared: feishuRate(),
		})}
	}
}
