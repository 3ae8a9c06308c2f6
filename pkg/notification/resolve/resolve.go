// Package resolve makes of a Receiver what messages are delivered to: its targets, with the credentials, templates,
// limits and addresses that other objects give them.
//
// Each channel is worked out apart. What is wrong with one is a Finding, and its targets are there all the same,
// broken, so that what is for them waits; the other channels know nothing of it. Where a message can go out in another
// form than it was asked to, it does: an alert in the wrong words is better than none.
//
// Who chose a server decides what is sent there. A Receiver names the address or a Config does, and whoever owns that
// object owns the credentials that go to it: a tenant's object can name only what the tenant may read, and the
// credentials of the platform go to the server that stands beside them in the Config of the platform.
package resolve

import (
	"io"
	"net/netip"
	"time"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/email"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/token"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// Input is what all Receivers of a NotificationManager have in common. The objects are read, and not held by anybody
// who changes them.
type Input struct {
	// Manager is the NotificationManager.
	Manager *notificationv2beta2.NotificationManagerSpec
	// Namespace is where the process runs: Secrets and ConfigMaps without a namespace are there, where the
	// NotificationManager names no other.
	Namespace string
	// Configs are all Configs, in any order.
	Configs []*notificationv2beta2.Config
	// Policies are all NotificationPolicies.
	Policies []*notificationv2beta2.NotificationPolicy
	// Templates are the templates of all Receivers; nil are those that come with the program.
	Templates *message.Set
	// Sources are where Secrets and ConfigMaps are looked up.
	Sources Sources
	// Deny are networks that nobody's message may go to, whatever the objects say: the API server's address.
	Deny []netip.Prefix

	// Stack, Tokens, Clock and Random are what channels are made of. Who sends nothing needs no tokens, and a clock and
	// a source of random numbers of any kind.
	Stack  *egress.Stack
	Tokens *token.Cache
	Clock  func() time.Time
	Random io.Reader
	// Mails is who has a mail already that others are still to get, so that an edit does not bring it to them again.
	// Without it each channel remembers that by itself.
	Mails *email.Memory
}

// Platform is an Input made ready. Nothing changes one; it is safe for use by several goroutines.
type Platform struct {
	in        Input
	options   notificationv2beta2.Options
	common    map[channel.Type]notificationv2beta2.ChannelOptions
	ownership selector.Ownership
	namespace string
	configs   configs
	policies  []*policy
	network   network
	limits    delivery.Limits
	zone      *time.Location
	templates *templates
	// doubted are objects of which it is not known whether they are the platform's, though they say so.
	doubted []Reference
}

// Use is what a channel of a Receiver uses.
type Use struct {
	// Type is the channel.
	Type channel.Type
	// Config is the name of the Config whose credentials it uses; empty where it needs none, or there is none.
	Config string
	// Targets is the number of people, chats and addresses that are told.
	Targets int
}

// Result is what a Receiver comes to.
type Result struct {
	// Receiver is never nil. One that is nobody's has no targets.
	Receiver *target.Receiver
	// Channels are the channels that are on, in the order of their targets.
	Channels []Use
	// Findings are what is wrong, and what a policy on trial would refuse.
	Findings []Finding
	// References are what the Result depends on, sorted: when one of them changes, the Receiver is to be resolved
	// again. What was looked for and not found is among them.
	References []Reference
}

// New makes a Platform ready. The findings are about the NotificationManager, the Configs and the policies; what they
// are about is left out.
func New(in Input) (*Platform, []Finding) {
	if in.Manager == nil {
		in.Manager = &notificationv2beta2.NotificationManagerSpec{}
	}

	if in.Templates == nil {
		in.Templates, _ = message.Compile(nil, message.Options{Clock: in.Clock})
	}

	if in.Stack == nil {
		in.Stack = egress.New(egress.Options{})
	}

	p := &Platform{
		in:        in,
		options:   completeOptions(in.Manager.Receivers.Options),
		ownership: selector.OwnershipOf(&in.Manager.Receivers),
		namespace: in.Manager.DefaultSecretNamespace,
		templates: newTemplates(),
	}

	if p.namespace == "" {
		p.namespace = in.Namespace
	}

	p.common = commonOptions(&p.options)

	var log findings

	p.zone = zoneOf(in.Manager, &log)
	p.network = networkOf(in, &log)
	p.limits = managerLimits(in.Manager, &log)
	p.policies = policiesOf(in.Policies, &log)
	p.configs = configsOf(in.Configs, in.Manager.DefaultConfigSelector, p.ownership, &log)

	return p, log.sorted()
}

// WithConfigs is the Platform with other Configs; the findings are about those.
func (p *Platform) WithConfigs(all []*notificationv2beta2.Config) (*Platform, []Finding) {
	var log findings

	made := *p
	made.configs = configsOf(all, p.in.Manager.DefaultConfigSelector, p.ownership, &log)

	return &made, log.sorted()
}

// Trial is the Platform for objects that somebody wants to try. Those that are doubted reach no further than a
// tenant's, whosever they say they are. What is tried does not count for what is sent in earnest.
func (p *Platform) Trial(doubted ...Reference) *Platform {
	made := *p
	made.doubted = doubted
	made.in.Mails = nil

	return &made
}

// Limits are how often messages are tried where a Receiver says nothing else.
func (p *Platform) Limits() delivery.Limits {
	return p.limits
}

// tenantKey is the label with the name of a tenant.
func (p *Platform) tenantKey() string {
	if p.ownership.TenantKey != "" {
		return p.ownership.TenantKey
	}

	return selector.DefaultTenantKey
}
