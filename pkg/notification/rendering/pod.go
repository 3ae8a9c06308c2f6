package rendering

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

const (
	// nobody is the user of the images without a distribution.
	nobody = 65532

	dataVolume, scratchVolume = "data", "tmp"
	scratchFolder             = "/tmp"

	// grace is how long a pod may take to hand over what it is sending.
	grace = 60
)

// pod is the template of pods.
func (r *renderer) pod() *corev1ac.PodTemplateSpecApplyConfiguration {
	spec := corev1ac.PodSpec().
		WithServiceAccountName(r.account()).
		WithTerminationGracePeriodSeconds(grace).
		WithSecurityContext(r.podSecurity()).
		WithContainers(r.container()).
		WithContainers(r.sidecars()...).
		WithVolumes(r.volumes()...).
		WithImagePullSecrets(r.pullSecrets()...)

	if r.spec.PriorityClassName != "" {
		spec.WithPriorityClassName(r.spec.PriorityClassName)
	}

	if len(r.spec.NodeSelector) > 0 {
		spec.WithNodeSelector(r.spec.NodeSelector)
	}

	if r.spec.Affinity != nil {
		affinity := corev1ac.Affinity()
		if r.part("spec.affinity", r.spec.Affinity, affinity) {
			spec.WithAffinity(affinity)
		}
	}

	for i := range r.spec.Tolerations {
		toleration := corev1ac.Toleration()
		if r.part(fmt.Sprintf("spec.tolerations[%d]", i), &r.spec.Tolerations[i], toleration) {
			spec.WithTolerations(toleration)
		}
	}

	template := corev1ac.PodTemplateSpec().WithLabels(r.podLabels()).WithSpec(spec)
	if len(r.spec.Annotations) > 0 {
		template.WithAnnotations(r.spec.Annotations)
	}

	return template
}

// podLabels are those of the NotificationManager, and over them those that pods are found by.
func (r *renderer) podLabels() map[string]string {
	labels := maps.Clone(r.spec.Labels)
	if labels == nil {
		labels = map[string]string{}
	}

	maps.Copy(labels, r.target.Selector)
	maps.Copy(labels, r.labels)

	return labels
}

func (r *renderer) podSecurity() *corev1ac.PodSecurityContextApplyConfiguration {
	security := corev1ac.PodSecurityContext().
		WithRunAsNonRoot(true).WithRunAsUser(nobody).WithRunAsGroup(nobody).WithFSGroup(nobody).
		WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch).
		WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))

	if r.spec.SecurityContext != nil {
		r.part("spec.securityContext", r.spec.SecurityContext, security)
	}

	return security
}

// container is the one of the service.
func (r *renderer) container() *corev1ac.ContainerApplyConfiguration {
	if r.spec.PortName != "" && r.portName() != r.spec.PortName {
		r.report("spec.portName", fmt.Sprintf("%q is no name of a port: write at most 15 lower case letters, digits "+
			"and dashes, with a letter among them", r.spec.PortName))
	}

	return corev1ac.Container().
		WithName(ContainerName).
		WithImage(r.image()).
		WithImagePullPolicy(r.pullPolicy()).
		WithArgs(ManagerFlag+"="+r.name, DataFlag+"="+DataFolder).
		WithArgs(r.spec.Args...).
		WithPorts(corev1ac.ContainerPort().
			WithName(r.portName()).WithContainerPort(Port).WithProtocol(corev1.ProtocolTCP)).
		WithEnv(r.variables()...).
		WithResources(r.resources()).
		WithVolumeMounts(r.mounts()...).
		// Reading back what waits on disk takes as long as it is much.
		WithStartupProbe(probe(livePath, 2, 150)).
		WithLivenessProbe(probe(livePath, 10, 6)).
		WithReadinessProbe(probe(readyPath, 5, 2)).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).WithReadOnlyRootFilesystem(true).
			WithCapabilities(corev1ac.Capabilities().WithDrop("ALL")))
}

func probe(path string, period, failures int32) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().
		WithHTTPGet(corev1ac.HTTPGetAction().WithPath(path).WithPort(intstr.FromInt32(Port))).
		WithPeriodSeconds(period).WithFailureThreshold(failures).WithTimeoutSeconds(2)
}

