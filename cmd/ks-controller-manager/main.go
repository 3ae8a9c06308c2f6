// Command ks-controller-manager hosts the controllers of all domains in one process.
package main

import (
	"os"

	_ "time/tzdata" // an image need not have time zones

	"github.com/ks-core/ks-controller-manager/cmd/ks-controller-manager/app"
	"github.com/ks-core/ks-controller-manager/pkg/controllers"
)

// version is set by the linker in release builds.
var version string

func main() {
	os.Exit(app.Main("ks-controller-manager", version, controllers.Catalog(), os.Args[1:]))
}
