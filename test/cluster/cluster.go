// Package cluster is a real control plane for tests and for "make run": etcd and the API server, started by
// controller-runtime's envtest, with the real kube-controller-manager beside them, so that namespaces finish
// deleting, garbage is collected and service accounts get what they need.
//
//	c := cluster.ForTest(t, cluster.Options{ControllerManager: true})
//	admin := c.Config()
//	user, err := c.User("jane", "developers")
//
// Identities are real ones. A user is a client certificate, a service account is a token, the
// kube-controller-manager has its own user and RBAC, and priority and fairness is on: nothing here passes
// because it runs as administrator.
//
// Nothing outlives the process that called Start, however that ends.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/ks-core/ks-controller-manager/test/cluster/process"
)

// Options say what to start. The zero value is etcd and an API server on free ports.
type Options struct {
	// Assets is the folder with the programs. Empty: KUBEBUILDER_ASSETS if it has all that is needed, else
	// the build of "make kubernetes".
	Assets string

	// Dir takes state, certificates and logs, and must hold none of an earlier control plane. Empty: a
	// temporary folder that Stop removes.
	Dir string

	// The ports on 127.0.0.1; zero takes a free one.
	APIServerPort int
	EtcdPort      int
	EtcdPeerPort  int

	// ControllerManager starts kube-controller-manager and turns ServiceAccount admission on.
	ControllerManager bool
	// Scheduler starts kube-scheduler.
	Scheduler bool

	// State is the folder (Dir) of an earlier control plane that has ended. This one begins with a copy of its
	// objects and keeps its root certificate and its key for service accounts, so that nothing has to be written
	// anew. Empty: an empty cluster.
	State string

	// EtcdFlags and APIServerFlags are further flags, without their dashes.
	EtcdFlags      map[string]string
	APIServerFlags map[string]string

	// Meanwhile is called as soon as the API server serves, while the other programs warm up: for what needs
	// nothing but the API server. Start returns when both are done; may be nil.
	Meanwhile func(context.Context, *Cluster) error

	// Logf is told what goes wrong in the background; may be nil.
	Logf func(format string, args ...any)
}

// Cluster is a running control plane.
type Cluster struct {
	options Options
	assets  string
	dir     string

	plane    *envtest.ControlPlane
	children []*process.Process // those that envtest does not start
	running  []member
	closers  []*os.File

	admin    *rest.Config
	apiReady time.Time

	users      sync.Mutex // the certificate authority counts its serial numbers without a lock
	background tasks
	stop       func() error
}

// member is a program of the control plane, however it was started.
type member struct {
	name string
	log  string
	pid  int
}

// alive asks the kernel: envtest does not tell how its programs are. They are waited for as soon as they end,
// so none is a zombie.
func (m member) alive() bool { return syscall.Kill(m.pid, 0) == nil }

// Start brings the control plane up and returns when it can be used. The context bounds the start only:
// the control plane runs until Stop.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	cluster, err := prepare(ctx, options)
	if err != nil {
		return nil, err
	}

	if err := cluster.start(ctx); err != nil {
		return nil, errors.Join(err, cluster.Stop())
	}

	return cluster, nil
}

// prepare finds the programs and makes the folder; nothing runs yet.
func prepare(ctx context.Context, options Options) (*Cluster, error) {
	assets, err := findAssets(ctx, options)
	if err != nil {
		return nil, err
	}

	if err := checkPorts(ctx, options); err != nil {
		return nil, err
	}

	dir, err := makeDir(options.Dir)
	if err != nil {
		return nil, err
	}

	if options.Logf == nil {
		options.Logf = func(string, ...any) {}
	}

	if options.State != "" {
		if err := copyState(options.State, dir); err != nil {
			return nil, err
		}
	}

	cluster := &Cluster{options: options, assets: assets, dir: dir, plane: &envtest.ControlPlane{}}
	cluster.stop = sync.OnceValue(cluster.stopAll)

	return cluster, nil
}

