package guard_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// right is what somebody may do still.
type right struct {
	by       string
	requests []request
}

func may(by string, requests ...request) right { return right{by, requests} }

// The guard is in nobody's way who does what he may: for real, in this order.
func TestRightsAreLeft(t *testing.T) {
	for _, right := range slices.Concat(rightsInNamespaces(), rightsInRoles()) {
		for _, request := range right.requests {
			if err := request.send(t.Context(), right.by, false); err != nil {
				t.Errorf("%s: %s: %v", right.by, request, err)
			}
		}
	}

	// The garbage collector would delete these for want of the owner.
	for _, right := range []right{
		may(oscar, changes("loose", otherOwner)...), may(admin, changes("team-a-one", otherOwner)...),
	} {
		for _, request := range right.requests {
			if err := request.send(t.Context(), right.by, true); err != nil {
				t.Errorf("%s: %s: %v", right.by, request, err)
			}
		}
	}
}

// rightsInNamespaces leave the world as it was.
func rightsInNamespaces() []right {
	const (
		toA   = `{"labels":{"kubesphere.io/workspace":"team-a"}}`
		toB   = `{"labels":{"kubesphere.io/workspace":"team-b"}}`
		note  = `{"labels":{"app":"x"},"annotations":{"note":"y"}}`
		tried = `{"labels":{"kubesphere.io/workspace":"tried"}}`
		back  = `{"labels":{"kubesphere.io/workspace":"too-full"}}`
		privy = `{"labels":{"pod-security.kubernetes.io/enforce":"privileged",` +
			`"kubesphere.io/protected-resource":"true"},"annotations":{"kubesphere.io/creator":"pete"}}`
	)

	return []right{
		// Between workspaces, and back.
		may(dora, request{merge, namespace("team-a-one"), `{"metadata":` + toB + `}`},
			request{put, namespace("team-a-one"), `{"metadata":` + toA + `}`},
			request{merge, namespace("team-a-one"), `{"metadata":` + tried + `}`}, // its limit is tried only
			request{merge, namespace("team-a-one"), `{"metadata":` + toA + `}`}),
		// In a full workspace is left what is there, and whatever leaves it goes.
		may(dora, changes("too-full-one", note)...),
		may(dora, request{merge, namespace("too-full-one"), `{"metadata":` + tried + `}`}),
		may(admin, request{merge, namespace("too-full-one"), `{"metadata":` + back + `}`},
			request{merge, namespace("too-full-one"), `{"metadata":{"labels":{"kubesphere.io/workspace":null}}}`},
			request{merge, namespace("too-full-one"), `{"metadata":` + back + `}`}),
		// What is nobody's concern.
		may(nora, changes("team-a-one", note)...), may(mallory, changes("team-b-one", note)...),
		may(oscar, changes("kube-system", note)...),
		may(nora, request{
			merge, namespace("team-a-one") + "/status",
			`{"status":{"conditions":[{"type":"Example","status":"True",` +
				`"lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`,
		}),
		// Outside of workspaces all is as before.
		may(pete, creation("pete-own", privy), request{merge, namespace("pete-own"), `{"metadata":{"labels":` +
			`{"pod-security.kubernetes.io/enforce":"baseline","kubesphere.io/protected-resource":null}}}`}),
		// The platform.
		may(admin, changes("pete-own", toA)...),
		may(admin, changes("pete-own", `{"labels":{"kubesphere.io/workspace":"full","kubesphere.io/managed":"x"}}`)...),
		may(admin, changes("pete-own", `{"annotations":{"kubesphere.io/creator":"alice"}}`)...),
		may(admin, changes("pete-own", `{"labels":{"kubesphere.io/workspace":null}}`)...),
		may(admin, request{remove, namespace("pete-own"), ""}),
		may(admin, creation("full-own", `{"labels":{"kubesphere.io/workspace":"full"}}`)),
		may(admin, request{remove, namespace("full-own"), ""}),
	}
}

