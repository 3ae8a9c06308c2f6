package v2beta2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Receiver is somebody who is told of alerts, by one channel or several: of every alert with the label type=global, of
// those of a tenant's namespaces with type=tenant and user=<name>.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=nr,categories=notification-manager;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=1"
// +kubebuilder:printcolumn:name="Scope",type=string,JSONPath=`.status.scope`
// +kubebuilder:printcolumn:name="Tenant",type=string,JSONPath=`.status.tenant`
// +kubebuilder:printcolumn:name="Sent",type=integer,JSONPath=`.status.sent`
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=`.status.failed`
// +kubebuilder:printcolumn:name="Last",type=date,JSONPath=`.status.lastSuccess.time`
// +kubebuilder:printcolumn:name="Healthy",type=string,JSONPath=`.status.conditions[?(@.type=="Healthy")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Channels",type=string,priority=1,JSONPath=`.status.channels[*].type`
// +kubebuilder:printcolumn:name="Failure",type=string,priority=1,JSONPath=`.status.lastFailure.message`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Receiver struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says who is told, and how.
	// +optional
	Spec ReceiverSpec `json:"spec,omitempty"`

	// status is what was observed of the object.
	// +optional
	Status ReceiverStatus `json:"status,omitempty"`
}

// ReceiverSpec says who is told, and how. The channels are the contract's; what counts for all of them is ours.
type ReceiverSpec struct {
	// dingtalk tells by DingTalk.
	// +optional
	DingTalk *DingTalkReceiver `json:"dingtalk,omitempty"`

	// email tells by mail.
	// +optional
	Email *EmailReceiver `json:"email,omitempty"`

	// slack tells by Slack.
	// +optional
	Slack *SlackReceiver `json:"slack,omitempty"`

	// webhook tells a program.
	// +optional
	Webhook *WebhookReceiver `json:"webhook,omitempty"`

	// wechat tells by WeCom.
	// +optional
	Wechat *WechatReceiver `json:"wechat,omitempty"`

	// sms tells by text message.
	// +optional
	Sms *SmsReceiver `json:"sms,omitempty"`

	// pushover tells by Pushover.
	// +optional
	Pushover *PushoverReceiver `json:"pushover,omitempty"`

	// feishu tells by Feishu, or Lark.
	// +optional
	Feishu *FeishuReceiver `json:"feishu,omitempty"`

	// discord tells by Discord.
	// +optional
	Discord *DiscordReceiver `json:"discord,omitempty"`

	// telegram tells by Telegram.
	// +optional
	Telegram *TelegramReceiver `json:"telegram,omitempty"`

	// teams tells by Microsoft Teams.
	// +optional
	Teams *TeamsReceiver `json:"teams,omitempty"`

	// sendResolved says whether the receiver is told too that an alert has ended. Absent: it is.
	// +optional
	SendResolved *bool `json:"sendResolved,omitempty"`

	// rateLimit is how many messages each target of the receiver gets at most. Absent: what its provider takes.
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

	// timeIntervals are when the receiver is told. What is told outside of them waits until one begins. Empty:
	// always.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	TimeIntervals []TimeInterval `json:"timeIntervals,omitempty"`

	// retry is how messages are tried again. What it does not say is said by the NotificationManager.
	// +optional
	Retry *RetryPolicy `json:"retry,omitempty"`
}

// ChannelReceiver is what all channels of a Receiver have.
type ChannelReceiver struct {
	// enabled false switches the channel off. Absent: it is on.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// alertSelector selects the alerts to tell of, by their labels. Absent: all.
	// +optional
	AlertSelector *LabelSelector `json:"alertSelector,omitempty"`

	// template is the name of the template of the message, or a whole {{ template }} action. Empty: that of the options
	// of the NotificationManager, and the channel's own where they say nothing.
	// +optional
	Template string `json:"template,omitempty"`

	// tmplText is a ConfigMap with templates for this receiver, which come before those of the NotificationManager.
	// +optional
	TmplText *ConfigmapKeySelector `json:"tmplText,omitempty"`
}

