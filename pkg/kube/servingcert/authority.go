package servingcert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"
)

const (
	// authorityLife is how long an authority is trusted. The next one is made when a third of that is left, so that
	// everybody knows it long before it is needed.
	authorityLife = 365 * 24 * time.Hour

	// certificateLife is how long a certificate is good. Each process makes its own, and the next one when a third of
	// that is left.
	certificateLife = 30 * 24 * time.Hour

	// skew is how far the clocks of a cluster may be apart.
	skew = 5 * time.Minute

	// The keys of the Secret.
	bundleKey, privateKey = "ca.crt", "ca.key"

	blockCertificate, blockKey = "CERTIFICATE", "PRIVATE KEY"

	serialBits = 127
)

// authority signs certificates. Those of its predecessors are trusted for as long as they last.
type authority struct {
	key     crypto.Signer
	trusted []*x509.Certificate // the newest first, which the key belongs to
}

// newAuthority makes an authority that goes on trusting those of before.
func newAuthority(name string, before []*x509.Certificate, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of an authority: %w", err)
	}

	template, err := newTemplate(name, now, now.Add(authorityLife))
	if err != nil {
		return nil, err
	}

	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature

	certificate, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}

	made := &authority{key: key, trusted: []*x509.Certificate{certificate}}

	for _, old := range before {
		if old.NotAfter.After(now) {
			made.trusted = append(made.trusted, old)
		}
	}

	return made, nil
}

var (
	errNoCertificate = errors.New(bundleKey + " has no certificate")
	errNoKey         = errors.New(privateKey + " has no key that can sign")
	errForeignKey    = errors.New(privateKey + " is not the key of the first certificate in " + bundleKey)
)

// readAuthority reads what encode has written.
func readAuthority(data map[string][]byte) (*authority, error) {
	trusted, err := readCertificates(data[bundleKey])
	if err != nil {
		return nil, err
	}

	block, _ := pem.Decode(data[privateKey])
	if block == nil {
		return nil, errNoKey
	}

	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", privateKey, err)
	}

	key, signs := parsed.(*ecdsa.PrivateKey)
	if !signs {
		return nil, errNoKey
	}

	if !key.PublicKey.Equal(trusted[0].PublicKey) {
		return nil, errForeignKey
	}

	return &authority{key: key, trusted: trusted}, nil
}

func readCertificates(text []byte) ([]*x509.Certificate, error) {
	var read []*x509.Certificate

	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}

		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", bundleKey, err)
		}

		read = append(read, certificate)
	}

	if len(read) == 0 {
		return nil, errNoCertificate
	}

	return read, nil
}

// encode is what a Secret keeps.
func (a *authority) encode() (map[string][]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, fmt.Errorf("write the key of an authority: %w", err)
	}

	return map[string][]byte{
		bundleKey:  a.bundle(),
		privateKey: pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: key}),
	}, nil
}

// bundle is whom clients are to trust.
func (a *authority) bundle() []byte {
	var text []byte
	for _, certificate := range a.trusted {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: certificate.Raw})...)
	}

	return text
}

// expires tells that it is time for the next authority.
func (a *authority) expires(now time.Time) bool { return isLate(a.trusted[0], now) }

// isLate tells that less than a third is left of the life of a certificate, or that it has not begun.
func isLate(certificate *x509.Certificate, now time.Time) bool {
	const part = 3

	life := certificate.NotAfter.Sub(certificate.NotBefore)

	return now.After(certificate.NotAfter.Add(-life/part)) || now.Before(certificate.NotBefore)
}

// issue makes a certificate for a server with these names and addresses.
func (a *authority) issue(hosts []string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of a certificate: %w", err)
	}

	issuer, until := a.trusted[0], now.Add(certificateLife)
	if until.After(issuer.NotAfter) {
		until = issuer.NotAfter
	}

	template, err := newTemplate(hosts[0], now, until)
	if err != nil {
		return nil, err
	}

	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}

	for _, host := range hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}

	certificate, err := sign(template, issuer, key.Public(), a.key)
	if err != nil {
		return nil, err
	}

	return &tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key, Leaf: certificate}, nil
}

// issued tells whether a certificate is of this authority, its newest one.
func (a *authority) issued(certificate *tls.Certificate) bool {
	return certificate.Leaf.CheckSignatureFrom(a.trusted[0]) == nil
}

// trusts tells whether whoever trusts this authority trusts a certificate.
func (a *authority) trusts(certificate *tls.Certificate, now time.Time) bool {
	return certificate.Leaf.NotAfter.After(now) && slices.ContainsFunc(a.trusted, func(one *x509.Certificate) bool {
		return certificate.Leaf.CheckSignatureFrom(one) == nil
	})
}

func newTemplate(name string, from, until time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}

	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: from.Add(-skew), NotAfter: until,
	}, nil
}

func sign(
	template, issuer *x509.Certificate, public crypto.PublicKey, key crypto.Signer,
) (*x509.Certificate, error) {
	raw, err := x509.CreateCertificate(rand.Reader, template, issuer, public, key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}

	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("read a certificate that was just made: %w", err)
	}

	return certificate, nil
}
