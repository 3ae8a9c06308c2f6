package integration_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// brief is a workspace with all that people make in one, which does not live long.
type brief struct {
	template  *tenantv1beta1.WorkspaceTemplate
	namespace *corev1.Namespace
	role      *iamv1beta1.WorkspaceRole
	binding   *iamv1beta1.WorkspaceRoleBinding
}

func newBrief(name string) brief {
	wanted := brief{
		template:  template(name, "mia"),
		namespace: namespaceIn(name+"-space", name),
		role: &iamv1beta1.WorkspaceRole{ObjectMeta: metav1.ObjectMeta{
			Name: name + "-own", Labels: map[string]string{tenantv1beta1.WorkspaceLabel: name},
		}},
		binding: bind(name+"-own", name, name+"-own", rbacv1.Subject{Kind: "User", Name: "otto"}),
	}
	wanted.namespace.Annotations = map[string]string{tenantv1beta1.CreatorAnnotation: "mia"}
	wanted.role.Rules = []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"},
	}}

	return wanted
}

func (b brief) objects() []client.Object {
	return []client.Object{b.template, b.namespace, b.role, b.binding}
}

func (b brief) workspace() *tenantv1beta1.Workspace {
	return &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: b.template.Name}}
}

// native are what is made of the role: where it is bound, for the workspace itself, and in the namespace.
func (b brief) native() (*rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding, *rbacv1.RoleBinding) {
	name := access.WorkspaceRoleName(b.role.Name)
	self := access.WorkspaceRoleSelfName(b.role.Name)

	return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: self}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace.Name, Name: name}}
}

// make creates everything, at once.
func (b brief) make(t *testing.T) {
	t.Helper()

	for _, object := range b.objects() {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatalf("create %T %s: %v", object, object.GetName(), err)
		}
	}
}

// stages are how far the manager has come when the deletion begins.
func (b brief) stages() map[string]func(context.Context) bool {
	there := func(object client.Object) func(context.Context) bool {
		return func(ctx context.Context) bool {
			return admin.Get(ctx, client.ObjectKeyFromObject(object), object) == nil
		}
	}
	ready := func(conditions *[]metav1.Condition, object client.Object) func(context.Context) bool {
		return func(ctx context.Context) bool {
			return there(object)(ctx) && meta.IsStatusConditionTrue(*conditions, kube.ConditionReady)
		}
	}
	role, self, inside := b.native()
	template, workspace := b.template.DeepCopy(), b.workspace()
	wsAdmin := metav1.ObjectMeta{Name: b.template.Name + "-admin"}

	return map[string]func(context.Context) bool{
		"a at once":            func(context.Context) bool { return true },
		"b finalizer":          func(ctx context.Context) bool { return there(template)(ctx) && len(template.Finalizers) > 0 },
		"c Workspace":          there(workspace.DeepCopy()),
		"d WorkspaceRole":      there(&iamv1beta1.WorkspaceRole{ObjectMeta: wsAdmin}),
		"e binding of manager": there(&iamv1beta1.WorkspaceRoleBinding{ObjectMeta: wsAdmin}),
		"f ClusterRole":        there(role),
		"g ClusterRoleBinding": there(self),
		"h RoleBinding":        there(inside),
		"i ready workspace":    ready(&workspace.Status.Conditions, workspace),
		"j ready template":     ready(&template.Status.Conditions, template),
	}
}

// reach waits for a stage without a pause that would let the manager get much further.
func reach(t *testing.T, name string, stage func(context.Context) bool) {
	t.Helper()

	err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, timeout, true,
		func(ctx context.Context) (bool, error) { return stage(ctx), nil })
	if err != nil {
		t.Fatalf("the manager does not get as far as %s: %v", name, err)
	}
}

func deleteNow(t *testing.T, objects ...client.Object) {
	t.Helper()

	for _, object := range objects {
		if err := client.IgnoreNotFound(admin.Delete(t.Context(), object)); err != nil {
			t.Fatalf("delete %T %s: %v", object, object.GetName(), err)
		}
	}
}

