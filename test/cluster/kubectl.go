package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Kubectl runs the real kubectl as the administrator and returns what it printed. The error of a command
// that fails is what kubectl said.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer

	flags := []string{
		"--kubeconfig=" + c.Kubeconfig(),
		"--cache-dir=" + filepath.Join(c.dir, "kubectl-cache"), // not in the home folder: the server is short-lived
	}

	cmd := exec.CommandContext(ctx, filepath.Join(c.assets, kubectl), append(flags, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr

	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}

		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s",
			strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}

	return stdout.String(), nil
}
