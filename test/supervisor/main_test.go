// Package supervisor plays what can happen to a controller while its process lives: its kind comes late, grows old,
// goes and comes back; its rights are withdrawn; its API server is gone; its reconciler panics, hangs or loops. The
// controllers are small ones made for it, on a real control plane, as a ServiceAccount with the roles that follow
// from their descriptors. After each of it a bystander must not have noticed.
package supervisor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/test/cluster"
)

const (
	root    = "../.."
	timeout = 30 * time.Second

	// prompt is how soon a controller must follow its kind.
	prompt = 5 * time.Second

	accountNamespace = "kubesphere-system"
	accountName      = "ks-controller-manager"
)

// shared is the control plane of all tests of this package; admin is a client of its administrator.
var (
	shared *cluster.Cluster
	admin  client.Client
)

func TestMain(m *testing.M) {
	if isChild() {
		os.Exit(runChild())
	}

	os.Exit(cluster.Main(m, cluster.Options{ControllerManager: true}, func(c *cluster.Cluster) {
		shared = c

		if err := install(); err != nil {
			fmt.Fprintln(os.Stderr, "prepare the control plane:", err)
			os.Exit(1)
		}
	}))
}

// install makes what an installation of the controllers under test would: roles and the kind of the bystander.
func install() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()

	for _, arguments := range [][]string{
		{"apply", "--server-side", "-k", root + "/config/namespace"},
		{"apply", "--server-side", "-k", root + "/config/rbac"},
		{"apply", "--server-side", "-f", "testdata/widgets.yaml"},
		{"wait", "--for=condition=Established", "crd", "--all", "--timeout=20s"},
	} {
		if _, err := shared.Kubectl(ctx, arguments...); err != nil {
			return err
		}
	}

	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), addToScheme(scheme)); err != nil {
		return fmt.Errorf("make a scheme: %w", err)
	}

	var err error

	admin, err = client.New(shared.Config(), client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}

	gadget, _ := gadgets()
	widget, _ := widgets()

	return grantAll(ctx, gadget, widget)
}

// grantAll gives the account of the manager what the controllers need, as config/rbac would: a role for each domain,
// and the Leases.
func grantAll(ctx context.Context, descriptors ...manager.Descriptor) error {
	domains := make([]manager.Domain, 0, len(descriptors))

	for _, descriptor := range descriptors {
		domains = append(domains, descriptor.Domain)
		if err := grant(ctx, manager.RoleName(descriptor.Domain), manager.Catalog{descriptor}.Rules()); err != nil {
			return err
		}
	}

	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: accountNamespace, Name: "test-leases"}}
	role.Rules = manager.NamespaceRules(domains)

	binding := &rbacv1.RoleBinding{
		ObjectMeta: role.ObjectMeta, Subjects: account(),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
	}

	return errors.Join(admin.Create(ctx, role), admin.Create(ctx, binding))
}

// grant makes a cluster role of the account what the rules say, and nothing else.
func grant(ctx context.Context, name string, rules []rbacv1.PolicyRule) error {
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Subjects: account(),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
	}

	err := admin.Create(ctx, role)
	if client.IgnoreAlreadyExists(err) == nil {
		err = admin.Update(ctx, role)
	}

	return errors.Join(err, client.IgnoreAlreadyExists(admin.Create(ctx, binding)))
}

func account() []rbacv1.Subject {
	return []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: accountNamespace, Name: accountName}}
}

// call is a request of a manager under test.
type call struct {
	at     time.Time
	method string
	path   string
}

// calls records what a manager asks of the API server.
type calls struct {
	mutex sync.Mutex
	all   []call
}

