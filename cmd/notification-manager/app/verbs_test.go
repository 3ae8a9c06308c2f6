package app

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/doubles"
)

const objects = `
apiVersion: notification.kubesphere.io/v2beta2
kind: Receiver
metadata: {name: ops, labels: {type: global}}
spec:
  webhook:
    url: https://hooks.example.com/` + marker + `
    template: nm.default.text
    httpConfig: {bearerToken: {valueFrom: {secretKeyRef: {namespace: vault, name: token, key: token}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: vault}
stringData: {token: ` + marker + `}
---
apiVersion: notification.kubesphere.io/v2beta2
kind: Receiver
metadata: {name: shop, labels: {type: tenant, user: shop}}
spec: {webhook: {url: "https://shop.example.com"}}
---
apiVersion: notification.kubesphere.io/v2beta2
kind: Silence
metadata: {name: quiet, labels: {type: tenant, user: shop}}
spec: {matcher: {matchLabels: {alertname: Noise}}}
`

const broken = `
---
apiVersion: notification.kubesphere.io/v2beta2
kind: Router
metadata: {name: r}
spec: {alertSelector: {}, receivers: {regexName: "("}}
---
apiVersion: notification.kubesphere.io/v2beta2
kind: InhibitRule
metadata: {name: i}
spec: {sourceMatcher: {}, targetMatcher: {}}
---
apiVersion: notification.kubesphere.io/v2beta2
kind: Receiver
metadata: {name: mail, labels: {type: global}}
spec: {email: {to: [ops@example.com]}}
---
apiVersion: notification.kubesphere.io/v2beta2
kind: NotificationManager
metadata: {name: nm}
spec:
  receivers:
    tenantKey: user
    globalReceiverSelector: {matchLabels: {type: global}}
    tenantReceiverSelector: {matchLabels: {type: tenant}}
  routePolicy: Sometimes
  watchdog: {matcher: {matchExpressions: [{key: a, operator: Match, regexValue: "("}]}}
`

func TestVerbs(t *testing.T) {
	t.Parallel()

	first, _, _ := strings.Cut(objects, "---")
	list := "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(first), "\n", "\n  ")

	for _, test := range []struct {
		name  string
		input string
		args  []string
		code  int
		want  []string
	}{
		{"check good", objects, []string{"check"}, 0, []string{"Receiver  ops    good", "Silence   quiet  good"}},
		{"check what is wrong", objects + broken, []string{"check"}, 1, []string{
			"spec.receivers.regexName", "spec.sourceMatcher", "email", "spec.routePolicy", "spec.watchdog.matcher", "4 of 7 objects",
		}},
		{"check as JSON", objects, []string{"check", "-o=json"}, 0, []string{`"good": true`}},
		{"check a list", list, []string{"check"}, 1, []string{"Secret vault/token"}},
		{"render", objects, []string{"render"}, 0, []string{"receiver: ops", "DiskAlmostFull", "receiver: shop"}},
		{"render one", objects, []string{"render", "--receiver=ops", "-o=table"}, 0, []string{"ops       webhook"}},
		{"render nobody", objects, []string{"render", "--receiver=x"}, 2, []string{"no such Receiver"}},
		{"render what is broken", objects + broken, []string{"render", "--receiver=mail"}, 1, []string{"nothing would be sent"}},
		{"explain", objects, []string{"explain", "-l=alertname=Down", "-l=namespace=shop"}, 0, []string{
			"ops", "shop", "true",
		}},
		{"explain a silence", objects, []string{"explain", "-l=alertname=Noise", "-l=namespace=shop"}, 0, []string{
			"silenced by quiet",
		}},
		{"explain nobody", broken, []string{"explain", "-l=alertname=Down", "-o=json", "--receiver=x"}, 0, []string{
			"there is no such receiver",
		}},
		{"not YAML", "a: b: c", []string{"check"}, 1, []string{"-: read a manifest"}},
		{"unknown field", strings.Replace(objects, "template:", "templat:", 1), []string{"check"}, 1, []string{`unknown field`}},
		{"unknown kind", strings.Replace(objects, "kind: Silence", "kind: Silense", 1), []string{"check"}, 1, []string{`"Silense"`}},
		{"nothing in it", "kind: ConfigMap\napiVersion: v1\n", []string{"check"}, 2, []string{"there is no object"}},
		{"unknown format", objects, []string{"check", "-o=xml"}, 2, []string{"want table, json or yaml"}},
		{"no label", objects, []string{"explain"}, 2, []string{"-l: give the labels"}},
		{"no pair", objects, []string{"explain", "-l=x"}, 2, []string{"want name=value"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			output, code := execute(t, test.input, append(slices.Clone(test.args), "-f=-")...)
			if code != test.code {
				t.Errorf("the exit code is %d, want %d", code, test.code)
			}

			for _, want := range test.want {
				if !strings.Contains(output, want) {
					t.Errorf("%q is missing", want)
				}
			}

			if strings.Contains(output, marker) {
				t.Error("a credential is shown")
			}

			if t.Failed() {
				t.Log(output)
			}
		})
	}
}