// However far the manager has come with them, and whatever is deleted first, nothing is left of them, and nothing
// hangs.
func TestDeletionDuringCreation(t *testing.T) {
	startManager(t)

	rounds := 0

	for first := range 1 + len(newBrief("").objects()) {
		for _, name := range stageNames() {
			wanted := newBrief(fmt.Sprintf("brief-%d", rounds))

			if (first+rounds)%2 == 1 {
				wanted.template.Annotations = map[string]string{
					tenantv1beta1.DeletionPropagationAnnotation: "Foreground",
				}
			}

			wanted.make(t)
			reach(t, name, wanted.stages()[name])

			objects := append(wanted.objects(), wanted.workspace())
			deleteNow(t, slices.Concat(objects[first:], objects[:first])...)

			rounds++
		}
	}

	t.Logf("%d workspaces were deleted while they were made", rounds)
	waitNothingLeft(t, "brief-")
}

func stageNames() []string {
	var names []string
	for name := range newBrief("").stages() {
		names = append(names, name)
	}

	slices.Sort(names)

	return names
}

// A namespace that stays is free when its workspace is gone, even one that had only just become its.
func TestNamespacesAreFreeAfterDeletionDuringCreation(t *testing.T) {
	startManager(t)

	var kept []*corev1.Namespace

	for round, name := range stageNames() {
		wanted := newBrief(fmt.Sprintf("fleeting-%d", round))
		wanted.make(t)
		reach(t, name, wanted.stages()[name])
		deleteNow(t, wanted.template)

		kept = append(kept, wanted.namespace)
	}

	for _, namespace := range kept {
		eventually(t, "namespace "+namespace.Name+" is free", func(ctx context.Context) error {
			if err := admin.Get(ctx, client.ObjectKeyFromObject(namespace), namespace); err != nil {
				return err
			}

			if namespace.Labels[tenantv1beta1.WorkspaceLabel] != "" || len(namespace.Finalizers) > 0 ||
				len(namespace.OwnerReferences) > 0 || !namespace.DeletionTimestamp.IsZero() {
				return fmt.Errorf("it is %+v", namespace.ObjectMeta)
			}

			return nil
		})
	}

	eventually(t, "nothing but the namespaces is left", func(ctx context.Context) error {
		left, err := leftovers(ctx, "fleeting-")
		left = slices.DeleteFunc(left, func(what string) bool { return strings.HasPrefix(what, "Namespace ") })

		return errors.Join(err, complain(left))
	})

	for _, namespace := range kept {
		deleteNow(t, namespace)
	}

	waitNothingLeft(t, "fleeting-")
}

// What is deleted alone takes with it what was made of it, and the rest is made to the end.
func TestPartsDeletedDuringCreation(t *testing.T) {
	startManager(t)

	const rounds = 5

	var all []brief

	for round := range rounds * len(newBrief("").objects()) {
		wanted := newBrief(fmt.Sprintf("partial-%d", round))
		wanted.make(t)
		reach(t, "some stage", wanted.stages()[stageNames()[round%len(stageNames())]])

		part := []client.Object{wanted.binding, wanted.role, wanted.namespace, wanted.workspace()}[round/rounds]
		deleteNow(t, part)

		all = append(all, wanted)
	}

	for round, wanted := range all {
		waitReady(t, wanted.template.Name)

		switch role, self, inside := wanted.native(); round / rounds {
		case 0: // the binding
			waitGone(t, self)
			waitGone(t, inside)
			waitThere(t, role)
		case 1: // the role
			waitGone(t, self)
			waitGone(t, inside)
			waitGone(t, role)
			waitReason(t, wanted.binding, "RoleNotFound")
		case 2: // the namespace
			waitGone(t, wanted.namespace)
			waitThere(t, self)
			waitCount(t, wanted.template.Name, 0)
		default: // the Workspace, which is made anew
			waitThere(t, wanted.workspace())
			waitThere(t, self)
			waitThere(t, inside)
			waitCount(t, wanted.template.Name, 1)
		}
	}

	for _, wanted := range all {
		deleteNow(t, wanted.objects()...)
	}

	waitNothingLeft(t, "partial-")
}

func waitReason(t *testing.T, binding *iamv1beta1.WorkspaceRoleBinding, reason string) {
	t.Helper()

	eventually(t, binding.Name+" says "+reason, func(ctx context.Context) error {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(binding), binding); err != nil {
			return err
		}

		return checkReason(binding.Status.Conditions, reason)
	})
}

