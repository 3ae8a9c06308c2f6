// Command ks-rule-agent brings PrometheusRules into a Prometheus or a Thanos Ruler within seconds, without an operator.
package main

import (
	"os"

	"github.com/ks-core/ks-controller-manager/cmd/ks-rule-agent/app"
)

// version is set by the linker in release builds.
var version string

func main() {
	os.Exit(app.Main("ks-rule-agent", version, os.Args[1:]))
}
