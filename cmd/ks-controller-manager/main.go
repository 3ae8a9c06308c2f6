// Command ks-controller-manager hosts the controllers of all domains in one process.
package main

import (
	"os"

	"github.com/ks-core/ks-controller-manager/cmd/ks-controller-manager/app"
	"github.com/ks-core/ks-controller-manager/pkg/controllers"

	_ "time/tzdata" // an image need not have time zones
)

// version is set by the linker in release builds.
var version string

func main() {
	os.Exit(app.Main("ks-controller-manager", version, controllers.Catalog(), os.Args[1:]))
}
