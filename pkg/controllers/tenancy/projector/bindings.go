package projector

import (
	"context"
	"errors"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

// bindingProjector decides for the kinds of bindings.
type bindingProjector struct {
	*Reconciler

	// roles knows which roles there are, by their kind; users knows the accounts.
	roles map[string]stores.Digests
	users stores.Digests
}

// crowd is the number of objects of a crowded kind that are worked on at the same time.
const crowd = 8

func newBinding(of kind, dependencies manager.Dependencies) (*manager.Controller, error) {
	reconciler, err := newReconciler(of, dependencies)
	if err != nil {
		return nil, err
	}

	projector := &bindingProjector{Reconciler: reconciler, roles: map[string]stores.Digests{}}

	var errUsers error

	projector.users, errUsers = dependencies.Digests(iamv1beta1.SchemeGroupVersion.WithKind("User"))
	err = errUsers

	for _, name := range of.roleKinds {
		known, errRoles := dependencies.Digests(iamv1beta1.SchemeGroupVersion.WithKind(name))
		projector.roles[name], err = known, errors.Join(err, errRoles)
	}

	if err != nil {
		return nil, fmt.Errorf("know roles and users: %w", err)
	}

	reconciler.decide = projector.decideBinding

	if of.kind == globalRoleBinding().kind {
		reconciler.sweep = projector.sweepAdmins
	}

	controller := &manager.Controller{
		Reconciler: reconciler, Watches: projector.watches(), Indexes: bindingIndexes(of.source),
	}

	if of.isCrowded {
		controller.Concurrency = crowd
	}

	return controller, nil
}

func (r *bindingProjector) decideBinding(_ context.Context, source client.Object) (decision, error) {
	content := bindingOf(source)
	if content == nil {
		return decision{}, fmt.Errorf("project a %T: it is no binding", source)
	}

	found := r.gather(content, source.GetNamespace())
	decided := decision{report: verdict(found)}

	if problems := found.Problems(); len(problems) > 0 {
		decided.stalled = kube.Stalled(problems.Reason(), errors.New(problems.Message()))
	}

	if found.Effective() {
		decided.native = r.native(source, found)
		decided.report.Conditions = append(decided.report.Conditions,
			programmed(r.kind.nativeKind+" "+decided.native.GetName()))
	}

	return decided, nil
}

func (r *bindingProjector) gather(content *iamv1beta1.BindingContent, namespace string) projection.Binding {
	scope := projection.InCluster
	if r.kind.isNamespaced {
		scope = projection.InNamespace
	}

	found := projection.Binding{
		RoleRef:     content.RoleRef,
		RefProblems: projection.CheckRoleRef(content.RoleRef, r.kind.roleKinds...),
		Holders:     projection.HoldersOf(content.Subjects, scope),
	}

	if len(found.RefProblems) == 0 {
		found.RoleExists = r.roleExists(content.RoleRef, namespace)
	}

	for _, user := range found.Holders.Users {
		if _, exists := r.users.Version(client.ObjectKey{Name: user}); !exists {
			found.Unknown = append(found.Unknown, user)
		}
	}

	return found
}

// roleExists takes platform-admin for granted, as KubeSphere does: it stands for a role of Kubernetes itself, and who
// repairs a platform needs it most while other things are missing.
func (r *bindingProjector) roleExists(ref rbacv1.RoleRef, namespace string) bool {
	if isPlatformAdmin(ref) {
		return true
	}

	key := client.ObjectKey{Name: ref.Name}
	if ref.Kind == kindRole {
		key.Namespace = namespace
	}

	_, exists := r.roles[ref.Kind].Version(key)

	return exists
}

func isPlatformAdmin(ref rbacv1.RoleRef) bool {
	return ref.Kind == kindGlobalRole && ref.Name == projection.PlatformAdmin
}

func (r *bindingProjector) native(source client.Object, found projection.Binding) client.Object {
	identity := r.kind.identity(client.ObjectKeyFromObject(source))
	role, subjects := projection.IAMPrefix+found.RoleRef.Name, found.Holders.Subjects

	switch {
	case r.kind.isNamespaced:
		return projection.NewRoleBinding(identity, found.RoleRef.Kind, role, subjects)
	case isPlatformAdmin(found.RoleRef):
		return projection.NewClusterRoleBinding(r.adminIdentity(identity, subjects),
			projection.ClusterAdmin, subjects)
	case found.RoleRef.Kind == kindGlobalRole:
		return projection.NewClusterRoleBinding(identity, projection.GlobalRolePrefix+found.RoleRef.Name, subjects)
	default:
		return projection.NewClusterRoleBinding(identity, role, subjects)
	}
}

// verdict is what the conditions say, but for Programmed where there is a native binding.
func verdict(found projection.Binding) kube.Report {
	report := readiness(found)
	report.Conditions = []metav1.Condition{acceptance(found), resolution(found)}

	if !found.Effective() {
		report.Conditions = append(report.Conditions,
			metav1.Condition{Type: kube.ConditionProgrammed, Status: metav1.ConditionFalse})
	}

	return report
}

func readiness(found projection.Binding) kube.Report {
	problems := found.Problems()

	switch {
	case len(problems) > 0:
		return kube.Report{State: kube.StateStalled, Reason: problems.Reason(), Message: problems.Message()}
	case !found.RoleExists:
		return kube.Report{
			State: kube.StateProgressing, Reason: projection.ReasonRoleNotFound, Message: found.MissingRole(),
		}
	case len(found.Holders.Refused) > 0:
		return kube.Report{
			State: kube.StateReady, Reason: projection.ReasonSubjectsRefused, Message: found.RefusedMessage(),
		}
	case len(found.Holders.Subjects) == 0:
		return kube.Report{State: kube.StateReady, Reason: reasonNoSubjects, Message: "Nobody holds the role."}
	default:
		return kube.Report{State: kube.StateReady, Message: "The binding counts for kubectl."}
	}
}

func acceptance(found projection.Binding) metav1.Condition {
	condition := metav1.Condition{Type: kube.ConditionAccepted, Status: metav1.ConditionFalse}

	switch problems := found.Problems(); {
	case len(problems) > 0:
		condition.Reason, condition.Message = problems.Reason(), problems.Message()
	case len(found.Holders.Refused) > 0:
		condition.Reason, condition.Message = projection.ReasonSubjectsRefused, found.RefusedMessage()
	default:
		condition.Status, condition.Reason = metav1.ConditionTrue, kube.ConditionAccepted
	}

	return condition
}

func resolution(found projection.Binding) metav1.Condition {
	condition := metav1.Condition{
		Type: kube.ConditionResolvedRefs, Status: metav1.ConditionTrue, Reason: kube.ConditionResolvedRefs,
	}

	switch {
	case len(found.RefProblems) > 0:
		condition.Status = metav1.ConditionFalse
		condition.Reason, condition.Message = found.RefProblems.Reason(), found.RefProblems.Message()
	case !found.RoleExists:
		condition.Status = metav1.ConditionFalse
		condition.Reason, condition.Message = projection.ReasonRoleNotFound, found.MissingRole()
	case len(found.Unknown) > 0:
		condition.Reason, condition.Message = projection.ReasonSubjectsUnknown, found.UnknownMessage()
	}

	return condition
}
