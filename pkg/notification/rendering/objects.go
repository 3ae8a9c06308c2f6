package rendering

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// owner is the NotificationManager, whose objects go with it.
func (r *renderer) owner() *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion(notificationv2beta2.SchemeGroupVersion.String()).WithKind("NotificationManager").
		WithName(r.name).WithUID(r.uid).WithController(true)
}

// selector selects the pods. That of a workload cannot be changed: one that is there is kept.
func (r *renderer) selector() map[string]string {
	if len(r.target.Selector) > 0 {
		return r.target.Selector
	}

	return r.labels
}

// replicas is one: this version has no engine of several. The fleet is one of its own.
func (r *renderer) replicas() int32 {
	if r.spec.Replicas != nil && *r.spec.Replicas > 1 {
		r.warn("spec.replicas", OneReplica, fmt.Sprintf("asks for %d pods, and one runs: this version keeps what "+
			"waits on the disk of one pod; ask for a volume in spec.delivery.storage to have it outlive the pod",
			*r.spec.Replicas))
	}

	return 1
}

// workload is a Deployment, or a StatefulSet where each pod gets a volume.
func (r *renderer) workload(pod *corev1ac.PodTemplateSpecApplyConfiguration) runtime.ApplyConfiguration {
	replicas := r.replicas()
	selector := metav1ac.LabelSelector().WithMatchLabels(r.selector())

	if r.claim() == nil {
		return appsv1ac.Deployment(WorkloadName(r.name), r.target.Namespace).
			WithLabels(r.labels).WithOwnerReferences(r.owner()).
			WithSpec(appsv1ac.DeploymentSpec().
				WithReplicas(replicas).WithSelector(selector).WithTemplate(pod).
				// The new pod takes alerts before the old one stops.
				WithStrategy(appsv1ac.DeploymentStrategy().WithType(appsv1.RollingUpdateDeploymentStrategyType).
					WithRollingUpdate(appsv1ac.RollingUpdateDeployment().
						WithMaxSurge(intstr.FromInt32(1)).WithMaxUnavailable(intstr.FromInt32(0)))))
	}

	return appsv1ac.StatefulSet(WorkloadName(r.name), r.target.Namespace).
		WithLabels(r.labels).WithOwnerReferences(r.owner()).
		WithSpec(appsv1ac.StatefulSetSpec().
			WithReplicas(replicas).WithSelector(selector).WithTemplate(pod).
			WithServiceName(ServiceName(r.name)).
			WithPodManagementPolicy(appsv1.ParallelPodManagement).
			WithVolumeClaimTemplates(r.volumeClaim()))
}

func (r *renderer) volumeClaim() *corev1ac.PersistentVolumeClaimApplyConfiguration {
	template := r.claim()
	spec := corev1ac.PersistentVolumeClaimSpec()

	if r.part("spec.delivery.storage.volumeClaimTemplate.spec", &template.Spec, spec) && len(spec.AccessModes) == 0 {
		spec.WithAccessModes(corev1.ReadWriteOnce)
	}

	if spec.Resources == nil || spec.Resources.Requests == nil || spec.Resources.Requests.Storage().Sign() <= 0 {
		r.report("spec.delivery.storage.volumeClaimTemplate.spec.resources.requests.storage",
			"is missing; say how large the volume should be, such as 10Gi")
	}

	made := &corev1ac.PersistentVolumeClaimApplyConfiguration{}
	made.WithName(dataVolume).WithSpec(spec)

	if len(template.Metadata.Labels) > 0 {
		made.WithLabels(template.Metadata.Labels)
	}

	if len(template.Metadata.Annotations) > 0 {
		made.WithAnnotations(template.Metadata.Annotations)
	}

	completeClaim(made)

	return made
}

// service is where alerts are posted. It goes to the port by number, so that pods of before a new name of the port are
// still reached.
func (r *renderer) service() runtime.ApplyConfiguration {
	return corev1ac.Service(ServiceName(r.name), r.target.Namespace).
		WithLabels(r.labels).WithOwnerReferences(r.owner()).
		WithSpec(corev1ac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithSelector(r.labels).
			WithPorts(corev1ac.ServicePort().
				WithName(r.portName()).WithPort(Port).WithTargetPort(intstr.FromInt32(Port)).
				WithProtocol(corev1.ProtocolTCP)))
}

// networkPolicy lets everybody reach the one port, as KubeSphere does, and nobody any other. Where messages go is
// guarded by the service, which knows the names that addresses are of.
func (r *renderer) networkPolicy() runtime.ApplyConfiguration {
	return networkingv1ac.NetworkPolicy(WorkloadName(r.name), r.target.Namespace).
		WithLabels(r.labels).WithOwnerReferences(r.owner()).
		WithSpec(networkingv1ac.NetworkPolicySpec().
			WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(r.labels)).
			WithPolicyTypes(networkingv1.PolicyTypeIngress).
			WithIngress(networkingv1ac.NetworkPolicyIngressRule().
				WithPorts(networkingv1ac.NetworkPolicyPort().
					WithProtocol(corev1.ProtocolTCP).WithPort(intstr.FromInt32(Port)))))
}

// disruptionBudget lets one pod be away where nothing else is said: a drain is never held up by a single pod.
func (r *renderer) disruptionBudget() runtime.ApplyConfiguration {
	spec := policyv1ac.PodDisruptionBudgetSpec().
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(r.labels))

	switch budget := r.spec.PodDisruptionBudget; {
	case budget != nil && budget.MinAvailable != nil:
		spec.WithMinAvailable(*budget.MinAvailable)
	case budget != nil && budget.MaxUnavailable != nil:
		spec.WithMaxUnavailable(*budget.MaxUnavailable)
	default:
		spec.WithMaxUnavailable(intstr.FromInt32(1))
	}

	return policyv1ac.PodDisruptionBudget(WorkloadName(r.name), r.target.Namespace).
		WithLabels(r.labels).WithOwnerReferences(r.owner()).WithSpec(spec)
}
