package notificationconfig

import (
	"context"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// config tells whose a Config is, how many Receivers use it, and what is wrong with it. That is found out by a Receiver
// that has every channel of the Config, and no other Config to choose: what it is told of the Config is so for all.
func (r *run) config(ctx context.Context, object *notificationv2beta2.Config) (outcome, error) {
	on, owner := choose(r.platforms, func(p *platform) selector.Owner { return p.resolve.OwnerOf(object) })

	object.Status.ScopeStatus = scopeOf(owner, notificationv2beta2.ScopeDefault)
	object.Status.Receivers = nil

	made := outcome{refs: true, reason: reasonResolved}

	if owner.Kind == selector.Ignored {
		made.findings = []resolve.Finding{notSelected("Configs")}

		return made, nil
	}

	alone, findings := on.resolve.WithConfigs([]*notificationv2beta2.Config{object})
	result := alone.Receiver(probe(object, owner, on.ownership), 0)

	for _, one := range append(findings, result.Findings...) {
		if one.Kind == resolve.KindConfig && one.Name == object.Name {
			made.findings = append(made.findings, own(one))
		}
	}

	made.findings = append(made.findings, unsupported(&object.Spec)...)

	users := &notificationv2beta2.ReceiverList{}

	err := r.client.List(ctx, users, client.MatchingFields{byConfig: object.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return made, err
	}

	object.Status.Receivers = new(clamp(len(users.Items)))

	return made, nil
}

// probe is a Receiver with the channels of a Config, of its owner. It is never sent to.
func probe(
	object *notificationv2beta2.Config, owner selector.Owner, ownership selector.Ownership,
) *notificationv2beta2.Receiver {
	made := &notificationv2beta2.Receiver{ObjectMeta: metav1.ObjectMeta{Name: object.Name, Labels: map[string]string{}}}

	if owner.Kind == selector.Tenant {
		maps.Copy(made.Labels, object.Labels)
	} else {
		maps.Copy(made.Labels, ownership.Global)
	}

	somebody := []string{"somebody"}

	if object.Spec.Email != nil {
		made.Spec.Email = &notificationv2beta2.EmailReceiver{To: []string{"somebody@example.com"}}
	}

	if object.Spec.Slack != nil {
		made.Spec.Slack = &notificationv2beta2.SlackReceiver{Channels: somebody}
	}

	if object.Spec.Wechat != nil {
		made.Spec.Wechat = &notificationv2beta2.WechatReceiver{ToUser: somebody}
	}

	if object.Spec.Feishu != nil {
		made.Spec.Feishu = &notificationv2beta2.FeishuReceiver{User: somebody}
	}

	if object.Spec.Telegram != nil {
		made.Spec.Telegram = &notificationv2beta2.TelegramReceiver{Channels: []string{"1"}}
	}

	if object.Spec.DingTalk != nil && object.Spec.DingTalk.Conversation != nil {
		made.Spec.DingTalk = &notificationv2beta2.DingTalkReceiver{
			Conversation: &notificationv2beta2.DingTalkConversation{ChatIDs: somebody},
		}
	}

	return made
}

// unsupported are the channels that this version does not have. They keep the others from nothing, and a Config with
// no others from all.
func unsupported(spec *notificationv2beta2.ConfigSpec) []resolve.Finding {
	has := spec.Email != nil || spec.Slack != nil || spec.Wechat != nil || spec.Feishu != nil || spec.Telegram != nil ||
		spec.DingTalk != nil || spec.Webhook != nil

	var made []resolve.Finding

	for name, given := range map[string]bool{"pushover": spec.Pushover != nil, "sms": spec.Sms != nil} {
		if given {
			made = append(made, resolve.Finding{
				Kind: resolve.KindReceiver, Field: "spec." + name, Reason: resolve.NotSupported, Breaks: !has,
				Message: "is a channel that this version does not have; use another",
			})
		}
	}

	if len(made) > 1 && made[0].Field > made[1].Field {
		made[0], made[1] = made[1], made[0]
	}

	return made
}

// matches tells whether labels are selected; by a selector that cannot be read all are, as the engine has it.
func matches(by *metav1.LabelSelector, set map[string]string) bool {
	chosen, err := metav1.LabelSelectorAsSelector(by)

	return err != nil || chosen.Matches(labels.Set(set))
}
