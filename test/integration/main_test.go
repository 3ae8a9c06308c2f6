// Package integration runs the controllers on a real control plane, as the ServiceAccount and with the roles
// that an installation gives them.
package integration_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/test/cluster"
)

const (
	root    = "../.."
	timeout = 30 * time.Second

	accountNamespace = "kubesphere-system"
	accountName      = "ks-controller-manager"
)

// shared is the control plane of all tests of this package; admin is a client of its administrator.
var (
	shared *cluster.Cluster
	admin  client.Client
)

func TestMain(m *testing.M) {
	os.Exit(cluster.Main(m, cluster.Options{ControllerManager: true}, func(c *cluster.Cluster) {
		shared = c

		if err := install(); err != nil {
			fmt.Fprintln(os.Stderr, "install the definitions and roles:", err)
			os.Exit(1)
		}
	}))
}

// install applies what a manager needs, with the commands of the README.
func install() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()

	if _, err := shared.Kubectl(ctx, "apply", "--server-side", "-k", root+"/config/run"); err != nil {
		return fmt.Errorf("apply config/run: %w", err)
	}

	_, err := shared.Kubectl(ctx, "wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
	if err != nil {
		return fmt.Errorf("wait for the definitions: %w", err)
	}

	admin, err = client.New(shared.Config(), client.Options{Scheme: scheme()})
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}

	return nil
}

func scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, tenantv1beta1.AddToScheme, iamv1beta1.AddToScheme,
		iamv1alpha2.AddToScheme, alertingv2beta1.AddToScheme, monitoringv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err) //nolint:forbidigo // a mistake in this very file
		}
	}

	return scheme
}

// requests counts what a manager asks of the API server, by "VERB path".
type requests struct {
	mutex sync.Mutex
	seen  map[string]int
}

func (r *requests) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		r.mutex.Lock()
		r.seen[request.Method+" "+request.URL.Path]++
		r.mutex.Unlock()

		return next.RoundTrip(request)
	})
}

// writes returns the requests that changed something, except for Leases and access reviews.
func (r *requests) writes() map[string]int {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	writes := map[string]int{}

	for key, count := range r.seen {
		isExempt := strings.Contains(key, "/leases") || strings.Contains(key, "reviews") ||
			strings.Contains(key, "/events")
		if !strings.HasPrefix(key, http.MethodGet) && !isExempt {
			writes[key] = count
		}
	}

	return writes
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// running is a manager under test.
type running struct {
	diagnostics string
	requests    *requests
	stop        func() error
}

// startManager runs a manager as its ServiceAccount until the test ends, and returns when all its controllers
// that can run do.
func startManager(t *testing.T, change ...func(*manager.Config)) *running {
	t.Helper()

	config := managerConfig(t)
	for _, change := range change {
		change(&config)
	}

	counted := &requests{seen: map[string]int{}}

	config.REST.Wrap(counted.wrap)

	// The test's own context ends before its clean-up, which needs the manager to take finalizers off.
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)

	go func() { done <- manager.Run(ctx, config) }()

	started := &running{diagnostics: "http://" + config.Diagnostics.Address, requests: counted}
	started.stop = sync.OnceValue(func() error {
		cancel()

		return <-done
	})

	t.Cleanup(func() {
		if err := started.stop(); err != nil {
			t.Errorf("the manager ended with an error: %v", err)
		}
	})

	started.waitRunning(t)

	return started
}

func managerConfig(t *testing.T) manager.Config {
	t.Helper()

	account, err := shared.ServiceAccountConfig(t.Context(), accountNamespace, accountName)
	if err != nil {
		t.Fatal(err)
	}

	gates, err := features.New()
	if err != nil {
		t.Fatal(err)
	}

	catalog := controllers.Catalog()

	selection, err := manager.Select(catalog, []string{"*"}, nil)
	if err != nil {
		t.Fatal(err)
	}

	return manager.Config{
		Name: "ks-controller-manager", Version: "test", REST: account,
		Catalog: catalog, Selection: selection, Gates: gates,
		Diagnostics: manager.Diagnostics{Address: freeAddress(t), Insecure: true},
		LeaderElection: manager.LeaderElection{
			Enabled: true, Namespace: accountNamespace,
			LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 200 * time.Millisecond,
		},
	}
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

// eventually waits until a condition holds, and says what was missing when it never did.
func eventually(t *testing.T, what string, holds func(context.Context) error) {
	t.Helper()

	var last error

	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, timeout, true,
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

// create makes an object and removes it, finalizers and all, when the test ends.
func create(t *testing.T, object client.Object) {
	t.Helper()

	if err := admin.Create(t.Context(), object); err != nil {
		t.Fatalf("create %T %s: %v", object, object.GetName(), err)
	}

	t.Cleanup(func() {
		err := admin.Delete(context.WithoutCancel(t.Context()), object)
		if client.IgnoreNotFound(err) != nil {
			t.Errorf("delete %T %s: %v", object, object.GetName(), err)
		}
	})
}

// template returns a WorkspaceTemplate that every release of KubeSphere accepts.
func template(name, manager string) *tenantv1beta1.WorkspaceTemplate {
	template := &tenantv1beta1.WorkspaceTemplate{ObjectMeta: metav1.ObjectMeta{Name: name}}
	template.Spec.Template.Spec.Manager = manager
	template.Spec.Placement.ClusterSelector = &metav1.LabelSelector{}

	return template
}
