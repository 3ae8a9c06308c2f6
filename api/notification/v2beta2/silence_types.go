package v2beta2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Silence keeps alerts from being told, for a while, on a schedule, or for good: from everybody with the label
// type=global, from a tenant with type=tenant and user=<name>.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=nsil,categories=notification-manager;kubesphere
// +kubebuilder:metadata:annotations="ks.kubesphere.io/schema-revision=1"
// +kubebuilder:printcolumn:name="Scope",type=string,JSONPath=`.status.scope`
// +kubebuilder:printcolumn:name="Tenant",type=string,JSONPath=`.status.tenant`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Silenced",type=integer,JSONPath=`.status.silencedAlerts`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.status.activeUntil`
// +kubebuilder:printcolumn:name="Next",type=string,JSONPath=`.status.nextStart`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Comment",type=string,priority=1,JSONPath=`.spec.comment`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Silence struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what is silenced, and when.
	// +optional
	Spec SilenceSpec `json:"spec,omitempty"`

	// status is what was observed of the object.
	// +optional
	Status SilenceStatus `json:"status,omitempty"`
}

// SilenceSpec says what is silenced, and when: with a schedule, for the duration after each of its times; without one,
// from startsAt for the duration; without both, always.
//
// +kubebuilder:validation:XValidation:rule="!has(self.endsAt) || !has(self.startsAt) || self.endsAt > self.startsAt",message="endsAt must be after startsAt"
type SilenceSpec struct {
	// enabled false switches the silence off. Absent: it is on.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// matcher selects the alerts by their labels. Contract: KubeSphere 3.4.
	// +required
	Matcher *LabelSelector `json:"matcher"`

	// startsAt is when the silence begins. With a schedule it has no effect. Contract: KubeSphere 3.4.
	// +optional
	StartsAt Time `json:"startsAt,omitempty"`

	// schedule is when the silence begins again and again, in the five fields of cron, such as 0 22 * * 1-5; a prefix
	// CRON_TZ=<zone> names a zone, before timeZone. One that cannot be read is reported in the condition Accepted.
	// Contract: KubeSphere 3.4.
	// +optional
	Schedule string `json:"schedule,omitempty"`

	// duration is how long the silence lasts, such as 2h30m. Absent: for good. Without schedule and startsAt it has no
	// effect. Contract: KubeSphere 3.4.
	// +optional
	// +kubebuilder:validation:Pattern=`^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`
	Duration Duration `json:"duration,omitempty"`

	// endsAt is when the silence ends for good, whatever else it says.
	// +optional
	EndsAt Time `json:"endsAt,omitempty"`

	// timeZone is the name of the zone of the schedule, such as Asia/Shanghai. Empty: that of spec.template.timeZone of
	// the NotificationManager.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_+/-]+$`
	TimeZone string `json:"timeZone,omitempty"`

	// comment says what the silence is for.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Comment string `json:"comment,omitempty"`

	// createdBy is who made it, as its maker says.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	CreatedBy string `json:"createdBy,omitempty"`
}

// SilencePhase says whether a silence silences.
type SilencePhase string

// The phases of a silence.
const (
	// SilenceActive silences now.
	SilenceActive SilencePhase = "Active"
	// SilencePending will silence.
	SilencePending SilencePhase = "Pending"
	// SilenceExpired will silence no more.
	SilenceExpired SilencePhase = "Expired"
	// SilenceDisabled is switched off.
	SilenceDisabled SilencePhase = "Disabled"
)

// SilenceStatus is what was observed of a Silence.
type SilenceStatus struct {
	CommonStatus `json:",inline"`
	ScopeStatus  `json:",inline"`

	// phase is Active, Pending, Expired or Disabled.
	// +optional
	// +kubebuilder:validation:Enum=Active;Pending;Expired;Disabled
	Phase SilencePhase `json:"phase,omitempty"`

	// activeUntil is when an active silence ends. Absent: it does not.
	// +optional
	ActiveUntil *metav1.Time `json:"activeUntil,omitempty"`

	// nextStart is when the silence begins next. Absent: it does not.
	// +optional
	NextStart *metav1.Time `json:"nextStart,omitempty"`

	// silencedAlerts is the number of alerts that fire and are not told because of it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SilencedAlerts *int32 `json:"silencedAlerts,omitempty"`
}

// SilenceList is a list of Silences.
//
// +kubebuilder:object:root=true
type SilenceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the Silences.
	Items []Silence `json:"items"`
}
