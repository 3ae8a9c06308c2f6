package scale

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/test/cluster"
	"github.com/ks-core/ks-controller-manager/test/scale/audit"
	"github.com/ks-core/ks-controller-manager/test/scale/report"
)

// etcdQuota is the largest that etcd's developers recommend; 2 GiB is usual, and T10 with its history is more.
const etcdQuota = "8589934592"

// world is a cluster of the kind that a manager is measured in.
type world struct {
	*cluster.Cluster

	log   audit.Log
	admin client.WithWatch
}

// boot starts a cluster in a new folder, with a copy of the state of another.
func boot(ctx context.Context, options Options, dir, state string) (*world, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of a cluster: %w", err)
	}

	log, flags, err := audit.Prepare(dir, account)
	if err != nil {
		return nil, err
	}

	started, err := cluster.Start(ctx, cluster.Options{
		Dir: dir, State: state, ControllerManager: true, APIServerFlags: flags,
		EtcdFlags: map[string]string{"quota-backend-bytes": etcdQuota},
		Logf:      options.Logf,
	})
	if err != nil {
		return nil, err
	}

	made := &world{Cluster: started, log: log}

	made.admin, err = newClient(started, options.Scenario)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", err, started.Stop())
	}

	return made, nil
}

func newClient(c *cluster.Cluster, scenario Scenario) (client.WithWatch, error) {
	scheme := runtime.NewScheme()
	if err := scenario.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering the kinds of scenario %s: %w", scenario.Name, err)
	}

	return client.NewWithWatch(c.Config(), client.Options{Scheme: scheme})
}

// install applies what a manager needs, the policies, and what else is asked for, with the commands of the guide.
func (w *world) install(ctx context.Context, root string, components []string) error {
	for _, folder := range append([]string{"run", "policy"}, components...) {
		path := filepath.Join(root, "config", folder)
		if _, err := os.Stat(path); os.IsNotExist(err) {
			continue
		}

		if _, err := w.Kubectl(ctx, "apply", "--server-side", "-k", path); err != nil {
			return err
		}
	}

	_, err := w.Kubectl(ctx, "wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")

	return err
}

func (w *world) dynamic() (dynamic.Interface, error) {
	made, err := dynamic.NewForConfig(w.Config())
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}

	return made, nil
}

// usage is what the programs of the control plane, and others, have used until now.
func (w *world) usage(others ...*child) (map[string]report.Process, error) {
	pids := w.PIDs()
	for _, other := range others {
		pids[other.Name()] = other.PID()
	}

	used := map[string]report.Process{}

	for name, pid := range pids {
		var err error
		if used[name], err = usageOf(pid); err != nil {
			return nil, err
		}
	}

	return used, nil
}

// since is what was used between two looks.
func since(before, after map[string]report.Process) map[string]report.Process {
	used := map[string]report.Process{}

	for name, now := range after {
		now.CPUSeconds -= before[name].CPUSeconds
		used[name] = now
	}

	return used
}

// callsSince are those of the manager.
func (w *world) callsSince(from audit.Mark) (audit.Calls, error) {
	to, err := w.log.End()
	if err != nil {
		return nil, err
	}

	calls, err := w.log.Between(from, to)

	return calls.By(account), err
}

// running does something while a manager runs.
func (r *runner) running(
	ctx context.Context, w *world, program Program, name string, do func(*child) error,
) error {
	program.Args = slices.Concat(r.Scenario.Args, program.Args)

	manager, err := startChild(ctx, w.Cluster, program, name)
	if err != nil {
		return err
	}

	return errors.Join(do(manager), manager.Stop())
}

// discard removes the folder of a cluster that has ended.
func discard(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing the folder of a cluster: %w", err)
	}

	return nil
}

// The control plane is idle when its programs use less than this part of a core, twice in a row.
const (
	idleCores  = 0.15
	idlePeriod = time.Second
	idleTwice  = 2
)

// awaitIdle waits until the programs of the control plane have filled their caches and have nothing left to do: that
// they write nothing is not enough, for who is measured next would share the processors with them.
func (w *world) awaitIdle(ctx context.Context, quiet, timeout time.Duration) error {
	if err := w.log.AwaitQuiet(ctx, quiet, timeout); err != nil {
		return err
	}

	idle, last := 0, 0.0

	err := wait.PollUntilContextTimeout(ctx, idlePeriod, timeout, true, func(context.Context) (bool, error) {
		used, err := w.usage()
		if err != nil {
			return false, err
		}

		total := 0.0
		for _, program := range used {
			total += program.CPUSeconds
		}

		if total-last > idleCores*idlePeriod.Seconds() {
			idle = 0
		} else {
			idle++
		}

		last = total

		return idle >= idleTwice, nil
	})
	if err != nil {
		return fmt.Errorf("waiting until the control plane is idle: %w", err)
	}

	return nil
}

// stateBytes is how much etcd keeps on disk.
func (w *world) stateBytes() int64 {
	var total int64

	// What vanishes while it is counted does not count.
	_ = filepath.WalkDir(filepath.Join(w.Dir(), "etcd"), func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				total += info.Size()
			}
		}

		return nil
	})

	return total
}

// timed measures how long something takes.
func timed(do func() error) (time.Duration, error) {
	started := time.Now()
	err := do()

	return time.Since(started), err
}
