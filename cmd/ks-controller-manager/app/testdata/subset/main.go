// Command subset hosts the controllers of one domain: all that a second binary takes.
package main

import (
	"os"

	"github.com/ks-core/ks-controller-manager/cmd/ks-controller-manager/app"
	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func main() {
	os.Exit(app.Main("subset", "v1", controllers.Catalog().OfDomain(manager.Tenancy)[:1], os.Args[1:]))
}
