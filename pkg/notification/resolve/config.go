package resolve

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubelabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// configs are all Configs by whose they are, each list in the order in which they are chosen.
type configs struct {
	platform  []*config
	tenants   map[string][]*config
	selection kubelabels.Selector
	ownership selector.Ownership
}

// config is a Config with what it is chosen by.
type config struct {
	object   *notificationv2beta2.Config
	owner    selector.Owner
	priority int64
}

func configsOf(
	all []*notificationv2beta2.Config, defaults *metav1.LabelSelector, ownership selector.Ownership, log *findings,
) configs {
	made := configs{tenants: map[string][]*config{}, ownership: ownership}

	chosen, err := metav1.LabelSelectorAsSelector(defaults)
	if err != nil {
		log.add(onManager("spec.defaultConfigSelector", fmt.Sprintf(
			"is no selector: %v; correct it: until then no Config is a default", err)))

		chosen = kubelabels.Nothing()
	}

	made.selection = chosen

	for _, object := range all {
		if object != nil {
			made.put(object, log)
		}
	}

	slices.SortFunc(made.platform, compareConfigs)

	for _, list := range made.tenants {
		slices.SortFunc(list, compareConfigs)
	}

	return made
}

// compareConfigs has the smallest priority first, then the names in order.
func compareConfigs(a, b *config) int {
	return cmp.Or(cmp.Compare(a.priority, b.priority), strings.Compare(a.object.Name, b.object.Name))
}

func (c *configs) put(object *notificationv2beta2.Config, log *findings) {
	owner := c.ownerOf(object.Labels)
	if owner.Kind == selector.Ignored {
		return
	}

	made := &config{object: object, owner: owner, priority: priorityOf(object, log)}

	if owner.Kind == selector.Tenant {
		c.tenants[owner.Tenant] = append(c.tenants[owner.Tenant], made)
	} else {
		c.platform = append(c.platform, made)
	}
}

// ownerOf says whose a Config is. One with the labels of a tenant is the tenant's, whatever else selects it: as the
// platform's it could name any Secret.
func (c *configs) ownerOf(set map[string]string) selector.Owner {
	owner := selector.Ownership{Tenant: c.ownership.Tenant, TenantKey: c.ownership.TenantKey}.Of(set)
	if owner.Kind == selector.Ignored && c.selection.Matches(kubelabels.Set(set)) {
		return selector.Owner{Kind: selector.Global}
	}

	return owner
}

func priorityOf(object *notificationv2beta2.Config, log *findings) int64 {
	const bits = 64

	text, given := object.Labels[notificationv2beta2.PriorityLabel]
	if !given {
		return notificationv2beta2.DefaultPriority
	}

	number, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		log.add(Finding{
			Kind: KindConfig, Name: object.Name, Reason: Invalid,
			Field:   "metadata.labels[" + notificationv2beta2.PriorityLabel + "]",
			Message: "is no whole number; correct it: until then the Config is chosen after those that have one",
		})

		return notificationv2beta2.DefaultPriority
	}

	return number
}

// ReferenceOf is the reference to which Receivers answer that a Config may concern; false where it concerns none.
// Before and after a change of its labels it may be another one.
func (p *Platform) ReferenceOf(object *notificationv2beta2.Config) (Reference, bool) {
	owner := p.configs.ownerOf(object.Labels)

	return Reference{Kind: KindConfigsOf, Name: owner.Tenant}, owner.Kind != selector.Ignored
}

// OwnerOf says whose a Config is: Global is one of the platform, for all who have none of their own.
func (p *Platform) OwnerOf(object *notificationv2beta2.Config) selector.Owner {
	return p.configs.ownerOf(object.Labels)
}

// chosen is the Config that a channel uses. Where there is none, holder and spec are there, and empty.
type chosen struct {
	holder

	uid  string
	spec notificationv2beta2.ConfigSpec
}

