package resolve

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// policy is a NotificationPolicy made ready.
type policy struct {
	name     string
	priority int32
	dryRun   bool
	tenants  []string
	// objects selects objects by their labels; nil selects all.
	objects labels.Selector

	// channels may be used; nil are all.
	channels []notificationv2beta2.ChannelName
	// deny are networks that may not be reached: those that the policy denies, and all but those it allows.
	deny        []netip.Prefix
	denyPrivate bool
	// hosts and namespaces may be named; empty are all.
	hosts, namespaces []string
	denyValues        bool
	denyDefaults      bool

	receivers, targets, pending *int32
	rate                        delivery.Rate
}

// policiesOf makes policies ready, those of the highest priority first.
func policiesOf(all []*notificationv2beta2.NotificationPolicy, log *findings) []*policy {
	made := make([]*policy, 0, len(all))

	for _, one := range all {
		if one != nil {
			made = append(made, policyOf(one, log))
		}
	}

	slices.SortFunc(made, func(a, b *policy) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), strings.Compare(a.name, b.name))
	})

	return made
}

func policyOf(object *notificationv2beta2.NotificationPolicy, log *findings) *policy {
	spec := &object.Spec
	allow := &spec.Allow
	made := &policy{
		name:         object.Name,
		priority:     spec.Priority,
		dryRun:       spec.Mode == notificationv2beta2.PolicyModeDryRun,
		tenants:      spec.Selector.Tenants,
		channels:     allow.Channels,
		denyPrivate:  allow.Egress.PrivateNetworks == notificationv2beta2.AccessDeny,
		hosts:        allow.Egress.Hosts,
		namespaces:   allow.Secrets.Namespaces,
		denyValues:   allow.Secrets.Values == notificationv2beta2.AccessDeny,
		denyDefaults: allow.Secrets.DefaultConfigs == notificationv2beta2.AccessDeny,
		receivers:    spec.Limits.Receivers,
		targets:      spec.Limits.Targets,
		pending:      spec.Limits.Pending,
	}

	report := func(field, text string) { log.add(onPolicy(object.Name, field, text)) }

	made.objects = made.selection(spec.Selector.Objects, report)
	made.rate = rateOf(spec.Limits.Rate, "spec.limits.rate", report)
	made.deny = prefixes(allow.Egress.Deny, "spec.allow.egress.deny", report)

	if len(allow.Egress.Allow) > 0 {
		made.deny = append(made.deny, outside(prefixes(allow.Egress.Allow, "spec.allow.egress.allow", report))...)
	}

	return made
}

// selection reads a selector. One that cannot be read selects everything: the strictest counts.
func (*policy) selection(of *metav1.LabelSelector, report func(field, text string)) labels.Selector {
	if of == nil {
		return nil
	}

	made, err := metav1.LabelSelectorAsSelector(of)
	if err != nil {
		report("spec.selector.objects", fmt.Sprintf(
			"is no selector: %v; correct it: until then the policy is for all objects of its tenants", err))

		return nil
	}

	return made
}

// about tells whether the policy is for an object of a tenant.
func (p *policy) about(tenant string, objectLabels map[string]string) bool {
	if len(p.tenants) > 0 && !slices.Contains(p.tenants, tenant) {
		return false
	}

	return p.objects == nil || p.objects.Matches(labels.Set(objectLabels))
}

// guarded is a guard that also blocks what the policy blocks.
func (p *policy) guarded(guard egress.Guard) egress.Guard {
	guard.AllowPrivate = guard.AllowPrivate && !p.denyPrivate
	guard.Deny = append(slices.Clip(guard.Deny), p.deny...)

	return guard
}

// policiesFor are the policies for an object; there are none for what is not a tenant's.
func (p *Platform) policiesFor(owner selector.Owner, objectLabels map[string]string) []*policy {
	if owner.Kind != selector.Tenant {
		return nil
	}

	var found []*policy

	for _, one := range p.policies {
		if one.about(owner.Tenant, objectLabels) {
			found = append(found, one)
		}
	}

	return found
}

// strictest is the smallest of the limits that policies in force set.
func strictest(policies []*policy, limit func(*policy) *int32) *int32 {
	var least *int32

	for _, one := range policies {
		if set := limit(one); set != nil && !one.dryRun && (least == nil || *set < *least) {
			least = set
		}
	}

	return least
}
