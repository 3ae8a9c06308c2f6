package egress

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"hash"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// Settings are how a target is reached: what a receiver's httpConfig says, and the guard of whoever made it.
type Settings struct {
	// Guard says which addresses may be connected to; it holds for the proxy too.
	Guard Guard
	// ProxyURL is where requests are sent instead; it may carry a password. Behind a proxy the target's name is
	// resolved by the proxy: only addresses that stand in the URL itself are checked here. Without one connections
	// are direct; the environment is not asked.
	ProxyURL secret.String
	// TLS says whom to trust, and who we are.
	TLS TLS
	// Username and Password are the basic authentication.
	Username string
	Password secret.String
	// BearerToken is sent instead of them where there is one.
	BearerToken secret.String
}

// TLS are the settings of encrypted connections. Certificates are verified unless told otherwise.
type TLS struct {
	// RootCA are certificates in PEM to trust instead of the system's.
	RootCA secret.String
	// Certificate and Key are ours, in PEM.
	Certificate secret.String
	Key         secret.String
	// ServerName is the name to expect in the server's certificate instead of the host's.
	ServerName string
	// InsecureSkipVerify accepts any certificate.
	InsecureSkipVerify bool
}

// SettingError is a setting that cannot be used. It holds nothing of the setting's value.
type SettingError struct {
	// Field is its name in a receiver's httpConfig.
	Field string
	// Problem says what is wrong with it.
	Problem string
}

// Error names the field and its problem.
func (e *SettingError) Error() string {
	return e.Field + " " + e.Problem
}

// key tells transports apart. It is a sum, so that no map holds a secret.
type key [sha256.Size]byte

// key is the same for settings whose connections may be shared.
func (s Settings) key() key {
	sum := sha256.New()

	writeText(sum, s.ProxyURL.Reveal())
	writeText(sum, s.TLS.RootCA.Reveal())
	writeText(sum, s.TLS.Certificate.Reveal())
	writeText(sum, s.TLS.Key.Reveal())
	writeText(sum, s.TLS.ServerName)
	writeFlag(sum, s.TLS.InsecureSkipVerify)
	writeFlag(sum, s.Guard.AllowPrivate)
	writePrefixes(sum, s.Guard.Allow)
	writePrefixes(sum, s.Guard.Deny)

	return key(sum.Sum(nil))
}

// writeText adds a text with its length before it, so that no two lists of texts look alike.
func writeText(to hash.Hash, text string) {
	size := binary.BigEndian.AppendUint64(nil, uint64(len(text)))

	to.Write(size)
	to.Write([]byte(text))
}

func writeFlag(to hash.Hash, flag bool) {
	if flag {
		writeText(to, "yes")
	} else {
		writeText(to, "no")
	}
}

// writePrefixes adds prefixes in an order of their own: as a set they mean the same in any.
func writePrefixes(to hash.Hash, prefixes []netip.Prefix) {
	texts := make([]string, 0, len(prefixes))
	for _, prefix := range prefixes {
		texts = append(texts, prefix.String())
	}

	slices.Sort(texts)
	writeText(to, strings.Join(texts, " "))
}

// config makes the configuration of encrypted connections.
func (t TLS) config() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify, //nolint:gosec // what the user asked for by that name
	}

	if !t.RootCA.Empty() {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(t.RootCA.Reveal())) {
			return nil, &SettingError{Field: "tlsConfig.rootCA", Problem: "holds no certificate in PEM"}
		}
	}

	if t.Certificate.Empty() && t.Key.Empty() {
		return config, nil
	}

	const field = "tlsConfig.clientCertificate"

	if t.Certificate.Empty() || t.Key.Empty() {
		return nil, &SettingError{Field: field, Problem: "needs both cert and key"}
	}

	pair, err := tls.X509KeyPair([]byte(t.Certificate.Reveal()), []byte(t.Key.Reveal()))
	if err != nil { // It may quote what it could not read.
		return nil, &SettingError{Field: field, Problem: "is not a certificate in PEM with the key that belongs to it"}
	}

	config.Certificates = []tls.Certificate{pair}

	return config, nil
}

// proxy reads the URL of the proxy; it is nil where there is none.
func (s Settings) proxy() (*url.URL, error) {
	const field = "proxyUrl"

	if s.ProxyURL.Empty() {
		return nil, nil //nolint:nilnil // no proxy is a setting like any other
	}

	address, err := url.Parse(s.ProxyURL.Reveal())
	if err != nil || address.Hostname() == "" || !validPort(address.Port()) {
		return nil, &SettingError{Field: field, Problem: "is not a URL with a host"}
	}

	switch address.Scheme {
	case "http", "https", "socks5", "socks5h":
		return address, nil
	default:
		return nil, &SettingError{Field: field, Problem: "must begin with http://, https:// or socks5://"}
	}
}

// checkCredentials looks for what no header may hold.
func (s Settings) checkCredentials() error {
	switch {
	case strings.Contains(s.Username, ":"):
		return &SettingError{Field: "basicAuth.username", Problem: "must not have a colon"}
	case s.Username == "" && !s.Password.Empty():
		return &SettingError{Field: "basicAuth.username", Problem: "is missing where there is a password"}
	case strings.ContainsFunc(s.BearerToken.Reveal(), control):
		return &SettingError{Field: "bearerToken", Problem: "has a line break or another control character"}
	default:
		return nil
	}
}

func control(r rune) bool {
	const space, del = ' ', 0x7f

	return r < space || r == del
}
