package scale

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/test/cluster"
	"github.com/ks-core/ks-controller-manager/test/cluster/process"
)

const (
	accountNamespace = "kubesphere-system"
	accountName      = "ks-controller-manager"
	account          = "system:serviceaccount:" + accountNamespace + ":" + accountName

	// lookPeriod is the pause between two looks at the pages of the manager, which must not weigh on what is measured.
	lookPeriod = 200 * time.Millisecond
	lookLimit  = 5 * time.Second
)

// Program is the manager to run: the binary, and what comes before and beside its usual flags.
type Program struct {
	Path string
	Args []string
	Env  []string
}

// child is a manager that runs as a process of its own, as the service account that it has in a cluster.
type child struct {
	*process.Process

	address string
	log     string
	started time.Time
}

func startChild(ctx context.Context, c *cluster.Cluster, program Program, name string) (*child, error) {
	kubeconfig := filepath.Join(c.Dir(), name+".kubeconfig")
	if err := c.ServiceAccountKubeconfig(ctx, accountNamespace, accountName, kubeconfig); err != nil {
		return nil, err
	}

	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}

	started := &child{
		address: address, log: filepath.Join(c.Dir(), name+".log"), started: time.Now(),
	}

	started.Process, err = process.Start(process.Command{
		Name: name,
		Path: program.Path,
		Args: append([]string{
			"--kubeconfig=" + kubeconfig, "--health-probe-bind-address=0",
			"--diagnostics-address=" + address, "--insecure-diagnostics",
		}, program.Args...),
		Env: program.Env,
		Log: started.log,
	})

	return started, err
}

// freeAddress is an address that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}

	if err := listener.Close(); err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}

	return listener.Addr().String(), nil
}

// get reads a page of the manager's diagnostics.
func (c *child) get(ctx context.Context, path string, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.address+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("asking the manager: %w", err)
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking the manager: %w", err)
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the manager for %s: %s", path, response.Status)
	}

	return read(response.Body)
}

// runs returns how often each controller has looked at an object, and what keeps controllers from running.
func (c *child) runs(ctx context.Context) (map[string]uint64, error) {
	var status manager.Status

	err := c.get(ctx, "/controllers", func(body io.Reader) error { return json.NewDecoder(body).Decode(&status) })
	if err != nil {
		return nil, err
	}

	runs := map[string]uint64{}

	for _, row := range status.Controllers {
		switch row.State {
		case manager.Running:
			runs[row.Name] = row.Runs.Runs
		case manager.Disabled:
		default:
			err = errors.Join(err, fmt.Errorf("%s is %s (%s): %s", row.Name, row.State, row.Reason, row.Message))
		}
	}

	return runs, err
}

// depth is how many objects wait in the queues of all controllers.
func (c *child) depth(ctx context.Context) (int, error) {
	total := 0.0

	err := c.get(ctx, "/metrics", func(body io.Reader) error {
		lines := bufio.NewScanner(body)
		for lines.Scan() {
			rest, isDepth := strings.CutPrefix(lines.Text(), "workqueue_depth{")
			_, value, _ := strings.Cut(rest, "} ")

			if depth, err := strconv.ParseFloat(value, 64); isDepth && err == nil {
				total += depth
			}
		}

		return lines.Err()
	})

	return int(total), err
}

// drained is when the controllers had looked at all they had to look at, and how often they looked.
type drained struct {
	after time.Duration
	runs  map[string]uint64
}

// awaitDrained waits until all controllers run and none has looked at an object for a while.
func (c *child) awaitDrained(ctx context.Context, quiet, timeout time.Duration) (drained, error) {
	var (
		found drained
		last  error
	)

	changed := time.Now()

	err := wait.PollUntilContextTimeout(ctx, lookPeriod, timeout, true, func(context.Context) (bool, error) {
		if !c.Running() {
			return false, c.Failure()
		}

		var runs map[string]uint64

		runs, last = c.runs(ctx)
		if last != nil || fmt.Sprint(runs) != fmt.Sprint(found.runs) {
			changed = time.Now()
			found = drained{after: changed.Sub(c.started), runs: runs}
		}

		return last == nil && time.Since(changed) >= quiet, nil
	})
	if err != nil {
		return found, fmt.Errorf("waiting until the manager has nothing to do: %w", errors.Join(err, last))
	}

	return found, nil
}