// A service that runs explains the same.
func TestExplainOfAServer(t *testing.T) {
	to := newSink(t)
	world := secrets(t, to, `
  auth: {bearerToken: {value: let-me-in}}
`)
	process := start(t, world, t.TempDir()).ready(t)

	listening := httptest.NewServer(process.handler)
	t.Cleanup(listening.Close)

	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("let-me-in\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	output, code := execute(t, "", "explain", "--server="+listening.URL, "-l=alertname=Down", "--token-file="+file)
	if code != 0 || !strings.Contains(output, "stored") {
		t.Errorf("exit code %d: %s", code, output)
	}

	output, code = execute(t, "", "explain", "--server="+listening.URL, "-l=alertname=Down")
	if code != 1 || !strings.Contains(output, "401") {
		t.Errorf("exit code %d: %s", code, output)
	}
}

func TestUsage(t *testing.T) {
	folder := t.TempDir()
	kubeconfig := filepath.Join(folder, "kubeconfig")

	if err := os.WriteFile(kubeconfig, []byte("no kubeconfig"), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"version"}, 0, "notification-manager v1.2.3 go"},
		{[]string{"nosuch"}, 2, "unknown argument"},
		{[]string{"check"}, 2, "-f: name a file"},
		{[]string{"check", "-f=/nosuch/file"}, 2, "no such file"},
		{[]string{"--nosuch"}, 2, "unknown flag"},
		{[]string{"--log.level=loud"}, 2, "--log.level=loud"},
		{[]string{"--log.format=xml"}, 2, "--log.format=xml"},
		{[]string{"--webhook.timeout=0s"}, 2, "--webhook.timeout"},
		{[]string{"--worker.timeout=0s"}, 2, "--worker.timeout"},
		{[]string{"--sends-abreast=0"}, 2, "--sends-abreast"},
		{[]string{"explain", "-l=a=b", "--server=nowhere"}, 2, "--server=nowhere"},
		{[]string{
			"--kubeconfig=" + kubeconfig, "--log.level=debug", "--log.format=json", "--webhook.address=:0",
			"--webhook.timeout=5s", "--worker.timeout=30s", "--worker.queue=1000", "--store.type=memory",
			"--store.memory.queue=10000", "--store.memory.pushTimeout=3s",
		}, 1, "find the cluster"},
		{[]string{"run", "--kubeconfig=" + kubeconfig}, 1, "find the cluster"},
	} {
		output, code := execute(t, "", test.args...)
		if code != test.code || !strings.Contains(output, test.want) {
			t.Errorf("%v: exit code %d, want %d with %q: %s", test.args, code, test.code, test.want, output)
		}
	}
}

// Two processes do not share a store, and say so.
func TestStoreInUse(t *testing.T) {
	t.Parallel() // it waits for the lock

	folder := t.TempDir()
	world := doubles.New(t)
	world.Put(doubles.Manager(t, ""))
	start(t, world, folder).ready(t)

	built, err := assemble(&Options{Address: "127.0.0.1:0", Data: folder, Abreast: 1}, folder,
		outside(world, &applied{texts: map[string]string{}}))
	if err != nil {
		t.Fatal(err)
	}

	if err := built.run(t.Context()); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("it ends with %v", err)
	}
}
