package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	tokenLifetime = time.Hour
	// tokenRetry is the pause after a renewal that failed.
	tokenRetry = 10 * time.Second
)

// ServiceAccountKubeconfig writes a kubeconfig of a service account that exists. Its token is in a file
// beside it, which is renewed until Stop, well before the token expires.
func (c *Cluster) ServiceAccountKubeconfig(ctx context.Context, namespace, name, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("finding kubeconfig %s: %w", path, err)
	}

	tokenFile := path + ".token"

	renewed, err := c.renewToken(ctx, namespace, name, tokenFile)
	if err != nil {
		return err
	}

	if err := writeKubeconfig(path, c.admin, &clientcmdapi.AuthInfo{TokenFile: tokenFile}); err != nil {
		return err
	}

	c.background.run(ctx, func(ctx context.Context) { c.keepRenewing(ctx, namespace, name, tokenFile, renewed) })

	return nil
}

// keepRenewing writes a new token each time half of the last one's life is over.
func (c *Cluster) keepRenewing(ctx context.Context, namespace, name, path string, pause time.Duration) {
	for {
		timer := time.NewTimer(pause)

		select {
		case <-ctx.Done():
			timer.Stop()

			return
		case <-timer.C:
		}

		next, err := c.renewToken(ctx, namespace, name, path)
		if err != nil {
			c.options.Logf("renewing a token, will try again in %s: %v", tokenRetry, err)

			next = tokenRetry
		}

		pause = next
	}
}

// renewToken writes a new token and returns when the next one is due.
func (c *Cluster) renewToken(ctx context.Context, namespace, name, path string) (time.Duration, error) {
	token, err := c.requestToken(ctx, namespace, name)
	if err != nil {
		return 0, err
	}

	// Renamed into place: a reader sees the old token or the new one, never half of one.
	next := path + ".new"
	if err := os.WriteFile(next, []byte(token.Status.Token), 0o600); err != nil {
		return 0, fmt.Errorf("writing a token of service account %s/%s: %w", namespace, name, err)
	}

	if err := os.Rename(next, path); err != nil {
		return 0, fmt.Errorf("replacing a token of service account %s/%s: %w", namespace, name, err)
	}

	return untilRenewal(token.Status, time.Now()), nil
}

// untilRenewal is half of what is left of a token's life: client-go reads the file once a minute, and the API
// server may have granted less than was asked for.
func untilRenewal(status authenticationv1.TokenRequestStatus, now time.Time) time.Duration {
	return max(status.ExpirationTimestamp.Sub(now)/2, tokenRetry)
}
