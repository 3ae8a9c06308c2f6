package guard_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// members are those who have nothing but what the manager made of the roles they were given in team-a.
func members() []string { return []string{alice, robot, carol, vera, greta, dave, olga} }

// Who has only what the manager rendered gets no further, be it RBAC or the guard that stops it.
func TestMembersAreStopped(t *testing.T) {
	for _, who := range members() {
		for _, err := range successes(t.Context(), who) {
			t.Error(err)
		}
	}
}

// What the manager made are all the rights they have, so that it is those that have been tried.
func TestMembersHoldWhatWasRendered(t *testing.T) {
	if err := rendered(t.Context()); err != nil {
		t.Error(err)
	}
}

// Nobody is stopped for want of any right: each can do what the role is for.
func TestMembersHoldTheirRoles(t *testing.T) {
	if err := promisesKept(t.Context()); err != nil {
		t.Error(err)
	}
}

// With a right that no manager gave, both would tell.
func TestMembersSaboteur(t *testing.T) {
	const name = "test:too-much"

	send(t, admin, request{
		post, rbac + "clusterrolebindings", `{"apiVersion":"rbac.authorization.k8s.io/v1",` +
			`"kind":"ClusterRoleBinding","metadata":{"name":"` + name + `"},"roleRef":{"apiGroup":` +
			`"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},` +
			`"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"vera"}]}`,
	})

	revoke := func(ctx context.Context) {
		_ = request{remove, rbac + "clusterrolebindings/" + name, ""}.send(ctx, admin, false)
		if err := eventually(ctx, firstRefused); err != nil {
			t.Error(err)
		}
	}

	t.Cleanup(func() { revoke(context.WithoutCancel(t.Context())) })

	err := eventually(t.Context(), func(ctx context.Context) error {
		if firstRefused(ctx) == nil {
			return errors.New("the API server has not seen the binding yet")
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	if tried, found := len(attempts())+len(trespasses()), len(successes(t.Context(), vera)); found < tried/2 {
		t.Errorf("an administrator of the platform succeeds in only %d of %d", found, tried)
	}

	if err := rendered(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("the binding is not noticed: %v", err)
	}
}

// firstRefused returns an error as long as vera may what an administrator of the platform may.
func firstRefused(ctx context.Context) error {
	return trespasses()[0].refusedTo(ctx, vera)
}

// refusedTo returns an error unless the request is refused to somebody. Nothing changes.
func (r request) refusedTo(ctx context.Context, who string) error {
	switch err := r.send(ctx, who, true); {
	case err == nil:
		return fmt.Errorf("%s: %s: succeeds", who, r)
	case isRefused(err):
		return nil
	default:
		return fmt.Errorf("%s: %s: is not refused: %w", who, r, err)
	}
}

// successes are all attempts and trespasses that somebody is not stopped at. Nothing changes.
func successes(ctx context.Context, who string) []error {
	tried := trespasses()

	if who != alice && who != robot && who != greta {
		tried = append(tried, administrations()...)
	}

	if who == carol || who == vera {
		tried = append(tried, operations()...)
	}

	for _, attempt := range attempts() {
		if !attempt.isRightful {
			tried = append(tried, attempt.request)
		}
	}

	var out []error

	for _, request := range tried {
		if err := request.refusedTo(ctx, who); err != nil {
			out = append(out, err)
		}
	}

	return out
}

// trespasses go around the guard, or where a member of a workspace has no business. No policy is needed against them:
// a role must not give the right.
func trespasses() []request {
	return slices.Concat(looksAround(), weakenings(), identities(), takings())
}

// looksAround read what is others'.
func looksAround() []request {
	paths := []string{
		"/api/v1/namespaces", "/api/v1/secrets", "/api/v1/nodes",
		namespace("team-b-one"), namespace("team-b-one") + "/pods", namespace("team-b-one") + "/secrets",
		namespace("kubesphere-system") + "/secrets", namespace("kube-system") + "/configmaps",
		tenant + "workspaces", tenant + "workspaces/team-b", tenant + "workspacetemplates",
		tenant + "workspacepolicies", iam + "users", iam + "users/alice", iam + "loginrecords",
		iam + "workspaceroles", iam + "workspaceroles/team-b-admin", iam + "workspacerolebindings",
		iam + "globalroles", iam + "groups", iamOld + "users",
		rbac + "clusterroles", rbac + "clusterrolebindings", rbac + "rolebindings",
	}

	out := make([]request, 0, len(paths))
	for _, path := range paths {
		out = append(out, request{read, path, ""})
	}

	return out
}

// weakenings take away what the guard, the workspaces or the manager stand on.
func weakenings() []request {
	const (
		admission = "/apis/admissionregistration.k8s.io/v1/"
		crds      = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
		leases    = "/apis/coordination.k8s.io/v1/namespaces/kubesphere-system/leases/"
		audit     = `{"spec":{"validationActions":["Audit"]}}`
		ignore    = `{"spec":{"failurePolicy":"Ignore"}}`
	)

	return []request{
		{remove, admission + "validatingadmissionpolicies/" + newcomers, ""},
		{remove, admission + "validatingadmissionpolicybindings/" + newcomers, ""},
		{remove, admission + "validatingadmissionpolicies/" + ownership, ""},
		{remove, admission + "validatingadmissionpolicybindings/" + ownership, ""},
		{merge, admission + "validatingadmissionpolicybindings/" + ownership, audit},
		{merge, admission + "validatingadmissionpolicies/" + ownership, ignore},
		{remove, admission + "mutatingadmissionpolicies/ks-self-service", ""},
		{
			post, admission + "mutatingadmissionpolicies",
			`{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingAdmissionPolicy","metadata":{"name":"x"}}`,
		},
		{
			post, admission + "validatingwebhookconfigurations", `{"apiVersion":"admissionregistration.k8s.io/v1",` +
				`"kind":"ValidatingWebhookConfiguration","metadata":{"name":"x"}}`,
		},
		{remove, crds + "workspaces.tenant.kubesphere.io", ""},
		{merge, crds + "workspaces.tenant.kubesphere.io", `{"metadata":{"annotations":{"a":"b"}}}`},
		{merge, leases + "ks-controller-manager-leader-election", `{"spec":{"holderIdentity":"x"}}`},
		{merge, namespace("team-a-one") + "/resourcequotas/x", `{"spec":{"hard":{"pods":"9"}}}`},
		{
			post, namespace("team-a-one") + "/resourcequotas",
			`{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"x"}}`,
		},
		{remove, namespace("team-a-one") + "/limitranges/x", ""},
		{merge, namespace("team-a-one") + "/endpoints/x", `{"metadata":{"labels":{"a":"b"}}}`},
	}
}

// identities pass for somebody else. The certificates of users and the annotations on users are how KubeSphere did it.
func identities() []request {
	const csrs = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

	return []request{
		{
			post, csrs, `{"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":` +
				`{"name":"x","labels":{"kubesphere.io/username":"admin"}},"spec":{"request":"",` +
				`"usages":["client auth"],"signerName":"kubernetes.io/kube-apiserver-client"}}`,
		},
		{read, csrs, ""},
		{merge, csrs + "/x/approval", `{"status":{"conditions":[{"type":"Approved","status":"True"}]}}`},
		{
			post, namespace("kubesphere-system") + "/serviceaccounts/ks-controller-manager/token",
			`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}`,
		},
		{
			post, namespace("kube-system") + "/serviceaccounts/namespace-controller/token",
			`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}`,
		},
		{
			post, iam + "users",
			`{"apiVersion":"iam.kubesphere.io/v1beta1","kind":"User","metadata":{"name":"x"},"spec":{"email":"x@y.z"}}`,
		},
		{merge, iam + "users/bob", `{"spec":{"password":"Passw0rd"}}`},
		{merge, iamOld + "users/bob", `{"metadata":{"annotations":{"iam.kubesphere.io/globalrole":"platform-admin"}}}`},
		{merge, iam + "users/bob", `{"status":{"state":"Disabled"}}`},
		{remove, iam + "users/bob", ""},
		// Enough of these lock somebody out.
		{
			post, iam + "loginrecords", `{"apiVersion":"iam.kubesphere.io/v1beta1","kind":"LoginRecord","metadata":` +
				`{"generateName":"bob-","labels":{"iam.kubesphere.io/user-ref":"bob"}},"spec":{"type":"Password",` +
				`"provider":"","sourceIP":"","success":false,"reason":""}}`,
		},
		{merge, namespace("kubesphere-system") + "/configmaps/kubeconfig-bob", `{"data":{"config":""}}`},
	}
}

// takings take a right, or a thing, that nobody gave.
func takings() []request {
	role := func(rules string) request {
		return request{
			post, inA + "roles", `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role",` +
				`"metadata":{"name":"x"},"rules":[` + rules + `]}`,
		}
	}
	binding := func(path, kind, ref string) request {
		return request{
			post, path, fmt.Sprintf(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":%q,"metadata":{"name":"x"},`+
				`"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":%q},%s}`,
				kind, ref, anybody),
		}
	}

	return []request{
		// A role of one's own, with more than one holds.
		role(`{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}`),
		role(`{"apiGroups":[""],"resources":["namespaces"],"verbs":["patch"]}`),
		role(`{"apiGroups":[""],"resources":["resourcequotas"],"verbs":["update"]}`),
		role(`{"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles"],"verbs":["escalate"]}`),
		binding(inA+"rolebindings", "RoleBinding", "cluster-admin"),
		binding(inA+"rolebindings", "RoleBinding", "admin"),
		binding(rbac+"clusterrolebindings", "ClusterRoleBinding", "view"),
		// The namespace itself: 3.x and 4.x let its administrators write it.
		{merge, namespace("team-a-one"), `{"metadata":{"labels":{"app":"x"}}}`},
		{merge, namespace("team-a-one") + "/status", `{"metadata":{"labels":{"app":"x"}}}`},
		{put, namespace("team-a-one") + "/finalize", `{"metadata":{"labels":{"app":"x"}}}`},
		{remove, namespace("team-a-one"), ""},
		{remove, namespace("loose"), ""},
		{remove, tenant + "workspaces/team-a", ""},
		{remove, tenant + "workspacetemplates/team-a", ""},
		// The template of a workspace that has none would say who manages it.
		{
			post, tenant + "workspacetemplates", `{"apiVersion":"tenant.kubesphere.io/v1beta1",` +
				`"kind":"WorkspaceTemplate","metadata":{"name":"team-b"},"spec":{"template":{"spec":` +
				`{"manager":"mallory"}},"placement":{}}}`,
		},
		{
			post, tenant + "workspaces",
			`{"apiVersion":"tenant.kubesphere.io/v1beta1","kind":"Workspace","metadata":{"name":"x"}}`,
		},
		{merge, tenant + "workspaces/team-b", `{"spec":{"networkIsolation":false}}`},
		{merge, namespace("team-b-one") + "/serviceaccounts/default", `{"metadata":{"labels":{"app":"x"}}}`},
		{
			post, namespace("team-b-one") + "/configmaps",
			`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}`,
		},
		{
			post, namespace("kube-system") + "/configmaps",
			`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}`,
		},
	}
}

// administrations are for administrators of the workspace.
func administrations() []request {
	return []request{
		{read, namespace("team-a-two") + "/secrets", ""},
		{merge, tenant + "workspaces/team-a", `{"spec":{"manager":"mallory"}}`},
		{merge, tenant + "workspacetemplates/team-a", `{"spec":{"template":{"spec":{"manager":"mallory"}}}}`},
		{merge, iam + "workspaceroles/team-a-x", "{" + anything + "}"},
		{
			post, iam + "workspacerolebindings", `{"apiVersion":"iam.kubesphere.io/v1beta1",` +
				`"kind":"WorkspaceRoleBinding","metadata":{"name":"y","labels":{"kubesphere.io/workspace":"team-a"}},` +
				`"subjects":[],"roleRef":{"apiGroup":"iam.kubesphere.io","kind":"WorkspaceRole",` +
				`"name":"team-a-admin"}}`,
		},
		{remove, iam + "workspacerolebindings/team-a-vera", ""},
	}
}

// operations are for those who work in a namespace, and not for those who look at it, or create others.
func operations() []request {
	return []request{
		{read, namespace("team-a-one") + "/secrets", ""},
		{read, namespace("team-a-one") + "/secrets/x", ""},
		{post, namespace("team-a-one") + "/pods/x/exec", ""},
		{read, namespace("team-a-one") + "/pods/x/exec", ""},
		{read, namespace("team-a-one") + "/services/x/proxy", ""},
		{
			post, namespace("team-a-one") + "/serviceaccounts/robot/token",
			`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}`,
		},
		{
			post, namespace("team-a-one") + "/configmaps",
			`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}`,
		},
		{remove, namespace("team-a-one") + "/configmaps/kube-root-ca.crt", ""},
		{merge, iam + "namespaces/team-a-one/roles/greedy", "{" + anything + "}"},
		{merge, iam + "namespaces/team-a-one/rolebindings/greedy", "{" + anybody + "}"},
	}
}

// promisesKept returns an error unless all members can do what their roles are for.
func promisesKept(ctx context.Context) error {
	var errs []error

	for _, promise := range promises() {
		for _, request := range promise.requests {
			if err := request.send(ctx, promise.by, true); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", promise.by, request, err))
			}
		}
	}

	return errors.Join(errs...)
}

func promises() []right {
	work := func(namespaces ...string) []request {
		var out []request
		for _, name := range namespaces {
			out = append(out, request{read, namespace(name) + "/secrets", ""}, request{
				post, namespace(name) + "/configmaps",
				`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"promised"}}`,
			})
		}

		return out
	}
	look := func(namespaces ...string) []request {
		var out []request
		for _, name := range namespaces {
			out = append(out, request{read, namespace(name) + "/configmaps", ""}, request{read, namespace(name), ""},
				request{read, "/apis/apps/v1/namespaces/" + name + "/deployments", ""})
		}

		return out
	}

	create := creation("promised", `{"labels":{"kubesphere.io/workspace":"team-a"}}`)
	itself := request{read, tenant + "workspaces/team-a", ""}
	note := request{merge, iam + "workspaceroles/team-a-x", `{"metadata":{"annotations":{"note":"x"}}}`}
	binding := request{merge, iam + "workspacerolebindings/team-a-across", `{"metadata":{"annotations":{"note":"x"}}}`}

	out := []right{
		may(carol, create, itself),
		may(vera, append(look("team-a-one", "team-a-two"), itself)...),
		may(dave, work("team-a-one")...),
		may(olga, work("team-a-one")...),
		may(olga, request{read, inA + "rolebindings", ""}),
		may(bob, work("team-b-one")...),
	}

	for _, who := range []string{alice, robot, greta} {
		out = append(out, may(who, create, itself, note, binding), may(who, work("team-a-one", "team-a-two")...))
	}

	return out
}

// rendered returns an error unless all that members hold is of the manager, and in nobody else's hands.
func rendered(ctx context.Context) error {
	held, err := heldBy(ctx, members()...)
	if err != nil {
		return err
	}

	var errs []error

	for who, bindings := range held {
		if len(bindings) == 0 {
			errs = append(errs, fmt.Errorf("%s holds nothing", who))
		}

		for _, binding := range bindings {
			// A native binding to a role of a namespace is how clients of 3.x give it.
			if who != olga || binding.meta.Name != "olga-operator" {
				errs = append(errs, ofTheManager("what gives "+who+" a role", binding.meta))
			}

			errs = append(errs, ofTheManager("a role of "+who, binding.role))
		}
	}

	return errors.Join(errs...)
}

// holding is a native binding and its role.
type holding struct{ meta, role metav1.ObjectMeta }

func heldBy(ctx context.Context, people ...string) (map[string][]holding, error) {
	clients, err := kubernetes.NewForConfig(shared.Config())
	if err != nil {
		return nil, err
	}

	bindings, errBindings := clients.RbacV1().RoleBindings("").List(ctx, metav1.ListOptions{})
	clusterBindings, errClusterBindings := clients.RbacV1().ClusterRoleBindings().List(ctx, metav1.ListOptions{})

	if err := errors.Join(errBindings, errClusterBindings); err != nil {
		return nil, err
	}

	for i := range clusterBindings.Items {
		one := &clusterBindings.Items[i]
		bindings.Items = append(bindings.Items, rbacv1.RoleBinding{
			ObjectMeta: one.ObjectMeta, RoleRef: one.RoleRef, Subjects: one.Subjects,
		})
	}

	held := map[string][]holding{}

	for _, who := range people {
		held[who] = nil

		for _, binding := range bindings.Items {
			isWho := func(subject rbacv1.Subject) bool { return nameOf(subject) == who }
			if !slices.ContainsFunc(binding.Subjects, isWho) {
				continue
			}

			role, err := roleOf(ctx, clients, binding.RoleRef, binding.Namespace)
			if err != nil {
				return nil, fmt.Errorf("the role of binding %s: %w", binding.Name, err)
			}

			held[who] = append(held[who], holding{binding.ObjectMeta, role})
		}
	}

	return held, nil
}

// nameOf is what the API server calls a subject. Groups of members are those of everybody.
func nameOf(subject rbacv1.Subject) string {
	switch subject.Kind {
	case rbacv1.UserKind:
		return subject.Name
	case rbacv1.ServiceAccountKind:
		return "system:serviceaccount:" + subject.Namespace + ":" + subject.Name
	default:
		return ""
	}
}

func roleOf(
	ctx context.Context, clients kubernetes.Interface, ref rbacv1.RoleRef, namespace string,
) (metav1.ObjectMeta, error) {
	if ref.Kind == "ClusterRole" {
		role, err := clients.RbacV1().ClusterRoles().Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return metav1.ObjectMeta{}, err
		}

		return role.ObjectMeta, nil
	}

	role, err := clients.RbacV1().Roles(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return metav1.ObjectMeta{}, err
	}

	return role.ObjectMeta, nil
}

func ofTheManager(what string, object metav1.ObjectMeta) error {
	if object.Labels[tenancy.ManagedByLabel] != tenancy.ManagedBy {
		return fmt.Errorf("%s, %s/%s, is not labelled as the manager's: %v",
			what, object.Namespace, object.Name, object.Labels)
	}

	for _, entry := range object.ManagedFields {
		if !strings.HasPrefix(entry.Manager, kube.ManagerName+"/") {
			return fmt.Errorf("%s, %s/%s, was written by %s too", what, object.Namespace, object.Name, entry.Manager)
		}
	}

	return nil
}
