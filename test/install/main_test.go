// Package install installs and removes everything on a control plane of its own, with the commands of the guide,
// and shows what other orders do.
package install_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/test/cluster"
)

const (
	root = "../.."

	// timeout is generous: the garbage collector looks for new kinds every 30 s, and nothing is orphaned before.
	timeout = 2 * time.Minute

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

		scheme := runtime.NewScheme()

		err := errors.Join(clientgoscheme.AddToScheme(scheme), tenantv1beta1.AddToScheme(scheme))
		if err == nil {
			config := rest.CopyConfig(c.Config())
			config.WarningHandler = rest.NoWarnings{} // some kinds are listed only because all are
			admin, err = client.New(config, client.Options{Scheme: scheme})
		}

		if err != nil {
			fmt.Fprintln(os.Stderr, "make a client:", err)
			os.Exit(1)
		}
	}))
}

// kubectl runs a command that must succeed.
func kubectl(t *testing.T, arguments ...string) string {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), 2*timeout)
	defer cancel()

	out, err := shared.Kubectl(ctx, arguments...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	return out
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
