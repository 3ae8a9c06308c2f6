package integration_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/cmd/ks-controller-manager/app"
	"github.com/ks-core/ks-controller-manager/pkg/controllers"
	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// uninstalled is a cluster whose manager is gone.
type uninstalled struct {
	t       *testing.T
	cluster *cluster.Cluster
	admin   client.Client
}

// Once KubeSphere or this manager is gone, nobody takes its finalizers off (kubesphere#3026, #3678, #5659), and its
// owner references let namespaces go with their Workspace (kubesphere#3772). After cleanup neither happens. The real
// namespace controller and garbage collector run in this test, and no manager.
func TestUninstallingHangsNothingAndDeletesNothing(t *testing.T) {
	control := cluster.ForTest(t, cluster.Options{ControllerManager: true})

	direct, err := client.New(control.Config(), client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}

	old := uninstalled{t: t, cluster: control, admin: direct}

	t.Run("without our kinds", func(t *testing.T) { old.in(t).leavesNamespacesWithoutOurKinds() })

	if _, err := control.Kubectl(t.Context(), "apply", "--server-side", "-k", root+"/config/crd"); err != nil {
		t.Fatal(err)
	}

	_, err = control.Kubectl(t.Context(), "wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
	if err != nil {
		t.Fatal(err)
	}

	t.Run("with our kinds", func(t *testing.T) { old.in(t).leavesNamespacesOfADeletedWorkspace() })
	t.Run("with all of it", func(t *testing.T) { old.in(t).leavesNothingBehind() })
}

// in has a test of its own tell what is wrong.
func (u uninstalled) in(t *testing.T) uninstalled {
	t.Helper()

	return uninstalled{t: t, cluster: u.cluster, admin: u.admin}
}

func (u uninstalled) leavesNamespacesWithoutOurKinds() {
	u.create(legacyNamespace("forgotten", ""))
	u.delete(legacyNamespace("forgotten", ""))
	u.isHeld(legacyNamespace("forgotten", ""))

	u.cleanup("--yes")
	u.isGone(legacyNamespace("forgotten", ""))
}

func (u uninstalled) leavesNamespacesOfADeletedWorkspace() {
	workspace := &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{
		Name:       "old",
		Finalizers: []string{tenantv1beta1.LegacyWorkspaceFinalizer, tenantv1beta1.CascadingDeletionFinalizer},
	}}
	u.create(workspace)

	stays, ends := legacyNamespace("old-stays", workspace.UID), legacyNamespace("old-ends", workspace.UID)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Namespace: "old-ends", Name: "robot", Finalizers: []string{"finalizers.kubesphere.io/serviceaccount"},
	}}
	made, own := roleBinding("made"), roleBinding("own")
	made.Labels = map[string]string{"app.kubernetes.io/managed-by": "ks-controller-manager"}

	for _, object := range []client.Object{stays, ends, account, made, own} {
		u.create(object)
	}

	u.delete(workspace)
	u.delete(ends)
	u.isHeld(workspace)
	u.isHeld(ends)

	if out := u.cleanup(); !strings.Contains(out, "old-ends") {
		u.t.Errorf("the plan does not tell of the namespace:\n%s", out)
	}

	u.isHeld(workspace)
	u.cleanup("--yes")

	for _, gone := range []client.Object{workspace, ends, made} {
		u.isGone(gone)
	}

	for _, kept := range []client.Object{stays, own} {
		if err := u.admin.Get(u.t.Context(), client.ObjectKeyFromObject(kept), kept); err != nil {
			u.t.Errorf("%s: %v", kept.GetName(), err)
		}
	}

	if len(stays.OwnerReferences) > 0 || !stays.DeletionTimestamp.IsZero() || len(stays.Finalizers) > 0 {
		u.t.Errorf("the namespace that stays is %+v", stays.ObjectMeta)
	}

	if out := u.cleanup("--yes"); !strings.Contains(out, "nothing to clean up") {
		u.t.Errorf("the second time there is more to do:\n%s", out)
	}
}

