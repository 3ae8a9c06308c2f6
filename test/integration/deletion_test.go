package integration_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// KubeSphere 3.x made the Workspace the owner of its namespaces, so that deleting the one deleted the others
// (kubesphere#3772). The real garbage collector runs in this test.
func TestDeletingATemplateKeepsNamespaces(t *testing.T) {
	startManager(t)

	gone := template("deleted", "alice")
	create(t, gone)
	waitReady(t, "deleted")

	workspace := &tenantv1beta1.Workspace{}
	if err := admin.Get(t.Context(), client.ObjectKey{Name: "deleted"}, workspace); err != nil {
		t.Fatal(err)
	}

	isTrue := true
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   "deleted-payroll",
		Labels: map[string]string{tenantv1beta1.WorkspaceLabel: "deleted"},
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "tenant.kubesphere.io/v1alpha1", Kind: "Workspace", Name: "deleted", UID: workspace.UID,
			Controller: &isTrue, BlockOwnerDeletion: &isTrue,
		}},
	}}
	create(t, namespace)

	if err := admin.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}

	waitGone(t, gone)
	waitGone(t, &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "deleted"}})

	self := metav1.ObjectMeta{Name: access.WorkspaceRoleSelfName("deleted-admin")}
	waitGone(t, &rbacv1.ClusterRoleBinding{ObjectMeta: self})
	waitGone(t, &rbacv1.ClusterRole{ObjectMeta: self})
	waitMay(t, "alice", "get", "deleted", false)

	// The collector has let go of the namespace before the Workspace went, or it would take it now.
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(namespace), namespace); err != nil {
		t.Fatal(err)
	}

	if len(namespace.OwnerReferences) != 0 || !namespace.DeletionTimestamp.IsZero() {
		t.Errorf("the namespace is about to go with its workspace: %+v", namespace.ObjectMeta)
	}
}

// Objects of both major releases carry finalizers that only their own managers took off, so that they could
// not be deleted any more (kubesphere#5659).
func TestKubeSpheresFinalizersAreReleased(t *testing.T) {
	startManager(t)

	old := template("finalized", "alice")
	old.Finalizers = []string{
		tenantv1beta1.LegacyWorkspaceTemplateFinalizer,
		tenantv1beta1.LegacyOrphanFinalizer,
		tenantv1beta1.CascadingDeletionFinalizer,
	}
	create(t, old)
	waitReady(t, "finalized")

	patch := []byte(`{"metadata":{"finalizers":
		["finalizers.tenant.kubesphere.io","kubesphere.io/cascading-deletion"]}}`)
	workspace := &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "finalized"}}

	if err := admin.Patch(t.Context(), workspace, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}

	if err := admin.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}

	waitGone(t, old)
	waitGone(t, workspace)
}

func TestForeignFinalizerIsRespected(t *testing.T) {
	startManager(t)

	held := template("held", "alice")
	held.Finalizers = []string{"example.com/backup"}
	create(t, held)
	waitReady(t, "held")

	if err := admin.Delete(t.Context(), held); err != nil {
		t.Fatal(err)
	}

	waitGone(t, &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "held"}})
	eventually(t, "only the foreign finalizer is left", func(ctx context.Context) error {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(held), held); err != nil {
			return fmt.Errorf("read the template: %w", err)
		}

		if !slices.Equal(held.Finalizers, []string{"example.com/backup"}) {
			return fmt.Errorf("it has %v", held.Finalizers)
		}

		return nil
	})

	patch := []byte(`{"metadata":{"finalizers":null}}`)
	if err := admin.Patch(t.Context(), held, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}

	waitGone(t, held)
}
