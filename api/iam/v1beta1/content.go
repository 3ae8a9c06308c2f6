package v1beta1

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RoleContent is what all kinds of roles have in common. Contract: KubeSphere 3.4 v1alpha2 and 4.1 v1beta1.
type RoleContent struct {
	// rules are the permissions, as in the roles of Kubernetes. Where the role aggregates templates, the permissions
	// of those are added here, and taken off again when a template no longer has them; the annotation
	// tenant.kubesphere.io/aggregated-rules notes which they are.
	// +optional
	// +nullable
	// +listType=atomic
	Rules []rbacv1.PolicyRule `json:"rules,omitempty"`

	// aggregationRoleTemplates adds the permissions of role templates. Contract: KubeSphere 4.x.
	// +optional
	AggregationRoleTemplates *AggregationRoleTemplates `json:"aggregationRoleTemplates,omitempty"`
}

// AggregationRoleTemplates says of which role templates a role takes the permissions.
type AggregationRoleTemplates struct {
	// templateNames are the names of role templates.
	// +optional
	// +listType=atomic
	TemplateNames []string `json:"templateNames,omitempty"`

	// roleSelector selects further role templates by their labels, in roles with the annotation
	// iam.kubesphere.io/auto-aggregate: "true".
	// +optional
	RoleSelector *metav1.LabelSelector `json:"roleSelector,omitempty"`
}

// BindingContent is what all kinds of bindings have in common. Contract: KubeSphere 3.4 v1alpha2 and 4.1
// v1beta1.
type BindingContent struct {
	// subjects are the holders of the role: users, groups or service accounts.
	// +optional
	// +nullable
	// +listType=atomic
	Subjects []rbacv1.Subject `json:"subjects,omitempty"`

	// roleRef names the role.
	// +required
	RoleRef rbacv1.RoleRef `json:"roleRef"`
}

// Status is what was observed of a role or a binding.
type Status struct {
	// conditions tell how the object is: Ready, Reconciling and Stalled, then Accepted, ResolvedRefs and
	// Programmed.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that the status was computed from.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// UserSpec is what an account should be. Contract: KubeSphere 3.4 v1alpha2 and 4.1 v1beta1.
type UserSpec struct {
	// email is the address of the person; no two users should have the same.
	// +required
	Email string `json:"email"`

	// lang is the language of what the user is shown, as "en" or "zh".
	// +optional
	Lang string `json:"lang,omitempty"`

	// description of the account.
	// +optional
	Description string `json:"description,omitempty"`

	// displayName is how the user is called where people read it.
	// +optional
	DisplayName string `json:"displayName,omitempty"`

	// groups are the names of the groups that the user is a member of; GroupBindings write them.
	// +optional
	// +listType=atomic
	Groups []string `json:"groups,omitempty"`

	// password is a bcrypt hash. One that is written in plain has 8 to 64 characters, among them an upper-case
	// letter, a lower-case letter and a digit, and is replaced by its hash at once.
	// +optional
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.startsWith('$2') || (self.matches('[a-z]') && self.matches('[A-Z]') && self.matches('[0-9]'))",message="must have an upper-case letter, a lower-case letter and a digit, or be a bcrypt hash"
	Password string `json:"password,omitempty"`
}

// UserState says whether a user may log in.
type UserState string

// The states of a user.
const (
	// UserActive may log in.
	UserActive UserState = "Active"

	// UserDisabled was locked by an administrator, and stays so until one unlocks it.
	UserDisabled UserState = "Disabled"

	// UserAuthLimitExceeded failed to log in too often, and is active again after a while.
	UserAuthLimitExceeded UserState = "AuthLimitExceeded"
)

// UserStatus is what was observed of an account. It is no subresource: old clients write it with the object.
type UserStatus struct {
	// state says whether the user may log in: Active, Disabled or AuthLimitExceeded.
	// +optional
	State *UserState `json:"state,omitempty"`

	// reason of the state, for people.
	// +optional
	Reason string `json:"reason,omitempty"`

	// lastTransitionTime is when the state last changed.
	// +optional
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`

	// lastLoginTime is when the user last logged in.
	// +optional
	LastLoginTime *metav1.Time `json:"lastLoginTime,omitempty"`
}

// LoginRecordSpec tells of one try to log in. Contract: KubeSphere 3.4 v1alpha2 and 4.1 v1beta1.
type LoginRecordSpec struct {
	// type of the login: Password, OAuth or Token.
	// +required
	Type string `json:"type"`

	// provider is the identity provider that was asked.
	// +required
	Provider string `json:"provider"`

	// sourceIP is the address the request came from.
	// +required
	SourceIP string `json:"sourceIP"`

	// userAgent is what the client called itself.
	// +optional
	UserAgent string `json:"userAgent,omitempty"`

	// success tells whether the user was let in.
	// +required
	Success bool `json:"success"`

	// reason of the outcome.
	// +required
	Reason string `json:"reason"`
}

// GroupSpec has no fields yet.
type GroupSpec struct{}

// GroupStatus is what was observed of a group.
type GroupStatus struct {
	// conditions tell how the group is: Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that the status was computed from.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// GroupRef names a group.
type GroupRef struct {
	// apiGroup is iam.kubesphere.io.
	// +optional
	APIGroup string `json:"apiGroup,omitempty"`

	// kind is Group.
	// +optional
	Kind string `json:"kind,omitempty"`

	// name of the group.
	// +optional
	Name string `json:"name,omitempty"`
}

// RoleTemplateSpec is a set of permissions. Contract: KubeSphere 4.1.
type RoleTemplateSpec struct {
	// displayName is how the template is called, by language.
	// +optional
	DisplayName map[string]string `json:"displayName,omitempty"`

	// description of the template, by language.
	// +optional
	Description map[string]string `json:"description,omitempty"`

	// rules are the permissions, as in the roles of Kubernetes.
	// +optional
	// +nullable
	// +listType=atomic
	Rules []rbacv1.PolicyRule `json:"rules,omitempty"`
}

// CategorySpec describes a group of role templates. Contract: KubeSphere 4.1.
type CategorySpec struct {
	// displayName is how the category is called, by language.
	// +optional
	DisplayName map[string]string `json:"displayName,omitempty"`

	// description of the category, by language.
	// +optional
	Description map[string]string `json:"description,omitempty"`

	// icon is the name or address of a picture.
	// +optional
	Icon string `json:"icon,omitempty"`
}