func (r *renderer) pullPolicy() corev1.PullPolicy {
	if r.spec.ImagePullPolicy == nil || *r.spec.ImagePullPolicy == "" {
		return corev1.PullIfNotPresent
	}

	policy := corev1.PullPolicy(*r.spec.ImagePullPolicy)
	if !slices.Contains([]corev1.PullPolicy{corev1.PullAlways, corev1.PullNever, corev1.PullIfNotPresent}, policy) {
		r.report("spec.imagePullPolicy", fmt.Sprintf("%q is none: write Always, Never or IfNotPresent", policy))
	}

	return policy
}

// resources are those that are asked for; without any, what a small service needs.
func (r *renderer) resources() *corev1ac.ResourceRequirementsApplyConfiguration {
	made := corev1ac.ResourceRequirements()

	if r.spec.Resources != nil {
		r.part("spec.resources", r.spec.Resources, made)

		return made
	}

	return made.WithRequests(corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("20m"), corev1.ResourceMemory: resource.MustParse("64Mi"),
	})
}

// variables are ours, and over them those of the NotificationManager.
func (r *renderer) variables() []*corev1ac.EnvVarApplyConfiguration {
	ours := []*corev1ac.EnvVarApplyConfiguration{
		corev1ac.EnvVar().WithName(NamespaceVariable).WithValue(r.secretNamespace()),
		fromPod(PodVariable, "metadata.name"), fromPod(PodNamespaceVariable, "metadata.namespace"),
	}
	theirs := list(r, "spec.env", r.spec.Env,
		func(one *corev1ac.EnvVarApplyConfiguration) *string { return one.Name })
	completeVariables(theirs)

	return over(ours, theirs, func(one *corev1ac.EnvVarApplyConfiguration) string { return *one.Name })
}

func fromPod(name, path string) *corev1ac.EnvVarApplyConfiguration {
	return corev1ac.EnvVar().WithName(name).WithValueFrom(corev1ac.EnvVarSource().WithFieldRef(
		corev1ac.ObjectFieldSelector().WithAPIVersion(corev1.SchemeGroupVersion.Version).WithFieldPath(path)))
}

// over are ours but for those that have a name of theirs, and theirs.
func over[T any](ours []*T, theirs []T, nameOf func(*T) string) []*T {
	made := slices.DeleteFunc(ours, func(one *T) bool {
		return slices.ContainsFunc(theirs, func(other T) bool { return nameOf(one) == nameOf(&other) })
	})

	for i := range theirs {
		made = append(made, &theirs[i])
	}

	return made
}

// volumes are the disk, unless each pod has a claim for it, a place for scratch, and those of the NotificationManager.
func (r *renderer) volumes() []*corev1ac.VolumeApplyConfiguration {
	ours := []*corev1ac.VolumeApplyConfiguration{
		corev1ac.Volume().WithName(scratchVolume).WithEmptyDir(corev1ac.EmptyDirVolumeSource()),
	}

	if r.claim() == nil {
		ours = append(ours, corev1ac.Volume().WithName(dataVolume).WithEmptyDir(r.emptyDir()))
	}

	theirs := list(r, "spec.volumes", r.spec.Volumes,
		func(one *corev1ac.VolumeApplyConfiguration) *string { return one.Name })

	for i := range theirs {
		if name := *theirs[i].Name; name == dataVolume {
			r.report(fmt.Sprintf("spec.volumes[%d].name", i), fmt.Sprintf("%q is the name of the volume with the "+
				"messages that wait: name it otherwise, or say in spec.delivery.storage what it should be", name))
		}
	}

	return over(ours, theirs, func(one *corev1ac.VolumeApplyConfiguration) string { return *one.Name })
}

func (r *renderer) emptyDir() *corev1ac.EmptyDirVolumeSourceApplyConfiguration {
	made := corev1ac.EmptyDirVolumeSource()

	if delivery := r.spec.Delivery; delivery != nil && delivery.Storage != nil && delivery.Storage.EmptyDir != nil &&
		delivery.Storage.EmptyDir.SizeLimit != nil {
		made.WithSizeLimit(*delivery.Storage.EmptyDir.SizeLimit)
	}

	return made
}

