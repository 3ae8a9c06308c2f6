package tenancy

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
)

// Reasons of problems with workspaces and their templates.
const (
	ReasonNameTooLong     = "NameTooLong"
	ReasonInvalidManager  = "InvalidManager"
	ReasonInvalidMetadata = "InvalidMetadata"
)

// systemPrefix begins the names of the accounts that Kubernetes itself uses or maps many requests to.
const systemPrefix = "system:"

// CheckWorkspace returns what has to be changed before the workspace can work.
func CheckWorkspace(workspace *tenantv1beta1.Workspace) Problems {
	return append(
		checkName(workspace.Name),
		checkManager(workspace.Spec.Manager, field.NewPath("spec", "manager"))...)
}

// CheckTemplate returns what has to be changed before the template can yield its workspace.
func CheckTemplate(template *tenantv1beta1.WorkspaceTemplate) Problems {
	path := field.NewPath("spec", "template")
	problems := checkName(template.Name)

	problems = append(problems, checkMetadata(template.Spec.Template.Metadata, path.Child("metadata"))...)

	return append(problems,
		checkManager(template.Spec.Template.Spec.Manager, path.Child("spec", "manager"))...)
}

// checkName refuses names that no namespace could carry: labels hold at most 63 characters.
func checkName(name string) Problems {
	if len(name) <= utilvalidation.LabelValueMaxLength {
		return nil
	}

	err := field.TooLong(field.NewPath("metadata", "name"), name, utilvalidation.LabelValueMaxLength)
	err.Detail += ", or no namespace could carry it in the label " + tenantv1beta1.WorkspaceLabel +
		": create the workspace under a shorter name"

	return Problems{{Reason: ReasonNameTooLong, Err: err}}
}

// checkManager refuses accounts of Kubernetes itself: making system:anonymous the manager would open the
// workspace to everybody.
func checkManager(manager string, path *field.Path) Problems {
	if !strings.HasPrefix(manager, systemPrefix) {
		return nil
	}

	return Problems{{Reason: ReasonInvalidManager, Err: field.Invalid(path, manager,
		"must be the name of a person's account, not one of Kubernetes itself, which begin with "+systemPrefix)}}
}

// checkMetadata refuses labels and annotations that the API server would refuse on the Workspace. Each is
// checked by itself, so that the error can name it.
func checkMetadata(metadata tenantv1beta1.TemplateMetadata, path *field.Path) Problems {
	var errs field.ErrorList

	labels := path.Child("labels")
	for _, key := range slices.Sorted(maps.Keys(metadata.Labels)) {
		errs = append(errs, metavalidation.ValidateLabels(
			map[string]string{key: metadata.Labels[key]}, labels.Key(key))...)
	}

	annotations := path.Child("annotations")
	for _, key := range slices.Sorted(maps.Keys(metadata.Annotations)) {
		errs = append(errs, validation.ValidateAnnotations(map[string]string{key: ""}, annotations.Key(key))...)
	}

	if err := validation.ValidateAnnotationsSize(metadata.Annotations); err != nil {
		errs = append(errs, field.TooLong(annotations, "", validation.TotalAnnotationSizeLimitB))
	}

	problems := make(Problems, 0, len(errs))
	for _, err := range errs {
		problems = append(problems, Problem{Reason: ReasonInvalidMetadata, Err: err})
	}

	return problems
}
