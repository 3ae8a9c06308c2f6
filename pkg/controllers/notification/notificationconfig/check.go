package notificationconfig

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/inhibition"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence"
)

// run is one look at an object.
type run struct {
	*Reconciler

	now       time.Time
	platforms []*platform
	// again is when to look again though nothing changes; zero: never.
	again time.Duration
}

// check finds out what comes of an object, and writes what is no condition into its status.
func (r *run) check(ctx context.Context, object client.Object) (outcome, error) {
	switch object := object.(type) {
	case *notificationv2beta2.InhibitRule:
		return inhibitRule(object), nil
	case *notificationv2beta2.NotificationManager:
		return r.manager(object), nil
	}

	if len(r.platforms) == 0 {
		return outcome{waits: true}, nil
	}

	switch object := object.(type) {
	case *notificationv2beta2.Config:
		return r.config(ctx, object)
	case *notificationv2beta2.Receiver:
		return r.receiver(ctx, object)
	case *notificationv2beta2.Router:
		return r.router(ctx, object)
	case *notificationv2beta2.Silence:
		return r.silence(object), nil
	case *notificationv2beta2.NotificationPolicy:
		return r.policy(ctx, object)
	default:
		return outcome{}, fmt.Errorf("%T is of no kind of this controller", object)
	}
}

// manager tells of the templates of a NotificationManager, and of what its history needs.
func (r *run) manager(object *notificationv2beta2.NotificationManager) outcome {
	for _, one := range r.platforms {
		if one.name != object.Name {
			continue
		}

		made := outcome{refs: true, reason: reasonResolved}

		for _, finding := range slices.Concat(one.findings, one.resolve.History().Findings) {
			if finding.Kind == resolve.KindManager {
				made.findings = append(made.findings, own(finding))
			}
		}

		return made
	}

	return outcome{waits: true}
}

// receiver resolves a Receiver.
func (r *run) receiver(ctx context.Context, object *notificationv2beta2.Receiver) (outcome, error) {
	older, err := r.world.elders(ctx, r.platforms[0], object.Name)
	if err != nil {
		return outcome{}, err
	}

	on, owner := choose(r.platforms, func(p *platform) selector.Owner { return p.ownership.Of(object.Labels) })
	result := on.receiver(object, older)

	object.Status.ScopeStatus = scopeOf(owner, notificationv2beta2.ScopeGlobal)
	object.Status.Channels = nil

	people := 0

	for _, use := range result.Channels {
		people += use.Targets

		object.Status.Channels = append(object.Status.Channels, notificationv2beta2.ReceiverChannelStatus{
			Type: string(use.Type), Config: use.Config, Targets: clamp(use.Targets),
		})
	}

	return outcome{
		findings: result.Findings, refs: true, reason: reasonResolved, warnings: receiverWarnings(&object.Spec),
		message: fmt.Sprintf("Tells %d people, chats and addresses.", people),
	}, nil
}

// receiverWarnings are about the selectors of all channels.
func receiverWarnings(spec *notificationv2beta2.ReceiverSpec) []string {
	var found []string

	eachChannel(spec, func(name string, common *notificationv2beta2.ChannelReceiver) {
		found = append(found, selector.Warnings(field.NewPath("spec", name, "alertSelector"), common.AlertSelector)...)
	})

	return found
}

func eachChannel(
	spec *notificationv2beta2.ReceiverSpec, visit func(string, *notificationv2beta2.ChannelReceiver),
) {
	all := map[string]*notificationv2beta2.ChannelReceiver{}

	if spec.DingTalk != nil {
		all["dingtalk"] = &spec.DingTalk.ChannelReceiver
	}

	if spec.Email != nil {
		all["email"] = &spec.Email.ChannelReceiver
	}

	if spec.Slack != nil {
		all["slack"] = &spec.Slack.ChannelReceiver
	}

	if spec.Webhook != nil {
		all["webhook"] = &spec.Webhook.ChannelReceiver
	}

	if spec.Wechat != nil {
		all["wechat"] = &spec.Wechat.ChannelReceiver
	}

	if spec.Feishu != nil {
		all["feishu"] = &spec.Feishu.ChannelReceiver
	}

	if spec.Discord != nil {
		all["discord"] = &spec.Discord.ChannelReceiver
	}

	if spec.Telegram != nil {
		all["telegram"] = &spec.Telegram.ChannelReceiver
	}

	if spec.Teams != nil {
		all["teams"] = &spec.Teams.ChannelReceiver
	}

	for _, name := range slices.Sorted(maps.Keys(all)) {
		visit(name, all[name])
	}
}

