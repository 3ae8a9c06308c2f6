package integration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
)

// request is what somebody wants to do, as the API server's authorizer sees it.
type request struct {
	user, group                   string
	verb, apiGroup, resource, sub string
	namespace, name               string
}

func (r request) String() string {
	return fmt.Sprintf("%s%s may %s %s %s %s/%s", r.user, r.group, r.verb, r.apiGroup, r.resource, r.namespace, r.name)
}

// waitAllowed waits for the authorizer's answer, which is that of kubectl.
func waitAllowed(t *testing.T, want bool, request request) {
	t.Helper()

	eventually(t, fmt.Sprintf("%s: %t", request, want), func(ctx context.Context) error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: request.user,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: request.namespace, Name: request.name, Verb: request.verb,
				Group: request.apiGroup, Resource: request.resource, Subresource: request.sub,
			},
		}}
		if request.group != "" {
			review.Spec.Groups = []string{request.group}
		}

		if err := admin.Create(ctx, review); err != nil {
			return fmt.Errorf("ask the authorizer: %w", err)
		}

		if review.Status.Allowed != want {
			return fmt.Errorf("the authorizer says %t", review.Status.Allowed)
		}

		return nil
	})
}

func namespaceIn(name, workspace string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{tenantv1beta1.WorkspaceLabel: workspace},
	}}
}

func bind(name, workspace, role string, subjects ...rbacv1.Subject) *iamv1beta1.WorkspaceRoleBinding {
	binding := &iamv1beta1.WorkspaceRoleBinding{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{tenantv1beta1.WorkspaceLabel: workspace},
	}}
	binding.RoleRef = rbacv1.RoleRef{APIGroup: iamv1beta1.GroupName, Kind: "WorkspaceRole", Name: role}
	binding.Subjects = subjects

	return binding
}

// What a role gives and what it does not is asked of the API server itself; so is that it ends with the binding.
func TestWorkspaceRolesHoldWithKubectl(t *testing.T) {
	startManager(t)
	create(t, template("crew", "alice"))
	create(t, template("rivals", "rita"))
	waitReady(t, "crew")
	waitReady(t, "rivals")
	create(t, namespaceIn("crew-dev", "crew"))
	create(t, namespaceIn("rivals-dev", "rivals"))

	viewers := bind("crew-viewers", "crew", "crew-viewer",
		rbacv1.Subject{Kind: "User", Name: "victor"}, rbacv1.Subject{Kind: "Group", Name: "auditors"},
		rbacv1.Subject{Kind: "ServiceAccount", Namespace: "default", Name: "robot"})
	create(t, viewers)
	create(t, bind("crew-provisioners", "crew", "crew-self-provisioner", rbacv1.Subject{Kind: "User", Name: "paula"}))

	pods := request{verb: "get", resource: "pods", namespace: "crew-dev"}
	as := func(request request, user, group string) request {
		request.user, request.group = user, group
		return request
	}
	robot := "system:serviceaccount:default:robot"

	waitAllowed(t, true, as(pods, "victor", ""))
	waitAllowed(t, true, as(pods, "somebody", "auditors"))
	waitAllowed(t, true, as(pods, robot, ""))
	waitAllowed(t, true, request{
		user: "alice", verb: "create", apiGroup: "apps", resource: "deployments",
		namespace: "crew-dev",
	})
	waitAllowed(t, true, request{user: "paula", verb: "create", resource: "namespaces"})

	for _, forbidden := range []request{
		{user: "victor", verb: "get", resource: "secrets", namespace: "crew-dev"},
		{user: "victor", verb: "create", resource: "pods", sub: "exec", namespace: "crew-dev"},
		{user: "victor", verb: "get", resource: "pods", namespace: "rivals-dev"},
		{user: "alice", verb: "get", resource: "pods", namespace: "rivals-dev"},
		{user: "alice", verb: "patch", resource: "namespaces", namespace: "crew-dev", name: "crew-dev"},
		{user: "alice", verb: "update", resource: "namespaces", sub: "finalize", namespace: "crew-dev", name: "crew-dev"},
		{user: "alice", verb: "delete", resource: "namespaces", namespace: "crew-dev", name: "crew-dev"},
		{user: "alice", verb: "list", resource: "namespaces"},
		{user: "alice", verb: "bind", apiGroup: rbacv1.GroupName, resource: "clusterroles", name: "cluster-admin"},
		{user: "paula", verb: "get", resource: "pods", namespace: "crew-dev"},
	} {
		waitAllowed(t, false, forbidden)
	}

	// Another role instead, then no binding at all.
	patch := []byte(`{"roleRef":{"name":"crew-admin"}}`)
	if err := admin.Patch(t.Context(), viewers, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}

	secrets := request{user: "victor", verb: "get", resource: "secrets", namespace: "crew-dev"}
	waitAllowed(t, true, secrets)

	if err := admin.Delete(t.Context(), viewers); err != nil {
		t.Fatal(err)
	}

	waitAllowed(t, false, secrets)
	waitAllowed(t, false, as(pods, "victor", ""))
	waitAllowed(t, false, as(pods, robot, ""))
}

