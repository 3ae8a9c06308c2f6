package resolve

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// network is where messages may go, as the NotificationManager has it.
type network struct {
	// platform is for servers that objects of the platform name, tenant for those of tenants.
	platform, tenant egress.Guard
}

func networkOf(in Input, log *findings) network {
	made := network{
		platform: egress.Guard{AllowPrivate: true, Deny: in.Deny},
		tenant:   egress.Guard{AllowPrivate: true, Deny: in.Deny},
	}

	if in.Manager.Delivery == nil || in.Manager.Delivery.Egress == nil {
		return made
	}

	set := in.Manager.Delivery.Egress
	report := func(field, text string) { log.add(onManager(field, text)) }
	deny := append(slices.Clip(in.Deny), prefixes(set.Deny, "spec.delivery.egress.deny", report)...)

	made.platform.Deny, made.tenant.Deny = deny, deny
	// What is allowed beside the rest is for the platform alone: loopback and metadata are refused to tenants always.
	made.platform.Allow = prefixes(set.Allow, "spec.delivery.egress.allow", report)
	made.tenant.AllowPrivate = set.TenantPrivateNetworks != notificationv2beta2.AccessDeny

	return made
}

// prefixes reads networks. What is none is left out.
func prefixes(texts []string, field string, report func(field, text string)) []netip.Prefix {
	made := make([]netip.Prefix, 0, len(texts))

	for i, text := range texts {
		one, err := netip.ParsePrefix(text)
		if err != nil {
			report(indexed(field, i), strconv.Quote(text)+" is no network; write one such as 203.0.113.0/24")

			continue
		}

		made = append(made, one.Masked())
	}

	return made
}

func indexed(field string, i int) string {
	return field + "[" + strconv.Itoa(i) + "]"
}

// outside is all that is not in one of the networks.
func outside(allowed []netip.Prefix) []netip.Prefix {
	const mapped = 96

	plain := make([]netip.Prefix, 0, len(allowed))

	for _, one := range allowed {
		if one.Addr().Is4In6() && one.Bits() >= mapped {
			one = netip.PrefixFrom(one.Addr().Unmap(), one.Bits()-mapped)
		}

		plain = append(plain, one)
	}

	four := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	six := netip.PrefixFrom(netip.IPv6Unspecified(), 0)

	return append(without(four, plain), without(six, plain)...)
}

// without is what is left of a network without others: halves of halves of it.
func without(whole netip.Prefix, taken []netip.Prefix) []netip.Prefix {
	var inside []netip.Prefix

	for _, one := range taken {
		switch {
		case !one.Overlaps(whole):
		case one.Bits() <= whole.Bits():
			return nil
		default:
			inside = append(inside, one)
		}
	}

	if len(inside) == 0 {
		return []netip.Prefix{whole}
	}

	low := netip.PrefixFrom(whole.Addr(), whole.Bits()+1)
	high := netip.PrefixFrom(withBit(whole.Addr(), whole.Bits()), whole.Bits()+1)

	return append(without(low, inside), without(high, inside)...)
}

// withBit is an address with one bit set.
func withBit(address netip.Addr, bit int) netip.Addr {
	const perByte, highest = 8, 0x80

	bytes := address.AsSlice()
	bytes[bit/perByte] |= highest >> (bit % perByte)

	made, _ := netip.AddrFromSlice(bytes)

	return made
}

// guard is where messages may go whose server an object names.
func (p *Platform) guard(of holder) egress.Guard {
	if of.owner.Kind != selector.Tenant {
		if slices.Contains(p.doubted, Reference{Kind: of.kind, Name: of.name}) {
			return p.network.tenant
		}

		return p.network.platform
	}

	guard := p.network.tenant

	for _, one := range of.policies {
		if !one.dryRun {
			guard = one.guarded(guard)
		}
	}

	return guard
}

// hostOf is the host of a URL in lower case, or nothing.
func hostOf(text string) string {
	address, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return ""
	}

	return address.Hostname()
}

// plainHost is the form in which hosts are compared.
func plainHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// reaches tells whether a host is one of those that a policy names.
func reaches(patterns []string, host string) bool {
	host = plainHost(host)

	return slices.ContainsFunc(patterns, func(pattern string) bool {
		pattern = plainHost(pattern)

		if below, wild := strings.CutPrefix(pattern, "*."); wild {
			return strings.HasSuffix(host, "."+below)
		}

		return host == pattern
	})
}

// server checks the host that an object names: whether policies let its tenant send there. What a name leads to is
// checked when it is connected to; an address that stands in its place is checked here too, to be told of it earlier.
func (b *builder) server(of holder, field, host string) {
	if host == "" {
		return
	}

	for _, one := range of.policies {
		if len(one.hosts) > 0 && !reaches(one.hosts, host) {
			b.denied(of, one, field, "leads to the host "+strconv.Quote(host)+
				", which is not among allow.egress.hosts of the policy; choose one that is")
		}
	}

	address, err := netip.ParseAddr(host)
	if err != nil {
		return
	}

	if err := b.platform.guard(of).Check(address); err != nil {
		b.report(of, field, EgressDenied, "leads to an address that messages may not go to: "+err.Error())
	}

	for _, one := range of.policies {
		if one.dryRun && one.guarded(b.platform.guard(of)).Check(address) != nil {
			b.denied(of, one, field, "leads to an address that allow.egress of the policy does not let pass")
		}
	}
}