// leavesNothingBehind deletes our kinds themselves, which takes all their objects to go.
func (u uninstalled) leavesNothingBehind() {
	for kind, finalizer := range map[string]string{
		"User": "finalizers.kubesphere.io/users", "Group": "finalizers.kubesphere.io/groups",
		"GroupBinding": "finalizers.kubesphere.io/groupsbindings", "GlobalRole": "finalizers.kubesphere.io/globalroles",
		"WorkspaceRole": "finalizers.kubesphere.io/workspaceroles", "Workspace": tenantv1beta1.LegacyOrphanFinalizer,
	} {
		object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"email": "a"}}}
		object.SetAPIVersion("iam.kubesphere.io/v1beta1")
		object.SetKind(kind)
		object.SetName("last")
		object.SetFinalizers([]string{finalizer})

		if kind == "Workspace" {
			object.SetAPIVersion("tenant.kubesphere.io/v1beta1")
		}

		u.create(object)
	}

	u.cleanup("--yes", "--custom-resources", "--labels")

	_, err := u.cluster.Kubectl(u.t.Context(), "delete", "-k", root+"/config/crd", "--timeout=20s")
	if err != nil {
		u.t.Errorf("delete the definitions: %v", err)
	}

	stays := legacyNamespace("old-stays", "")
	if err := u.admin.Get(u.t.Context(), client.ObjectKeyFromObject(stays), stays); err != nil {
		u.t.Fatal(err)
	}

	if _, labelled := stays.Labels[tenantv1beta1.WorkspaceLabel]; labelled || !stays.DeletionTimestamp.IsZero() {
		u.t.Errorf("the namespace that stays is %+v", stays.ObjectMeta)
	}

	u.delete(stays)
	u.isGone(stays)
}

func legacyNamespace(name string, owner types.UID) *corev1.Namespace {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{tenantv1beta1.WorkspaceLabel: "old", tenantv1beta1.NamespaceLabel: name},
		Finalizers: []string{tenantv1beta1.LegacyNamespaceFinalizer, tenantv1beta1.CascadingDeletionFinalizer},
	}}

	if owner != "" {
		isTrue := true
		namespace.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: "tenant.kubesphere.io/v1alpha1", Kind: "Workspace", Name: "old", UID: owner,
			Controller: &isTrue, BlockOwnerDeletion: &isTrue,
		}}
	}

	return namespace
}

func roleBinding(name string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "old-stays", Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
	}
}

// cleanup runs the command as an administrator would.
func (u uninstalled) cleanup(flags ...string) string {
	u.t.Helper()

	command, err := app.NewCommand("ks-controller-manager", "test", controllers.Catalog())
	if err != nil {
		u.t.Fatal(err)
	}

	var out bytes.Buffer

	command.SetOut(&out)
	command.SetErr(&out)
	command.SetArgs(append([]string{"cleanup", "--kubeconfig", u.cluster.Kubeconfig()}, flags...))

	if err := command.ExecuteContext(u.t.Context()); err != nil {
		u.t.Fatalf("cleanup %v: %v\n%s", flags, err, out.String())
	}

	return out.String()
}

func (u uninstalled) create(object client.Object) {
	u.t.Helper()

	if err := u.admin.Create(u.t.Context(), object); err != nil {
		u.t.Fatalf("create %s: %v", object.GetName(), err)
	}
}

func (u uninstalled) delete(object client.Object) {
	u.t.Helper()

	if err := u.admin.Delete(u.t.Context(), object); err != nil {
		u.t.Fatalf("delete %s: %v", object.GetName(), err)
	}
}

// isHeld wants an object to be there, on its way out.
func (u uninstalled) isHeld(object client.Object) {
	u.t.Helper()

	err := u.admin.Get(u.t.Context(), client.ObjectKeyFromObject(object), object)
	if err != nil || object.GetDeletionTimestamp().IsZero() {
		u.t.Errorf("%s is not held: %v", object.GetName(), err)
	}
}

func (u uninstalled) isGone(object client.Object) {
	u.t.Helper()

	eventually(u.t, object.GetName()+" is gone", func(ctx context.Context) error {
		err := u.admin.Get(ctx, client.ObjectKeyFromObject(object), object)
		if err == nil {
			return errors.New("it is still there")
		}

		if apierrors.IsNotFound(err) {
			return nil
		}

		return err
	})
}
