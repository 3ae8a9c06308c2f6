package routing

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// ConfigOf makes a Config of what a NotificationManager says. A word that is not known is a finding and the default
// counts in its place, which leaves nobody out. The resolver is nil where no sidecar knows the tenants.
func ConfigOf(
	spec *notificationv2beta2.NotificationManagerSpec, resolve TenantResolver,
) (Config, field.ErrorList) {
	made := Config{Resolve: resolve}
	path := field.NewPath("spec")

	var problems field.ErrorList

	switch spec.RoutePolicy {
	case "", notificationv2beta2.RouteAll:
		made.Policy = All
	case notificationv2beta2.RouteRouterFirst:
		made.Policy = RouterFirst
	case notificationv2beta2.RouteRouterOnly:
		made.Policy = RouterOnly
	default:
		known := []notificationv2beta2.RoutePolicy{
			notificationv2beta2.RouteAll, notificationv2beta2.RouteRouterFirst, notificationv2beta2.RouteRouterOnly,
		}
		problems = append(problems, field.NotSupported(path.Child("routePolicy"), spec.RoutePolicy, known))
	}

	switch spec.TenantMatch {
	case "", notificationv2beta2.TenantMatchNamespaceLabel:
		made.Tenants = NamespaceLabel
	case notificationv2beta2.TenantMatchRuleLevel:
		made.Tenants = RuleLevel
	default:
		known := []notificationv2beta2.TenantMatch{
			notificationv2beta2.TenantMatchNamespaceLabel, notificationv2beta2.TenantMatchRuleLevel,
		}
		problems = append(problems, field.NotSupported(path.Child("tenantMatch"), spec.TenantMatch, known))
	}

	return made, problems
}
