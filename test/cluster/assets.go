package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The programs of a control plane, as they are called in the assets folder.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
	kubectl           = "kubectl"
)

// remedy is what to do when programs are missing.
const remedy = "run `make kubernetes`"

// buildScript builds Kubernetes, and knows where its build is.
const buildScript = "hack/kubernetes/build.sh"

// needed returns the programs that these options start.
func (o Options) needed() []string {
	programs := []string{etcd, apiServer}
	if o.ControllerManager {
		programs = append(programs, controllerManager)
	}

	if o.Scheduler {
		programs = append(programs, scheduler)
	}

	return programs
}

// findAssets returns the folder with the programs: the one asked for, else the one that KUBEBUILDER_ASSETS
// names if it has what is needed (it often has only etcd and the API server), else our own build.
func findAssets(ctx context.Context, options Options) (string, error) {
	if options.Assets != "" {
		if missing := missingPrograms(options.Assets, options.needed()); len(missing) > 0 {
			return "", fmt.Errorf("no %s in %s: %s", strings.Join(missing, ", "), options.Assets, remedy)
		}

		return absolute(options.Assets)
	}

	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets != "" && len(missingPrograms(assets, options.needed())) == 0 {
		return absolute(assets)
	}

	return ownBuild(ctx)
}

func absolute(folder string) (string, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("finding the folder %s: %w", folder, err)
	}

	return path, nil
}

func missingPrograms(folder string, programs []string) []string {
	var missing []string

	for _, program := range programs {
		info, err := os.Stat(filepath.Join(folder, program))
		if err != nil || info.IsDir() || info.Mode().Perm()&0o111 == 0 {
			missing = append(missing, program)
		}
	}

	return missing
}

// ownBuild asks the build script of the checkout we are in, which alone knows what the build depends on.
func ownBuild(ctx context.Context) (string, error) {
	script, err := findUpwards(buildScript)
	if err != nil {
		return "", err
	}

	var stdout, stderr bytes.Buffer

	cmd := exec.CommandContext(ctx, script, "--path")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr

	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("no Kubernetes to start: %s (%w): %s", strings.TrimSpace(stderr.String()), err, remedy)
	}

	return strings.TrimSpace(stdout.String()), nil
}

// findUpwards looks for a file in the working directory and the folders above it: "go test" runs a package's
// tests in the folder of the package.
func findUpwards(name string) (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w", name, err)
	}

	for {
		path := filepath.Join(folder, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}

		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("no Kubernetes to start: outside of the checkout, name the folder with its programs")
		}

		folder = parent
	}
}