func rightsInRoles() []right {
	const (
		role = `{"apiVersion":"iam.kubesphere.io/v1beta1","kind":"WorkspaceRole","metadata":{"name":"team-a-x",` +
			`"labels":{"kubesphere.io/workspace":"team-a"}},"rules":[]}`
		binding = `{"apiVersion":"iam.kubesphere.io/v1beta1","kind":"WorkspaceRoleBinding",` +
			`"metadata":{"name":"team-a-x","labels":{"kubesphere.io/workspace":"team-a"}},"subjects":[],` +
			`"roleRef":{"apiGroup":"iam.kubesphere.io","kind":"WorkspaceRole","name":"team-a-x"}}`
		native = `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"own"},` +
			`"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"own"}}`
		nativeRole = `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"own"}}`
		workspace  = `{"apiVersion":"tenant.kubesphere.io/v1beta1","kind":"Workspace","metadata":{"name":"new",` +
			`"labels":{"a":"b"}},"spec":{"manager":"oscar"}}`
	)

	return []right{
		may(alice,
			// By name, of those that the manager knew of when it made her role.
			request{merge, iam + "workspaceroles/team-a-x", "{" + anything + "}"},
			request{merge, iam + "workspacerolebindings/team-a-x", "{" + anybody + "}"},
			request{remove, iam + "workspacerolebindings/team-a-x", ""},
			request{remove, iam + "workspaceroles/team-a-x", ""},
			request{post, iam + "workspaceroles", role},
			request{post, iam + "workspacerolebindings", binding}),
		may(alice,
			request{post, inA + "roles", nativeRole},
			request{post, inA + "rolebindings", native},
			request{merge, inA + "rolebindings/own", "{" + anybody + "}"},
			request{remove, inA + "rolebindings/own", ""},
			request{remove, inA + "roles/own", ""}),
		may(mallory,
			request{
				merge, tenant + "workspaces/team-a",
				`{"metadata":{"annotations":{"kubesphere.io/description":"x"}}}`,
			},
			request{merge, tenant + "workspaces/team-a", `{"spec":{"manager":"carol","networkIsolation":true}}`},
			request{merge, tenant + "workspacetemplates/team-a", `{"spec":{"template":{"spec":{"manager":"carol"}}}}`}),
		may(oscar,
			request{post, tenant + "workspaces", workspace},
			request{remove, tenant + "workspaces/new", ""}),
		may(admin,
			request{merge, inA + "roles/made", "{" + anything + "}"},
			request{merge, inA + "roles/made", `{"rules":[]}`},
			request{merge, tenant + "workspaces/team-b", `{"metadata":{"labels":{"tier":"large"}}}`},
			request{merge, tenant + "workspaces/team-b", `{"metadata":{"labels":{"tier":"small"}}}`}),
	}
}

// A namespace with managed objects goes when it is deleted: nothing of the guard holds its end up.
func TestNamespacesEnd(t *testing.T) {
	const name = "team-a-ending"

	send(t, admin, creation(name, `{"labels":{"kubesphere.io/workspace":"team-a"}}`),
		request{
			post, rbac + "namespaces/" + name + "/roles",
			`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role",` +
				`"metadata":{"name":"made",` + managedLabel + `}}`,
		},
		request{
			post, iam + "namespaces/" + name + "/roles", `{"apiVersion":"iam.kubesphere.io/v1beta1","kind":"Role",` +
				`"metadata":{"name":"made",` + managedLabel + `},"rules":[]}`,
		},
		request{remove, namespace(name), ""})
	gone(t, name)
}

// Whoever clears up what is left of a namespace is not held up either: here something holds a managed object there.
func TestNamespacesAreCleared(t *testing.T) {
	const (
		name = "team-a-held-up"
		role = rbac + "namespaces/" + name + "/roles"
	)

	send(t, admin, creation(name, `{"labels":{"kubesphere.io/workspace":"team-a"}}`), request{
		post, role, `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"made",` +
			`"finalizers":["example.com/hold"],` + managedLabel + `}}`,
	})

	clearing := attempt{by: oscar, request: request{remove, role + "/made", ""}, policies: []string{managed}}
	if err := clearing.stopped(t.Context()); err != nil {
		t.Error(err)
	}

	send(t, admin, request{remove, namespace(name), ""})
	send(t, oscar, clearing.request)
	send(t, admin, request{merge, role + "/made", `{"metadata":{"finalizers":null}}`})
	gone(t, name)
}

