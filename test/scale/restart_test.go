// Package scale holds what must be true of a large cluster: counts, not times.
package scale_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// size is how large the cluster is: as large as the promise says for "make scale", and a fifth of it otherwise.
func size() (workspaces, namespaces int) {
	if os.Getenv("KS_SCALE") == "full" {
		return 1000, 5000
	}

	return 200, 1000
}

const (
	root        = "../.."
	concurrency = 32
	timeout     = 5 * time.Minute
)

// A restart on a settled cluster must leave no trace, and must not ask the API server for what the caches have: at
// this size each call for each object would be thousands.
func TestConvergedRestart(t *testing.T) {
	control := cluster.ForTest(t, cluster.Options{})
	admin := prepare(t, control)
	workspaces, namespaces := size()

	first := start(t, control)
	fill(t, admin)
	await(t, "every template is ready, with its namespaces counted", func(ctx context.Context) error {
		return settled(ctx, admin)
	})
	first.awaitQuiet(t)
	t.Logf("%d workspaces, %d namespaces: %s", workspaces, namespaces, first.calls.summary())

	if err := first.stop(); err != nil {
		t.Fatal(err)
	}

	second := start(t, control)
	second.awaitQuiet(t)
	t.Logf("the restart: %s", second.calls.summary())

	for _, name := range []string{"workspace", "workspace-template"} {
		if runs := second.runs(t.Context())[name]; runs < uint64(workspaces) { //nolint:gosec // a thousand
			t.Errorf("%s has looked at %d objects, want all %d", name, runs, workspaces)
		}
	}

	if writes := second.calls.matching(isWrite); len(writes) > 0 {
		t.Errorf("the restart wrote: %v", writes)
	}

	if reads := second.calls.matching(isReadOfOne); len(reads) > 0 {
		t.Errorf("the restart read outside of its caches: %v", reads)
	}
}

// prepare installs what a manager needs.
func prepare(t *testing.T, control *cluster.Cluster) client.Client {
	t.Helper()

	for _, arguments := range [][]string{
		{"apply", "--server-side", "-k", root + "/config/run"},
		{"wait", "--for=condition=Established", "crd", "--all", "--timeout=20s"},
	} {
		if _, err := control.Kubectl(t.Context(), arguments...); err != nil {
			t.Fatal(err)
		}
	}

	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), tenantv1beta1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}

	admin, err := client.New(control.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}

	return admin
}

// fill makes the workspaces and their namespaces.
func fill(t *testing.T, admin client.Client) {
	t.Helper()

	workspaces, namespaces := size()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(concurrency)

	for i := range workspaces {
		template := &tenantv1beta1.WorkspaceTemplate{ObjectMeta: metav1.ObjectMeta{Name: workspace(i)}}
		template.Spec.Template.Spec.Manager = fmt.Sprintf("user-%d", i)
		template.Spec.Placement.ClusterSelector = &metav1.LabelSelector{}

		group.Go(func() error { return admin.Create(ctx, template) })
	}

	for i := range namespaces {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name:   fmt.Sprintf("project-%d", i),
			Labels: map[string]string{tenantv1beta1.WorkspaceLabel: workspace(i % workspaces)},
		}}

		group.Go(func() error { return admin.Create(ctx, namespace) })
	}

	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func workspace(number int) string { return fmt.Sprintf("workspace-%d", number) }

// settled returns nil when every template is ready and every namespace counted.
func settled(ctx context.Context, admin client.Client) error {
	templates := &tenantv1beta1.WorkspaceTemplateList{}
	made := &tenantv1beta1.WorkspaceList{}

	if err := errors.Join(admin.List(ctx, templates), admin.List(ctx, made)); err != nil {
		return err
	}

	ready, counted := 0, int32(0)

	for _, template := range templates.Items {
		if meta.IsStatusConditionTrue(template.Status.Conditions, kube.ConditionReady) {
			ready++
		}
	}

	for _, workspace := range made.Items {
		if workspace.Status.NamespaceCount != nil {
			counted += *workspace.Status.NamespaceCount
		}
	}

	if workspaces, namespaces := size(); ready != workspaces || int(counted) != namespaces {
		return fmt.Errorf("%d templates are ready, %d namespaces counted", ready, counted)
	}

	return nil
}

// calls counts what a manager asks of the API server, by method and path.
type calls struct {
	mutex sync.Mutex
	seen  map[string]int
}

