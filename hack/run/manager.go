package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/ks-core/ks-controller-manager/test/cluster"
	"github.com/ks-core/ks-controller-manager/test/cluster/ports"
	"github.com/ks-core/ks-controller-manager/test/cluster/process"
)

const (
	managerName      = "ks-controller-manager"
	managerNamespace = "kubesphere-system"

	// The service account that reads the manager's status page, and the role that config/rbac has for that.
	readerName = "ks-run"
	readerRole = "ks-diagnostics-view"
)

// startManager runs the manager as the service account it has in a cluster, with that account's roles.
func startManager(ctx context.Context, o options, c *cluster.Cluster) (*process.Process, error) {
	kubeconfig := filepath.Join(c.Dir(), "manager.kubeconfig")
	if err := c.ServiceAccountKubeconfig(ctx, managerNamespace, managerName, kubeconfig); err != nil {
		return nil, err
	}

	return process.Start(process.Command{
		Name: managerName,
		Path: o.manager,
		Args: []string{
			"--kubeconfig=" + kubeconfig,
			"--leader-elect=true",
			"--diagnostics-address=" + ports.Address(o.portOf(diagnosticsPort)),
			"--health-probe-bind-address=" + ports.Address(o.portOf(healthPort)),
		},
		Log: filepath.Join(c.Dir(), "manager.log"),
	})
}

// controller is a row of the manager's status page.
type controller struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func (c controller) String() string {
	text := fmt.Sprintf("controller %s is %s (%s)", c.Name, c.State, c.Reason)
	if c.Message != "" {
		text += ": " + c.Message
	}

	return text
}

// notRunning returns the controllers that should run and do not.
func notRunning(controllers []controller) []controller {
	var waiting []controller

	for _, c := range controllers {
		if c.State != "Running" && c.State != "Disabled" {
			waiting = append(waiting, c)
		}
	}

	return waiting
}

// statusPage reads the manager's status page as a service account that may.
type statusPage struct {
	client http.Client
	url    string
	token  string
}

func newStatusPage(ctx context.Context, c *cluster.Cluster, port int) (*statusPage, error) {
	clients, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}

	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: readerName}}

	accounts := clients.CoreV1().ServiceAccounts(managerNamespace)
	if _, err := accounts.Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return nil, err
	}

	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: readerName},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: readerRole},
		Subjects: []rbacv1.Subject{
			{Kind: rbacv1.ServiceAccountKind, Namespace: managerNamespace, Name: readerName},
		},
	}
	if _, err := clients.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return nil, err
	}

	config, err := c.ServiceAccountConfig(ctx, managerNamespace, readerName)
	if err != nil {
		return nil, err
	}

	return &statusPage{
		client: http.Client{
			Timeout: time.Second,
			Transport: &http.Transport{
				TLSClientConfig: &tls.Config{
					InsecureSkipVerify: true, //nolint:gosec // self-signed, on loopback, of our own child
					MinVersion:         tls.VersionTLS13,
				},
			},
		},
		url:   "https://" + ports.Address(port) + "/controllers",
		token: config.BearerToken,
	}, nil
}

func (p *statusPage) controllers(ctx context.Context) ([]controller, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking for the state of the controllers: %w", err)
	}

	request.Header.Set("Authorization", "Bearer "+p.token)

	response, err := p.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking for the state of the controllers: %w", err)
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the state of the controllers: %w", err)
	}

	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %s", p.url, response.Status, strings.TrimSpace(string(body)))
	}

	var page struct {
		Controllers []controller `json:"controllers"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, fmt.Errorf("decoding the state of the controllers: %w", err)
	}

	return page.Controllers, nil
}

// awaitControllers waits until every controller that should run does, or says of each that does not why.
func (p *statusPage) awaitControllers(ctx context.Context, timeout time.Duration) (int, error) {
	var (
		count int
		last  error
	)

	// Each question has the context of the caller: the one that the timeout ends would hide the last answer.
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, timeout, true,
		func(context.Context) (bool, error) {
			var controllers []controller

			controllers, last = p.controllers(ctx)
			if last == nil {
				last = describe(notRunning(controllers))
			}

			count = len(controllers)

			return count > 0 && last == nil, nil
		})
	if err != nil {
		return 0, fmt.Errorf("not all controllers run: %w", errors.Join(last, err))
	}

	return count, nil
}

func describe(controllers []controller) error {
	var errs []error
	for _, c := range controllers {
		errs = append(errs, errors.New(c.String()))
	}

	return errors.Join(errs...)
}

// memory is what the manager holds: pages of its own, and pages of its binary.
type memory struct{ anonymous, file string }

func memoryOf(pid int) (memory, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, fmt.Errorf("reading the manager's memory: %w", err)
	}

	return parseMemory(string(content)), nil
}

func parseMemory(status string) memory {
	var m memory

	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")

		var kilobytes float64
		if _, err := fmt.Sscanf(value, "%f kB", &kilobytes); err != nil {
			continue
		}

		text := fmt.Sprintf("%.1f MiB", kilobytes/1024)

		switch name {
		case "RssAnon":
			m.anonymous = text
		case "RssFile":
			m.file = text
		}
	}

	return m
}