// router tells whom a Router chooses.
func (r *run) router(ctx context.Context, object *notificationv2beta2.Router) (outcome, error) {
	receivers := field.NewPath("spec", "receivers")
	made := outcome{reason: reasonAccepted, warnings: slices.Concat(
		selector.Warnings(field.NewPath("spec", "alertSelector"), object.Spec.AlertSelector),
		selector.Warnings(receivers.Child("selector"), object.Spec.Receivers.Selector),
	)}

	object.Status.MatchedReceivers, object.Status.UnknownReceivers = nil, nil

	compiled, problems := routing.RouterOf(object)
	if made.findings = invalid(problems); compiled == nil {
		return made, nil
	}

	if off(object.Spec.Enabled) {
		made.reason, made.message = reasonDisabled, "The Router is switched off by spec.enabled."

		return made, nil
	}

	everybody, err := r.world.everybody(ctx, r.platforms[0])
	if err != nil {
		return made, err
	}

	chosen, unknown := everybody.route(compiled)
	object.Status.MatchedReceivers = new(clamp(len(chosen)))
	object.Status.UnknownReceivers = unknown[:min(len(unknown), notificationv2beta2.MaxUnknownReceivers)]
	made.message = fmt.Sprintf("Alerts that it selects go to %d Receivers.", len(chosen))

	if len(unknown) > 0 {
		made.warnings = append([]string{fmt.Sprintf("spec.receivers.name: there is no Receiver %q; make it, or "+
			"correct the name", unknown[0])}, made.warnings...)
	}

	return made, nil
}

// silence tells when a Silence counts, and comes back when that changes.
func (r *run) silence(object *notificationv2beta2.Silence) outcome {
	on, owner := choose(r.platforms, func(p *platform) selector.Owner { return p.ownership.OfSilence(object.Labels) })

	object.Status.ScopeStatus = scopeOf(owner, notificationv2beta2.ScopeGlobal)
	object.Status.Phase, object.Status.ActiveUntil, object.Status.NextStart = "", nil, nil

	made := outcome{reason: reasonAccepted, warnings: silence.Warnings(object)}

	compiled, problems := silence.Compile(object, on.ownership, on.zone)
	if made.findings = invalid(problems); compiled == nil {
		return made
	}

	if owner.Kind == selector.Ignored {
		made.findings = append(made.findings, notSelected("Silences"))

		return made
	}

	state := compiled.State(r.now)
	object.Status.Phase = state.Phase
	object.Status.ActiveUntil, object.Status.NextStart = timeOf(state.ActiveUntil), timeOf(state.NextStart)
	made.reason, made.message = string(state.Phase), silenceMessage(state.Phase)
	r.until(state.ActiveUntil)
	r.until(state.NextStart)

	return made
}

func silenceMessage(phase notificationv2beta2.SilencePhase) string {
	switch phase {
	case notificationv2beta2.SilenceActive:
		return "Alerts that it selects are silenced."
	case notificationv2beta2.SilencePending:
		return "It has not begun yet."
	case notificationv2beta2.SilenceExpired:
		return "It is over."
	case notificationv2beta2.SilenceDisabled:
		return "The Silence is switched off by spec.enabled."
	default:
		return ""
	}
}

// longest is the longest time before an object is looked at again that has something to come: a clock may be set.
const longest = 6 * time.Hour

// until has the object looked at again at a time, if it is to come.
func (r *run) until(at time.Time) {
	wait := at.Sub(r.now)
	if at.IsZero() || wait <= 0 {
		return
	}

	// Times of the status are in seconds: a moment earlier the state would be the one of before.
	wait = min(max(wait, time.Second), longest)

	if r.again == 0 || wait < r.again {
		r.again = wait
	}
}

func timeOf(at time.Time) *metav1.Time {
	if at.IsZero() {
		return nil
	}

	return new(metav1.NewTime(at.UTC().Truncate(time.Second)))
}

