package resolve

import (
	"net/mail"
	"slices"
	"strconv"
	"strings"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/email"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

const (
	// mostReceivers is how many addresses one mail has where the options say nothing: most servers take a hundred.
	mostReceivers = 50

	mailText = "text"
	mailHTML = "html"
)

// emailPart has a target for as many addresses as one mail has.
func emailPart(spec *notificationv2beta2.EmailReceiver) part {
	return func(b *builder) []plan {
		with, options := b.config("emailConfigSelector", spec.EmailConfigSelector), b.platform.options.Email
		settings := b.mailServer(with)
		settings.Timeout = b.platform.timeout(b.of)
		settings.Subject = b.title(
			&spec.ChannelReceiver, "subjectTemplate", options.SubjectTemplate, spec.SubjectTemplate)
		settings.HTML = b.kind("tmplType", options.TmplType, spec.TmplType, mailHTML, mailText) == mailHTML
		settings.Body = b.mailBody(&spec.ChannelReceiver, settings.HTML)

		settings.MaxReceivers = whole(options.MaxEmailReceivers)
		if settings.MaxReceivers == 0 {
			settings.MaxReceivers = mostReceivers
		}

		var plans []plan

		for to := range slices.Chunk(b.mailAddresses(spec.To), settings.MaxReceivers) {
			settings.To = to
			made := b.plan(numbered("email", len(plans)), settings, with.holder,
				delivery.Where{Credential: b.fromConfig(with)})
			made.people = len(to)
			plans = append(plans, made)
		}

		return plans
	}
}

func (b *builder) mailBody(spec *notificationv2beta2.ChannelReceiver, html bool) *message.Template {
	if html {
		return b.template(spec, b.messageTemplate(spec), message.HTML, true)
	}

	return b.text(spec, message.Text)
}

// mailServer is what a Config says of a mail server.
func (b *builder) mailServer(with chosen) email.Settings {
	own, of := with.spec.Email, with.holder

	if with.name != "" {
		b.server(of, b.at(of, "smartHost.host"), own.SmartHost.Host)
	}

	made := email.Settings{
		From:         own.From,
		Host:         own.SmartHost.Host,
		Port:         whole(own.SmartHost.Port),
		Hello:        textOf(own.Hello),
		RequireTLS:   own.RequireTLS != nil && *own.RequireTLS,
		AuthUsername: textOf(own.AuthUsername),
		AuthIdentity: textOf(own.AuthIdentify),
		AuthPassword: b.credential(of, b.at(of, "authPassword"), own.AuthPassword),
		AuthSecret:   b.credential(of, b.at(of, "authSecret"), own.AuthSecret),
		Dial:         b.platform.guard(of).DialContext,
	}

	if own.TLS == nil {
		return made
	}

	certificate := orElse(own.TLS.ClientCertificate, &notificationv2beta2.ClientCertificate{})

	made.TLS = email.TLS{
		RootCA:             []byte(b.credential(of, b.at(of, "tls.rootCA"), own.TLS.RootCA).Reveal()),
		Certificate:        []byte(b.credential(of, b.at(of, "tls.clientCertificate.cert"), certificate.Cert).Reveal()),
		Key:                b.credential(of, b.at(of, "tls.clientCertificate.key"), certificate.Key),
		ServerName:         own.TLS.ServerName,
		InsecureSkipVerify: own.TLS.InsecureSkipVerify,
	}

	return made
}

// mailAddresses are the addresses that can be written to, each once. One that is none does not keep the others from
// their mail.
func (b *builder) mailAddresses(entries []string) []string {
	var made []string

	seen := map[string]bool{}

	for i, entry := range entries {
		address, err := mail.ParseAddress(entry)

		switch {
		case err != nil || strings.ContainsAny(address.Address, "\r\n\x00"):
			b.warn(b.self, indexed(b.field("to"), i), Invalid,
				strconv.Quote(entry)+" is no mail address; write it as name@example.com")
		case !seen[address.Address]:
			seen[address.Address] = true

			made = append(made, entry)
		}
	}

	if len(made) == 0 {
		b.report(b.self, b.field("to"), Invalid, "names nobody who can be written to; add a mail address")
	}

	return made
}

func textOf(text *string) string {
	if text == nil {
		return ""
	}

	return *text
}
