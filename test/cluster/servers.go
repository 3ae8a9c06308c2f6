package cluster

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/ks-core/ks-controller-manager/test/cluster/ports"
	"github.com/ks-core/ks-controller-manager/test/cluster/process"
)

// The folders inside the folder of a control plane.
const (
	certificates = "certificates"
	logs         = "logs"
	launchers    = "launchers"
)

const (
	loopback = "127.0.0.1"

	// startTimeout bounds the start of one program, which takes 1 to 3 seconds on an idle machine.
	startTimeout = time.Minute
	stopTimeout  = 20 * time.Second
)

// checkPorts refuses fixed ports that are taken: the programs would fail later, and less clearly.
func checkPorts(ctx context.Context, options Options) error {
	for _, fixed := range []struct {
		port   int
		use    string
		option string
	}{
		{options.APIServerPort, "the API server", "APIServerPort"},
		{options.EtcdPort, "etcd", "EtcdPort"},
		{options.EtcdPeerPort, "etcd's peers", "EtcdPeerPort"},
	} {
		if fixed.port == 0 {
			continue
		}

		if err := ports.Check(ctx, fixed.port, fixed.use); err != nil {
			return fmt.Errorf("%w: stop that, or set Options.%s to another port (0 takes a free one)",
				err, fixed.option)
		}
	}

	return nil
}

func (c *Cluster) startEtcd(context.Context) error {
	launcher, err := c.launcher(etcd)
	if err != nil {
		return err
	}

	log, err := c.openLog(etcd)
	if err != nil {
		return err
	}

	server := &envtest.Etcd{
		Path: launcher, DataDir: filepath.Join(c.dir, etcd), Out: log, Err: log,
		StartTimeout: startTimeout, StopTimeout: stopTimeout,
	}
	// It elects itself, there is nobody to wait for.
	server.Configure().Set("heartbeat-interval", "20").Set("election-timeout", "100")

	for flag, value := range c.options.EtcdFlags {
		server.Configure().Set(flag, value)
	}

	if port := c.options.EtcdPort; port != 0 {
		server.URL = &url.URL{Scheme: "http", Host: ports.Address(port)}
	}

	if port := c.options.EtcdPeerPort; port != 0 {
		server.Configure().Set("listen-peer-urls", "http://"+ports.Address(port))
	}

	c.plane.Etcd = server
	if err := server.Start(); err != nil {
		return process.Failure(etcd, log.Name(), fmt.Errorf("did not start: %w", err))
	}

	return c.launched(etcd)
}

func (c *Cluster) startAPIServer(context.Context) error {
	launcher, err := c.launcher(apiServer)
	if err != nil {
		return err
	}

	log, err := c.openLog(apiServer)
	if err != nil {
		return err
	}

	server := &envtest.APIServer{
		Path: launcher, CertDir: filepath.Join(c.dir, certificates), Out: log, Err: log, EtcdURL: c.plane.Etcd.URL,
		StartTimeout: startTimeout, StopTimeout: stopTimeout,
	}
	if port := c.options.APIServerPort; port != 0 {
		server.SecureServing.ListenAddr = envtest.ListenAddr{Address: loopback, Port: strconv.Itoa(port)}
	}

	// A machine without a network has no other address, and a loopback address cannot be an endpoint.
	server.Configure().Set("advertise-address", loopback).Set("endpoint-reconciler-type", "none")

	if c.options.ControllerManager {
		// envtest disables ServiceAccount admission because nobody would make the service accounts.
		server.Configure().Disable("disable-admission-plugins")
	}

	for flag, value := range c.options.APIServerFlags {
		server.Configure().Set(flag, value)
	}

	if c.options.State != "" {
		authority, err := os.ReadFile(filepath.Join(c.dir, certificates, rootCertificate))
		if err != nil {
			return fmt.Errorf("reading the root certificate of the earlier control plane: %w", err)
		}

		server.CA = authority // envtest knows it only when it has made it
	}

	c.plane.APIServer = server
	if err := server.Start(); err != nil {
		return process.Failure(apiServer, log.Name(), fmt.Errorf("did not start: %w", err))
	}

	c.apiReady = time.Now()

	if err := writeRootCertificate(c.dir, server.CA); err != nil {
		return err
	}

	return c.launched(apiServer)
}

// waitUntilUsable waits for what clients expect of any cluster: the namespace "default" and, when somebody
// makes it, its service account, without which no pod is admitted.
func (c *Cluster) waitUntilUsable(ctx context.Context) error {
	clients, err := kubernetes.NewForConfig(c.admin)
	if err != nil {
		return fmt.Errorf("making a client of the new control plane: %w", err)
	}

	var last error

	// Each question has the context of the caller: the one that the timeout ends would hide the last answer.
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, startTimeout, true,
		func(context.Context) (bool, error) {
			if ended := c.firstEnded(); ended != nil {
				return false, ended
			}

			last = checkUsable(ctx, clients, c.options.ControllerManager)

			return last == nil, nil
		})
	if wait.Interrupted(err) {
		return fmt.Errorf("waiting for the new control plane: %w (last: %w)", err, last)
	}

	return err
}

func checkUsable(ctx context.Context, clients kubernetes.Interface, serviceAccount bool) error {
	if serviceAccount {
		_, err := clients.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})

		return err
	}

	_, err := clients.CoreV1().Namespaces().Get(ctx, metav1.NamespaceDefault, metav1.GetOptions{})

	return err
}

// openLog opens the log of a program that envtest starts.
func (c *Cluster) openLog(program string) (*os.File, error) {
	log, err := os.OpenFile(c.logOf(program), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", program, err)
	}

	c.closers = append(c.closers, log)

	return log, nil
}

func (c *Cluster) logOf(program string) string { return filepath.Join(c.dir, logs, program+".log") }

func (c *Cluster) pidFile(program string) string {
	return filepath.Join(c.dir, launchers, program+".pid")
}

// launcher writes a script that becomes the program. envtest lets us set neither the environment of what it
// starts nor know its process id: the script does both.
func (c *Cluster) launcher(program string) (string, error) {
	path := filepath.Join(c.dir, launchers, program)
	script := fmt.Sprintf("#!/bin/sh\necho $$ >%s\nexport %s\nexec %s \"$@\"\n",
		quote(c.pidFile(program)), exitWithUs(), quote(filepath.Join(c.assets, program)))

	if err := os.WriteFile(path, []byte(script), 0o700); err != nil { //nolint:gosec // it is a program
		return "", fmt.Errorf("writing the launcher of %s: %w", program, err)
	}

	return path, nil
}

// exitWithUs makes our programs end when this process is gone, even by SIGKILL; see hack/kubernetes.
func exitWithUs() string { return "KUBE_EXIT_WITH_PARENT=" + strconv.Itoa(os.Getpid()) }

// quote is the shell's.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// launched adds a program that envtest has started to those that are watched.
func (c *Cluster) launched(program string) error {
	content, err := os.ReadFile(c.pidFile(program))
	if err != nil {
		return fmt.Errorf("finding the process of %s: %w", program, err)
	}

	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return fmt.Errorf("finding the process of %s: %w", program, err)
	}

	c.running = append(c.running, member{name: program, log: c.logOf(program), pid: pid})

	return nil
}