func (c *calls) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		c.mutex.Lock()
		c.all = append(c.all, call{at: time.Now(), method: request.Method, path: request.URL.Path})
		c.mutex.Unlock()

		return next.RoundTrip(request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// since returns the calls after a time whose path has a part.
func (c *calls) since(at time.Time, part string) []string {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	var found []string

	for _, made := range c.all {
		if made.at.After(at) && strings.Contains(made.path, part) {
			found = append(found, made.method+" "+made.path)
		}
	}

	return found
}

// writes returns the calls after a time that changed something. Leases and access reviews do not count.
func (c *calls) writes(at time.Time) []string {
	return slices.DeleteFunc(c.since(at, ""), func(made string) bool {
		return strings.HasPrefix(made, http.MethodGet) || strings.Contains(made, "/leases") ||
			strings.Contains(made, "reviews")
	})
}

// running is a manager under test.
type running struct {
	diagnostics string
	calls       *calls
	done        chan struct{}
	err         error
	cancel      context.CancelFunc
}

// start runs a manager until the test ends. It does not wait for anything.
func start(t *testing.T, catalog manager.Catalog, change ...func(*manager.Config)) *running {
	t.Helper()

	config := configOf(t, catalog)
	for _, change := range change {
		change(&config)
	}

	recorded := &calls{}
	config.REST.Wrap(recorded.wrap)

	// The test's own context ends before its clean-up, which needs the manager to take finalizers off.
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	started := &running{
		diagnostics: "http://" + config.Diagnostics.Address, calls: recorded,
		done: make(chan struct{}), cancel: cancel,
	}

	go func() {
		defer close(started.done)

		started.err = manager.Run(ctx, config)
	}()

	t.Cleanup(func() { _ = started.stop() })

	return started
}

// stop ends the manager and returns what it ended with.
func (r *running) stop() error {
	r.cancel()
	<-r.done

	return r.err
}

func configOf(t *testing.T, catalog manager.Catalog) manager.Config {
	t.Helper()

	account, err := shared.ServiceAccountConfig(t.Context(), accountNamespace, accountName)
	if err != nil {
		t.Fatal(err)
	}

	config, err := newConfig(account, catalog)
	if err != nil {
		t.Fatal(err)
	}

	config.Diagnostics.Address = freeAddress(t)

	return config
}

func newConfig(account *rest.Config, catalog manager.Catalog) (manager.Config, error) {
	gates, err := features.New()
	if err != nil {
		return manager.Config{}, fmt.Errorf("make the gates: %w", err)
	}

	selection, err := manager.Select(catalog, nil, nil)
	if err != nil {
		return manager.Config{}, fmt.Errorf("select: %w", err)
	}

	return manager.Config{
		Name: "ks-controller-manager", Version: "test", REST: account,
		Catalog: catalog, Selection: selection, Gates: gates,
		Diagnostics: manager.Diagnostics{Insecure: true},
		LeaderElection: manager.LeaderElection{
			Enabled: true, Namespace: accountNamespace,
			LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
		},
	}, nil
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	defer func() { _ = listener.Close() }()

	return listener.Addr().String()
}

// status returns the page /controllers.
func (r *running) status(ctx context.Context) (manager.Status, error) {
	var status manager.Status

	body, err := get(ctx, r.diagnostics+"/controllers")
	if err == nil {
		err = json.Unmarshal(body, &status)
	}

	return status, err
}

func (r *running) row(ctx context.Context, name string) (manager.Row, error) {
	status, err := r.status(ctx)
	if err != nil {
		return manager.Row{}, err
	}

	for _, row := range status.Controllers {
		if row.Name == name {
			return row, nil
		}
	}

	return manager.Row{}, fmt.Errorf("no controller %s on the page", name)
}

// waitFor waits until a controller is in a state for a reason, and returns its row.
func (r *running) waitFor(t *testing.T, name string, state manager.State, reason string) manager.Row {
	t.Helper()

	var row manager.Row

	eventually(t, timeout, fmt.Sprintf("%s is %s for %s", name, state, reason), func(ctx context.Context) error {
		select {
		case <-r.done:
			t.Fatalf("the manager ended: %v", r.err)
		default:
		}

		var err error

		row, err = r.row(ctx, name)
		if err == nil && (row.State != state || row.Reason != reason) {
			err = fmt.Errorf("it is %s for %s: %s", row.State, row.Reason, row.Message)
		}

		return err
	})

	return row
}

func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}

	// Kept connections would count as goroutines that a manager left behind.
	request.Close = true

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}

	defer func() { _ = response.Body.Close() }()

	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}

	return body, nil
}

// eventually waits until a condition holds, and says what was missing when it never did.
func eventually(t *testing.T, within time.Duration, what string, holds func(context.Context) error) {
	t.Helper()

	var last error

	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, within, true,
		func(ctx context.Context) (bool, error) {
			err := holds(ctx)
			if ctx.Err() == nil || last == nil {
				last = err // later ones would only tell that the time is over
			}

			return err == nil, nil
		})
	if err != nil {
		t.Fatalf("%s: %v", what, last)
	}
}

// always watches for a while that a condition holds.
func always(t *testing.T, during time.Duration, what string, holds func(context.Context) error) {
	t.Helper()

	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, during, true,
		func(ctx context.Context) (bool, error) {
			if err := holds(ctx); err != nil && ctx.Err() == nil {
				return false, err
			}

			return false, nil
		})
	if !wait.Interrupted(err) {
		t.Fatalf("%s: %v", what, err)
	}
}
