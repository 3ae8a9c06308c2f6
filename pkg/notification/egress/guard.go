package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// connectTimeout is how long one connection may take to be made.
const connectTimeout = 10 * time.Second

// Guard says which addresses may be connected to. The zero value lets nothing but public addresses through.
//
// Where an address of IPv6 leads to one of IPv4 (mapped, NAT64, 6to4, ISATAP), both are looked at. Translators
// with a prefix of the operator's own are not known here: such a prefix belongs in Deny.
type Guard struct {
	// AllowPrivate lets private addresses through: those of a company, of the cluster's pods and Services.
	AllowPrivate bool
	// Allow lets addresses through that are blocked otherwise, even loopback and metadata services. It is meant for
	// objects of the system alone; a tenant's object must never have a say in it.
	Allow []netip.Prefix
	// Deny blocks addresses whatever else is said: the API server's, for one.
	Deny []netip.Prefix
}

// BlockedError is an address that the guard did not let through.
type BlockedError struct {
	// Address is what was to be connected to.
	Address netip.Addr
	// Reason says what kind of address it is.
	Reason string
}

// Error says which address was blocked, and why.
func (e *BlockedError) Error() string {
	return fmt.Sprintf("connections to %s are not allowed: %s", e.Address, e.Reason)
}

// Check gives a *BlockedError for an address that may not be connected to.
func (g Guard) Check(address netip.Addr) error {
	for _, form := range forms(address) {
		if reason := g.refuses(form); reason != "" {
			return &BlockedError{Address: address, Reason: reason}
		}
	}

	return nil
}

// refuses says why an address is not let through, and nothing when it is.
func (g Guard) refuses(address netip.Addr) string {
	if within(g.Deny, address) {
		return "the policy denies it"
	}

	if within(g.Allow, address) {
		return ""
	}

	if reason := forbidden(address); reason != "" {
		return reason
	}

	if !g.AllowPrivate && private(address) {
		return "it is private"
	}

	return ""
}

// DialContext connects like net.Dialer and checks each address before. It is for clients of other protocols, SMTP
// for one, and for what the stack dials itself, proxies included.
func (g Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: connectTimeout, ControlContext: g.control}

	connection, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}

	return connection, nil
}

// control is called by the dialer after the name is resolved and before the connection is made.
func (g Guard) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return &BlockedError{Reason: "only TCP is spoken, not " + network}
	}

	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &BlockedError{Reason: "the address cannot be read"}
	}

	return g.Check(to.Addr())
}

func within(prefixes []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(prefix netip.Prefix) bool {
		return plain(prefix).Contains(address)
	})
}

// plain is a prefix of mapped addresses as one of IPv4, for addresses are unmapped before they are compared.
func plain(prefix netip.Prefix) netip.Prefix {
	const mapped = 96

	if !prefix.Addr().Is4In6() || prefix.Bits() < mapped {
		return prefix
	}

	return netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-mapped)
}