func inhibitRule(object *notificationv2beta2.InhibitRule) outcome {
	made := outcome{reason: reasonAccepted, warnings: slices.Concat(
		selector.Warnings(field.NewPath("spec", "sourceMatcher"), &object.Spec.SourceMatcher),
		selector.Warnings(field.NewPath("spec", "targetMatcher"), &object.Spec.TargetMatcher),
	)}

	_, problems := inhibition.Compile(object)
	made.findings = invalid(problems)

	if off(object.Spec.Enabled) {
		made.reason, made.message = reasonDisabled, "The rule is switched off by spec.enabled."
	}

	return made
}

// policy tells whom a NotificationPolicy is about, and what it refuses, or would if it were in force.
func (r *run) policy(ctx context.Context, object *notificationv2beta2.NotificationPolicy) (outcome, error) {
	everybody, err := r.world.everybody(ctx, r.platforms[0])
	if err != nil {
		return outcome{}, err
	}

	made := outcome{reason: reasonEnforced, message: "The policy is in force."}
	if object.Spec.Mode == notificationv2beta2.PolicyModeDryRun {
		made.reason = reasonDryRun
		made.message = "The policy binds nobody, for spec.mode is DryRun; status.rejections are what it would refuse."
	}

	for _, one := range r.platforms[0].findings {
		if one.Kind == resolve.KindPolicy && one.Name == object.Name {
			one.Breaks = true
			made.findings = append(made.findings, own(one))
		}
	}

	r.refuses(object, everybody)

	return made, nil
}

// refuses writes down whom a policy is about, and what it refuses of theirs.
func (r *run) refuses(object *notificationv2beta2.NotificationPolicy, everybody *people) {
	tenants := map[string]bool{}

	var rejections []notificationv2beta2.PolicyRejection

	for _, receiver := range everybody.items {
		on, owner := choose(r.platforms, func(p *platform) selector.Owner { return p.ownership.Of(receiver.Labels) })
		if owner.Kind != selector.Tenant {
			continue
		}

		if selects(&object.Spec.Selector, owner.Tenant, receiver.Labels) {
			tenants[owner.Tenant] = true
		}

		older := 0
		if on.limited {
			older = everybody.older[receiver.Name]
		}

		for _, one := range on.refusals(receiver, older) {
			if one.Policy == object.Name {
				rejections = append(rejections, notificationv2beta2.PolicyRejection{
					Kind: kindReceiver, Name: receiver.Name, Field: one.Field, Message: cut(one.Message),
				})
			}
		}
	}

	object.Status.Tenants, object.Status.Rejected = clamp(len(tenants)), clamp(len(rejections))
	object.Status.Rejections = listed(rejections)
}

// listed are as many rejections as the status has room for, in the order of their names.
func listed(rejections []notificationv2beta2.PolicyRejection) []notificationv2beta2.PolicyRejection {
	slices.SortStableFunc(rejections, func(a, b notificationv2beta2.PolicyRejection) int {
		return slices.Compare([]string{a.Name, a.Field, a.Message}, []string{b.Name, b.Field, b.Message})
	})

	return rejections[:min(len(rejections), notificationv2beta2.MaxRejections)]
}

func selects(by *notificationv2beta2.TenantSelector, tenant string, labels map[string]string) bool {
	if len(by.Tenants) > 0 && !slices.Contains(by.Tenants, tenant) {
		return false
	}

	if by.Objects == nil {
		return true
	}

	return matches(by.Objects, labels)
}

func cut(text string) string {
	runes := []rune(text)

	return string(runes[:min(len(runes), notificationv2beta2.MaxMessage)])
}

func off(enabled *bool) bool { return enabled != nil && !*enabled }

func clamp(number int) int32 {
	return int32(min(number, math.MaxInt32)) //nolint:gosec // No more than that.
}

// scopeOf tells whose an object is.
func scopeOf(
	owner selector.Owner, platforms notificationv2beta2.ObjectScope,
) notificationv2beta2.ScopeStatus {
	switch owner.Kind {
	case selector.Global:
		return notificationv2beta2.ScopeStatus{Scope: platforms}
	case selector.Tenant:
		return notificationv2beta2.ScopeStatus{Scope: notificationv2beta2.ScopeTenant, Tenant: owner.Tenant}
	case selector.Ignored:
	}

	return notificationv2beta2.ScopeStatus{Scope: notificationv2beta2.ScopeNone}
}

func notSelected(objects string) resolve.Finding {
	return resolve.Finding{
		Kind: resolve.KindReceiver, Field: "metadata.labels", Reason: resolve.NotSelected,
		Message: "has no label that a NotificationManager selects " + objects + " by; it has no effect until it has",
	}
}
