package egress

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Endpoint is a URL to send to. Where it is printed it shows scheme and host alone: the rest may be a credential.
type Endpoint struct {
	// address is behind a pointer, which fmt does not follow where an Endpoint is a field of something printed.
	address *url.URL
}

// ParseEndpoint reads a URL of HTTP. Its errors show nothing of the text.
func ParseEndpoint(text string) (Endpoint, error) {
	address, err := url.Parse(text)

	switch {
	case err != nil:
		return Endpoint{}, errors.New("is not a URL")
	case address.Scheme != "http" && address.Scheme != "https":
		return Endpoint{}, errors.New("is not a URL that begins with http:// or https://")
	case address.Hostname() == "":
		return Endpoint{}, errors.New("is a URL without a host")
	case !validPort(address.Port()):
		return Endpoint{}, errors.New("is a URL with a port that is none from 1 to 65535")
	}

	address.Fragment, address.RawFragment = "", ""

	return Endpoint{address: address}, nil
}

func validPort(port string) bool {
	const bits = 16

	if port == "" {
		return true
	}

	number, err := strconv.ParseUint(port, 10, bits)

	return err == nil && number > 0
}

// Empty says whether there is no endpoint.
func (e Endpoint) Empty() bool {
	return e.address == nil
}

// Join is the endpoint with a path below its own.
func (e Endpoint) Join(path ...string) Endpoint {
	if e.Empty() {
		return e
	}

	return Endpoint{address: e.address.JoinPath(path...)}
}

// With is the endpoint with one more parameter, which is encoded here and nowhere else.
func (e Endpoint) With(name, value string) Endpoint {
	if e.Empty() {
		return e
	}

	more := *e.address
	if more.RawQuery != "" {
		more.RawQuery += "&"
	}

	more.RawQuery += url.QueryEscape(name) + "=" + url.QueryEscape(value)

	return Endpoint{address: &more}
}

// String is the scheme and the host.
func (e Endpoint) String() string {
	if e.Empty() {
		return "nowhere"
	}

	return e.address.Scheme + "://" + e.address.Host
}

// GoString hides the rest from %#v.
func (e Endpoint) GoString() string {
	return e.String()
}

// MarshalText hides the rest from whoever encodes what holds it.
func (e Endpoint) MarshalText() ([]byte, error) {
	return []byte(e.String()), nil
}

// literal is the address that stands in the URL in place of a name.
func (e Endpoint) literal() (netip.Addr, bool) {
	address, err := netip.ParseAddr(e.address.Hostname())

	return address, err == nil
}

// Hidden are the parts of the URL that are not shown, where they are long enough to be a credential.
func (e Endpoint) Hidden() []string {
	const shortest = 8

	if e.Empty() {
		return nil
	}

	parts := strings.Split(e.address.Path, "/")

	for _, values := range e.address.Query() {
		parts = append(parts, values...)
	}

	if password, ok := e.address.User.Password(); ok {
		parts = append(parts, password)
	}

	return slices.DeleteFunc(parts, func(part string) bool { return len(part) < shortest })
}