// mounts are told apart by their path, as in a pod.
func (r *renderer) mounts() []*corev1ac.VolumeMountApplyConfiguration {
	ours := []*corev1ac.VolumeMountApplyConfiguration{
		corev1ac.VolumeMount().WithName(scratchVolume).WithMountPath(scratchFolder),
		corev1ac.VolumeMount().WithName(dataVolume).WithMountPath(DataFolder),
	}
	theirs := list(r, "spec.volumeMounts", r.spec.VolumeMounts,
		func(one *corev1ac.VolumeMountApplyConfiguration) *string { return one.MountPath })

	return over(ours, theirs, func(one *corev1ac.VolumeMountApplyConfiguration) string { return *one.MountPath })
}

func (r *renderer) pullSecrets() []*corev1ac.LocalObjectReferenceApplyConfiguration {
	names := slices.Clone(r.target.PullSecrets)
	for _, one := range r.spec.ImagePullSecrets {
		names = append(names, one.Name)
	}

	slices.Sort(names)

	var made []*corev1ac.LocalObjectReferenceApplyConfiguration

	for _, name := range slices.Compact(names) {
		if name != "" {
			made = append(made, corev1ac.LocalObjectReference().WithName(name))
		}
	}

	return made
}

// sidecar is a container with the word that says what is in it.
type sidecar struct {
	corev1ac.ContainerApplyConfiguration `json:",inline"`

	Type string `json:"type,omitempty"`
}

// sidecars are the further containers, by the names that they have in the NotificationManager.
func (r *renderer) sidecars() []*corev1ac.ContainerApplyConfiguration {
	var made []*corev1ac.ContainerApplyConfiguration

	names := map[string]bool{ContainerName: true}

	for _, key := range slices.Sorted(maps.Keys(r.spec.Sidecars)) {
		field, part := "spec.sidecars["+key+"]", r.spec.Sidecars[key]

		var one sidecar
		if !r.part(field, &part, &one) || knowsItself(key, one.Type) {
			continue
		}

		if one.Name == nil || *one.Name == "" {
			one.WithName(key)
		}

		if names[*one.Name] || len(validation.IsDNS1123Label(*one.Name)) > 0 {
			r.report(field+".name", fmt.Sprintf("%q cannot be the name of a container here: write one that is not "+
				"used yet, of lower case letters, digits and dashes", *one.Name))
		}

		if one.Image == nil || *one.Image == "" {
			r.report(field+".image", "is missing; name the image of the container, or give the type "+
				notificationv2beta2.KubeSphereSidecar+" to the sidecar "+notificationv2beta2.TenantSidecar)
		}

		names[*one.Name] = true

		completeVariables(one.Env)

		made = append(made, &one.ContainerApplyConfiguration)
	}

	return made
}

// knowsItself tells whether a sidecar is the one whose work the service does by itself.
func knowsItself(key, kind string) bool {
	return key == notificationv2beta2.TenantSidecar && kind == notificationv2beta2.KubeSphereSidecar
}

// asksForTenants tells whether the service finds out by itself whose a namespace is.
func (r *renderer) asksForTenants() bool {
	part, given := r.spec.Sidecars[notificationv2beta2.TenantSidecar]
	if !given {
		return false
	}

	var one struct {
		Type string `json:"type"`
	}

	return decode(part.Raw, &one, false) == nil && knowsItself(notificationv2beta2.TenantSidecar, one.Type)
}

// claim is the volume claim of each pod; nil: there is none.
func (r *renderer) claim() *notificationv2beta2.VolumeClaimTemplate { return claimOf(r.spec) }

func claimOf(spec *notificationv2beta2.NotificationManagerSpec) *notificationv2beta2.VolumeClaimTemplate {
	if spec.Delivery == nil || spec.Delivery.Storage == nil {
		return nil
	}

	return spec.Delivery.Storage.VolumeClaimTemplate
}

// Stateful tells whether the workload of a NotificationManager is a StatefulSet, and not a Deployment.
func Stateful(spec *notificationv2beta2.NotificationManagerSpec) bool { return claimOf(spec) != nil }
