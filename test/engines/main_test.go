// Package engines runs the agent between a real API server and the real evaluators: Prometheus and Thanos Ruler, with
// a real Alertmanager behind them.
package engines_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/test/cluster"
)

const (
	root       = "../.."
	namespace  = "kubesphere-monitoring-system"
	account    = "ks-rule-agent"
	patience   = 2 * time.Minute
	components = root + "/config/components"
)

// What all tests share. Where the engines are not built, nothing is set.
var (
	engines    string // the folder of the programs
	unprepared error
	agent      string // the program
	kubeconfig string // of the agent's account
	admin      client.Client
	shared     *cluster.Cluster
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	folder, err := find("prometheus", "alertmanager")
	if err != nil { // No test will do anything.
		return m.Run()
	}

	engines = folder

	dir, err := os.MkdirTemp("", "ks-engines-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()

	// What goes wrong in preparing is the failure of whoever needs it.
	return cluster.Main(m, cluster.Options{}, func(c *cluster.Cluster) {
		shared = c
		unprepared = install(dir)
	})
}

// find asks the script that builds the engines where these are.
func find(names ...string) (string, error) {
	var stderr bytes.Buffer

	command := exec.CommandContext(context.Background(), root+"/hack/engines/build.sh",
		append([]string{"--path"}, names...)...)
	command.Stderr = &stderr

	path, err := command.Output()
	if err != nil {
		return "", errors.New(strings.TrimSpace(stderr.String()))
	}

	return strings.TrimSpace(string(path)), nil
}

// operatorFolder asks the script that builds prometheus-operator where that is.
func operatorFolder(tb testing.TB) string {
	tb.Helper()

	var stderr bytes.Buffer

	command := exec.CommandContext(tb.Context(), root+"/hack/operator/build.sh", "--path")
	command.Stderr = &stderr

	path, err := command.Output()

	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		tb.Fatal(stderr.String())
	default:
		tb.Skip(stderr.String())
	}

	return strings.TrimSpace(string(path))
}

// need skips a test where an engine is not built. What checks every change must have built them.
func need(tb testing.TB, names ...string) {
	tb.Helper()

	_, err := find(names...)

	switch {
	case err == nil && unprepared == nil:
	case err == nil:
		tb.Fatal(unprepared)
	case os.Getenv("CI") == "true":
		tb.Fatal(err)
	default:
		tb.Skip(err)
	}
}

// install builds the agent and gives it what it needs in the cluster.
func install(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()

	agent = filepath.Join(dir, "ks-rule-agent")

	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", agent, "./cmd/ks-rule-agent")
	build.Dir = root

	build.Env = append(os.Environ(), "CGO_ENABLED=0")

	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the agent: %w: %s", err, output)
	}

	for _, arguments := range [][]string{
		{"create", "namespace", namespace},
		{"apply", "--server-side", "-f", components + "/prometheusrule-crd/monitoring.coreos.com_prometheusrules.yaml"},
		{"apply", "--server-side", "-f", components + "/rule-agent/rbac.yaml"},
		{"wait", "--for=condition=Established", "crd", "--all", "--timeout=20s"},
	} {
		if _, err := shared.Kubectl(ctx, arguments...); err != nil {
			return err
		}
	}

	kubeconfig = filepath.Join(dir, "kubeconfig")
	if err := shared.ServiceAccountKubeconfig(ctx, namespace, account, kubeconfig); err != nil {
		return err
	}

	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), monitoringv1.AddToScheme(scheme),
		alertingv2beta1.AddToScheme(scheme)); err != nil {
		return err
	}

	var err error

	admin, err = client.New(shared.Config(), client.Options{Scheme: scheme})

	return err
}
