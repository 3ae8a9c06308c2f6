package resolve

import (
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/dingtalk"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/discord"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/email"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/feishu"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/slack"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/teams"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/telegram"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/webhook"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/wecom"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// HistoryName is the name of what History gives.
const HistoryName = "history"

// resolution is one Receiver being resolved.
type resolution struct {
	platform *Platform
	self     holder
	uid      string
	looked   *lookups
	rate     delivery.Rate
	found    findings
	result   Result
	// refusals are what breaks every target: limits of policies.
	refusals []Finding
	// room is how many people may be told yet; nil is without end.
	room *int
}

// Receiver resolves a Receiver. older is how many Receivers of the same tenant are older, for the limit of them; with
// a global one it has no meaning.
func (p *Platform) Receiver(object *notificationv2beta2.Receiver, older int) Result {
	self := holder{kind: KindReceiver, name: object.Name, owner: p.ownership.Of(object.Labels), root: "spec"}
	self.policies = p.policiesFor(self.owner, object.Labels)

	return p.resolve(object, self, older)
}

// History resolves the webhook that is told of every message, as a Receiver of the platform. It has no targets where
// there is none.
func (p *Platform) History() Result {
	self := holder{kind: KindManager, owner: selector.Owner{Kind: selector.Global}, root: "spec.history"}
	object := &notificationv2beta2.Receiver{ObjectMeta: metav1.ObjectMeta{Name: HistoryName}}

	if p.in.Manager.History != nil && p.in.Manager.History.Webhook != nil {
		own := *p.in.Manager.History.Webhook
		own.Template = message.Pick(message.History, own.Template)
		object.Spec.Webhook = &own
	}

	return p.resolve(object, self, 0)
}

func (p *Platform) resolve(object *notificationv2beta2.Receiver, self holder, older int) Result {
	route, problems := routing.ReceiverOf(object, p.ownership)
	route.Owner = self.owner

	r := &resolution{platform: p, self: self, uid: string(object.UID), looked: newLookups(p.in.Sources)}
	r.found.list = selectors(self, problems)
	r.result.Receiver = &target.Receiver{
		Route: route, Tenant: self.owner.Tenant,
		OnlyFiring: object.Spec.SendResolved != nil && !*object.Spec.SendResolved,
	}

	if self.owner.Kind == selector.Ignored {
		r.found.add(Finding{
			Kind: self.kind, Name: self.name, Field: "metadata.labels", Reason: NotSelected,
			Message: "has no label that the NotificationManager selects Receivers by, such as type=global, or " +
				"type=tenant with " + p.tenantKey() + "=<name>; nobody is told of anything until it has",
		})

		return r.finish()
	}

	r.common(&object.Spec)
	r.limit(older)
	r.channels(&object.Spec)

	return r.finish()
}

func (r *resolution) finish() Result {
	r.result.Findings = r.found.sorted()
	r.result.References = r.looked.references()

	return r.result
}

// common works out what counts for all channels.
func (r *resolution) common(spec *notificationv2beta2.ReceiverSpec) {
	report := func(field, text string) {
		r.found.add(Finding{Kind: r.self.kind, Name: r.self.name, Field: field, Reason: Invalid, Message: text})
	}

	r.rate = rateOf(spec.RateLimit, "spec.rateLimit", report)
	r.result.Receiver.Open = opening(spec.TimeIntervals, r.platform.zone, report)

	for _, one := range r.self.policies {
		if !one.dryRun {
			r.rate = tighter(r.rate, one.rate)
		}
	}

	limits := retried(r.platform.limits, spec.Retry, "spec.retry", report)

	if pending := strictest(r.self.policies, func(p *policy) *int32 { return p.pending }); pending != nil {
		limits.Pending = min(limits.Pending, max(int(*pending), 1))
	}

	if limits != r.platform.limits {
		r.result.Receiver.Retry = &limits
	}
}

// limit checks how many Receivers a tenant may have, and how many people one may tell.
func (r *resolution) limit(older int) {
	for _, one := range r.self.policies {
		if one.receivers == nil || older < int(*one.receivers) {
			continue
		}

		refusal := r.refusal(one, "metadata.name", "is one Receiver more than limits.receivers of the policy lets "+
			"the tenant have, which is "+strconv.Itoa(int(*one.receivers))+"; remove another, or ask for more")
		r.found.add(refusal)

		if refusal.Breaks {
			r.refusals = append(r.refusals, refusal)
		}
	}

	if most := strictest(r.self.policies, func(p *policy) *int32 { return p.targets }); most != nil {
		room := int(*most)
		r.room = &room
	}
}

// refusal is a finding of a policy about all of the Receiver.
func (r *resolution) refusal(by *policy, field, text string) Finding {
	return Finding{
		Kind: r.self.kind, Name: r.self.name, Field: field, Reason: PolicyDenied, Message: text,
		Policy: by.name, DryRun: by.dryRun, Breaks: !by.dryRun,
	}
}

// channels works out each channel that is on, in the order of the route.
func (r *resolution) channels(spec *notificationv2beta2.ReceiverSpec) {
	told := 0

	for i := range r.result.Receiver.Route.Channels {
		kind := channel.Type(r.result.Receiver.Route.Channels[i].Type)

		common, parts := partsOf(spec, kind)
		if common == nil || common.Enabled != nil && !*common.Enabled {
			continue
		}

		use := Use{Type: kind}

		for _, part := range parts {
			people, config := r.part(kind, part)
			use.Targets += people
			use.Config = orText(use.Config, config)
		}

		told += use.Targets
		r.result.Channels = append(r.result.Channels, use)
	}

	r.tooMany(told)
}

func orText(text, other string) string {
	if text == "" {
		return other
	}

	return text
}

// tooMany tells of each policy that lets a Receiver tell fewer people than it does.
func (r *resolution) tooMany(told int) {
	for _, one := range r.self.policies {
		if one.targets != nil && told > int(*one.targets) {
			r.found.add(r.refusal(one, r.self.root, "tells "+strconv.Itoa(told)+" people, chats and addresses; "+
				"limits.targets of the policy lets it tell "+strconv.Itoa(int(*one.targets))+
				", and the others are not told; name fewer"))
		}
	}
}

// part works out one part of a channel and adds its targets: how many people they are for, and the Config.
func (r *resolution) part(kind channel.Type, part func(*builder) []plan) (people int, config string) {
	b := &builder{
		platform: r.platform, self: r.self, uid: r.uid, of: kind, looked: r.looked, rate: r.rate,
	}
	b.allowed()

	plans := part(b)
	if len(plans) == 0 { // There is always one, so that what is for it waits.
		plans = []plan{{key: string(kind), where: delivery.Where{Credential: b.fromReceiver(), Rate: b.rate}}}
	}

	broken := slices.Concat(b.reasons(), r.refusals)

	for i := range plans {
		people += plans[i].people
		r.add(b, &plans[i], r.overflow(broken, &plans[i]))
	}

	r.found.list = append(r.found.list, b.found.list...)

	return people, b.used
}

// overflow is what breaks a target, and that there is no room for its people where there is none.
func (r *resolution) overflow(broken []Finding, one *plan) []Finding {
	if r.room == nil {
		return broken
	}

	if *r.room -= one.people; *r.room >= 0 {
		return broken
	}

	return append(slices.Clip(broken), Finding{
		Kind: r.self.kind, Name: r.self.name, Field: r.self.root, Reason: PolicyDenied, Breaks: true,
		Message: "tells more people, chats and addresses than limits.targets of a policy allows; name fewer",
	})
}

// add adds a target.
func (r *resolution) add(b *builder, one *plan, broken []Finding) {
	made := target.Target{
		Key: one.key, Type: b.of, Where: one.where, Timeout: r.platform.timeout(b.of),
	}

	if len(broken) == 0 {
		before := len(b.found.list)

		way, err := r.platform.open(one, r.uid+"/"+r.self.name)
		if err != nil {
			b.setting(one.of, err)
			broken = b.found.list[before:]
		} else {
			made.Channel = way
		}
	}

	if len(broken) > 0 {
		made.Broken = &BrokenError{Findings: slices.Clone(broken)}
	}

	r.result.Receiver.Targets = append(r.result.Receiver.Targets, made)
}

// open makes the channel of a target of a Receiver.
func (p *Platform) open(one *plan, receiver string) (channel.Channel, error) { //nolint:ireturn // of any type
	if mail, ok := one.settings.(email.Settings); ok {
		mail.Memory, mail.Scope = p.in.Mails, receiver+"/"+one.key

		return p.openMail(mail)
	}

	client, err := p.in.Stack.Client(one.http)
	if err != nil {
		return nil, err
	}

	switch settings := one.settings.(type) {
	case dingtalk.RobotSettings:
		return opened(dingtalk.NewRobot(settings, client, p.in.Clock))
	case dingtalk.ConversationSettings:
		return opened(dingtalk.NewConversation(settings, client, p.in.Tokens, p.in.Clock))
	case discord.Settings:
		return opened(discord.New(settings, client, p.in.Clock))
	case feishu.RobotSettings:
		return opened(feishu.NewRobot(settings, client, p.in.Clock))
	case feishu.AppSettings:
		return opened(feishu.NewApp(settings, client, p.in.Tokens, p.in.Clock))
	case slack.Settings:
		return opened(slack.New(settings, client, p.in.Clock))
	case teams.Settings:
		return opened(teams.New(settings, client, p.in.Clock))
	case telegram.Settings:
		return opened(telegram.New(settings, client, p.in.Clock))
	case webhook.Settings:
		return opened(webhook.New(settings, client, p.in.Clock))
	case wecom.RobotSettings:
		return opened(wecom.NewRobot(settings, client, p.in.Clock))
	case wecom.AppSettings:
		return opened(wecom.NewApp(settings, client, p.in.Tokens, p.in.Clock))
	default:
		return nil, &channel.SettingError{Problem: "is a channel that nothing is known of"}
	}
}

// opened is a channel or an error: never both, nor a channel that is a pointer to nothing.
func opened[C channel.Channel](made C, err error) (channel.Channel, error) { //nolint:ireturn // a channel of any type
	if err != nil {
		return nil, err
	}

	return made, nil
}

// openMail makes the channel of one mail.
func (p *Platform) openMail(settings email.Settings) (channel.Channel, error) { //nolint:ireturn // as open
	settings.Clock, settings.Random = p.in.Clock, p.in.Random

	made, err := email.New(settings)
	if err != nil {
		return nil, err
	}

	if len(made) != 1 {
		return nil, &channel.SettingError{Type: channel.Email, Field: "to", Problem: "does not fit in one mail"}
	}

	return made[0], nil
}
