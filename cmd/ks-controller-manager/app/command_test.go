package app_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ks-core/ks-controller-manager/cmd/ks-controller-manager/app"
	"github.com/ks-core/ks-controller-manager/pkg/controllers"
)

// output runs the command in this process and returns what it printed and its error.
func output(t *testing.T, arguments ...string) (string, error) {
	t.Helper()

	command, err := app.NewCommand("ks-controller-manager", "v1.2.3", controllers.Catalog())
	if err != nil {
		t.Fatal(err)
	}

	var out bytes.Buffer

	command.SetOut(&out)
	command.SetArgs(arguments)

	err = command.ExecuteContext(t.Context())

	return out.String(), err
}

func TestVersion(t *testing.T) {
	t.Parallel()

	out, err := output(t, "version")
	if err != nil || !strings.HasPrefix(out, "ks-controller-manager v1.2.3 go") {
		t.Errorf("version: %q, %v", out, err)
	}
}

func TestControllersNeedNoCluster(t *testing.T) {
	t.Parallel()

	tests := map[string][]string{
		"table": {"NAME", "workspace-template", "tenancy", "WorkspaceTemplate", "ks-controller-manager-tenancy"},
		"json":  {`"name": "workspace"`, `"aliases": [`, `"Workspace.v1beta1.tenant.kubesphere.io"`},
		"yaml":  {"- default: true", "name: workspace-template"},
	}

	for format, wants := range tests {
		t.Run(format, func(t *testing.T) {
			t.Parallel()

			out, err := output(t, "controllers", "-o", format)
			if err != nil {
				t.Fatal(err)
			}

			for _, want := range wants {
				if !strings.Contains(out, want) {
					t.Errorf("the output lacks %q:\n%s", want, out)
				}
			}
		})
	}
}

func TestHelpIsGrouped(t *testing.T) {
	t.Parallel()

	out, err := output(t, "--help")
	if err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{
		"Controllers flags:", "Api server flags:", "Leader election flags:", "Diagnostics flags:",
		"tenancy: workspace, workspace-template", "WorkspaceTemplate=true|false (BETA - default=true)",
		"Commands:", "version", "controllers",
	} {
		if !strings.Contains(strings.ToLower(out), strings.ToLower(want)) {
			t.Errorf("the help lacks %q:\n%s", want, out)
		}
	}

	if strings.Contains(out, "logtostderr") {
		t.Error("the help shows a flag that has no effect")
	}
}

// build compiles a main package into a temporary folder.
func build(t *testing.T, source string) string {
	t.Helper()

	binary := filepath.Join(t.TempDir(), "binary")

	// With the flags of "make build": what that has compiled is not compiled again.
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", binary, source)

	command.Env = append(os.Environ(), "CGO_ENABLED=0")

	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", source, err, out)
	}

	return binary
}

// run runs a binary without any cluster in reach, and returns its error output and exit code.
func run(t *testing.T, binary string, arguments ...string) (string, int) {
	t.Helper()

	var stdout, stderr bytes.Buffer

	command := exec.CommandContext(t.Context(), binary, arguments...)
	command.Stdout, command.Stderr = &stdout, &stderr

	command.Env = append(os.Environ(), "KUBECONFIG=", "KUBERNETES_SERVICE_HOST=")

	// What matters of the error is the exit code.
	_ = command.Run()

	return stdout.String() + stderr.String(), command.ProcessState.ExitCode()
}

func TestSecondBinary(t *testing.T) {
	t.Parallel()

	out, code := run(t, build(t, "./testdata/subset"), "controllers")
	if code != 0 || !strings.Contains(out, "workspace") || strings.Contains(out, "workspace-template") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// Whatever is wrong with the command line or the way to the cluster is told in one line.
func TestRefusals(t *testing.T) {
	t.Parallel()

	binary := build(t, "..")

	malformed := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(malformed, []byte("clusters: ["), 0o600); err != nil {
		t.Fatal(err)
	}

	tests := map[string]struct {
		arguments []string
		code      int
		want      string
	}{
		"unknown controller": {[]string{"--controllers=workspce"}, 2, `unknown controller "workspce"; did you mean "workspace"`},
		"unknown gate":       {[]string{"--feature-gates=Workspce=true"}, 2, `unknown feature gate "Workspce"; did you mean "Workspace"`},
		"several mistakes": {
			[]string{"--controllers=x", "--feature-gates=y=true", "--leader-elect-retry-period=1h"},
			2,
			"--leader-elect-lease-duration=15s, --leader-elect-renew-deadline=10s and --leader-elect-retry-period=1h0m0s",
		},
		"nothing selected":     {[]string{"--controllers=virtualservice"}, 2, "selects no controller of this binary"},
		"unknown flag":         {[]string{"--unknown"}, 2, "unknown flag: --unknown"},
		"unknown argument":     {[]string{"start"}, 2, `unknown argument "start"`},
		"unknown log format":   {[]string{"--logging-format=xml", "--master=https://127.0.0.1:1"}, 2, `"xml"`},
		"no cluster":           {nil, 1, "no --kubeconfig, no $KUBECONFIG, and not in a pod"},
		"missing kubeconfig":   {[]string{"--kubeconfig=/does/not/exist"}, 1, `kubeconfig "/does/not/exist"`},
		"malformed kubeconfig": {[]string{"--kubeconfig=" + malformed}, 1, malformed},
		"unreachable": {
			[]string{"--master=https://127.0.0.1:1"},
			1,
			"cannot reach the API server at https://127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused",
		},
		"flags of KubeSphere's charts": {
			[]string{
				"--logtostderr=true", "--stderrthreshold=2", "--debug", "--leader-elect=true", "--controllers=*",
				"--leader-elect-lease-duration=30s", "--webhook-cert-dir=/tmp/none", "--v=0", "--master=https://127.0.0.1:1",
			}, 1, "cannot reach the API server",
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			out, code := run(t, binary, test.arguments...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}

			if !strings.Contains(out, test.want) {
				t.Errorf("the output lacks %q:\n%s", test.want, out)
			}

			if strings.Contains(out, "goroutine ") || strings.Count(out, "ks-controller-manager: ") != 1 {
				t.Errorf("not one clear line:\n%s", out)
			}
		})
	}
}
