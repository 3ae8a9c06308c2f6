package supervisor_test

import (
	"context"
	"os"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/cmd/ks-controller-manager/app"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// childFlag is set for a process that is the manager itself, with the command line of the product: it can be told
// to stop by a signal, and killed.
const childFlag = "KS_SUPERVISOR_TEST_CHILD"

// What the flag is set to.
const (
	plainChild    = "plain"
	stubbornChild = "stubborn"
)

// stubbornFor is how long a run of a stubborn controller takes.
const stubbornFor = 300 * time.Millisecond

// stubborn has the runs of a controller take their time, and finish what they do also when they are told to stop.
func stubborn(descriptor manager.Descriptor) manager.Descriptor {
	build := descriptor.New

	descriptor.New = func(dependencies manager.Dependencies) (*manager.Controller, error) {
		built, err := build(dependencies)
		if err != nil {
			return nil, err
		}

		inner := built.Reconciler
		slow := func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
			<-time.After(stubbornFor)

			return inner.Reconcile(context.WithoutCancel(ctx), request)
		}
		built.Reconciler = reconcile.Func(slow)

		return built, nil
	}

	return descriptor
}

func isChild() bool { return os.Getenv(childFlag) != "" }

// runChild is the main of that process.
func runChild() int {
	gadget, _ := gadgets()
	widget, _ := widgets()

	if os.Getenv(childFlag) == stubbornChild {
		gadget = stubborn(gadget)
	}

	return app.Main("ks-controller-manager", "test", manager.Catalog{gadget, widget}, os.Args[1:])
}
