package cluster

import (
	"fmt"
	"os"
	"path/filepath"
)

// The files in the folder of certificates that say who a cluster is. The names are envtest's, but for the root
// certificate, which it keeps to itself.
const (
	rootCertificate   = "ca.crt"
	serverCertificate = "apiserver.crt"
	serverKey         = "apiserver.key"
	signerCertificate = "sa-signer.crt"
	signerKey         = "sa-signer.key"
)

// copyState gives a new folder the objects and the identity of a control plane that has ended.
func copyState(from, to string) error {
	if err := os.CopyFS(filepath.Join(to, etcd), os.DirFS(filepath.Join(from, etcd))); err != nil {
		return fmt.Errorf("copying the state of the earlier control plane: %w", err)
	}

	// etcd warns of a folder that others can read.
	if err := os.Chmod(filepath.Join(to, etcd), 0o700); err != nil { //nolint:gosec // a folder, for its owner
		return fmt.Errorf("copying the state of the earlier control plane: %w", err)
	}

	for _, name := range []string{rootCertificate, serverCertificate, serverKey, signerCertificate, signerKey} {
		content, err := os.ReadFile(filepath.Join(from, certificates, name))
		if err != nil {
			return fmt.Errorf("copying the state of the earlier control plane: %w", err)
		}

		if err := os.WriteFile(filepath.Join(to, certificates, name), content, 0o600); err != nil {
			return fmt.Errorf("copying the state of the earlier control plane: %w", err)
		}
	}

	return nil
}

// writeRootCertificate keeps the certificate of the authority, for kube-controller-manager and for whoever takes
// over the state.
func writeRootCertificate(dir string, authority []byte) error {
	if err := os.WriteFile(filepath.Join(dir, certificates, rootCertificate), authority, 0o600); err != nil {
		return fmt.Errorf("writing the root certificate: %w", err)
	}

	return nil
}
