package projector

import (
	"unique"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// trimBinding drops of a binding what nobody reads, and lets the many bindings that say the same share their words:
// there may be one or more for each of ten thousand namespaces.
func trimBinding(object client.Object) {
	object.SetManagedFields(nil)
	object.SetLabels(nil)

	annotations := object.GetAnnotations()
	object.SetAnnotations(nil)

	if value, isThere := annotations[kube.PausedAnnotation]; isThere {
		object.SetAnnotations(map[string]string{kube.PausedAnnotation: value})
	}

	binding, isBinding := object.(*iamv1beta1.RoleBinding)
	if !isBinding {
		return
	}

	binding.RoleRef = rbacv1.RoleRef{
		APIGroup: shared(binding.RoleRef.APIGroup), Kind: shared(binding.RoleRef.Kind),
		Name: shared(binding.RoleRef.Name),
	}

	for i := range binding.Subjects {
		shareSubject(&binding.Subjects[i])
	}

	for i := range binding.Status.Conditions {
		shareCondition(&binding.Status.Conditions[i])
	}
}

func shareSubject(subject *rbacv1.Subject) {
	subject.Kind, subject.APIGroup = shared(subject.Kind), shared(subject.APIGroup)
	subject.Name, subject.Namespace = shared(subject.Name), shared(subject.Namespace)
}

func shareCondition(condition *metav1.Condition) {
	condition.Type, condition.Reason = shared(condition.Type), shared(condition.Reason)
	condition.Status = metav1.ConditionStatus(shared(string(condition.Status)))
	condition.Message = shared(condition.Message)
}

// shared returns the one copy there is of a string.
func shared(text string) string { return unique.Make(text).Value() }
