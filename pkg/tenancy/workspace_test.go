package tenancy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

func newTemplate(name string, change ...func(*tenantv1beta1.WorkspaceTemplate)) *tenantv1beta1.WorkspaceTemplate {
	template := &tenantv1beta1.WorkspaceTemplate{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, change := range change {
		change(template)
	}

	return template
}

func withManager(name string) func(*tenantv1beta1.WorkspaceTemplate) {
	return func(template *tenantv1beta1.WorkspaceTemplate) { template.Spec.Template.Spec.Manager = name }
}

func withMetadata(labels, annotations map[string]string) func(*tenantv1beta1.WorkspaceTemplate) {
	return func(template *tenantv1beta1.WorkspaceTemplate) {
		template.Spec.Template.Metadata = tenantv1beta1.TemplateMetadata{Labels: labels, Annotations: annotations}
	}
}

func TestCheckTemplate(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		template *tenantv1beta1.WorkspaceTemplate
		reasons  []string
		messages []string
	}{
		"minimal": {template: newTemplate("a")},
		"longest": {template: newTemplate(strings.Repeat("a", 63), withManager("alice@example.com"))},
		"good labels": {
			template: newTemplate("a",
				withMetadata(map[string]string{"a.b/c": "d"}, map[string]string{"e": "any text"})),
		},
		"long name": {
			template: newTemplate(strings.Repeat("a", 64)),
			reasons:  []string{tenancy.ReasonNameTooLong}, messages: []string{"metadata.name", "shorter name"},
		},
		"system account": {
			template: newTemplate("a", withManager("system:anonymous")),
			reasons:  []string{tenancy.ReasonInvalidManager},
			messages: []string{"spec.template.spec.manager", "person's account"},
		},
		"label value": {
			template: newTemplate("a", withMetadata(map[string]string{"a": "b c"}, nil)),
			reasons:  []string{tenancy.ReasonInvalidMetadata},
			messages: []string{"spec.template.metadata.labels[a]", `"b c"`},
		},
		"annotation key": {
			template: newTemplate("a", withMetadata(nil, map[string]string{"a b": "c"})),
			reasons:  []string{tenancy.ReasonInvalidMetadata},
			messages: []string{"spec.template.metadata.annotations[a b]"},
		},
		"annotations too large": {
			template: newTemplate("a", withMetadata(nil, map[string]string{"a": strings.Repeat("x", 256<<10)})),
			reasons:  []string{tenancy.ReasonInvalidMetadata}, messages: []string{"spec.template.metadata.annotations"},
		},
		"all at once, in the order of the fields": {
			template: newTemplate(strings.Repeat("a", 64), withManager("system:admin"),
				withMetadata(map[string]string{"b ": "", "a ": ""}, map[string]string{" ": ""})),
			reasons: []string{
				tenancy.ReasonNameTooLong, tenancy.ReasonInvalidMetadata, tenancy.ReasonInvalidMetadata,
				tenancy.ReasonInvalidMetadata, tenancy.ReasonInvalidManager,
			},
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			problems := tenancy.CheckTemplate(test.template)

			var reasons []string
			for _, problem := range problems {
				reasons = append(reasons, problem.Reason)
			}

			if diff := cmp.Diff(test.reasons, reasons); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}

			for _, want := range test.messages {
				if !strings.Contains(problems.Message(), want) {
					t.Errorf("the message %q does not say %q", problems.Message(), want)
				}
			}
		})
	}
}

