package rulegroup

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Kind is what tests need to know of one of the three kinds.
type Kind struct {
	Descriptor manager.Descriptor
	Object     client.Object
	List       client.ObjectList
	Status     func(client.Object) *alertingv2beta1.RuleGroupStatus
}

// Kinds lists the three with their controllers.
func Kinds(settings *Settings) []Kind {
	described := Descriptors(settings)

	var all []Kind
	for i, kind := range kinds() {
		all = append(all, Kind{described[i], kind.object(), kind.list(), kind.status})
	}

	return all
}