// The garbage collector takes a namespace along with its owner unless it is protected, and off an owner that leaves it.
func TestGarbageCollection(t *testing.T) {
	clients, err := kubernetes.NewForConfig(shared.Config())
	if err != nil {
		t.Fatal(err)
	}

	owner := func(name string) string {
		t.Helper()

		send(t, admin, request{
			post, rbac + "clusterroles", fmt.Sprintf(
				`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":%q}}`, name),
		})

		role, err := clients.RbacV1().ClusterRoles().Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}

		return fmt.Sprintf(`"ownerReferences":[{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole",`+
			`"name":%q,"uid":%q}]`, name, role.UID)
	}

	cascading, orphaning := owner("cascading"), owner("orphaning")

	send(t, admin,
		creation("team-a-taken", `{`+cascading+`,"labels":{"kubesphere.io/workspace":"team-a"}}`),
		creation("team-a-held", `{`+cascading+`,"labels":{"kubesphere.io/protected-resource":"true"}}`),
		creation("team-a-left", `{`+orphaning+`,"labels":{"kubesphere.io/workspace":"team-a"}}`),
		request{remove, rbac + "clusterroles/cascading", `{"propagationPolicy":"Background"}`},
		request{remove, rbac + "clusterroles/orphaning", `{"propagationPolicy":"Orphan"}`})
	gone(t, "team-a-taken")

	err = eventually(t.Context(), func(ctx context.Context) error {
		left, err := clients.CoreV1().Namespaces().Get(ctx, "team-a-left", metav1.GetOptions{})
		if err == nil && len(left.OwnerReferences) > 0 {
			err = errors.New("it has its owner still")
		}

		return err
	})
	if err != nil {
		t.Error(err)
	}

	held, err := clients.CoreV1().Namespaces().Get(t.Context(), "team-a-held", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}

	if held.Status.Phase != corev1.NamespaceActive {
		t.Errorf("the protected namespace is %s", held.Status.Phase)
	}
}

// Nobody passes for somebody else.
func TestImpersonation(t *testing.T) {
	account, err := shared.ServiceAccountConfig(t.Context(), "team-a-one", "robot")
	if err != nil {
		t.Fatal(err)
	}

	user, err := shared.User(alice)
	if err != nil {
		t.Fatal(err)
	}

	for _, config := range []*rest.Config{account, user} {
		for _, who := range []rest.ImpersonationConfig{
			{UserName: admin},
			{UserName: alice, Groups: []string{"system:masters"}},
			{UserName: "system:serviceaccount:kube-system:generic-garbage-collector"},
			{UserName: "system:serviceaccount:kube-system:default"},
			{UserName: "system:serviceaccount:kubesphere-system:ks-controller-manager"},
		} {
			config.Impersonate = who

			clients, err := kubernetes.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}

			_, err = clients.CoreV1().Namespaces().Get(t.Context(), "team-b-one", metav1.GetOptions{})
			if !isRefused(err) {
				t.Errorf("reads as %v: %v", who, err)
			}
		}
	}
}

func send(t *testing.T, who string, requests ...request) {
	t.Helper()

	for _, request := range requests {
		if err := request.send(t.Context(), who, false); err != nil {
			t.Fatalf("%s: %s: %v", who, request, err)
		}
	}
}

// gone waits for the end of a namespace.
func gone(t *testing.T, name string) {
	t.Helper()

	clients, err := kubernetes.NewForConfig(shared.Config())
	if err != nil {
		t.Fatal(err)
	}

	err = eventually(t.Context(), func(ctx context.Context) error {
		_, err := clients.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}

		return errors.Join(errors.New("namespace "+name+" is there"), err)
	})
	if err != nil {
		t.Error(err)
	}
}
