// Command notification-manager takes alerts, keeps them until they have arrived, and tells people of them.
package main

import (
	"os"

	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/app"

	_ "time/tzdata" // an image need not have time zones
)

// version is set by the linker in release builds.
var version string

func main() {
	os.Exit(app.Main("notification-manager", version, os.Args[1:]))
}