// DingTalkReceiver tells by DingTalk.
type DingTalkReceiver struct {
	ChannelReceiver `json:",inline"`

	// dingtalkConfigSelector selects the credentials by their labels.
	// +optional
	DingTalkConfigSelector *LabelSelector `json:"dingtalkConfigSelector,omitempty"`

	// chatbot is a robot in a group. DingTalk takes 20 messages a minute of each.
	// +optional
	ChatBot *DingTalkChatBot `json:"chatbot,omitempty"`

	// conversation are conversations of an application.
	// +optional
	Conversation *DingTalkConversation `json:"conversation,omitempty"`

	// titleTemplate is the name of the template of the title, with tmplType markdown.
	// +optional
	TitleTemplate string `json:"titleTemplate,omitempty"`

	// tmplType is text or markdown. Empty: as the NotificationManager says, and text where it says nothing.
	// +optional
	TmplType string `json:"tmplType,omitempty"`
}

// DingTalkChatBot is a robot in a group of DingTalk.
type DingTalkChatBot struct {
	// webhook is the address of the robot.
	// +required
	Webhook *Credential `json:"webhook"`

	// keywords are put into each message, as a robot asks for that has keywords.
	// +optional
	// +listType=atomic
	Keywords []string `json:"keywords,omitempty"`

	// secret signs the messages, as a robot asks for that has a signature.
	// +optional
	Secret *Credential `json:"secret,omitempty"`

	// atMobiles are the phone numbers of the people to mention.
	// +optional
	// +listType=atomic
	AtMobiles []string `json:"atMobiles,omitempty"`

	// atUsers are the ids of the people to mention.
	// +optional
	// +listType=atomic
	AtUsers []string `json:"atUsers,omitempty"`

	// atAll mentions everybody.
	// +optional
	AtAll bool `json:"atAll,omitempty"`
}

// DingTalkConversation are conversations of an application of DingTalk.
type DingTalkConversation struct {
	// chatids are the ids of the conversations.
	// +required
	// +listType=atomic
	ChatIDs []string `json:"chatids"`
}

// EmailReceiver tells by mail.
type EmailReceiver struct {
	ChannelReceiver `json:",inline"`

	// to are the addresses.
	// +required
	// +listType=atomic
	To []string `json:"to"`

	// emailConfigSelector selects the server by its labels.
	// +optional
	EmailConfigSelector *LabelSelector `json:"emailConfigSelector,omitempty"`

	// subjectTemplate is the name of the template of the subject.
	// +optional
	SubjectTemplate string `json:"subjectTemplate,omitempty"`

	// tmplType is text or html. Empty: as the NotificationManager says, and html where it says nothing.
	// +optional
	TmplType string `json:"tmplType,omitempty"`
}

// SlackReceiver tells by Slack.
type SlackReceiver struct {
	ChannelReceiver `json:",inline"`

	// slackConfigSelector selects the credentials by their labels.
	// +optional
	SlackConfigSelector *LabelSelector `json:"slackConfigSelector,omitempty"`

	// channels are the channels and people to write to.
	// +required
	// +listType=atomic
	Channels []string `json:"channels"`
}

// WebhookReceiver tells a program. It has one of url and service; anything else is reported in the condition Accepted.
type WebhookReceiver struct {
	ChannelReceiver `json:",inline"`

	// webhookConfigSelector has no effect: there is nothing to select.
	// +optional
	WebhookConfigSelector *LabelSelector `json:"webhookConfigSelector,omitempty"`

	// url is where messages are posted to.
	// +optional
	URL *string `json:"url,omitempty"`

	// service is a Service of the cluster that messages are posted to.
	// +optional
	Service *ServiceReference `json:"service,omitempty"`

	// httpConfig says how the program is spoken to.
	// +optional
	HTTPConfig *HTTPClientConfig `json:"httpConfig,omitempty"`
}

// ServiceReference names a Service of the cluster.
type ServiceReference struct {
	// namespace of the Service.
	// +required
	Namespace string `json:"namespace"`

	// name of the Service.
	// +required
	Name string `json:"name"`

	// path of the address, after the port.
	// +optional
	Path *string `json:"path,omitempty"`

	// port of the Service. Absent: that of the scheme.
	// +optional
	Port *Number `json:"port,omitempty"`

	// scheme is http (also when absent) or https.
	// +optional
	Scheme *string `json:"scheme,omitempty"`
}