// A namespace that is moved takes its new workspace's people and loses the old one's (kubesphere#3028).
func TestTransfer(t *testing.T) {
	startManager(t)
	create(t, template("sender", "sara"))
	create(t, template("receiver", "rolf"))
	waitReady(t, "sender")
	waitReady(t, "receiver")

	parcel := namespaceIn("parcel", "sender")
	create(t, parcel)

	pods := request{verb: "create", resource: "pods", namespace: "parcel"}
	sara, rolf := pods, pods
	sara.user, rolf.user = "sara", "rolf"

	waitAllowed(t, true, sara)
	waitAllowed(t, false, rolf)

	patch := []byte(`{"metadata":{"labels":{"kubesphere.io/workspace":"receiver"}}}`)
	if err := admin.Patch(t.Context(), parcel, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}

	waitAllowed(t, false, sara)
	waitAllowed(t, true, rolf)
}

// Creators become administrators once; who takes that away again means it.
func TestCreatorIsBoundOnce(t *testing.T) {
	startManager(t)
	create(t, template("makers", ""))
	waitReady(t, "makers")

	namespace := namespaceIn("makers-shed", "makers")
	namespace.Annotations = map[string]string{tenantv1beta1.CreatorAnnotation: "carl"}
	create(t, namespace)

	pods := request{user: "carl", verb: "create", resource: "pods", namespace: "makers-shed"}
	waitAllowed(t, true, pods)

	binding := &iamv1beta1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "makers-shed", Name: "carl-admin"}}
	if err := admin.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}

	waitAllowed(t, false, pods)

	// A change that has the namespace looked at again.
	patch := []byte(`{"metadata":{"labels":{"touched":"true"}}}`)
	if err := admin.Patch(t.Context(), namespace, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}

	create(t, bind("makers-viewers", "makers", "makers-viewer", rbacv1.Subject{Kind: "User", Name: "vera"}))
	waitAllowed(t, true, request{user: "vera", verb: "get", resource: "pods", namespace: "makers-shed"})
	waitAllowed(t, false, pods)
}

