package cluster

import (
	"context"
	"path/filepath"

	"github.com/ks-core/ks-controller-manager/test/cluster/process"
)

// startControllerManager runs the real one with its own user and one service account per controller, as a
// production cluster does: RBAC that is too narrow shows here.
func (c *Cluster) startControllerManager(context.Context) error {
	return c.startChild(controllerManager,
		"--use-service-account-credentials",
		// Each of its controllers makes a service account and a token for itself first: at the usual 20 calls a
		// second that takes longer than everything else together.
		"--kube-api-qps=1000", "--kube-api-burst=1000",
		// Named by envtest.
		"--service-account-private-key-file="+filepath.Join(c.dir, certificates, signerKey),
		"--root-ca-file="+filepath.Join(c.dir, certificates, rootCertificate),
	)
}

func (c *Cluster) startScheduler(context.Context) error {
	return c.startChild(scheduler)
}

// startChild runs a client of the API server as the user "system:<program>". It serves nothing (port 0): we
// see by its work that it runs.
func (c *Cluster) startChild(program string, args ...string) error {
	user, err := c.User("system:" + program)
	if err != nil {
		return err
	}

	kubeconfig := filepath.Join(c.dir, certificates, program+".kubeconfig")
	if err := writeKubeconfig(kubeconfig, user, certificateOf(user)); err != nil {
		return err
	}

	child, err := process.Start(process.Command{
		Name: program,
		Path: filepath.Join(c.assets, program),
		Args: append([]string{"--kubeconfig=" + kubeconfig, "--leader-elect=false", "--secure-port=0"}, args...),
		Env:  []string{exitWithUs()},
		Log:  c.logOf(program),
	})
	if err != nil {
		return err
	}

	c.children = append(c.children, child)
	c.running = append(c.running, member{name: program, log: c.logOf(program), pid: child.PID()})

	return nil
}
