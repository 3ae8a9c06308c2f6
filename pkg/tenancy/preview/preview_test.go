package preview_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/preview"
)

// world has the workspaces a and b with a role and its holder each, a namespace in a, and one in none.
func world() preview.World {
	rules := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}

	return preview.World{
		Cluster: access.Cluster{
			Shapes: access.Shapes{V4: true},
			Roles:  []access.Role{access.NewRole("viewer", rules, labels.Everything())},
		},
		Workspaces: []tenantv1beta1.Workspace{
			{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, {ObjectMeta: metav1.ObjectMeta{Name: "b"}},
		},
		Roles: []iamv1beta1.WorkspaceRole{
			role("a-dev", "a", rules), role("b-dev", "b", rules), role("a-idle", "a", nil),
		},
		Bindings: []iamv1beta1.WorkspaceRoleBinding{
			binding("a-dev", "a", "alice"), binding("b-dev", "b", "bob"), binding("a-idle", "a", "ivy"),
		},
		Namespaces: []metav1.PartialObjectMetadata{namespace("n", "a"), namespace("free", "")},
		RoleBindings: []rbacv1.RoleBinding{
			{
				ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "eve"},
				RoleRef:    rbacv1.RoleRef{Kind: "Role", Name: "kubesphere:iam:viewer"},
				Subjects: []rbacv1.Subject{
					{Kind: "User", Name: "eve"}, {Kind: "ServiceAccount", Namespace: "n", Name: "robot"},
				},
			},
			{
				ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "view"},
				RoleRef:    rbacv1.RoleRef{Kind: "ClusterRole", Name: "view"},
				Subjects:   []rbacv1.Subject{{Kind: "User", Name: "eve"}},
			},
		},
	}
}

func role(name, workspace string, rules []rbacv1.PolicyRule) iamv1beta1.WorkspaceRole {
	return iamv1beta1.WorkspaceRole{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{tenantv1beta1.WorkspaceLabel: workspace}},
		RoleContent: iamv1beta1.RoleContent{Rules: rules},
	}
}

func binding(role, workspace, user string) iamv1beta1.WorkspaceRoleBinding {
	return iamv1beta1.WorkspaceRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user, Labels: map[string]string{tenantv1beta1.WorkspaceLabel: workspace}},
		BindingContent: iamv1beta1.BindingContent{
			RoleRef:  rbacv1.RoleRef{APIGroup: iamv1beta1.GroupName, Kind: "WorkspaceRole", Name: role},
			Subjects: []rbacv1.Subject{{Kind: "User", Name: user}},
		},
	}
}

func namespace(name, workspace string) metav1.PartialObjectMetadata {
	made := metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if workspace != "" {
		made.Labels = map[string]string{tenantv1beta1.WorkspaceLabel: workspace}
	}

	return made
}

func policy(limit int32) tenantv1beta1.WorkspacePolicy {
	var made tenantv1beta1.WorkspacePolicy

	made.Name, made.Spec.Limits.Namespaces = "p", &limit

	return made
}

func TestTransfer(t *testing.T) {
	t.Parallel()

	got := preview.NewTransfer(world(), []string{"n", "free", "n"}, "b")
	want := preview.Transfer{
		Workspace: "b",
		Namespaces: []preview.Moved{
			{Name: "free", To: "b", Change: preview.Change{
				RolesAdded:    []string{"kubesphere:iam:viewer"},
				BindingsAdded: []string{"kubesphere:workspacerole:b-dev"},
				Gains:         []preview.Access{{Subject: "User bob", Role: "WorkspaceRole b-dev"}},
			}},
			{Name: "n", From: "a", To: "b", Change: preview.Change{
				BindingsAdded:   []string{"kubesphere:workspacerole:b-dev"},
				BindingsRemoved: []string{"kubesphere:workspacerole:a-dev"},
				Gains:           []preview.Access{{Subject: "User bob", Role: "WorkspaceRole b-dev"}},
				Loses:           []preview.Access{{Subject: "User alice", Role: "WorkspaceRole a-dev"}},
			}},
		},
	}

	if diff := cmp.Diff(want, got, ignoreEmpty()); diff != "" {
		t.Errorf("transfer (-want +got):\n%s", diff)
	}
}

// ignoreEmpty takes an empty list for none.
func ignoreEmpty() cmp.Option { //nolint:ireturn // cmp has no other type for it
	return cmp.FilterValues(func(a, b []string) bool { return len(a) == 0 && len(b) == 0 }, cmp.Ignore())
}

