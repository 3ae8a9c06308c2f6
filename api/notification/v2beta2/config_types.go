package v2beta2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Config holds credentials of channels: the platform's own with the label type=default, a tenant's with type=tenant and
// user=<name>. A Receiver says by a selector which it uses.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=nc,categories=notification-manager;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=1"
// +kubebuilder:printcolumn:name="Scope",type=string,JSONPath=`.status.scope`
// +kubebuilder:printcolumn:name="Tenant",type=string,JSONPath=`.status.tenant`
// +kubebuilder:printcolumn:name="Receivers",type=integer,JSONPath=`.status.receivers`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Config struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec holds the credentials.
	// +optional
	Spec ConfigSpec `json:"spec,omitempty"`

	// status is what was observed of the object.
	// +optional
	Status ConfigStatus `json:"status,omitempty"`
}

// ConfigSpec holds credentials, by channel.
type ConfigSpec struct {
	// dingtalk is for conversations of DingTalk. Its robots need none.
	// +optional
	DingTalk *DingTalkConfig `json:"dingtalk,omitempty"`

	// email is the server that mail is handed to.
	// +optional
	Email *EmailConfig `json:"email,omitempty"`

	// slack is for Slack.
	// +optional
	Slack *SlackConfig `json:"slack,omitempty"`

	// webhook has nothing to hold: a webhook's credentials are in its Receiver.
	// +optional
	Webhook *WebhookConfig `json:"webhook,omitempty"`

	// wechat is for WeCom.
	// +optional
	Wechat *WechatConfig `json:"wechat,omitempty"`

	// sms are the providers of text messages.
	// +optional
	Sms *SmsConfig `json:"sms,omitempty"`

	// pushover is for Pushover.
	// +optional
	Pushover *PushoverConfig `json:"pushover,omitempty"`

	// feishu is for Feishu, or Lark.
	// +optional
	Feishu *FeishuConfig `json:"feishu,omitempty"`

	// telegram is for Telegram.
	// +optional
	Telegram *TelegramConfig `json:"telegram,omitempty"`
}

