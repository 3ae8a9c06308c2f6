// Package alerting lists the controllers of the domain.
package alerting

import (
	"slices"

	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/alertingpolicy"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/builtinrules"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/rulegroup"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/rulemigration"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Descriptors returns the controllers of the domain. Where rules are written is the same for all of them.
func Descriptors() manager.Catalog {
	settings := rulegroup.DefaultSettings()

	return slices.Concat(
		rulegroup.Descriptors(settings),
		manager.Catalog{alertingpolicy.Descriptor(), builtinrules.Descriptor()},
		rulemigration.Descriptors(rulemigration.DefaultSettings(settings)),
	)
}
