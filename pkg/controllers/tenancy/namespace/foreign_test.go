package namespace_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// The store of roles has those of everybody: what others made in a namespace is no stray of ours. Only the names that
// we give are ours.
func TestRolesOfOthersStay(t *testing.T) {
	rules := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}
	meta := func(name string, labels map[string]string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "member", Name: name, Labels: labels}
	}
	projected := map[string]string{
		"app.kubernetes.io/managed-by": "ks-controller-manager", "app.kubernetes.io/component": "role",
	}

	others := []client.Object{
		&rbacv1.Role{ObjectMeta: meta("deployer", nil), Rules: rules},
		&rbacv1.Role{ObjectMeta: meta("kubesphere:iam:deployer", projected), Rules: rules},
		&iamv1beta1.Role{ObjectMeta: meta("deployer", nil), RoleContent: iamv1beta1.RoleContent{Rules: rules}},
	}
	inTheWay := &rbacv1.Role{ObjectMeta: meta(access.NativeRoleName("viewer"), nil), Rules: rules}

	scheme := newScheme(t)

	backend, err := harness.Fake().Open(t.Context(), subject(t))
	if err != nil {
		t.Fatal(err)
	}

	workspace := &tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "ws"}}
	for _, object := range append(others, inTheWay, workspace, inWorkspace("member")) {
		if err := backend.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	for range 2 {
		_, err := build(t, scheme, harness.Environment{Client: backend}).Reconciler.Reconcile(t.Context(),
			reconcile.Request{NamespacedName: client.ObjectKey{Name: "member"}})
		if err != nil {
			t.Fatal(err)
		}
	}

	for _, before := range others {
		after := before.DeepCopyObject().(client.Object)

		if err := backend.Get(t.Context(), client.ObjectKeyFromObject(before), after); err != nil {
			t.Errorf("%T %s: %v", before, before.GetName(), err)
		} else if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%T %s (-before +after):\n%s", before, before.GetName(), diff)
		}
	}

	if err := backend.Get(t.Context(), client.ObjectKeyFromObject(inTheWay), inTheWay); err != nil {
		t.Fatal(err)
	}

	if access.Mark(inTheWay) == access.Foreign || cmp.Equal(rules, inTheWay.Rules) {
		t.Error("a role that was in the way is not taken over")
	}
}
