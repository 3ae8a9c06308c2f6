package rendering

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// Some parts of a pod are owned as a whole by whoever wrote them, with what the API server filled in. What it fills in
// is said here as well, or each comparison would find a difference.

// completeVariables says what is left open in where variables come from.
func completeVariables(variables []corev1ac.EnvVarApplyConfiguration) {
	for i := range variables {
		from := variables[i].ValueFrom
		if from == nil {
			continue
		}

		if from.FieldRef != nil && from.FieldRef.APIVersion == nil {
			from.FieldRef.WithAPIVersion(corev1.SchemeGroupVersion.Version)
		}

		if from.ResourceFieldRef != nil && from.ResourceFieldRef.Divisor == nil {
			from.ResourceFieldRef.WithDivisor(resource.MustParse("0"))
		}
	}
}

// completeClaim says what is left open in the template of a volume claim.
func completeClaim(claim *corev1ac.PersistentVolumeClaimApplyConfiguration) {
	claim.WithStatus(corev1ac.PersistentVolumeClaimStatus().WithPhase(corev1.ClaimPending))

	if claim.Spec.VolumeMode == nil {
		claim.Spec.WithVolumeMode(corev1.PersistentVolumeFilesystem)
	}
}
