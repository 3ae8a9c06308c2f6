package stores_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// timeout is for what takes a moment on an idle machine.
const timeout = 30 * time.Second

// control starts the control plane for the first test that needs one: a fuzz worker and a benchmark do not.
var (
	control = sync.OnceValues(func() (*cluster.Cluster, error) {
		started, err := cluster.Start(context.Background(), cluster.Options{})
		stop = started

		return started, err
	})
	stop *cluster.Cluster
)

func TestMain(m *testing.M) {
	code := m.Run()

	if stop != nil {
		if err := stop.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the control plane:", err)

			code = max(code, 1)
		}
	}

	os.Exit(code)
}

// world is a namespace of a test on the control plane, and stores that read from there.
type world struct {
	*stores.Stores

	namespace string
	admin     client.Client
	requests  *requests
	http      *http.Client
}

// newWorld reads as the administrator.
func newWorld(t *testing.T) *world {
	t.Helper()

	return newWorldOf(t, startedControl(t).Config())
}

func startedControl(t *testing.T) *cluster.Cluster {
	t.Helper()

	started, err := control()
	if err != nil {
		t.Fatalf("no control plane: %v", err)
	}

	return started
}

// newWorldOf reads as somebody else.
func newWorldOf(t *testing.T, config *rest.Config) *world {
	t.Helper()

	admin, err := client.New(startedControl(t).Config(), client.Options{Scheme: clientgoscheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "stores-"}}
	if err := admin.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}

	// What the mapper asks for does not count.
	mapper, err := apiutil.NewDynamicRESTMapper(startedControl(t).Config(), httpClient(t, startedControl(t).Config()))
	if err != nil {
		t.Fatal(err)
	}

	w := &world{namespace: namespace.Name, admin: admin, requests: &requests{}}

	config = rest.CopyConfig(config)
	config.Wrap(w.requests.wrap)
	w.http = httpClient(t, config)
	w.Stores = stores.New(stores.Options{
		Config: config, HTTPClient: w.http, Scheme: clientgoscheme.Scheme, Mapper: mapper, Clock: clock.RealClock{},
	})

	t.Cleanup(func() { w.close(t) })

	return w
}

func httpClient(t *testing.T, config *rest.Config) *http.Client {
	t.Helper()

	made, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}

	return made
}

// close ends the stores and proves that nothing of them is left.
func (w *world) close(t *testing.T) {
	t.Helper()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), timeout)
	defer cancel()

	if err := w.Close(ctx); err != nil {
		t.Error(err)
	}

	w.http.CloseIdleConnections()
	eventually(t, "the goroutines of the stores end", func() error { return none(goroutines()) })
}

// open opens a view that is released when the test ends, if not before.
func (w *world) open(t *testing.T, user stores.User, specs ...stores.Spec) *stores.View {
	t.Helper()

	view, err := w.Open(t.Context(), user, specs...)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(view.Release)

	return view
}

// filled opens a view and waits for its stores.
func (w *world) filled(t *testing.T, user stores.User, specs ...stores.Spec) *stores.View {
	t.Helper()

	view := w.open(t, user, specs...)

	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()

	if err := view.WaitForSync(ctx); err != nil {
		t.Fatal(err)
	}

	return view
}

// configMap makes an object in the namespace of the test.
func (w *world) configMap(t *testing.T, name string, labels map[string]string) *corev1.ConfigMap {
	t.Helper()

	made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: labels}}
	if err := w.admin.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}

	return made
}

// configMaps is what most tests keep: those of the test's namespace.
func (w *world) configMaps(depth stores.Depth) stores.Spec {
	spec := stores.Spec{Kind: configMapKind(), Resource: "configmaps", Depth: depth, Namespace: w.namespace}
	if depth == stores.Slim {
		spec.Trim = stores.Trim{Name: "data", Do: func(object client.Object) {
			object.(*corev1.ConfigMap).Data = nil
		}}
	}

	return spec
}

func (w *world) secrets(depth stores.Depth) stores.Spec {
	return stores.Spec{Kind: secretKind(), Resource: "secrets", Depth: depth, Namespace: w.namespace}
}

func (w *world) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.namespace, Name: name}
}

func configMapKind() schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind("ConfigMap") }
func secretKind() schema.GroupVersionKind    { return corev1.SchemeGroupVersion.WithKind("Secret") }

// metadataOf returns an empty object that stands for metadata.
func metadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)

	return object
}

