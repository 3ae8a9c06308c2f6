package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/test/cluster/process"
)

const ruleAdmission = "ks-rule-admission"

// warned notes the warnings that a client gets.
type warned struct {
	mutex sync.Mutex
	texts []string
}

func (w *warned) HandleWarningHeader(_ int, _, text string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	w.texts = append(w.texts, text)
}

func (w *warned) take() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	texts := w.texts
	w.texts = nil

	return texts
}

// startRuleAdmission runs the webhook as its account with its roles, and returns what ends it. A cluster of tests has
// no Services, so the API server is told an address instead.
func startRuleAdmission(t *testing.T, binary string) func() {
	t.Helper()

	dir, address, probes := t.TempDir(), freeAddress(t), freeAddress(t)
	kubeconfig := filepath.Join(dir, "kubeconfig")

	if err := shared.ServiceAccountKubeconfig(t.Context(), accountNamespace, ruleAdmission, kubeconfig); err != nil {
		t.Fatal(err)
	}

	running, err := process.Start(process.Command{
		Name: ruleAdmission, Path: binary, Log: filepath.Join(dir, "log"),
		Args: []string{
			"admission", "--kubeconfig=" + kubeconfig, "--namespace=" + accountNamespace, "--bind-address=" + address,
			"--health-probe-bind-address=" + probes, "--host=127.0.0.1",
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	stop := sync.OnceFunc(func() {
		if err := running.Stop(); err != nil {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Errorf("the webhook: %v\n%s", err, log)
		}
	})
	t.Cleanup(stop)

	patch := fmt.Sprintf(`[{"op": "replace", "path": "/webhooks/0/clientConfig",
		"value": {"url": "https://%s/validate-rules"}}]`, address)

	err = admin.Patch(t.Context(), webhookConfiguration(), client.RawPatch(types.JSONPatchType, []byte(patch)))
	if err != nil {
		t.Fatal(err)
	}

	eventually(t, "the webhook is ready", func(ctx context.Context) error {
		body, err := get(ctx, "http://"+probes+"/readyz")
		if err == nil && string(body) != "ok\n" {
			err = errors.New(string(body))
		}

		return err
	})

	return stop
}

func webhookConfiguration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	configuration.Name = ruleAdmission

	return configuration
}

func buildRuleAgent(t *testing.T) string {
	t.Helper()

	binary := filepath.Join(t.TempDir(), "ks-rule-agent")

	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", binary,
		"./cmd/ks-rule-agent")
	build.Dir = root

	build.Env = append(os.Environ(), "CGO_ENABLED=0")

	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the webhook: %v\n%s", err, output)
	}

	return binary
}

// badGroup is a new group with a rule that nobody can parse.
func badGroup(namespace, name string) *alertingv2beta1.RuleGroup {
	group := ruleGroup(namespace, name)
	group.Spec.Rules[1].Expr = "sum("

	return group
}

// awaitRefusals waits until the API server asks the webhook, and trusts its answer.
func awaitRefusals(t *testing.T, asked client.Client) {
	t.Helper()

	eventually(t, "a bad group is refused", func(ctx context.Context) error {
		err := asked.Create(ctx, badGroup("admitted", "probe"), client.DryRunAll)
		if apierrors.IsInvalid(err) {
			return nil
		}

		return fmt.Errorf("got %w", err)
	})
}

func TestRuleAdmission(t *testing.T) {
	namespace(t, "admitted")

	component := root + "/config/components/rule-admission"
	if _, err := shared.Kubectl(t.Context(), "apply", "--server-side", "-k", component); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		_, err := shared.Kubectl(context.WithoutCancel(t.Context()), "delete", "-k", component, "--ignore-not-found")
		if err != nil {
			t.Error(err)
		}
	})

	warnings := &warned{}
	asked := clientWith(t, func(config *rest.Config) { config.WarningHandler = warnings })
	binary := buildRuleAgent(t)
	stop := startRuleAdmission(t, binary)
	awaitRefusals(t, asked)

	t.Run("a bad rule is refused by its field", func(t *testing.T) {
		checkRefusal(t, asked.Create(t.Context(), badGroup("admitted", "bad")))
	})

	t.Run("who only asks is shown what is evaluated", func(t *testing.T) {
		warnings.take()

		group := ruleGroup("admitted", "asked")
		group.Spec.Rules = group.Spec.Rules[:1]

		if err := asked.Create(t.Context(), group, client.DryRunAll); err != nil {
			t.Fatal(err)
		}

		text := strings.Join(warnings.take(), "\n")
		if !strings.Contains(text, `Down: up{namespace="admitted"} == 0`) {
			t.Errorf("warnings are %q", text)
		}
	})

	t.Run("namespaces of the system and the manager are let through", func(t *testing.T) {
		manager := clientWith(t, func(config *rest.Config) {
			config.Impersonate.UserName = "system:serviceaccount:" + accountNamespace + ":" + accountName
			config.Impersonate.Groups = []string{"system:masters"}
		})

		for _, err := range []error{
			asked.Create(t.Context(), badGroup("kube-system", "bad"), client.DryRunAll),
			manager.Create(t.Context(), badGroup("admitted", "bad"), client.DryRunAll),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	})

	t.Run("who asks about what is there already is shown it too", func(t *testing.T) {
		group := ruleGroup("admitted", "there")
		group.Spec.Rules = group.Spec.Rules[:1]
		create(t, group)
		warnings.take()

		if err := asked.Update(t.Context(), group, client.DryRunAll); err != nil {
			t.Fatal(err)
		}

		if text := strings.Join(warnings.take(), "\n"); !strings.Contains(text, `up{namespace="admitted"} == 0`) {
			t.Errorf("warnings are %q", text)
		}
	})

	trusted := bundle(t)

	t.Run("nobody is held up when it is gone", func(t *testing.T) {
		stop()

		if err := asked.Create(t.Context(), badGroup("admitted", "unseen")); err != nil {
			t.Error(err)
		}
	})

	t.Run("the next one goes on with the same authority", func(t *testing.T) {
		startRuleAdmission(t, binary)
		awaitRefusals(t, asked)

		if bundle(t) != trusted {
			t.Error("there is another authority")
		}

		// What was let in without it is no obstacle now.
		patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"interval":"2m"}}`))
		if err := asked.Patch(t.Context(), badGroup("admitted", "unseen"), patch); err != nil {
			t.Error(err)
		}
	})
}

// checkRefusal wants that the field is named, for people and for programs.
func checkRefusal(t *testing.T, err error) {
	t.Helper()

	status, refused := errors.AsType[*apierrors.StatusError](err)
	if !refused || !strings.Contains(err.Error(), "spec.rules[1].expr (Broken): ") {
		t.Fatalf("got %v", err)
	}

	details := status.Status().Details
	if details == nil || len(details.Causes) != 1 || details.Causes[0].Field != "spec.rules[1].expr" {
		t.Errorf("got %+v", details)
	}
}

// bundle is whom the API server trusts.
func bundle(t *testing.T) string {
	t.Helper()

	configuration := webhookConfiguration()
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(configuration), configuration); err != nil {
		t.Fatal(err)
	}

	return string(configuration.Webhooks[0].ClientConfig.CABundle)
}

// clientWith is an administrator's client that differs in something.
func clientWith(t *testing.T, change func(*rest.Config)) client.Client {
	t.Helper()

	config := rest.CopyConfig(shared.Config())
	change(config)

	made, err := client.New(config, client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}

	return made
}