// config chooses the Config of a channel: for the platform one of its own, for a tenant one of its own, and one of
// the platform where the selector means none of them. That there is none is a finding.
func (b *builder) config(selectorField string, by *notificationv2beta2.LabelSelector) chosen {
	at := b.field(selectorField)

	wanted, problems := selector.Compile(field.NewPath(at), by)
	if len(problems) > 0 {
		b.report(b.self, problems[0].Field, Invalid, problems[0].ErrorBody()+"; no Config can be chosen by it")

		return none()
	}

	owner, known := b.self.owner, &b.platform.configs
	b.looked.use(Reference{Kind: KindConfigsOf})

	if owner.Kind != selector.Tenant {
		return b.use(at, first(known.platform, b.of, wanted))
	}

	b.looked.use(Reference{Kind: KindConfigsOf, Name: owner.Tenant})

	if own := first(known.tenants[owner.Tenant], b.of, wanted); own != nil {
		return b.use(at, own)
	}

	found := first(known.platform, b.of, selector.Selector{})
	if found == nil {
		return b.use(at, nil)
	}

	for _, one := range b.self.policies {
		if one.denyDefaults {
			b.denied(b.self, one, b.self.root+"."+string(b.of), "has no Config of the tenant, and "+
				"allow.secrets.defaultConfigs of the policy keeps it from those of the platform; "+
				"make a Config for the tenant")
		}
	}

	if b.broken() {
		return none()
	}

	return b.use(at, found)
}

// first is the first Config with the channel whose labels are meant.
func first(of []*config, kind channel.Type, wanted selector.Selector) *config {
	for _, one := range of {
		own, has := channelLabels(&one.object.Spec, kind)
		if has && wanted.Matches(labels.FromMap(merged(one.object.Labels, own))) {
			return one
		}
	}

	return nil
}

// merged are the labels that a Config is chosen by: its own, and those of its channel over them.
func merged(object, own map[string]string) map[string]string {
	if len(own) == 0 {
		return object
	}

	made := make(map[string]string, len(object)+len(own))
	maps.Copy(made, object)
	maps.Copy(made, own)

	return made
}

// use is what a channel has of a Config.
func (b *builder) use(at string, found *config) chosen {
	if found == nil {
		text := "selects no Config with credentials for " + string(b.of) + "; make one with the label of a default, " +
			"or correct the selector"
		if b.self.owner.Kind == selector.Tenant {
			text = "selects no Config of the tenant with credentials for " + string(b.of) + ", and the platform has " +
				"none; make one"
		}

		b.report(b.self, at, ConfigNotFound, text)

		return none()
	}

	b.used = found.object.Name
	b.looked.use(Reference{Kind: KindConfig, Name: found.object.Name})

	made := none()
	fill(&made.spec, &found.object.Spec)
	made.uid = string(found.object.UID)
	made.holder = holder{
		kind: KindConfig, name: found.object.Name, owner: found.owner, root: "spec",
		policies: b.platform.policiesFor(found.owner, found.object.Labels),
	}

	return made
}

// none is what there is where there is no Config: every channel, with nothing in it.
func none() chosen {
	return chosen{
		holder: holder{kind: KindConfig, root: "spec"},
		spec: notificationv2beta2.ConfigSpec{
			DingTalk: &notificationv2beta2.DingTalkConfig{
				Conversation: &notificationv2beta2.DingTalkApplicationConfig{},
			},
			Email:    &notificationv2beta2.EmailConfig{},
			Slack:    &notificationv2beta2.SlackConfig{},
			Wechat:   &notificationv2beta2.WechatConfig{},
			Feishu:   &notificationv2beta2.FeishuConfig{},
			Telegram: &notificationv2beta2.TelegramConfig{},
		},
	}
}

// fill puts in the channels that a Config has.
func fill(into, from *notificationv2beta2.ConfigSpec) {
	if from.DingTalk != nil && from.DingTalk.Conversation != nil {
		into.DingTalk = from.DingTalk
	}

	into.Email = orElse(from.Email, into.Email)
	into.Slack = orElse(from.Slack, into.Slack)
	into.Wechat = orElse(from.Wechat, into.Wechat)
	into.Feishu = orElse(from.Feishu, into.Feishu)
	into.Telegram = orElse(from.Telegram, into.Telegram)
}

func orElse[T any](value, other *T) *T {
	if value == nil {
		return other
	}

	return value
}

// channelLabels are the labels of the credentials for a channel in a Config, and whether it has any credentials for
// it.
func channelLabels(of *notificationv2beta2.ConfigSpec, kind channel.Type) (map[string]string, bool) {
	switch {
	case kind == channel.DingTalk && of.DingTalk != nil:
		return of.DingTalk.Labels, of.DingTalk.Conversation != nil
	case kind == channel.Email && of.Email != nil:
		return of.Email.Labels, true
	case kind == channel.Slack && of.Slack != nil:
		return of.Slack.Labels, true
	case kind == channel.WeCom && of.Wechat != nil:
		return of.Wechat.Labels, true
	case kind == channel.Feishu && of.Feishu != nil:
		return of.Feishu.Labels, true
	case kind == channel.Telegram && of.Telegram != nil:
		return of.Telegram.Labels, true
	default:
		return nil, false
	}
}