// The namespaces of a cluster of 3.x get native roles under the names that people there bind.
func TestShapesFollowTheCluster(t *testing.T) {
	startManager(t)
	create(t, template("old-times", ""))
	waitReady(t, "old-times")
	create(t, namespaceIn("old-times-a", "old-times"))

	waitThere(t, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "old-times-a", Name: "kubesphere:iam:viewer"}})

	base := &iamv1alpha2.RoleBase{ObjectMeta: metav1.ObjectMeta{Name: "viewer"}}
	base.Role.Raw = []byte(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"auditor"},` +
		`"rules":[{"apiGroups":[""],"resources":["events"],"verbs":["get"]}]}`)
	create(t, base)

	for _, name := range []string{"admin", "operator", "viewer", "auditor"} {
		waitThere(t, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "old-times-a", Name: name}})
	}
}

func waitThere(t *testing.T, object client.Object) {
	t.Helper()

	eventually(t, fmt.Sprintf("%T %s is there", object, object.GetName()), func(ctx context.Context) error {
		return admin.Get(ctx, client.ObjectKeyFromObject(object), object)
	})
}

// The default lets namespaces go, free to join another workspace (kubesphere#5450); a cascade says what it awaits and
// deletes nothing as long as one of them is protected (kubesphere#3192).
func TestCascadeIsHeldByProtectedNamespaces(t *testing.T) {
	startManager(t)

	doomed := template("doomed", "dana")
	doomed.Annotations = map[string]string{tenantv1beta1.DeletionPropagationAnnotation: "Foreground"}
	create(t, doomed)
	waitReady(t, "doomed")

	plain, protected := namespaceIn("doomed-a", "doomed"), namespaceIn("doomed-b", "doomed")
	protected.Labels[tenantv1beta1.ProtectedLabel] = "true"

	create(t, plain)
	create(t, protected)

	if err := admin.Delete(t.Context(), doomed); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the workspace says what holds it", func(ctx context.Context) error {
		workspace := &tenantv1beta1.Workspace{}
		if err := admin.Get(ctx, client.ObjectKey{Name: "doomed"}, workspace); err != nil {
			return err
		}

		return checkReason(workspace.Status.Conditions, "ProtectedNamespaces")
	})

	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(plain), plain); err != nil ||
		!plain.DeletionTimestamp.IsZero() {
		t.Fatalf("a namespace went although another is protected: %v", err)
	}

	patch := []byte(`{"metadata":{"labels":{"kubesphere.io/protected-resource":null}}}`)
	if err := admin.Patch(t.Context(), protected, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}

	waitGone(t, plain)
	waitGone(t, protected)
	waitGone(t, doomed)
}

func checkReason(conditions []metav1.Condition, reason string) error {
	for _, condition := range conditions {
		if condition.Type == "Ready" && condition.Reason == reason {
			return nil
		}
	}

	return fmt.Errorf("conditions %+v", conditions)
}

// A Workspace that is deleted and made anew, by its template or from a backup, takes nothing with it: neither by
// owner references of 3.x with the old UID (kubesphere#4210) nor by the label.
func TestRecreatedWorkspaceDeletesNothing(t *testing.T) {
	startManager(t)
	create(t, template("phoenix", "phil"))
	waitReady(t, "phoenix")

	before := &tenantv1beta1.Workspace{}
	if err := admin.Get(t.Context(), client.ObjectKey{Name: "phoenix"}, before); err != nil {
		t.Fatal(err)
	}

	ash := namespaceIn("phoenix-ash", "phoenix")
	ash.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "tenant.kubesphere.io/v1alpha1", Kind: "Workspace", Name: "phoenix", UID: before.UID,
	}}
	create(t, ash)

	if err := admin.Delete(t.Context(), before.DeepCopy()); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the workspace is made anew", func(ctx context.Context) error {
		now := &tenantv1beta1.Workspace{}
		if err := admin.Get(ctx, client.ObjectKey{Name: "phoenix"}, now); err != nil {
			return err
		}

		if now.UID == before.UID {
			return errors.New("it is still the old one")
		}

		return nil
	})
	waitReady(t, "phoenix")

	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(ash), ash); err != nil {
		t.Fatal(err)
	}

	if !ash.DeletionTimestamp.IsZero() || ash.Labels[tenantv1beta1.WorkspaceLabel] != "phoenix" ||
		len(ash.OwnerReferences) > 0 {
		t.Errorf("the namespace is %+v", ash.ObjectMeta)
	}

	waitAllowed(t, true, request{user: "phil", verb: "create", resource: "pods", namespace: "phoenix-ash"})
}