func TestTransferThatDoesNothing(t *testing.T) {
	t.Parallel()

	got := preview.NewTransfer(world(), []string{"n"}, "a")
	want := preview.Transfer{Workspace: "a", Namespaces: []preview.Moved{{Name: "n", From: "a", To: "a"}}}

	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool {
		return len(p) > 0 && p.Last().String() == ".Change"
	}, cmp.Ignore()), ignoreEmpty()); diff != "" {
		t.Errorf("transfer (-want +got):\n%s", diff)
	}

	if change := got.Namespaces[0].Change; len(change.Gains)+len(change.Loses)+len(change.RolesRemoved) > 0 {
		t.Errorf("it changes %+v", change)
	}
}

func TestTransferObstaclesAndWarnings(t *testing.T) {
	t.Parallel()

	here := world()
	ending := namespace("ending", "a")
	ending.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	here.Namespaces = append(here.Namespaces, ending, namespace("kube-x", ""))
	here.Policies = []tenantv1beta1.WorkspacePolicy{policy(1)}

	back := tenantv1beta1.NamespaceAssignment{ObjectMeta: metav1.ObjectMeta{Name: "back"}}
	back.Spec.Workspace, back.Spec.From = "a", []string{"b"}
	back.Spec.Selector.MatchLabels = map[string]string{tenantv1beta1.WorkspaceLabel: "b"}
	here.Assignments = []tenantv1beta1.NamespaceAssignment{back}

	got := preview.NewTransfer(here, []string{"n", "free", "missing", "ending", "kube-x"}, "b")

	contains(t, "obstacles", got.Obstacles, "namespace missing does not exist",
		"namespace ending does not exist, or is being")
	contains(t, "warnings", got.Warnings, "kube-x is one of the system",
		"NamespaceAssignment back claims namespace n for workspace a and will take it back",
		"workspace b will have 3 namespaces where WorkspacePolicy p allows 1")

	if diff := cmp.Diff(&preview.Limit{Policy: "p", Namespaces: 1, After: 3}, got.Limit); diff != "" {
		t.Errorf("limit (-want +got):\n%s", diff)
	}

	nowhere := preview.NewTransfer(world(), []string{"n"}, "nowhere")
	contains(t, "obstacles", nowhere.Obstacles, "workspace nowhere does not exist")
}

// contains wants as many messages as these, each with its text.
func contains(t *testing.T, what string, got []string, texts ...string) {
	t.Helper()

	all := strings.Join(got, "\n")
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("%s lack %q:\n%s", what, text, all)
		}
	}
}

// What was made beyond the limit is frozen, and thaws when there is room.
func TestTransferThawsAndFreezes(t *testing.T) {
	t.Parallel()

	made := func(name, workspace string, age int64) metav1.PartialObjectMetadata {
		object := namespace(name, workspace)
		object.CreationTimestamp = metav1.Unix(100-age, 0)
		object.Annotations = map[string]string{tenantv1beta1.SelfServiceAnnotation: "true"}

		return object
	}

	here := world()
	here.Policies = []tenantv1beta1.WorkspacePolicy{policy(1)}
	here.Namespaces = []metav1.PartialObjectMetadata{made("old", "a", 9), made("young", "a", 1), made("other", "b", 5)}

	got := preview.NewTransfer(here, []string{"old"}, "b")
	if diff := cmp.Diff([]string{"young"}, got.Thawed); diff != "" {
		t.Errorf("thawed (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff([]string{"other"}, got.Frozen); diff != "" {
		t.Errorf("frozen (-want +got):\n%s", diff)
	}
}

func TestDeletion(t *testing.T) {
	t.Parallel()

	loses := []preview.Access{
		{Subject: "User alice", Role: "WorkspaceRole a-dev"}, {Subject: "User ivy", Role: "WorkspaceRole a-idle"},
	}
	everything := preview.Change{
		RolesRemoved:    []string{"kubesphere:iam:viewer"},
		BindingsRemoved: []string{"kubesphere:workspacerole:a-dev"},
		Loses: []preview.Access{
			{Subject: "ServiceAccount n/robot", Role: "Role kubesphere:iam:viewer"},
			{Subject: "User alice", Role: "WorkspaceRole a-dev"},
			{Subject: "User eve", Role: "Role kubesphere:iam:viewer"},
		},
	}

	tests := map[string]struct {
		change      func(*preview.World)
		propagation tenancy.Propagation
		want        preview.Deletion
		obstacles   []string
	}{
		"orphan by default": {
			nil, "", preview.Deletion{
				Workspace: "a", Propagation: "Orphan", Loses: loses,
				Namespaces: []preview.Left{{Name: "n", Fate: preview.FateFreed, Change: everything}},
			}, nil,
		},
		"cascade on demand": {
			nil, "Foreground", preview.Deletion{
				Workspace: "a", Propagation: "Foreground", Loses: loses,
				Namespaces: []preview.Left{{Name: "n", Fate: preview.FateDeleted, Change: everything}},
			}, nil,
		},
		"the template decides": {
			func(w *preview.World) {
				w.Workspaces[0].Annotations = map[string]string{tenantv1beta1.DeletionPropagationAnnotation: "Orphan"}
				template := tenantv1beta1.WorkspaceTemplate{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
				template.Annotations = map[string]string{tenantv1beta1.DeletionPropagationAnnotation: "Background"}
				w.Templates = []tenantv1beta1.WorkspaceTemplate{template}
			}, "", preview.Deletion{
				Workspace: "a", Propagation: "Background", Loses: loses,
				Namespaces: []preview.Left{{Name: "n", Fate: preview.FateDeleted, Change: everything}},
			}, nil,
		},
		"protected": {
			func(w *preview.World) { w.Namespaces[0].Labels[tenantv1beta1.ProtectedLabel] = "true" },
			"Background",
			preview.Deletion{
				Workspace: "a", Propagation: "Background", Loses: loses,
				Namespaces: []preview.Left{{Name: "n", Fate: preview.FateKept}},
			},
			[]string{"namespace n is protected"},
		},
		"a protected workspace": {
			func(w *preview.World) {
				w.Workspaces[0].Labels = map[string]string{tenantv1beta1.ProtectedLabel: "true"}
			},
			"",
			preview.Deletion{
				Workspace: "a", Propagation: "Orphan", Loses: loses,
				Namespaces: []preview.Left{{Name: "n", Fate: preview.FateKept}},
			},
			[]string{"Workspace a is protected"},
		},
		"a propagation that is none": {
			func(w *preview.World) {
				w.Workspaces[0].Annotations = map[string]string{tenantv1beta1.DeletionPropagationAnnotation: "All"}
			},
			"",
			preview.Deletion{
				Workspace: "a", Loses: loses, Namespaces: []preview.Left{{Name: "n", Fate: preview.FateKept}},
			},
			[]string{`metadata.annotations[kubesphere.io/deletion-propagation]: Unsupported value: "All"`},
		},
	}

	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()

			here := world()
			if test.change != nil {
				test.change(&here)
			}

			got := preview.NewDeletion(here, "a", test.propagation)
			contains(t, "obstacles", got.Obstacles, test.obstacles...)

			if len(got.Obstacles) != len(test.obstacles) {
				t.Errorf("obstacles: %v", got.Obstacles)
			}

			got.Obstacles = nil

			if diff := cmp.Diff(test.want, got, ignoreEmpty(), emptyAccess()); diff != "" {
				t.Errorf("deletion (-want +got):\n%s", diff)
			}
		})
	}
}

