package egress

import "net/netip"

// block is a range of addresses with what is to be said of it.
type block struct {
	prefix string
	reason string
}

// special are the ranges that nobody connects to from here, besides those that netip knows by a method.
func special() []block {
	const metadata = "it is a metadata service"

	return []block{
		{"fd00:ec2::/32", metadata},      // Amazon
		{"fd20:ce::254/128", metadata},   // Google
		{"100.100.100.200/32", metadata}, // Alibaba
		{"168.63.129.16/32", metadata},   // Azure
		{"192.0.0.0/24", "it is reserved for protocols"},
		{"0.0.0.0/8", "it is unspecified"},
		{"240.0.0.0/4", "it is reserved"},
		{"2001::/32", "it is a Teredo tunnel"},
		{"64:ff9b:1::/48", "it is a translator of the local network"},
	}
}

// forbidden says why an address may not be connected to under any policy; it is empty for all others.
func forbidden(address netip.Addr) string {
	switch {
	case !address.IsValid():
		return "it is no address"
	case address.IsUnspecified():
		return "it is unspecified"
	case address.IsLoopback():
		return "it is loopback"
	case address.IsLinkLocalUnicast():
		return "it is link-local, where metadata services are"
	case address.IsMulticast():
		return "it is multicast"
	}

	for _, one := range special() {
		if contains(one.prefix, address) {
			return one.reason
		}
	}

	return ""
}

// private says whether an address is one of a private network: those of RFC 1918 and RFC 4193, the shared ones of
// carriers, which clusters use for pods, those for benchmarks, and the former site-local ones.
func private(address netip.Addr) bool {
	return address.IsPrivate() ||
		contains("100.64.0.0/10", address) ||
		contains("198.18.0.0/15", address) ||
		contains("fec0::/10", address)
}

func contains(prefix string, address netip.Addr) bool {
	return netip.MustParsePrefix(prefix).Contains(address)
}

// forms are an address in its plain form, and the address of IPv4 that it leads to, if there is one.
func forms(address netip.Addr) []netip.Addr {
	bare := address.Unmap().WithZone("")

	if inner, ok := embedded(bare); ok {
		return []netip.Addr{bare, inner}
	}

	return []netip.Addr{bare}
}

// embedded is the address of IPv4 in one of IPv6 that is translated or tunnelled to it.
func embedded(address netip.Addr) (netip.Addr, bool) {
	if !address.Is6() || address.IsUnspecified() || address.IsLoopback() {
		return netip.Addr{}, false
	}

	const afterPrefix, last = 2, 12

	switch {
	case contains("2002::/16", address): // 6to4
		return fourAt(address, afterPrefix), true
	case contains("64:ff9b::/96", address), // NAT64
		contains("::/96", address),           // IPv4-compatible
		contains("::ffff:0:0:0/96", address), // IPv4-translated
		isatap(address):
		return fourAt(address, last), true
	default:
		return netip.Addr{}, false
	}
}

// isatap says whether the interface of an address is named after one of IPv4.
func isatap(address netip.Addr) bool {
	const (
		interfaceID = 8
		local       = 0x00005efe
		global      = 0x02005efe
	)

	bytes := address.As16()

	name := uint32(0)
	for _, b := range bytes[interfaceID : interfaceID+4] {
		name = name<<8 | uint32(b)
	}

	return name == local || name == global
}

func fourAt(address netip.Addr, start int) netip.Addr {
	bytes := address.As16()

	return netip.AddrFrom4([4]byte(bytes[start : start+4]))
}
