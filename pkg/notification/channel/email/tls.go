package email

import (
	"crypto/tls"
	"crypto/x509"
)

// tlsConfig makes the configuration of TLS of the settings.
func (s *Settings) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{
		ServerName: s.Host,
		MinVersion: tls.VersionTLS12,
		Time:       s.Clock,
		// Asked for by name in the object; admission warns of it.
		InsecureSkipVerify: s.TLS.InsecureSkipVerify, //nolint:gosec // see above
	}

	if s.TLS.ServerName != "" {
		config.ServerName = s.TLS.ServerName
	}

	if len(s.TLS.RootCA) > 0 {
		config.RootCAs = x509.NewCertPool()

		if !config.RootCAs.AppendCertsFromPEM(s.TLS.RootCA) {
			return nil, wrong("tls.rootCA", "holds no certificate; give one in PEM")
		}
	}

	if len(s.TLS.Certificate) == 0 && s.TLS.Key.Empty() {
		return config, nil
	}

	pair, err := tls.X509KeyPair(s.TLS.Certificate, []byte(s.TLS.Key.Reveal()))
	if err != nil {
		// The cause may quote what it was given.
		return nil, wrong("tls.clientCertificate", "is no certificate with its key; give both in PEM")
	}

	config.Certificates = []tls.Certificate{pair}

	return config, nil
}