// WechatReceiver tells by WeCom.
type WechatReceiver struct {
	ChannelReceiver `json:",inline"`

	// wechatConfigSelector selects the credentials by their labels.
	// +optional
	WechatConfigSelector *LabelSelector `json:"wechatConfigSelector,omitempty"`

	// toUser are the ids of the people to write to.
	// +optional
	// +listType=atomic
	ToUser []string `json:"toUser,omitempty"`

	// toParty are the ids of the departments to write to.
	// +optional
	// +listType=atomic
	ToParty []string `json:"toParty,omitempty"`

	// toTag are the ids of the tags to write to.
	// +optional
	// +listType=atomic
	ToTag []string `json:"toTag,omitempty"`

	// tmplType is text or markdown. Empty: as the NotificationManager says, and text where it says nothing.
	// +optional
	TmplType string `json:"tmplType,omitempty"`

	// chatbot is a robot in a group.
	// +optional
	ChatBot *WechatChatBot `json:"chatbot,omitempty"`
}

// WechatChatBot is a robot in a group of WeCom.
type WechatChatBot struct {
	// webhook is the address of the robot.
	// +required
	Webhook *Credential `json:"webhook"`

	// atUsers are the ids of the people to mention.
	// +optional
	// +listType=atomic
	AtUsers []string `json:"atUsers,omitempty"`

	// atMobiles are the phone numbers of the people to mention.
	// +optional
	// +listType=atomic
	AtMobiles []string `json:"atMobiles,omitempty"`
}

// SmsReceiver tells by text message.
type SmsReceiver struct {
	ChannelReceiver `json:",inline"`

	// smsConfigSelector selects the credentials by their labels.
	// +optional
	SmsConfigSelector *LabelSelector `json:"smsConfigSelector,omitempty"`

	// phoneNumbers to write to.
	// +required
	// +listType=atomic
	PhoneNumbers []string `json:"phoneNumbers"`
}

// PushoverReceiver tells by Pushover.
type PushoverReceiver struct {
	ChannelReceiver `json:",inline"`

	// pushoverConfigSelector selects the credentials by their labels.
	// +optional
	PushoverConfigSelector *LabelSelector `json:"pushoverConfigSelector,omitempty"`

	// titleTemplate is the name of the template of the title.
	// +optional
	TitleTemplate string `json:"titleTemplate,omitempty"`

	// profiles are the people to write to.
	// +required
	// +listType=atomic
	Profiles []PushoverUserProfile `json:"profiles"`
}