// makeDir makes the folder of a control plane with the folders it has inside.
func makeDir(dir string) (string, error) {
	if dir == "" {
		temporary, err := os.MkdirTemp("", "ks-cluster-")
		if err != nil {
			return "", fmt.Errorf("making a folder for the control plane: %w", err)
		}

		dir = temporary
	}

	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the folder of the control plane: %w", err)
	}

	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the folder of the control plane: %w", err)
	}

	for _, inside := range []string{certificates, logs, launchers} {
		// Certificates of an earlier control plane would be taken for ours: they must be new.
		if err := os.Mkdir(filepath.Join(dir, inside), 0o700); err != nil {
			return "", fmt.Errorf("making a new folder for the control plane: %w", err)
		}
	}

	return dir, nil
}

// start runs the steps in order. The programs need no order, but waiting for each gives the better error.
func (c *Cluster) start(ctx context.Context) error {
	steps := []func(context.Context) error{c.startEtcd, c.startAPIServer, c.makeAdmin}
	if c.options.ControllerManager {
		steps = append(steps, c.startControllerManager)
	}

	if c.options.Scheduler {
		steps = append(steps, c.startScheduler)
	}

	for _, step := range append(steps, c.warmUp) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("starting the control plane: %w", context.Cause(ctx))
		}

		if err := step(ctx); err != nil {
			return err
		}
	}

	return nil
}

// warmUp waits until the control plane is usable, and does beside that what the caller asked for.
func (c *Cluster) warmUp(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.waitUntilUsable(ctx) })

	if c.options.Meanwhile != nil {
		group.Go(func() error { return c.options.Meanwhile(ctx, c) })
	}

	return group.Wait()
}

// Config is the configuration of an administrator, without a client-side rate limit. It is the caller's own.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.admin) }

// Kubeconfig is the file of that administrator, readable by its owner only.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

// Dir is where state and logs are.
func (c *Cluster) Dir() string { return c.dir }

// Assets is the folder with the programs that run.
func (c *Cluster) Assets() string { return c.assets }

// PIDs are the process ids of the programs that run, by the name of the program.
func (c *Cluster) PIDs() map[string]int {
	pids := map[string]int{}
	for _, program := range c.running {
		pids[program.name] = program.pid
	}

	return pids
}

// APIServerReady is when the API server first said that it is healthy.
func (c *Cluster) APIServerReady() time.Time { return c.apiReady }

// Watch returns nil when the context ends, or an error as soon as a program of the control plane has ended
// by itself: which, and the end of its log.
func (c *Cluster) Watch(ctx context.Context) error {
	var failure error

	// The error of the poll is the end of the context, which is no failure.
	_ = wait.PollUntilContextCancel(ctx, 250*time.Millisecond, true, func(context.Context) (bool, error) {
		failure = c.firstEnded()

		return failure != nil, nil
	})

	return failure
}

func (c *Cluster) firstEnded() error {
	for _, program := range c.running {
		if !program.alive() {
			return process.Failure(program.name, program.log, errors.New("ended by itself"))
		}
	}

	return nil
}

// Stop ends every program, kube-controller-manager first so that it does not miss its API server, and
// removes the folder if it was a temporary one. A second call returns what the first returned.
func (c *Cluster) Stop() error { return c.stop() }

func (c *Cluster) stopAll() error {
	c.background.stop()

	var errs []error

	for _, child := range slices.Backward(c.children) {
		errs = append(errs, child.Stop())
	}

	errs = append(errs, c.stopPlane())

	for _, file := range c.closers {
		errs = append(errs, file.Close())
	}

	if c.options.Dir == "" {
		errs = append(errs, os.RemoveAll(c.dir))
	}

	return errors.Join(errs...)
}

// apiServerPatience is how long the API server may take to end: it takes a moment while it has its etcd.
const apiServerPatience = 3 * time.Second

// stopPlane ends the API server and then etcd. An API server that takes too long, as one does that has lost
// its etcd, is killed: it keeps no state, and envtest would wait longer and call that a failure.
func (c *Cluster) stopPlane() error {
	overdue := time.AfterFunc(apiServerPatience, func() { c.kill(apiServer) })
	defer overdue.Stop()

	if err := c.plane.Stop(); err != nil {
		return fmt.Errorf("stopping etcd and the API server: %w", err)
	}

	return nil
}

func (c *Cluster) kill(program string) {
	for _, m := range c.running {
		if m.name == program && m.alive() {
			_ = syscall.Kill(m.pid, syscall.SIGKILL) // it may have ended just now
		}
	}
}
