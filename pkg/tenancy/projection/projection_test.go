package projection_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	rbacv1 "k8s.io/api/rbac/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"

	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

func TestClusterRules(t *testing.T) {
	t.Parallel()

	ordinary := []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
	everything := rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}

	for _, test := range []struct {
		name  string
		rules []rbacv1.PolicyRule
		admin bool
		want  []rbacv1.PolicyRule
	}{
		{
			name:  "every verb is every ordinary verb",
			rules: []rbacv1.PolicyRule{everything},
			want:  []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: ordinary}},
		},
		{name: "but for administrators", rules: []rbacv1.PolicyRule{everything}, admin: true, want: []rbacv1.PolicyRule{everything}},
		{
			name: "a verb that is named is granted",
			rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"users"}, Verbs: []string{"*", "impersonate"}},
			},
			want: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"users"}, Verbs: sorted(append(ordinary, "impersonate"))},
			},
		},
		{
			name: "URLs stand apart",
			rules: []rbacv1.PolicyRule{{
				APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get"},
				NonResourceURLs: []string{"/x"},
			}},
			want: []rbacv1.PolicyRule{
				{NonResourceURLs: []string{"/x"}, Verbs: []string{"get"}},
				{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get"}},
			},
		},
		{
			name: "what grants nothing is dropped",
			rules: []rbacv1.PolicyRule{
				{},
				{Verbs: []string{"get"}},
				{Resources: []string{"pods"}, Verbs: []string{"get"}},
				{APIGroups: []string{""}, Resources: []string{"pods"}},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			project := projection.ClusterRules
			if test.admin {
				project = projection.AdminRules
			}

			if diff := cmp.Diff(test.want, project(test.rules), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)

	return list
}

func TestHoldersOf(t *testing.T) {
	t.Parallel()

	user := func(name string) rbacv1.Subject {
		return rbacv1.Subject{Kind: "User", APIGroup: rbacv1.GroupName, Name: name}
	}
	group := func(name string) rbacv1.Subject {
		return rbacv1.Subject{Kind: "Group", APIGroup: rbacv1.GroupName, Name: name}
	}
	everybody := []rbacv1.Subject{
		user("system:anonymous"), group("system:unauthenticated"), group("system:authenticated"),
		group("system:serviceaccounts"),
	}

	for _, test := range []struct {
		name     string
		subjects []rbacv1.Subject
		scope    projection.Scope
		want     projection.Holders
		problems string
	}{
		{name: "nobody"},
		{
			name: "completed, sorted, each once",
			subjects: []rbacv1.Subject{
				{Kind: "User", APIGroup: "iam.kubesphere.io", Name: "bob"},
				{Kind: "User", Name: "alice", Namespace: "x"},
				{Kind: "ServiceAccount", APIGroup: "x", Name: "robot", Namespace: "a"},
				{Kind: "User", Name: "bob"},
				{Kind: "Group", Name: "devs"},
				{Kind: "User", Name: "system:node"},
			},
			want: projection.Holders{
				Subjects: []rbacv1.Subject{
					group("devs"),
					{Kind: "ServiceAccount", Name: "robot", Namespace: "a"},
					user("alice"), user("bob"), user("system:node"),
				},
				Users: []string{"alice", "bob"},
			},
		},
		{
			name: "nothing in the cluster for everybody", subjects: everybody,
			want: projection.Holders{Refused: []string{
				"Group system:authenticated", "Group system:serviceaccounts", "Group system:unauthenticated",
				"User system:anonymous",
			}},
		},
		{
			name: "in a namespace for everybody who is known", subjects: everybody, scope: projection.InNamespace,
			want: projection.Holders{
				Subjects: []rbacv1.Subject{group("system:authenticated"), group("system:serviceaccounts")},
				Refused:  []string{"Group system:unauthenticated", "User system:anonymous"},
			},
		},
		{
			name: "what is no subject",
			subjects: []rbacv1.Subject{
				user("alice"), {Kind: "User"}, {Kind: "Robot", Name: "r2"}, {Kind: "ServiceAccount", Name: "a"},
			},
			want:     projection.Holders{Subjects: []rbacv1.Subject{user("alice")}, Users: []string{"alice"}},
			problems: "subjects[1].name: Required|subjects[2].kind: Unsupported value|subjects[3].namespace: Required",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			got := projection.HoldersOf(test.subjects, test.scope)

			message := got.Problems.Message()
			for part := range strings.SplitSeq(test.problems, "|") {
				if !strings.Contains(message, part) {
					t.Errorf("problems: %s", message)
				}
			}

			got.Problems = nil
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckRoleRef(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		ref  rbacv1.RoleRef
		want string
	}{
		{ref: rbacv1.RoleRef{APIGroup: "x", Kind: "Role", Name: "r"}},
		{ref: rbacv1.RoleRef{Kind: "ClusterRole", Name: "r"}},
		{ref: rbacv1.RoleRef{Kind: "GlobalRole", Name: "r"}, want: "roleRef.kind"},
		{ref: rbacv1.RoleRef{Kind: "Role"}, want: "roleRef.name"},
	} {
		got := projection.CheckRoleRef(test.ref, "Role", "ClusterRole").Message()
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%v: %s", test.ref, got)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()

	if name, ok := projection.AdminBindingName("alice"); name != "alice-cluster-admin" || !ok {
		t.Error(name)
	}

	if _, ok := projection.AdminBindingName("https://issuer#alice"); ok {
		t.Error("a name with a slash")
	}

	if name, ok := projection.ServiceAccountBindingName("robot",
		"viewer"); name != "kubesphere:serviceaccount:robot:viewer" || !ok {
		t.Error(name)
	}

	for _, role := range []string{"", "a/b", "%", strings.Repeat("r", 254)} {
		if _, ok := projection.ServiceAccountBindingName("robot", role); ok {
			t.Errorf("%q is the name of a role", role)
		}
	}
}

func FuzzLabelValue(f *testing.F) {
	for _, name := range []string{"alice", "", strings.Repeat("long.", 40), "a@b.c", "---", "ä", strings.Repeat("-",
		80)} {
		f.Add(name)
	}

	f.Fuzz(func(t *testing.T, name string) {
		value := projection.LabelValue(name)
		if problems := utilvalidation.IsValidLabelValue(value); len(problems) > 0 {
			t.Errorf("%q becomes %q: %v", name, value, problems)
		}

		if len(utilvalidation.IsValidLabelValue(name)) == 0 && value != name {
			t.Errorf("%q becomes %q", name, value)
		}
	})
}
