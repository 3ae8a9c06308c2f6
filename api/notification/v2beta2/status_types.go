package v2beta2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CommonStatus is what was observed of every object of this group. KubeSphere leaves the status of its kinds empty.
type CommonStatus struct {
	// observedGeneration is the metadata.generation that the status was computed from.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions tell how the object is: Ready, Reconciling and Stalled, then Accepted, ResolvedRefs, Programmed and
	// Healthy, as far as they have a meaning for it.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ObjectScope says whom an object is for, by its labels.
type ObjectScope string

// The scopes.
const (
	// ScopeGlobal is the platform.
	ScopeGlobal ObjectScope = "Global"
	// ScopeDefault is the platform, and every tenant that has nothing of its own.
	ScopeDefault ObjectScope = "Default"
	// ScopeTenant is one tenant.
	ScopeTenant ObjectScope = "Tenant"
	// ScopeNone is nobody: no NotificationManager selects the object.
	ScopeNone ObjectScope = "None"
)

// ScopeStatus says whom an object is for.
type ScopeStatus struct {
	// scope is Global, Default or Tenant, by the selectors of the NotificationManagers, or None where none selects the
	// object, which then has no effect.
	// +optional
	// +kubebuilder:validation:Enum=Global;Default;Tenant;None
	Scope ObjectScope `json:"scope,omitempty"`

	// tenant is the name of the tenant, where the scope is Tenant.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Tenant string `json:"tenant,omitempty"`
}

// DeliveryRecord tells of one message.
type DeliveryRecord struct {
	// time of the answer.
	// +required
	Time metav1.Time `json:"time"`

	// channel is the name of the channel, as in the spec.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Channel string `json:"channel,omitempty"`

	// reason in one word, for programs: Delivered, Unavailable, RateLimited, Denied, Refused.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// code is the answer's own: a status of HTTP, a reply of SMTP, an error number of the provider. 0: none.
	// +optional
	Code int64 `json:"code,omitempty"`

	// message says what the provider answered, without credentials, cut to 1024 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}