// The last of many under one name is whole: what goes on with those before it does not reach it.
func TestMadeAnewWhileItGoes(t *testing.T) {
	startManager(t)

	const times = 10

	var last brief

	for round := range times {
		last = newBrief("again")
		last.namespace.Name += fmt.Sprintf("-%d", round) // one that goes takes Kubernetes seconds

		for _, object := range last.objects() {
			eventually(t, fmt.Sprintf("%T %s can be made", object, object.GetName()), func(ctx context.Context) error {
				object.SetResourceVersion("")

				return admin.Create(ctx, object)
			})
		}

		deleteNow(t, last.objects()...)
	}

	for _, object := range last.objects() {
		waitGone(t, object)
	}

	last = newBrief("again")
	last.make(t)
	waitReady(t, "again")

	role, self, inside := last.native()
	for _, object := range []client.Object{role, self, inside} {
		waitThere(t, object)
	}

	deleteNow(t, last.objects()...)
	waitNothingLeft(t, "again")
}

// waitNothingLeft waits until all is gone, and then until whatever may be on its way has had its effect.
func waitNothingLeft(t *testing.T, prefix string) {
	t.Helper()

	gone := func(ctx context.Context) error {
		left, err := leftovers(ctx, prefix)

		return errors.Join(err, complain(left))
	}

	eventually(t, "nothing is left", gone)
	eventually(t, "the controllers have nothing to do", func(context.Context) error { return drained() })

	// What is made after all of it, and seen, stands at the end of every watch.
	witness := newBrief("witness-of-" + strings.TrimSuffix(prefix, "-"))
	for _, object := range witness.objects() {
		create(t, object)
	}

	waitReady(t, witness.template.Name)

	_, _, inside := witness.native()
	waitThere(t, inside)
	eventually(t, "the controllers have nothing to do", func(context.Context) error { return drained() })

	if err := gone(t.Context()); err != nil {
		t.Errorf("something has come back: %v", err)
	}
}

func complain(left []string) error {
	if len(left) == 0 {
		return nil
	}

	const shown = 10

	return fmt.Errorf("%d objects are left: %s", len(left), strings.Join(left[:min(shown, len(left))], "; "))
}

// leftovers are all objects that were made of workspaces whose names begin so.
func leftovers(ctx context.Context, prefix string) ([]string, error) {
	var (
		left []string
		errs []error
	)

	for _, list := range []client.ObjectList{
		&tenantv1beta1.WorkspaceTemplateList{}, &tenantv1beta1.WorkspaceList{}, &corev1.NamespaceList{},
		&iamv1beta1.WorkspaceRoleList{}, &iamv1beta1.WorkspaceRoleBindingList{},
		&rbacv1.ClusterRoleList{}, &rbacv1.ClusterRoleBindingList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{},
		&iamv1beta1.RoleList{},
	} {
		errs = append(errs, admin.List(ctx, list), meta.EachListItem(list, func(item runtime.Object) error {
			object, isObject := item.(client.Object)
			if isObject && isLeft(object, prefix) {
				left = append(left, describe(object))
			}

			return nil
		}))
	}

	return left, errors.Join(errs...)
}

// isLeft tells whether an object is of such a workspace. In a namespace that stays, what people made stays too.
func isLeft(object client.Object, prefix string) bool {
	if strings.HasPrefix(object.GetLabels()[tenantv1beta1.WorkspaceLabel], prefix) {
		return true
	}

	if object.GetNamespace() != "" {
		return strings.HasPrefix(object.GetNamespace(), prefix) &&
			object.GetLabels()[tenancy.ManagedByLabel] == tenancy.ManagedBy
	}

	return strings.HasPrefix(object.GetName(), prefix) ||
		strings.HasPrefix(object.GetName(), access.WorkspaceRoleName(prefix))
}

func describe(object client.Object) string {
	kind := strings.TrimPrefix(fmt.Sprintf("%T", object), "*")
	_, kind, _ = strings.Cut(kind, ".")

	text := kind + " " + strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")
	if !object.GetDeletionTimestamp().IsZero() {
		text += fmt.Sprintf(" (being deleted, finalizers %v)", object.GetFinalizers())
	}

	return text
}
