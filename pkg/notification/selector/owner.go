package selector

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// Kind says whose an object is.
type Kind uint8

const (
	// Ignored is an object of nobody: it has no effect.
	Ignored Kind = iota
	// Global is an object of the platform.
	Global
	// Tenant is an object of one tenant.
	Tenant
)

// String is the word for a kind that users read.
func (k Kind) String() string {
	switch k {
	case Global:
		return "global"
	case Tenant:
		return "tenant"
	case Ignored:
		return "ignored"
	default:
		return "unknown"
	}
}

// Owner is whose an object is: the platform's, one tenant's, or nobody's.
type Owner struct {
	Kind Kind
	// Tenant is the tenant's name, of the kind Tenant only.
	Tenant string
}

// DefaultTenantKey is the label with the tenant's name where the NotificationManager names none.
const DefaultTenantKey = notificationv2beta2.TenantLabel

// Ownership is how the labels of an object say whose it is. The maps are the matchLabels of the selectors in
// NotificationManager.spec.receivers; their matchExpressions have never counted.
type Ownership struct {
	// Global are the labels of the platform's objects.
	Global map[string]string
	// Tenant are the labels of tenants' objects.
	Tenant map[string]string
	// TenantKey is the label with the tenant's name; empty is DefaultTenantKey.
	TenantKey string
}

// OwnershipOf is what a NotificationManager says. A selector that is missing selects nothing.
func OwnershipOf(spec *notificationv2beta2.ReceiversSpec) Ownership {
	return Ownership{
		Global:    matchLabels(spec.GlobalReceiverSelector),
		Tenant:    matchLabels(spec.TenantReceiverSelector),
		TenantKey: spec.TenantKey,
	}
}

func matchLabels(of *metav1.LabelSelector) map[string]string {
	if of == nil {
		return nil
	}

	return of.MatchLabels
}

// Of says whose a Receiver or a Config is. One of the labels is enough, and an object with the labels of both kinds
// is the platform's.
func (o Ownership) Of(set map[string]string) Owner {
	return o.owner(set, AnyOf)
}

// OfSilence says whose a Silence is. Other than with a Receiver, all of the labels count.
func (o Ownership) OfSilence(set map[string]string) Owner {
	return o.owner(set, allOf)
}

func (o Ownership) owner(set map[string]string, has func(wanted, set map[string]string) bool) Owner {
	if has(o.Global, set) {
		return Owner{Kind: Global}
	}

	key := o.TenantKey
	if key == "" {
		key = DefaultTenantKey
	}

	if tenant := set[key]; tenant != "" && has(o.Tenant, set) {
		return Owner{Kind: Tenant, Tenant: tenant}
	}

	return Owner{}
}

// AnyOf tells whether a set has one of the wanted labels. It has none of none.
func AnyOf(wanted, set map[string]string) bool {
	for name, value := range wanted {
		if has, present := set[name]; present && has == value {
			return true
		}
	}

	return false
}

// allOf tells whether a set has all of the wanted labels, at least one.
func allOf(wanted, set map[string]string) bool {
	for name, value := range wanted {
		if has, present := set[name]; !present || has != value {
			return false
		}
	}

	return len(wanted) > 0
}
