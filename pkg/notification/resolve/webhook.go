package resolve

import (
	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/webhook"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

func webhookPart(spec *notificationv2beta2.WebhookReceiver) part {
	return func(b *builder) []plan {
		settings := webhook.Settings{
			URL:  hidden(spec.URL),
			Text: b.text(&spec.ChannelReceiver, message.WebhookMessage),
		}
		b.server(b.self, b.field("url"), hostOf(settings.URL.Reveal()))

		if spec.Service != nil {
			settings.Service = serviceOf(spec.Service)
			b.server(b.self, b.field("service"), spec.Service.Name+"."+spec.Service.Namespace+".svc")
		}

		made := b.plan("webhook", settings, b.self, delivery.Where{Credential: b.fromReceiver()})
		b.httpConfig(spec.HTTPConfig, &made.http)

		return []plan{made}
	}
}

func serviceOf(spec *notificationv2beta2.ServiceReference) *webhook.Service {
	made := &webhook.Service{
		Namespace: spec.Namespace, Name: spec.Name, Path: textOf(spec.Path), Scheme: textOf(spec.Scheme),
	}

	if spec.Port != nil {
		made.Port = whole(*spec.Port)
		if made.Port == 0 {
			made.Port = -1 // none, which the channel has a word for; zero would be that of the scheme
		}
	}

	return made
}

// httpConfig puts in how a server is spoken to.
func (b *builder) httpConfig(set *notificationv2beta2.HTTPClientConfig, into *egress.Settings) {
	if set == nil {
		return
	}

	credential := func(child string, of *notificationv2beta2.Credential) secret.String {
		return b.credential(b.self, b.field("httpConfig."+child), of)
	}

	into.BearerToken = credential("bearerToken", set.BearerToken)
	into.ProxyURL = hidden(&set.ProxyURL)
	b.server(b.self, b.field("httpConfig.proxyUrl"), hostOf(set.ProxyURL))

	if set.BasicAuth != nil {
		into.Username = set.BasicAuth.Username
		into.Password = credential("basicAuth.password", set.BasicAuth.Password)
	}

	if set.TLSConfig == nil {
		return
	}

	certificate := orElse(set.TLSConfig.ClientCertificate, &notificationv2beta2.ClientCertificate{})

	into.TLS = egress.TLS{
		RootCA:             credential("tlsConfig.rootCA", set.TLSConfig.RootCA),
		Certificate:        credential("tlsConfig.clientCertificate.cert", certificate.Cert),
		Key:                credential("tlsConfig.clientCertificate.key", certificate.Key),
		ServerName:         set.TLSConfig.ServerName,
		InsecureSkipVerify: set.TLSConfig.InsecureSkipVerify,
	}
}