// PushoverUserProfile is somebody to write to by Pushover.
type PushoverUserProfile struct {
	// userKey is the key of the user: 30 letters and digits.
	// +required
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]{30}$`
	UserKey string `json:"userKey"`

	// devices are the names of the user's devices. Empty: all.
	// +optional
	// +listType=atomic
	Devices []string `json:"devices,omitempty"`

	// title of the message, where titleTemplate gives none. Deprecated by the contract.
	// +optional
	Title *string `json:"title,omitempty"`

	// sound is the name of a sound of Pushover.
	// +optional
	Sound *string `json:"sound,omitempty"`
}

// FeishuReceiver tells by Feishu.
type FeishuReceiver struct {
	ChannelReceiver `json:",inline"`

	// feishuConfigSelector selects the credentials by their labels.
	// +optional
	FeishuConfigSelector *LabelSelector `json:"feishuConfigSelector,omitempty"`

	// user are the ids of the people to write to.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	User []string `json:"user,omitempty"`

	// department are the ids of the departments to write to.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	Department []string `json:"department,omitempty"`

	// chatbot is a robot in a group.
	// +optional
	ChatBot *FeishuChatBot `json:"chatbot,omitempty"`

	// tmplType is text or post. Empty: as the NotificationManager says, and post where it says nothing.
	// +optional
	TmplType string `json:"tmplType,omitempty"`
}

// FeishuChatBot is a robot in a group of Feishu.
type FeishuChatBot struct {
	// webhook is the address of the robot.
	// +required
	Webhook *Credential `json:"webhook"`

	// keywords are put into each message, as a robot asks for that has keywords.
	// +optional
	// +listType=atomic
	Keywords []string `json:"keywords,omitempty"`

	// secret signs the messages, as a robot asks for that has a signature.
	// +optional
	Secret *Credential `json:"secret,omitempty"`
}

// DiscordReceiver tells by Discord.
type DiscordReceiver struct {
	ChannelReceiver `json:",inline"`

	// webhook is the address of the channel's webhook.
	// +required
	Webhook *Credential `json:"webhook"`

	// type is content (also when empty), for plain text, or embed.
	// +optional
	Type string `json:"type,omitempty"`

	// mentionedUsers are the ids of the people to mention.
	// +optional
	// +listType=atomic
	MentionedUsers []string `json:"mentionedUsers,omitempty"`

	// mentionedRoles are the ids of the roles to mention.
	// +optional
	// +listType=atomic
	MentionedRoles []string `json:"mentionedRoles,omitempty"`
}

// TelegramReceiver tells by Telegram.
type TelegramReceiver struct {
	ChannelReceiver `json:",inline"`

	// telegramConfigSelector selects the credentials by their labels.
	// +optional
	TelegramConfigSelector *LabelSelector `json:"telegramConfigSelector,omitempty"`

	// channels are the ids or names of the chats to write to.
	// +required
	// +listType=atomic
	Channels []string `json:"channels"`

	// mentionedUsers are the names of the people to mention.
	// +optional
	// +listType=atomic
	MentionedUsers []string `json:"mentionedUsers,omitempty"`
}

// TeamsReceiver tells by Microsoft Teams.
type TeamsReceiver struct {
	ChannelReceiver `json:",inline"`

	// webhook is the address of the workflow that takes messages for the channel.
	// +required
	Webhook *Credential `json:"webhook"`

	// titleTemplate is the name of the template of the title. Empty: that of the subject of a mail.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	TitleTemplate string `json:"titleTemplate,omitempty"`
}

// TimeInterval is a time that comes again. All that it says has to hold; what it leaves out holds always.
type TimeInterval struct {
	// weekdays are the days of the week.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=7
	Weekdays []Weekday `json:"weekdays,omitempty"`

	// daysOfMonth are days of the month, from 1; a negative one counts from the end, -1 being the last day.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=31
	// +kubebuilder:validation:items:Minimum=-31
	// +kubebuilder:validation:items:Maximum=31
	// +kubebuilder:validation:items:XValidation:rule="self - self == 0 && self != 0",message="must be a whole number, and not 0: the first day is 1, the last -1"
	DaysOfMonth []int32 `json:"daysOfMonth,omitempty"`

	// months are months of the year, from 1 to 12.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=12
	// +kubebuilder:validation:items:Minimum=1
	// +kubebuilder:validation:items:Maximum=12
	// +kubebuilder:validation:items:XValidation:rule="self - self == 0",message="must be a whole number"
	Months []int32 `json:"months,omitempty"`

	// from is the time of day that the interval begins at, such as 09:00. Empty: 00:00.
	// +optional
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	From string `json:"from,omitempty"`

	// to is the time of day that it ends at, such as 18:00. One that is before from is on the next day. Empty:
	// midnight.
	// +optional
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`
	To string `json:"to,omitempty"`

	// timeZone is the name of the zone of the days and times, such as Asia/Shanghai. Empty: that of
	// spec.template.timeZone of the NotificationManager.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_+/-]+$`
	TimeZone string `json:"timeZone,omitempty"`
}

// Weekday is a day of the week.
//
// +kubebuilder:validation:Enum=Monday;Tuesday;Wednesday;Thursday;Friday;Saturday;Sunday
type Weekday string

// ReceiverStatus is what was observed of a Receiver. What counts messages is written at most once a minute.
type ReceiverStatus struct {
	CommonStatus `json:",inline"`
	ScopeStatus  `json:",inline"`

	// channels tell how each channel is.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Channels []ReceiverChannelStatus `json:"channels,omitempty"`

	// lastSuccess is the last message that was delivered.
	// +optional
	LastSuccess *DeliveryRecord `json:"lastSuccess,omitempty"`

	// lastFailure is the last message that was not delivered, for good or for a while.
	// +optional
	LastFailure *DeliveryRecord `json:"lastFailure,omitempty"`

	// sent is the number of messages that were delivered.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Sent *int64 `json:"sent,omitempty"`

	// failed is the number of messages that were given up.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Failed *int64 `json:"failed,omitempty"`
}

// ReceiverChannelStatus tells how a channel is.
type ReceiverChannelStatus struct {
	// type is the name of the channel, as in the spec.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Type string `json:"type"`

	// config is the name of the Config whose credentials it uses. Empty: it needs none, or there is none.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Config string `json:"config,omitempty"`

	// targets is the number of people, chats and addresses that are told.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Targets int32 `json:"targets,omitempty"`
}

// ReceiverList is a list of Receivers.
//
// +kubebuilder:object:root=true
type ReceiverList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the Receivers.
	Items []Receiver `json:"items"`
}
