// Command kube is a whole Kubernetes control plane in one binary: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler and kubectl, built from their Go modules.
//
// It acts as the program it is called by (a link named "etcd" makes it etcd, as controller-runtime's
// envtest expects of its assets folder), or by its first argument: "kube kubectl get nodes".
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

// programs maps the name each program is called by to its main, which returns the exit code.
var programs = map[string]func(args []string) int{
	"etcd": func(args []string) int {
		etcdmain.Main(args)

		return 0
	},
	"kube-apiserver":          func([]string) int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func([]string) int { return cli.Run(controllermanager.NewControllerManagerCommand()) },
	"kube-scheduler":          func([]string) int { return cli.Run(scheduler.NewSchedulerCommand()) },
	"kubectl":                 runKubectl,
}

func main() {
	args := os.Args
	name := filepath.Base(args[0])

	if _, known := programs[name]; !known && len(args) > 1 {
		args = args[1:]
		name = args[0]
	}

	program, known := programs[name]
	if !known {
		fmt.Fprintf(os.Stderr, "kube: unknown program %q: want one of %s\n", name, strings.Join(programNames(), ", "))
		os.Exit(2)
	}

	os.Args = args

	exitWithParent()
	os.Exit(program(args))
}

// runKubectl is kubectl's own main: its commands print their errors themselves.
func runKubectl([]string) int {
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err) // prints the error and exits
	}

	return 0
}

func programNames() []string {
	names := make([]string, 0, len(programs))
	for name := range programs {
		names = append(names, name)
	}

	slices.Sort(names)

	return names
}