func (c *calls) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper{next: next, note: func(request *http.Request) {
		c.mutex.Lock()
		defer c.mutex.Unlock()

		c.seen[request.Method+" "+request.URL.Path]++
	}}
}

type roundTripper struct {
	next http.RoundTripper
	note func(*http.Request)
}

// RoundTrip implements http.RoundTripper.
func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	r.note(request)

	return r.next.RoundTrip(request)
}

// WrappedRoundTripper lets client-go cancel requests.
func (r roundTripper) WrappedRoundTripper() http.RoundTripper { return r.next }

func (c *calls) matching(matches func(string) bool) []string {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	var found []string

	for call := range c.seen {
		if matches(call) {
			found = append(found, call)
		}
	}

	slices.Sort(found)

	return found
}

func (c *calls) total() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	total := 0

	for call, count := range c.seen {
		if !isExempt(call) {
			total += count
		}
	}

	return total
}

func (c *calls) summary() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	reads, writes := 0, 0

	for call, count := range c.seen {
		switch {
		case isExempt(call):
		case isWrite(call):
			writes += count
		default:
			reads += count
		}
	}

	return fmt.Sprintf("%d reads, %d writes", reads, writes)
}

// isExempt tells of the calls that do not count: Leases and reviews of rights.
func isExempt(call string) bool {
	return strings.Contains(call, "/leases") || strings.Contains(call, "reviews")
}

func isWrite(call string) bool { return !strings.HasPrefix(call, http.MethodGet) && !isExempt(call) }

// object is the path of a single object: a resource with a name behind it.
var object = regexp.MustCompile(`^GET /(api/v1|apis/[^/]+/[^/]+)/(namespaces/[^/]+/)?[^/]+/[^/]+`)

func isReadOfOne(call string) bool {
	return object.MatchString(call) && !isExempt(call) && !isOfNamespace(call)
}

// isOfNamespace tells of a list or watch within a namespace.
func isOfNamespace(call string) bool {
	return regexp.MustCompile(`^GET /apis/[^/]+/[^/]+/namespaces/[^/]+/[^/]+$`).MatchString(call)
}

// running is a manager under test.
type running struct {
	page  string
	calls *calls
	stop  func() error
}

func start(t *testing.T, control *cluster.Cluster) *running {
	t.Helper()

	account, err := control.ServiceAccountConfig(t.Context(), "kubesphere-system", "ks-controller-manager")
	if err != nil {
		t.Fatal(err)
	}

	gates, err := features.New()
	if err != nil {
		t.Fatal(err)
	}

	selection, err := manager.Select(controllers.Catalog(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}

	counted := &calls{seen: map[string]int{}}
	account.Wrap(counted.wrap)

	address := freeAddress(t)
	config := manager.Config{
		Name: "ks-controller-manager", Version: "test", REST: account,
		Catalog: controllers.Catalog(), Selection: selection, Gates: gates,
		Diagnostics: manager.Diagnostics{Address: address, Insecure: true},
		LeaderElection: manager.LeaderElection{
			Enabled: true, Namespace: "kubesphere-system",
			LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
		},
	}

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)

	go func() { done <- manager.Run(ctx, config) }()

	started := &running{page: "http://" + address + "/controllers", calls: counted}
	started.stop = sync.OnceValue(func() error {
		cancel()

		return <-done
	})

	t.Cleanup(func() {
		if err := started.stop(); err != nil {
			t.Errorf("the manager ended with %v", err)
		}
	})

	return started
}

// awaitQuiet waits until all controllers run and nothing has happened for a while: no run, and no call.
func (r *running) awaitQuiet(t *testing.T) {
	t.Helper()

	const quiet = 3 * time.Second

	last, since := "", time.Now()

	await(t, "it is quiet", func(ctx context.Context) error {
		runs := r.runs(ctx)

		now := fmt.Sprint(runs, r.calls.total())
		if now != last {
			last, since = now, time.Now()
		}

		if len(runs) < len(controllers.Catalog()) || time.Since(since) < quiet {
			return fmt.Errorf("runs and calls: %s", now)
		}

		return nil
	})
}

// await waits until a condition holds, and says what was missing when it never did.
func await(t *testing.T, what string, holds func(context.Context) error) {
	t.Helper()

	var last error

	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, timeout, true,
		func(ctx context.Context) (bool, error) {
			last = holds(ctx)

			return last == nil, nil
		})
	if err != nil {
		t.Fatalf("%s: %v", what, last)
	}
}
