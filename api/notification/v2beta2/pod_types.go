package v2beta2

import (
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ManagerPod says how the pods of a NotificationManager run. Contract: KubeSphere 3.4. Its parts of a pod are checked
// when pods are made of them; what is wrong there is told in the conditions.
type ManagerPod struct {
	// image of the service. Absent: that of this release.
	// +optional
	Image *string `json:"image,omitempty"`

	// imagePullPolicy is Always, Never or IfNotPresent (also when absent).
	// +optional
	ImagePullPolicy *string `json:"imagePullPolicy,omitempty"`

	// replicas is the number of pods. Absent, or less than 1: one.
	// +optional
	Replicas *Number `json:"replicas,omitempty"`

	// resources that the container asks for, as in a pod.
	// +optional
	Resources *PodPart `json:"resources,omitempty"`

	// nodeSelector says on which nodes pods may run, by their labels.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// affinity says where pods would rather run, as in a pod.
	// +optional
	Affinity *PodPart `json:"affinity,omitempty"`

	// tolerations say which taints of nodes pods bear, as in a pod.
	// +optional
	// +listType=atomic
	Tolerations []PodPart `json:"tolerations,omitempty"`

	// serviceAccountName names an account of one's own. Empty: one is made, with the permissions that it needs.
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// portName is the name of the port of the Service. Empty: webhook.
	// +optional
	PortName string `json:"portName,omitempty"`

	// env are further variables of the container, as in a pod.
	// +optional
	// +listType=atomic
	Env []PodPart `json:"env,omitempty"`

	// volumes are further volumes, as in a pod.
	// +optional
	// +listType=atomic
	Volumes []PodPart `json:"volumes,omitempty"`

	// volumeMounts say where the container has them, as in a pod.
	// +optional
	// +listType=atomic
	VolumeMounts []PodPart `json:"volumeMounts,omitempty"`

	// args are further flags of the service.
	// +optional
	// +listType=atomic
	Args []string `json:"args,omitempty"`

	// sidecars are further containers, by what they are for. One has a meaning: tenant, which is asked at port 19094
	// for the tenants of a namespace. Each is a container as in a pod with one field more, type; with type kubesphere
	// it needs no container, for the service then knows the tenants of KubeSphere by itself.
	// +optional
	Sidecars map[string]PodPart `json:"sidecars,omitempty"`

	// annotations of the pods.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// labels of the pods.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}

// ManagerPodRules are further rules for the pods of a NotificationManager.
type ManagerPodRules struct {
	// imagePullSecrets are Secrets with credentials of registries, in the namespace of the pods.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	ImagePullSecrets []PullSecret `json:"imagePullSecrets,omitempty"`

	// podDisruptionBudget says how many pods may be away when nodes are drained. Absent: one, where there are several.
	// +optional
	PodDisruptionBudget *DisruptionBudget `json:"podDisruptionBudget,omitempty"`

	// priorityClassName is the name of the priority class of the pods.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`

	// securityContext of the pods, as in a pod. What it says comes before the restricted one that they have otherwise.
	// +optional
	SecurityContext *PodPart `json:"securityContext,omitempty"`
}

// PullSecret names a Secret with the credentials of a registry.
type PullSecret struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// DisruptionBudget says how many pods may be away: by one of its fields.
//
// +kubebuilder:validation:XValidation:rule="has(self.minAvailable) != has(self.maxUnavailable)",message="give one of minAvailable and maxUnavailable"
type DisruptionBudget struct {
	// minAvailable is how many pods have to stay, as a number or a percentage.
	// +optional
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 1000 : self.matches('^(100|[0-9]{1,2})%$')",message="must be a number from 0 to 1000, or a percentage such as 50%"
	MinAvailable *intstr.IntOrString `json:"minAvailable,omitempty"`

	// maxUnavailable is how many pods may be away, as a number or a percentage.
	// +optional
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 1000 : self.matches('^(100|[0-9]{1,2})%$')",message="must be a number from 0 to 1000, or a percentage such as 50%"
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
}

// DeliveryStorage says what the service keeps its messages on: a volume of its own with volumeClaimTemplate, or the
// disk of the node with emptyDir (also when both are absent), which outlives containers but not pods.
//
// +kubebuilder:validation:XValidation:rule="!has(self.volumeClaimTemplate) || !has(self.emptyDir)",message="give one of volumeClaimTemplate and emptyDir"
type DeliveryStorage struct {
	// volumeClaimTemplate is the volume claim that each pod gets. The pods then are those of a StatefulSet.
	// +optional
	VolumeClaimTemplate *VolumeClaimTemplate `json:"volumeClaimTemplate,omitempty"`

	// emptyDir is a folder on the node.
	// +optional
	EmptyDir *EmptyDir `json:"emptyDir,omitempty"`
}

// VolumeClaimTemplate is a volume claim.
type VolumeClaimTemplate struct {
	// metadata of the claim.
	// +optional
	Metadata ClaimMetadata `json:"metadata,omitempty"`

	// spec of the claim, as in a PersistentVolumeClaim. Without accessModes they are ReadWriteOnce.
	// +required
	Spec PodPart `json:"spec"`
}

// ClaimMetadata is what a volume claim is marked with.
type ClaimMetadata struct {
	// labels of the claim.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Labels map[string]string `json:"labels,omitempty"`

	// annotations of the claim.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]string `json:"annotations,omitempty"`
}

// EmptyDir is a folder on the node.
type EmptyDir struct {
	// sizeLimit is how much it may hold, such as 1Gi. Absent: no limit but the node's.
	// +optional
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))",message="must be an amount of bytes such as 1Gi"
	SizeLimit *resource.Quantity `json:"sizeLimit,omitempty"`
}
