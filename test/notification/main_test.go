// Package notification runs the delivery service as it runs in a cluster: a process of its own with an account of its
// own, a real API server to read from, a real disk, a real mail server and doubles of the other providers.
package notification_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/rendering"
	"github.com/ks-core/ks-controller-manager/test/cluster"
)

const (
	root      = "../.."
	namespace = "kubesphere-monitoring-system"
	secrets   = notificationv2beta2.SecretNamespace
	account   = "notification-manager-delivery"
	patience  = time.Minute
)

// What all tests share.
var (
	folder     string // of the programs
	kubeconfig string // of the account
	admin      client.Client
	shared     *cluster.Cluster
	unprepared error
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ks-notification-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()

	folder = dir

	// What goes wrong in preparing is the failure of whoever needs it.
	return cluster.Main(m, cluster.Options{}, func(c *cluster.Cluster) {
		shared = c
		unprepared = install()
	})
}

// install makes the account with the rights that the controller gives it, and what tests need.
func install() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()

	if err := errors.Join(build(ctx, "notification-manager"), build(ctx, "saboteur", "-tags=saboteur")); err != nil {
		return err
	}

	definitions, err := filepath.Glob(root + "/config/crd/bases/notification.kubesphere.io_*.yaml")
	if err != nil {
		return err
	}

	if _, err := shared.Kubectl(ctx, "apply", "--server-side", "-f", strings.Join(definitions, ",")); err != nil {
		return err
	}

	_, err = shared.Kubectl(ctx, "wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
	if err != nil {
		return err
	}

	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), notificationv2beta2.AddToScheme(scheme)); err != nil {
		return err
	}

	if admin, err = client.New(shared.Config(), client.Options{Scheme: scheme}); err != nil {
		return err
	}

	for _, object := range rights() {
		if err := admin.Create(ctx, object); err != nil {
			return err
		}
	}

	kubeconfig = filepath.Join(folder, "kubeconfig")

	return shared.ServiceAccountKubeconfig(ctx, namespace, account, kubeconfig)
}

// build builds the service, as it is released or with a tag.
func build(ctx context.Context, name string, flags ...string) error {
	arguments := slices.Concat(
		[]string{"build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(folder, name)}, flags,
		[]string{"./cmd/notification-manager"})
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = root

	command.Env = append(os.Environ(), "CGO_ENABLED=0")

	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", name, err, output)
	}

	return nil
}

// rights are the account and what it may do.
func rights() []client.Object {
	named := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name}
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}}

	return []client.Object{
		&corev1.Namespace{ObjectMeta: named("", namespace)},
		&corev1.Namespace{ObjectMeta: named("", secrets)},
		&corev1.ServiceAccount{ObjectMeta: named(namespace, account)},
		&rbacv1.ClusterRole{ObjectMeta: named("", account), Rules: rendering.ClusterRules()},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: named("", account), Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: account},
		},
		&rbacv1.Role{ObjectMeta: named(secrets, account), Rules: rendering.NamespaceRules()},
		&rbacv1.RoleBinding{
			ObjectMeta: named(secrets, account), Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: account},
		},
	}
}
