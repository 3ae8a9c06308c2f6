package supervisor_test

import (
	"os"

	"github.com/ks-core/ks-controller-manager/cmd/ks-controller-manager/app"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// childFlag is set for a process that is the manager itself, with the command line of the product: it can be told
// to stop by a signal, and killed.
const childFlag = "KS_SUPERVISOR_TEST_CHILD"

func isChild() bool { return os.Getenv(childFlag) != "" }

// runChild is the main of that process.
func runChild() int {
	gadget, _ := gadgets()
	widget, _ := widgets()

	return app.Main("ks-controller-manager", "test", manager.Catalog{gadget, widget}, os.Args[1:])
}