func emptyAccess() cmp.Option { //nolint:ireturn // cmp has no other type for it
	return cmp.FilterValues(func(a, b []preview.Access) bool { return len(a) == 0 && len(b) == 0 }, cmp.Ignore())
}

func TestDeletionWarns(t *testing.T) {
	t.Parallel()

	here := world()
	here.Workspaces[0].Finalizers = []string{"kubesphere.io/cascading-deletion", "example.com/backup"}

	to := tenantv1beta1.NamespaceAssignment{ObjectMeta: metav1.ObjectMeta{Name: "team"}}
	to.Spec.Workspace = "a"
	here.Assignments = []tenantv1beta1.NamespaceAssignment{to}

	got := preview.NewDeletion(here, "a", "")
	contains(t, "warnings", got.Warnings, "finalizer example.com/backup",
		"NamespaceAssignment team is to this workspace")

	if len(got.Warnings) != 2 {
		t.Errorf("warnings: %v", got.Warnings)
	}

	nowhere := preview.NewDeletion(here, "nowhere", "")
	contains(t, "obstacles", nowhere.Obstacles, "workspace nowhere does not exist")
}

// Whatever there is: there and back changes nothing, and what one way gives the other takes.
func TestThereAndBack(t *testing.T) {
	t.Parallel()

	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 5)) //nolint:gosec // the same for the same seed
		there := world()

		for i := range random.IntN(4) {
			role := []string{"a-dev", "b-dev", "a-idle", "none"}[random.IntN(4)]
			workspace := []string{"a", "b"}[random.IntN(2)]
			there.Bindings = append(there.Bindings, binding(role, workspace, fmt.Sprint("user", i)))
		}

		back := there
		back.Namespaces = []metav1.PartialObjectMetadata{namespace("n", "b"), namespace("free", "")}

		one := preview.NewTransfer(there, []string{"n"}, "b").Namespaces[0].Change
		other := preview.NewTransfer(back, []string{"n"}, "a").Namespaces[0].Change

		swapped := preview.Change{
			RolesAdded: other.RolesRemoved, RolesRemoved: other.RolesAdded, BindingsAdded: other.BindingsRemoved,
			BindingsRemoved: other.BindingsAdded, Gains: other.Loses, Loses: other.Gains,
		}
		if diff := cmp.Diff(one, swapped, ignoreEmpty(), emptyAccess()); diff != "" {
			t.Fatalf("seed %d: there (-) and back (+):\n%s", seed, diff)
		}
	}
}
