package accounts_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

func subject(kind, name string) rbacv1.Subject { return rbacv1.Subject{Kind: kind, Name: name} }

func serviceAccount(namespace, name string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
}

func TestHolderKeys(t *testing.T) {
	t.Parallel()

	got := accounts.HolderKeys(
		map[string]string{iamv1beta1.UserLabel: "alice", iamv1beta1.GroupLabel: "devs", "other": "x"},
		[]rbacv1.Subject{
			subject("User", "bob"), subject("User", "alice"), subject("Group", "ops"), subject("Robot", "r"),
			subject("User", ""),
			serviceAccount("kubesphere-system", "kubesphere.users.carol"),
			serviceAccount("else", "kubesphere.users.dave"),
			serviceAccount("kubesphere-system", "kubesphere.users."), serviceAccount("kubesphere-system", "x"),
		})

	if diff := cmp.Diff([]string{"Group/devs", "Group/ops", "User/alice", "User/bob", "User/carol"}, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestCutFrom(t *testing.T) {
	t.Parallel()

	alice, bob := subject("User", "alice"), subject("User", "bob")
	labelled := map[string]string{iamv1beta1.UserLabel: "alice"}

	tests := map[string]struct {
		labels   map[string]string
		subjects []rbacv1.Subject
		want     accounts.Cut
	}{
		"alone":                         {labelled, []rbacv1.Subject{alice}, accounts.Cut{Delete: true, DropLabel: iamv1beta1.UserLabel}},
		"alone without a label":         {nil, []rbacv1.Subject{alice}, accounts.Cut{Delete: true}},
		"in the label only":             {labelled, nil, accounts.Cut{Delete: true, DropLabel: iamv1beta1.UserLabel}},
		"with its service account":      {labelled, []rbacv1.Subject{alice, serviceAccount("kubesphere-system", "kubesphere.users.alice")}, accounts.Cut{Delete: true, DropLabel: iamv1beta1.UserLabel}},
		"with others":                   {nil, []rbacv1.Subject{alice, bob, alice}, accounts.Cut{Subjects: []rbacv1.Subject{bob}}},
		"with others and the label":     {labelled, []rbacv1.Subject{bob, alice}, accounts.Cut{Subjects: []rbacv1.Subject{bob}, DropLabel: iamv1beta1.UserLabel}},
		"the label of others":           {labelled, []rbacv1.Subject{bob}, accounts.Cut{Subjects: []rbacv1.Subject{bob}, DropLabel: iamv1beta1.UserLabel}},
		"a group of the name of a user": {nil, []rbacv1.Subject{alice, subject("Group", "alice")}, accounts.Cut{Subjects: []rbacv1.Subject{subject("Group", "alice")}}},
		"labelled with somebody else":   {map[string]string{iamv1beta1.UserLabel: "bob"}, []rbacv1.Subject{alice, bob}, accounts.Cut{Subjects: []rbacv1.Subject{bob}}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := accounts.UserHolder("alice").CutFrom(test.labels, test.subjects)
			if len(got.Subjects) == 0 {
				got.Subjects = nil
			}

			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("cut (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCutPatch(t *testing.T) {
	t.Parallel()

	got, err := accounts.GroupHolder("devs").CutFrom(map[string]string{iamv1beta1.GroupLabel: "devs"},
		[]rbacv1.Subject{subject("User", "bob"), subject("Group", "devs")}).Patch("3")
	if err != nil {
		t.Fatal(err)
	}

	const want = `{"metadata":{"labels":{"iam.kubesphere.io/group-ref":null},"resourceVersion":"3"},` +
		`"subjects":[{"kind":"User","name":"bob"}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
}

func TestWithoutUser(t *testing.T) {
	t.Parallel()

	for users, want := range map[string]string{
		"alice":           "",
		"alice,alice":     "",
		"alice,bob,carol": `{"metadata":{"resourceVersion":"5"},"users":["bob","carol"]}`,
	} {
		binding := &iamv1beta1.GroupBinding{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "5"}, Users: split(users)}

		got, err := accounts.WithoutUser(binding, "alice")
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", users, got, err, want)
		}
	}
}
