package access_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

func pods() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}
}

func role(name, workspace string) iamv1beta1.WorkspaceRole {
	role := iamv1beta1.WorkspaceRole{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{tenantv1beta1.WorkspaceLabel: workspace},
	}}
	role.Rules = pods()

	return role
}

func binding(workspace, role string, subjects ...rbacv1.Subject) iamv1beta1.WorkspaceRoleBinding {
	binding := iamv1beta1.WorkspaceRoleBinding{ObjectMeta: metav1.ObjectMeta{
		Name: "b", Labels: map[string]string{tenantv1beta1.WorkspaceLabel: workspace},
	}}
	binding.RoleRef = rbacv1.RoleRef{Kind: "WorkspaceRole", Name: role}
	binding.Subjects = subjects

	return binding
}

func user(name string) rbacv1.Subject { return rbacv1.Subject{Kind: rbacv1.UserKind, Name: name} }

func native(name string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}
}

func TestGrants(t *testing.T) {
	t.Parallel()

	other := binding("ws", "ws-viewer", user("eve"))
	other.RoleRef.Kind = "GlobalRole"

	going := binding("ws", "ws-viewer", user("gone"))
	going.DeletionTimestamp = &metav1.Time{}
	going.DeletionTimestamp.Time = metav1.Now().Time

	grants := access.Grants("ws", []iamv1beta1.WorkspaceRole{
		role("ws-viewer", "ws"), role("ws-admin", "ws"), role("b-admin", "b"),
	}, []iamv1beta1.WorkspaceRoleBinding{
		binding("ws", "ws-viewer", user("bob"), user("alice"), user("bob")),
		binding("ws", "ws-viewer", user("carol"),
			rbacv1.Subject{Kind: rbacv1.GroupKind, Name: "system:unauthenticated"}),
		binding("ws", "b-admin", user("mallory")),  // a role of another workspace
		binding("b", "ws-admin", user("mallory")),  // from another workspace
		binding("ws", "missing", user("somebody")), // no role
		other, going,
	})

	if len(grants) != 1 || grants[0].Role.Name != "ws-viewer" {
		t.Fatalf("grants %+v", grants)
	}

	want := []rbacv1.Subject{native("alice"), native("bob"), native("carol")}
	if diff := cmp.Diff(want, grants[0].Subjects); diff != "" {
		t.Errorf("subjects (-want +got):\n%s", diff)
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()

	_, errs := access.Subjects([]rbacv1.Subject{
		{Kind: "User"},
		{Kind: "ServiceAccount", Name: "a"},
		{Kind: "Robot", Name: "r"},
		{Kind: "User", Name: "system:anonymous"},
		user("fine"),
	})

	var fields []string
	for _, err := range errs {
		fields = append(fields, err.Field)
	}

	want := []string{"subjects[0].name", "subjects[1].namespace", "subjects[2].kind", "subjects[3].name"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func cluster(shapes access.Shapes, definitions ...access.Definition) access.Cluster {
	groups := []string{"apps", "rbac.authorization.k8s.io"}

	return access.Cluster{
		Shapes: shapes, Groups: groups, Roles: access.Roles(access.ScopeNamespace, groups, definitions),
	}
}

func names(children []access.Child) []string {
	var names []string
	for _, child := range children {
		names = append(names, child.String())
	}

	slices.Sort(names)

	return names
}

func TestChildren(t *testing.T) {
	t.Parallel()

	viewer := role("ws-viewer", "ws")
	inWorkspace := access.Namespace{
		Name: "ns", Workspace: "ws", Project: true,
		Grants: []access.Grant{{Role: &viewer, Subjects: []rbacv1.Subject{native("bob")}}},
	}
	frozen, off := inWorkspace, inWorkspace
	frozen.Frozen, off.Project = true, false

	v4 := []string{
		"Role kubesphere:iam:admin", "Role kubesphere:iam:operator", "Role kubesphere:iam:viewer",
		"Role.iam.kubesphere.io admin", "Role.iam.kubesphere.io operator", "Role.iam.kubesphere.io viewer",
	}

	for _, test := range []struct {
		name      string
		shapes    access.Shapes
		namespace access.Namespace
		want      []string
	}{
		{"in no workspace", access.Shapes{V4: true}, access.Namespace{Name: "ns"}, nil},
		{"4.x", access.Shapes{V4: true}, inWorkspace, append(slices.Clone(v4),
			"RoleBinding kubesphere:workspacerole:ws-viewer")},
		{"3.x", access.Shapes{V3: true}, inWorkspace, []string{
			"Role admin", "Role operator", "Role viewer", "RoleBinding kubesphere:workspacerole:ws-viewer",
		}},
		{"frozen", access.Shapes{V4: true}, frozen, v4},
		{"not projected", access.Shapes{V4: true}, off, v4},
	} {
		want := slices.Clone(test.want)
		slices.Sort(want)

		if diff := cmp.Diff(want, names(access.Children(cluster(test.shapes), test.namespace))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// What is applied has the digest that was promised, or it would be applied on every run.
func TestDigestOfWhatIsApplied(t *testing.T) {
	t.Parallel()

	viewer := role("ws-viewer", "ws")
	children := access.Children(cluster(access.Shapes{V3: true, V4: true}), access.Namespace{
		Name: "ns", Workspace: "ws", Project: true,
		Grants: []access.Grant{{Role: &viewer, Subjects: []rbacv1.Subject{
			native("bob"), {Kind: rbacv1.ServiceAccountKind, Namespace: "ci", Name: "bot"},
		}}},
	})

	for _, child := range children {
		content, err := json.Marshal(child.Intent())
		if err != nil {
			t.Fatal(err)
		}

		object := map[access.Kind]metav1.Object{
			access.KindRole: &rbacv1.Role{}, access.KindRoleBinding: &rbacv1.RoleBinding{},
			access.KindIAMRole: &iamv1beta1.Role{},
		}[child.Kind]

		if err := json.Unmarshal(content, object); err != nil {
			t.Fatal(err)
		}

		if access.Digest(object) != child.Digest {
			t.Errorf("%s: the digest of what is applied is another", child)
		}

		object.GetLabels()[iamv1beta1.RoleLabel] = "drifted"
		if access.Digest(object) == child.Digest {
			t.Errorf("%s: the digest misses a label", child)
		}
	}
}

func TestDigestTellsApart(t *testing.T) {
	t.Parallel()

	base := func() *rbacv1.Role { return &rbacv1.Role{Rules: pods()} }
	changes := map[string]func(*rbacv1.Role){
		"verb": func(role *rbacv1.Role) { role.Rules[0].Verbs = []string{"list"} },
		"moved": func(role *rbacv1.Role) {
			role.Rules[0].Resources, role.Rules[0].Verbs = []string{"get"}, []string{"pods"}
		},
		"split": func(role *rbacv1.Role) { role.Rules[0].Resources = []string{"po", "ds"} },
		"name":  func(role *rbacv1.Role) { role.Rules[0].ResourceNames = []string{"a"} },
		"more":  func(role *rbacv1.Role) { role.Rules = append(role.Rules, pods()...) },
		"going": func(role *rbacv1.Role) { role.DeletionTimestamp = &metav1.Time{Time: metav1.Now().Time} },
	}

	for name, change := range changes {
		changed := base()
		change(changed)

		if access.Digest(changed) == access.Digest(base()) {
			t.Errorf("%s: the same digest", name)
		}
	}
}

func TestDefinitions(t *testing.T) {
	t.Parallel()

	raw := func(text string) runtime.RawExtension { return runtime.RawExtension{Raw: []byte(text)} }
	admin := `{"kind":"Role","metadata":{"name":"admin"},"rules":[` +
		`{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]}`

	custom := map[string]string{tenantv1beta1.CustomAnnotation: "true"}
	definitions := access.Definitions([]iamv1beta1.BuiltinRole{
		{Role: raw(admin)},
		{
			Role:           raw(`{"kind":"Role","metadata":{"name":"auditor"},"rules":null}`),
			TargetSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"audit": "yes"}},
		},
		{Role: raw(`{"kind":"Role","metadata":{}}`)},
		{Role: raw(`nonsense`)},
	}, []iamv1alpha2.RoleBase{{
		ObjectMeta: metav1.ObjectMeta{Annotations: custom},
		Role: raw(`{"kind":"Role","metadata":{"name":"viewer"},` +
			`"rules":[{"apiGroups":[""],"resources":["*"],"verbs":["get"]}]}`),
	}})

	if len(definitions) != 3 {
		t.Fatalf("%d definitions, want the three that can be read", len(definitions))
	}

	found := map[string]access.Role{}
	for _, role := range access.Roles(access.ScopeNamespace, nil, definitions) {
		found[role.Name] = role
	}

	if len(found["admin"].Rules) < 2 {
		t.Error("a definition took the place of a role of ours without saying so")
	}

	if reads := found["viewer"].Rules[0].Resources; !slices.Contains(reads, "secrets") {
		t.Errorf("the definition that says so did not count: %v", reads)
	}

	if _, exists := found["auditor"]; !exists {
		t.Error("a role under another name is missing")
	}
}

func TestProfile(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		profile             access.Profile
		roleBases, builtins int
		want                access.Shapes
	}{
		{access.ProfileAuto, 0, 0, access.Shapes{V4: true}},
		{access.ProfileAuto, 26, 0, access.Shapes{V3: true}},
		{access.ProfileAuto, 0, 7, access.Shapes{V4: true}},
		{access.ProfileAuto, 26, 7, access.Shapes{V3: true, V4: true}},
		{access.ProfileV3, 0, 7, access.Shapes{V3: true}},
		{access.ProfileV4, 26, 0, access.Shapes{V4: true}},
	} {
		if got := access.Resolve(test.profile, test.roleBases, test.builtins); got != test.want {
			t.Errorf("%s with %d and %d: %+v", test.profile, test.roleBases, test.builtins, got)
		}
	}
}
