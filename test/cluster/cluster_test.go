package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// within is how long the control plane may take for what it does in a second or two on an idle machine.
const within = 30 * time.Second

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		fmt.Fprintln(os.Stderr, runHelper(dir)) // it never ends well
		os.Exit(1)
	}

	os.Exit(m.Run())
}

// TestCluster shares one control plane: each part works in objects of its own.
func TestCluster(t *testing.T) {
	c := cluster.ForTest(t, cluster.Options{ControllerManager: true})
	clients := clientsFor(t, c.Config())

	t.Run("a namespace finishes deleting", func(t *testing.T) { testNamespaceDeletion(t, clients) })
	t.Run("garbage is collected", func(t *testing.T) { testGarbageCollection(t, clients) })
	t.Run("identities are real", func(t *testing.T) { testIdentities(t, c) })
	t.Run("a service account's kubeconfig works", func(t *testing.T) { testServiceAccountKubeconfig(t, c) })
	t.Run("kubectl", func(t *testing.T) { testKubectl(t, c) })
}

// TestState ends a control plane and goes on with a copy of it: objects, tokens and root certificate are the same.
func TestState(t *testing.T) {
	first, err := cluster.Start(t.Context(), cluster.Options{Dir: t.TempDir() + "/first"})
	if err != nil {
		t.Fatal(err)
	}

	if _, err := clientsFor(t, first.Config()).CoreV1().ConfigMaps("default").
		Create(t.Context(), configMap("kept"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}

	flags := map[string]string{"audit-log-path": "-", "audit-policy-file": writePolicy(t)}
	second := cluster.ForTest(t, cluster.Options{State: first.Dir(), ControllerManager: true, APIServerFlags: flags})

	if diff := cmp.Diff(first.Config().CAData, second.Config().CAData); diff != "" {
		t.Errorf("root certificate: %s", diff)
	}

	if _, err := clientsFor(t, second.Config()).CoreV1().ConfigMaps("default").
		Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}

	for _, program := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		if second.PIDs()[program] == 0 {
			t.Errorf("no process id of %s", program)
		}
	}

	if log, err := os.ReadFile(second.Dir() + "/logs/kube-apiserver.log"); err != nil ||
		!strings.Contains(string(log), `"kind":"Event"`) {
		t.Errorf("the flags for the audit log have had no effect: %v", err)
	}
}

func writePolicy(t *testing.T) string {
	t.Helper()

	path := t.TempDir() + "/policy.yaml"
	policy := "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"

	if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}

	return path
}

func testNamespaceDeletion(t *testing.T, clients kubernetes.Interface) {
	ctx := t.Context()
	namespaces := clients.CoreV1().Namespaces()

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "short-lived"}}
	if _, err := namespaces.Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		t.Fatalf("creating the namespace: %v", err)
	}

	if err := namespaces.Delete(ctx, namespace.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatalf("deleting the namespace: %v", err)
	}

	eventually(t, "the namespace is gone", func(ctx context.Context) (bool, error) {
		_, err := namespaces.Get(ctx, namespace.Name, metav1.GetOptions{})

		return apierrors.IsNotFound(err), ignoreNotFound(err)
	})
}

func testGarbageCollection(t *testing.T, clients kubernetes.Interface) {
	ctx := t.Context()
	configMaps := clients.CoreV1().ConfigMaps(metav1.NamespaceDefault)

	owner, err := configMaps.Create(ctx, configMap("owner"), metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("creating the owner: %v", err)
	}

	owned := configMap("owned")
	owned.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID},
	}

	if _, err := configMaps.Create(ctx, owned, metav1.CreateOptions{}); err != nil {
		t.Fatalf("creating the owned object: %v", err)
	}

	if err := configMaps.Delete(ctx, owner.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatalf("deleting the owner: %v", err)
	}

	eventually(t, "the owned object is collected", func(ctx context.Context) (bool, error) {
		_, err := configMaps.Get(ctx, owned.Name, metav1.GetOptions{})

		return apierrors.IsNotFound(err), ignoreNotFound(err)
	})
}

func testIdentities(t *testing.T, c *cluster.Cluster) {
	for _, test := range []struct {
		name   string
		config func() (*rest.Config, error)
		want   authenticationv1.UserInfo
	}{
		{
			name:   "administrator",
			config: func() (*rest.Config, error) { return c.Config(), nil },
			want: authenticationv1.UserInfo{
				Username: "admin", Groups: []string{"system:masters", "system:authenticated"},
			},
		},
		{
			name:   "user",
			config: func() (*rest.Config, error) { return c.User("jane", "developers", "auditors") },
			want: authenticationv1.UserInfo{
				Username: "jane", Groups: []string{"developers", "auditors", "system:authenticated"},
			},
		},
		{
			name: "service account",
			config: func() (*rest.Config, error) {
				return c.ServiceAccountConfig(t.Context(), metav1.NamespaceDefault, "default")
			},
			want: authenticationv1.UserInfo{
				Username: "system:serviceaccount:default:default",
				Groups: []string{
					"system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated",
				},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			config, err := test.config()
			if err != nil {
				t.Fatalf("making the configuration: %v", err)
			}

			got := whoAmI(t, config)
			got.UID, got.Extra = "", nil // differ from run to run

			// A certificate has its groups in an order of its own.
			slices.Sort(got.Groups)
			slices.Sort(test.want.Groups)

			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("the API server sees somebody else (-want +got):\n%s", diff)
			}
		})
	}
}

func testServiceAccountKubeconfig(t *testing.T, c *cluster.Cluster) {
	path := t.TempDir() + "/service account.kubeconfig"
	if err := c.ServiceAccountKubeconfig(t.Context(), metav1.NamespaceDefault, "default", path); err != nil {
		t.Fatalf("writing the kubeconfig: %v", err)
	}

	for _, file := range []string{path, path + ".token", c.Kubeconfig()} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatalf("the file: %v", err)
		}

		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600: it is a secret", file, mode)
		}
	}

	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatalf("reading the kubeconfig: %v", err)
	}

	if got, want := whoAmI(t, config).Username, "system:serviceaccount:default:default"; got != want {
		t.Errorf("the API server sees %q, want %q", got, want)
	}
}

func testKubectl(t *testing.T, c *cluster.Cluster) {
	got, err := c.Kubectl(t.Context(), "auth", "whoami", "--output=jsonpath={.status.userInfo.username}")
	if err != nil || got != "admin" {
		t.Errorf("kubectl auth whoami: %q, %v, want admin", got, err)
	}

	_, err = c.Kubectl(t.Context(), "get", "namespace", "missing")
	if err == nil || !strings.Contains(err.Error(), `namespaces "missing" not found`) {
		t.Errorf("kubectl get of what is missing: %v, want what kubectl says", err)
	}
}

func TestStartWithoutPrograms(t *testing.T) {
	_, err := cluster.Start(t.Context(), cluster.Options{Assets: t.TempDir(), ControllerManager: true})

	for _, want := range []string{"etcd, kube-apiserver, kube-controller-manager", "make kubernetes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

func whoAmI(t *testing.T, config *rest.Config) authenticationv1.UserInfo {
	t.Helper()

	review, err := clientsFor(t, config).AuthenticationV1().SelfSubjectReviews().
		Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("asking the API server who we are: %v", err)
	}

	return review.Status.UserInfo
}

func clientsFor(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()

	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatalf("making clients: %v", err)
	}

	return clients
}

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}

	return err
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition wait.ConditionWithContextFunc) {
	t.Helper()

	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, within, true, condition)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%s: not within %s", what, within)
	}

	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
