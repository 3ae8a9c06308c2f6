package v2beta2

// Options are for all receivers of a channel. Contract: KubeSphere 3.4. A notificationTimeout is in seconds; a time
// without a unit otherwise is in nanoseconds.
type Options struct {
	// global is for all channels.
	// +optional
	Global *GlobalOptions `json:"global,omitempty"`

	// email is for mail.
	// +optional
	Email *EmailOptions `json:"email,omitempty"`

	// wechat is for WeCom.
	// +optional
	Wechat *WechatOptions `json:"wechat,omitempty"`

	// slack is for Slack.
	// +optional
	Slack *SlackOptions `json:"slack,omitempty"`

	// webhook is for webhooks.
	// +optional
	Webhook *WebhookOptions `json:"webhook,omitempty"`

	// dingtalk is for DingTalk.
	// +optional
	DingTalk *DingTalkOptions `json:"dingtalk,omitempty"`

	// sms is for text messages.
	// +optional
	Sms *SmsOptions `json:"sms,omitempty"`

	// pushover is for Pushover.
	// +optional
	Pushover *PushoverOptions `json:"pushover,omitempty"`

	// feishu is for Feishu.
	// +optional
	Feishu *FeishuOptions `json:"feishu,omitempty"`

	// discord is for Discord.
	// +optional
	Discord *DiscordOptions `json:"discord,omitempty"`

	// telegram is for Telegram.
	// +optional
	Telegram *TelegramOptions `json:"telegram,omitempty"`
}

// GlobalOptions are for all channels.
type GlobalOptions struct {
	// templateFile are paths of files with templates. Deprecated by the contract; spec.template.text has them now.
	// +optional
	// +listType=atomic
	TemplateFiles []string `json:"templateFile,omitempty"`

	// template is the name of the template of the message.
	// +optional
	Template string `json:"template,omitempty"`

	// cluster is the name of the cluster, for alerts without one.
	// +optional
	Cluster string `json:"cluster,omitempty"`
}

// ChannelOptions are what all channels have.
type ChannelOptions struct {
	// notificationTimeout is how long one try may take, in seconds.
	// +optional
	NotificationTimeout *Number `json:"notificationTimeout,omitempty"`

	// template is the name of the template of the message.
	// +optional
	Template string `json:"template,omitempty"`
}

// EmailOptions are for mail.
type EmailOptions struct {
	ChannelOptions `json:",inline"`

	// deliveryType has no effect. Deprecated by the contract.
	// +optional
	DeliveryType string `json:"deliveryType,omitempty"`

	// maxEmailReceivers is the greatest number of addresses in one mail. Absent or less than 1: 50.
	// +optional
	MaxEmailReceivers Number `json:"maxEmailReceivers,omitempty"`

	// subjectTemplate is the name of the template of the subject.
	// +optional
	SubjectTemplate string `json:"subjectTemplate,omitempty"`

	// tmplType is text or html (also when empty).
	// +optional
	TmplType string `json:"tmplType,omitempty"`
}

// WechatOptions are for WeCom.
type WechatOptions struct {
	ChannelOptions `json:",inline"`

	// tmplType is text (also when empty) or markdown.
	// +optional
	TmplType string `json:"tmplType,omitempty"`

	// messageMaxSize is the greatest size of a message, in bytes.
	// +optional
	MessageMaxSize Number `json:"messageMaxSize,omitempty"`

	// tokenExpires is how long a token is used, in nanoseconds. Absent: as long as the provider says.
	// +optional
	TokenExpires Number `json:"tokenExpires,omitempty"`
}

// SlackOptions are for Slack.
type SlackOptions struct {
	ChannelOptions `json:",inline"`
}

// WebhookOptions are for webhooks.
type WebhookOptions struct {
	ChannelOptions `json:",inline"`
}

// DingTalkOptions are for DingTalk.
type DingTalkOptions struct {
	ChannelOptions `json:",inline"`

	// titleTemplate is the name of the template of the title.
	// +optional
	TitleTemplate string `json:"titleTemplate,omitempty"`

	// tmplType is text (also when empty) or markdown.
	// +optional
	TmplType string `json:"tmplType,omitempty"`

	// tokenExpires is how long a token is used, in nanoseconds. Absent: as long as the provider says.
	// +optional
	TokenExpires Number `json:"tokenExpires,omitempty"`

	// conversationMessageMaxSize is the greatest size of a message to a conversation, in bytes.
	// +optional
	ConversationMessageMaxSize Number `json:"conversationMessageMaxSize,omitempty"`

	// chatbotMessageMaxSize is the greatest size of a message to a robot, in bytes.
	// +optional
	ChatbotMessageMaxSize Number `json:"chatbotMessageMaxSize,omitempty"`

	// chatBotThrottle is how many messages a robot takes.
	// +optional
	ChatBotThrottle *Throttle `json:"chatBotThrottle,omitempty"`

	// conversationThrottle is how many messages the conversations take.
	// +optional
	ConversationThrottle *Throttle `json:"conversationThrottle,omitempty"`
}

// Throttle is a greatest number of messages in a time.
type Throttle struct {
	// threshold is the greatest number in the time.
	// +optional
	Threshold Number `json:"threshold,omitempty"`

	// unit is the time, in nanoseconds.
	// +optional
	Unit Number `json:"unit,omitempty"`

	// maxWaitTime has no effect: what is above the threshold waits until it can go. It is in nanoseconds.
	// +optional
	MaxWaitTime Number `json:"maxWaitTime,omitempty"`
}

// SmsOptions are for text messages.
type SmsOptions struct {
	ChannelOptions `json:",inline"`
}

// PushoverOptions are for Pushover.
type PushoverOptions struct {
	ChannelOptions `json:",inline"`

	// titleTemplate is the name of the template of the title.
	// +optional
	TitleTemplate string `json:"titleTemplate,omitempty"`
}

// FeishuOptions are for Feishu.
type FeishuOptions struct {
	ChannelOptions `json:",inline"`

	// tmplType is text or post (also when empty).
	// +optional
	TmplType string `json:"tmplType,omitempty"`

	// tokenExpires is how long a token is used, in nanoseconds. Absent: as long as the provider says.
	// +optional
	TokenExpires Number `json:"tokenExpires,omitempty"`
}

// DiscordOptions are for Discord.
type DiscordOptions struct {
	ChannelOptions `json:",inline"`
}

// TelegramOptions are for Telegram.
type TelegramOptions struct {
	ChannelOptions `json:",inline"`
}