// reader is an account that may read ConfigMaps and nothing else.
func reader(t *testing.T) *rest.Config {
	t.Helper()

	config, err := startedControl(t).User("reader")
	if err != nil {
		t.Fatal(err)
	}

	admin, err := client.New(startedControl(t).Config(), client.Options{Scheme: clientgoscheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}

	meta := metav1.ObjectMeta{Name: "reader"}
	role := &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list", "watch"},
	}}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "reader"}},
	}

	for _, object := range []client.Object{role, binding} {
		if err := admin.Create(t.Context(), object); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}

	// The authorizer follows the roles a moment later.
	account, err := client.New(config, client.Options{Scheme: clientgoscheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}

	eventually(t, "the account may read", func() error { return account.List(t.Context(), &corev1.ConfigMapList{}) })

	return config
}

// requests notes what is asked of the API server.
type requests struct {
	mutex  sync.Mutex
	all    []string    // "list" or "watch", and the path
	open   int         // requests whose context has not ended
	bodies []io.Closer // of the answers

	// answer, where it is set, may answer in place of the server.
	answer func(*http.Request) *http.Response
}

func (r *requests) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		verb := "list"
		if request.URL.Query().Get("watch") != "" {
			verb = "watch"
		}

		r.mutex.Lock()
		r.all = append(r.all, verb+" "+request.URL.Path)
		r.open++
		answer := r.answer
		r.mutex.Unlock()

		context.AfterFunc(request.Context(), func() {
			r.mutex.Lock()
			defer r.mutex.Unlock()

			r.open--
		})

		if answer != nil {
			if response := answer(request); response != nil {
				return response, nil
			}
		}

		response, err := next.RoundTrip(request)
		if err == nil {
			r.mutex.Lock()
			r.bodies = append(r.bodies, response.Body)
			r.mutex.Unlock()
		}

		return response, err
	})
}

// answerWith sets what may answer in place of the server.
func (r *requests) answerWith(answer func(*http.Request) *http.Response) {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	r.answer = answer
}

// interrupt ends all watches and does something that they miss: none goes on where it was, all begin anew.
func (r *requests) interrupt(t *testing.T, do func()) {
	t.Helper()

	over, anew := make(chan struct{}), make(chan struct{}, 100)

	r.answerWith(func(request *http.Request) *http.Response {
		query := request.URL.Query()
		if query.Get("watch") != "" && query.Get("sendInitialEvents") == "" {
			return refusal(metav1.StatusReasonExpired, http.StatusGone)
		}

		anew <- struct{}{}

		select {
		case <-over:
		case <-request.Context().Done():
		}

		return nil
	})

	r.mutex.Lock()
	bodies := r.bodies
	r.mutex.Unlock()

	for _, body := range bodies {
		_ = body.Close()
	}

	do()

	select {
	case <-anew:
	case <-time.After(timeout):
		t.Error("no watch begins anew")
	}

	r.answerWith(nil)
	close(over)
}

// refusal is an answer of the API server.
func refusal(reason metav1.StatusReason, code int) *http.Response {
	recorder := httptest.NewRecorder()
	recorder.Header().Set("Content-Type", "application/json")
	recorder.WriteHeader(code)
	_, _ = fmt.Fprintf(recorder,
		`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d}`, reason, code)

	return recorder.Result()
}

func (r *requests) seen() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	return slices.Clone(r.all)
}

func (r *requests) openOnes() int {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	return r.open
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// goroutines returns those that belong to a store.
func goroutines() []string {
	const enough = 16 << 20

	stacks := make([]byte, enough)
	stacks = stacks[:runtime.Stack(stacks, true)]

	return slices.DeleteFunc(strings.Split(string(stacks), "\n\n"), func(stack string) bool {
		isOfStore := slices.ContainsFunc([]string{
			"pkg/kube/stores.", "client-go/tools/cache.", "controller-runtime/pkg/cache", "apimachinery/pkg/watch.",
		}, func(part string) bool { return strings.Contains(stack, part) })

		return !isOfStore || strings.Contains(stack, "testing.(*T).Parallel") // a test that waits for its turn
	})
}

func none(of []string) error {
	if len(of) == 0 {
		return nil
	}

	return fmt.Errorf("%d are left, such as\n%s", len(of), of[0])
}

// eventually waits until a condition holds, and says what was missing when it never did.
func eventually(t *testing.T, what string, holds func() error) {
	t.Helper()

	var last error

	ctx := context.WithoutCancel(t.Context()) // also after the test

	err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, timeout, true,
		func(context.Context) (bool, error) {
			last = holds()

			return last == nil, nil
		})
	if err != nil {
		t.Fatalf("%s: %v", what, last)
	}
}