func TestNewPlan(t *testing.T) {
	t.Parallel()

	isolated := true
	template := newTemplate("payments", withManager("alice"),
		withMetadata(map[string]string{"team": "a"}, map[string]string{"note": "b"}))
	template.Spec.Template.Spec.NetworkIsolation = &isolated

	plan := tenancy.NewPlan(template, builtinRoles())
	if len(plan.Roles) != 1 {
		t.Fatalf("%d roles, want the one that the labels of the workspace select", len(plan.Roles))
	}

	for _, test := range []struct {
		name   string
		intent any
		want   string
	}{
		{"workspace", plan.Workspace, `{"apiVersion":"tenant.kubesphere.io/v1beta1","kind":"Workspace",
			"metadata":{"annotations":{"note":"b"},"labels":{"team":"a"},"name":"payments"},
			"spec":{"manager":"alice","networkIsolation":true}}`},
		{"role", plan.Roles[0], `{"apiVersion":"iam.kubesphere.io/v1beta1","kind":"WorkspaceRole",
			"metadata":{"labels":{"app.kubernetes.io/component":"workspace-template",
			"app.kubernetes.io/managed-by":"ks-controller-manager","kubesphere.io/workspace":"payments"},
			"name":"payments-admin"},
			"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}`},
		{"binding", plan.Binding, `{"apiVersion":"iam.kubesphere.io/v1beta1","kind":"WorkspaceRoleBinding",
			"metadata":{"labels":{"app.kubernetes.io/component":"workspace-template",
			"app.kubernetes.io/managed-by":"ks-controller-manager","kubesphere.io/workspace":"payments"},
			"name":"payments-admin"},
			"roleRef":{"apiGroup":"iam.kubesphere.io","kind":"WorkspaceRole","name":"payments-admin"},
			"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"alice"}]}`},
	} {
		if diff := cmp.Diff(decode(t, []byte(test.want)), decode(t, encode(t, test.intent))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// builtinRoles are one for all workspaces of team a, and one for those of team b.
func builtinRoles() []tenancy.WorkspaceRole {
	return []tenancy.WorkspaceRole{
		{
			Name: "admin", Selector: labels.SelectorFromSet(labels.Set{"team": "a"}),
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}},
		},
		{Name: "other", Selector: labels.SelectorFromSet(labels.Set{"team": "b"})},
	}
}

func TestNewPlanWithoutManager(t *testing.T) {
	t.Parallel()

	plan := tenancy.NewPlan(newTemplate("payments"), nil)
	if plan.Binding != nil {
		t.Errorf("rights for nobody: %+v", plan.Binding)
	}

	if plan.Workspace.Spec.Manager == nil || *plan.Workspace.Spec.Manager != "" {
		t.Error("an empty manager is not passed on, so an older one would stay")
	}
}

func TestElsewhereClusters(t *testing.T) {
	t.Parallel()

	template := newTemplate("a")
	template.Spec.Placement.Clusters = []tenantv1beta1.ClusterReference{
		{Name: "b"}, {Name: tenancy.LocalCluster}, {Name: "a"},
	}
	template.Spec.Overrides = []tenantv1beta1.Override{{ClusterName: "b"}, {ClusterName: "c"}, {ClusterName: ""}}

	plan := tenancy.NewPlan(template, builtinRoles())
	if diff := cmp.Diff([]string{"a", "b", "c"}, plan.ElsewhereClusters); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
}

// FuzzTemplate holds that every template either has a problem that is told, or yields a plan that is the same
// each time and gives rights over nothing but its own workspace, to nobody of Kubernetes itself.
func FuzzTemplate(f *testing.F) {
	f.Add("payments", "alice", "team", "a", "host")
	f.Add("", "system:masters", " ", "\xff", "")

	f.Fuzz(func(t *testing.T, name, manager, key, value, cluster string) {
		template := newTemplate(name, withManager(manager), withMetadata(map[string]string{key: value}, nil))
		template.Spec.Placement.Clusters = []tenantv1beta1.ClusterReference{{Name: cluster}}

		if problems := tenancy.CheckTemplate(template); len(problems) > 0 {
			if problems.Reason() == "" || problems.Message() == "" {
				t.Fatal("a problem without a reason or a message")
			}

			return
		}

		plan := tenancy.NewPlan(template, builtinRoles())
		if diff := cmp.Diff(encode(t, plan), encode(t, tenancy.NewPlan(template, builtinRoles()))); diff != "" {
			t.Fatalf("two plans of one template:\n%s", diff)
		}

		if (plan.Binding != nil) != (manager != "") {
			t.Fatalf("manager %q and binding %v", manager, plan.Binding)
		}

		if plan.Binding == nil {
			return
		}

		if strings.HasPrefix(plan.Binding.Subjects[0].Name, "system:") {
			t.Fatalf("an account of Kubernetes itself got rights: %q", manager)
		}

		if role := plan.Binding.RoleRef.Name; role != tenancy.RoleName(name, "admin") {
			t.Fatalf("a role of another workspace: %q", role)
		}
	})
}

func encode(t *testing.T, value any) []byte {
	t.Helper()

	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}

	return content
}

func decode(t *testing.T, content []byte) any {
	t.Helper()

	var value any
	if err := json.Unmarshal(content, &value); err != nil {
		t.Fatal(err)
	}

	return value
}

func TestPropagationOf(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		annotation string
		finalizers []string
		want       tenancy.Propagation
		reason     string
	}{
		{want: tenancy.PropagationOrphan},
		{annotation: "Orphan", want: tenancy.PropagationOrphan},
		{annotation: "Background", want: tenancy.PropagationBackground},
		{annotation: "Foreground", want: tenancy.PropagationForeground},
		{annotation: "foreground", reason: tenancy.ReasonInvalidPropagation},
		{
			annotation: "Foreground", finalizers: []string{tenantv1beta1.LegacyOrphanFinalizer},
			want: tenancy.PropagationOrphan,
		},
	} {
		got, problems := tenancy.PropagationOf(
			map[string]string{tenantv1beta1.DeletionPropagationAnnotation: test.annotation}, test.finalizers)
		if got != test.want || problems.Reason() != test.reason {
			t.Errorf("%q, %v: %q, %v", test.annotation, test.finalizers, got, problems)
		}
	}
}

func TestObstacles(t *testing.T) {
	t.Parallel()

	got := tenancy.Obstacles([]tenancy.Member{
		{Name: "z", Protected: true}, {Name: "a"}, {Name: "kube-system"}, {Name: "kubesphere-system"}, {Name: "default"},
	})
	if diff := cmp.Diff([]string{"default", "kube-system", "kubesphere-system", "z"}, got); diff != "" {
		t.Errorf("obstacles (-want +got):\n%s", diff)
	}
}

// Owner references of others are never taken off a namespace.
func TestForeignOwners(t *testing.T) {
	t.Parallel()

	foreign := metav1.OwnerReference{APIVersion: "example.com/v1", Kind: "Workspace", Name: "theirs"}
	owners := []metav1.OwnerReference{
		{APIVersion: "tenant.kubesphere.io/v1alpha1", Kind: "Workspace", Name: "ours"}, foreign,
	}

	if diff := cmp.Diff([]metav1.OwnerReference{foreign}, tenancy.ForeignOwners(owners)); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}