// ChannelLabels are what the selector of a Receiver selects the credentials of a channel by.
type ChannelLabels struct {
	// labels of these credentials. The selector of a Receiver, such as emailConfigSelector, selects by them.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}

// APIAddress is another address of a provider.
type APIAddress struct {
	// apiURL is the address of the provider's API, where it is not the public one: a gateway, a server of one's own, or
	// another region. The credentials go there. Empty: the public one.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^\s]+$`
	APIURL string `json:"apiURL,omitempty"`
}

// DingTalkConfig holds the credentials for DingTalk.
type DingTalkConfig struct {
	ChannelLabels `json:",inline"`
	APIAddress    `json:",inline"`

	// conversation is the application that writes to conversations.
	// +optional
	Conversation *DingTalkApplicationConfig `json:"conversation,omitempty"`
}

// DingTalkApplicationConfig is an application of DingTalk.
type DingTalkApplicationConfig struct {
	// appkey of the application.
	// +optional
	AppKey *Credential `json:"appkey,omitempty"`

	// appsecret of the application.
	// +optional
	AppSecret *Credential `json:"appsecret,omitempty"`
}

// EmailConfig is a server that mail is handed to.
type EmailConfig struct {
	ChannelLabels `json:",inline"`

	// from is the address of the sender.
	// +required
	From string `json:"from"`

	// smartHost is the address of the server. On port 465 TLS is spoken from the beginning.
	// +required
	SmartHost HostPort `json:"smartHost"`

	// hello is the name that the client gives to the server. Empty: localhost.
	// +optional
	Hello *string `json:"hello,omitempty"`

	// authUsername is the user name. Absent: nobody logs in.
	// +optional
	AuthUsername *string `json:"authUsername,omitempty"`

	// authIdentify is the identity to act for with PLAIN, where it is not the user.
	// +optional
	AuthIdentify *string `json:"authIdentify,omitempty"`

	// authPassword is the password for LOGIN and PLAIN.
	// +optional
	AuthPassword *Credential `json:"authPassword,omitempty"`

	// authSecret is the secret for CRAM-MD5.
	// +optional
	AuthSecret *Credential `json:"authSecret,omitempty"`

	// requireTLS asks for STARTTLS, and hands over no mail without. Absent or false: TLS is spoken where the server
	// offers it.
	// +optional
	RequireTLS *bool `json:"requireTLS,omitempty"`

	// tls says how TLS is spoken. Absent: the certificate of the server is verified.
	// +optional
	TLS *TLSConfig `json:"tls,omitempty"`
}

// HostPort is the address of a server.
type HostPort struct {
	// host is its name or IP address.
	// +required
	Host string `json:"host"`

	// port of the server.
	// +required
	Port Number `json:"port"`
}

// SlackConfig holds the credentials for Slack.
type SlackConfig struct {
	ChannelLabels `json:",inline"`
	APIAddress    `json:",inline"`

	// slackTokenSecret is the token of a bot or a user.
	// +optional
	SlackTokenSecret *Credential `json:"slackTokenSecret,omitempty"`
}

// WebhookConfig holds nothing.
type WebhookConfig struct {
	ChannelLabels `json:",inline"`
}

// WechatConfig holds the credentials for an application of WeCom.
type WechatConfig struct {
	ChannelLabels `json:",inline"`

	// wechatApiUrl is the address of the API. Empty: the public one, https://qyapi.weixin.qq.com/cgi-bin/.
	// +optional
	WechatAPIURL string `json:"wechatApiUrl,omitempty"` //nolint:tagliatelle // a contract

	// wechatApiCorpId is the id of the company.
	// +required
	WechatAPICorpID string `json:"wechatApiCorpId"` //nolint:tagliatelle // a contract

	// wechatApiAgentId is the id of the application.
	// +required
	WechatAPIAgentID string `json:"wechatApiAgentId"` //nolint:tagliatelle // a contract

	// wechatApiSecret is the secret of the application.
	// +required
	WechatAPISecret *Credential `json:"wechatApiSecret"` //nolint:tagliatelle // a contract
}

// SmsConfig holds the credentials of providers of text messages.
type SmsConfig struct {
	ChannelLabels `json:",inline"`

	// defaultProvider is aliyun, tencent, huawei or aws. Empty: the first that is given, in this order.
	// +optional
	DefaultProvider string `json:"defaultProvider,omitempty"`

	// providers are the providers.
	// +required
	Providers *Providers `json:"providers"`
}

// Providers are the providers of text messages.
type Providers struct {
	// aliyun is Alibaba Cloud.
	// +optional
	Aliyun *AliyunSMS `json:"aliyun,omitempty"`

	// tencent is Tencent Cloud.
	// +optional
	Tencent *TencentSMS `json:"tencent,omitempty"`

	// huawei is Huawei Cloud.
	// +optional
	Huawei *HuaweiSMS `json:"huawei,omitempty"`

	// aws is Amazon SNS.
	// +optional
	AWS *AWSSMS `json:"aws,omitempty"`
}

// AliyunSMS holds the credentials for Alibaba Cloud.
type AliyunSMS struct {
	// signName is the signature of the messages.
	// +required
	SignName string `json:"signName"`

	// templateCode is the code of the provider's template.
	// +optional
	TemplateCode string `json:"templateCode,omitempty"`

	// accessKeyId is the id of the access key.
	// +required
	AccessKeyID *Credential `json:"accessKeyId"` //nolint:tagliatelle // a contract

	// accessKeySecret is the secret of the access key.
	// +required
	AccessKeySecret *Credential `json:"accessKeySecret"`
}

// TencentSMS holds the credentials for Tencent Cloud.
type TencentSMS struct {
	// sign is the signature of the messages.
	// +required
	Sign string `json:"sign"`

	// templateID is the id of the provider's template.
	// +required
	TemplateID string `json:"templateID"`

	// smsSdkAppid is the id of the application.
	// +required
	SmsSdkAppID string `json:"smsSdkAppid"`

	// secretId is the id of the secret.
	// +required
	SecretID *Credential `json:"secretId"` //nolint:tagliatelle // a contract

	// secretKey is the key of the secret.
	// +required
	SecretKey *Credential `json:"secretKey"`
}

// HuaweiSMS holds the credentials for Huawei Cloud.
type HuaweiSMS struct {
	// url is the address of the API. Empty: the provider's own.
	// +optional
	URL string `json:"url,omitempty"`

	// signature of the messages.
	// +required
	Signature string `json:"signature"`

	// templateId is the id of the provider's template.
	// +required
	TemplateID string `json:"templateId"` //nolint:tagliatelle // a contract

	// templateParas are the parameters of the provider's template.
	// +optional
	TemplateParas string `json:"templateParas,omitempty"`

	// sender is the number of the sender.
	// +required
	Sender string `json:"sender"`

	// appSecret of the application.
	// +required
	AppSecret *Credential `json:"appSecret"`

	// appKey of the application.
	// +required
	AppKey *Credential `json:"appKey"`
}

// AWSSMS holds the credentials for Amazon SNS.
type AWSSMS struct {
	// region of the service.
	// +required
	Region string `json:"region"`

	// accessKeyId is the id of the access key.
	// +required
	AccessKeyID *Credential `json:"accessKeyId"` //nolint:tagliatelle // a contract

	// secretAccessKey is the secret of the access key.
	// +required
	SecretAccessKey *Credential `json:"secretAccessKey"`
}

// PushoverConfig holds the credentials for Pushover.
type PushoverConfig struct {
	ChannelLabels `json:",inline"`
	APIAddress    `json:",inline"`

	// pushoverTokenSecret is the token of the application.
	// +required
	PushoverTokenSecret *Credential `json:"pushoverTokenSecret"`
}

// FeishuConfig holds the credentials for an application of Feishu. Its robots need none.
type FeishuConfig struct {
	ChannelLabels `json:",inline"`
	APIAddress    `json:",inline"`

	// appID is the id of the application.
	// +required
	AppID *Credential `json:"appID"`

	// appSecret is the secret of the application.
	// +required
	AppSecret *Credential `json:"appSecret"`
}

// TelegramConfig holds the credentials for Telegram.
type TelegramConfig struct {
	ChannelLabels `json:",inline"`
	APIAddress    `json:",inline"`

	// telegramTokenSecret is the token of the bot.
	// +required
	TelegramTokenSecret *Credential `json:"telegramTokenSecret"`
}

// ConfigStatus is what was observed of a Config.
type ConfigStatus struct {
	CommonStatus `json:",inline"`
	ScopeStatus  `json:",inline"`

	// receivers is the number of Receivers that use it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Receivers *int32 `json:"receivers,omitempty"`
}

// ConfigList is a list of Configs.
//
// +kubebuilder:object:root=true
type ConfigList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the Configs.
	Items []Config `json:"items"`
}
