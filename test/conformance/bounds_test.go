package conformance_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// attempt is an object of a kind in its newest version, as JSON without its name.
type attempt struct{ kind, object string }

// refusal is what is said of an object that is refused.
type refusal struct {
	attempt

	want string
}

// What the schemas refuse has to be refused by both releases too.
func TestWhatIsRefused(t *testing.T) {
	checkRefused(t, map[string]refusal{
		"no template": {
			attempt{"WorkspaceTemplate", `{"spec": {"placement": {}}}`}, "spec.template: Required value",
		},
		"no placement": {
			attempt{"WorkspaceTemplate", `{"spec": {"template": {}}}`}, "spec.placement: Required value",
		},
		"cluster without a name": {
			attempt{"WorkspaceTemplate", `{"spec": {"template": {}, "placement": {"clusters": [{}]}}}`},
			"spec.placement.clusters[0].name: Required value",
		},
		"isolation that is no boolean": {
			attempt{
				"WorkspaceTemplate", `{"spec": {"template": {"spec": {"networkIsolation": "yes"}}, "placement": {}}}`,
			},
			"networkIsolation",
		},
		"user without email":   {attempt{"User", `{"spec": {}}`}, "spec.email: Required value"},
		"short password":       {attempt{"User", `{"spec": {"email": "a", "password": "Short1"}}`}, "spec.password"},
		"weak password":        {attempt{"User", `{"spec": {"email": "a", "password": "lowercase1"}}`}, "upper-case letter"},
		"record of nothing":    {attempt{"LoginRecord", `{"spec": {}}`}, "spec.reason: Required value"},
		"binding without role": {attempt{"WorkspaceRoleBinding", `{"subjects": []}`}, "roleRef: Required value"},
		"subject without a name": {
			attempt{"GlobalRoleBinding", `{"subjects": [{"kind": "User"}],
				"roleRef": {"apiGroup": "a", "kind": "b", "name": "c"}}`}, "subjects[0].name: Required value",
		},
		"built-in role without a role": {attempt{"BuiltinRole", `{}`}, "role: Required value"},
		"role that is no object":       {attempt{"BuiltinRole", `{"role": "admin"}`}, "role"},
		"rule without verbs":           {attempt{"WorkspaceRole", `{"rules": [{"apiGroups": ["a"]}]}`}, "verbs: Required value"},
	})
}

// What either release took is taken.
func TestWhatIsAccepted(t *testing.T) {
	const roleRef = `"roleRef": {"apiGroup": "", "kind": "", "name": ""}`

	checkAccepted(t, map[string]attempt{
		"workspace without a spec": {"Workspace", `{}`},
		"empty cluster selector": {
			"WorkspaceTemplate",
			`{"spec": {"template": {}, "placement": {"clusterSelector": {}}}}`,
		},
		"no clusters": {
			"WorkspaceTemplate",
			`{"spec": {"template": {}, "placement": {"clusters": []}}}`,
		},
		"email that is none":          {"User", `{"spec": {"email": "not an address"}}`},
		"state of another release":    {"User", `{"spec": {"email": "a"}, "status": {"state": "Pending"}}`},
		"empty state":                 {"User", `{"spec": {"email": "a"}, "status": {"state": ""}}`},
		"bcrypt hash of another cost": {"User", `{"spec": {"email": "a", "password": "$2b$12$abcdefghijklmnop"}}`},
		"group without a spec":        {"Group", `{}`},
		"binding of no group":         {"GroupBinding", `{}`},
		"binding of nobody":           {"WorkspaceRoleBinding", `{` + roleRef + `}`},
		"binding of null":             {"GlobalRoleBinding", `{"subjects": null, ` + roleRef + `}`},
		"role without rules":          {"GlobalRole", `{}`},
		"role of null":                {"WorkspaceRole", `{"rules": null}`},
		"role of no rules":            {"WorkspaceRole", `{"rules": []}`},
		"rule without groups":         {"WorkspaceRole", `{"rules": [{"verbs": ["get"], "resources": ["pods"]}]}`},
		"rule of null":                {"WorkspaceRole", `{"rules": [{"verbs": ["get"]}]}`},
		"aggregation of nothing":      {"GlobalRole", `{"aggregationRoleTemplates": {}}`},
		"aggregation of the same twice": {
			"GlobalRole",
			`{"aggregationRoleTemplates": {"templateNames": ["a", "a"]}}`,
		},
		"the same subject twice": {
			"GlobalRoleBinding",
			`{"subjects": [{"kind": "User", "name": "a"}, {"kind": "User", "name": "a"}], ` + roleRef + `}`,
		},
		"template without rules":  {"RoleTemplate", `{"spec": {}}`},
		"category without a name": {"Category", `{"spec": {}}`},
		"record of an unknown login": {
			"LoginRecord",
			`{"spec": {"type": "x", "provider": "", "sourceIP": "", "success": false, "reason": ""}}`,
		},
		"built-in role of an unknown kind": {
			"BuiltinRole",
			`{"role": {"kind": "Unknown", "x": [1, null]}, "targetSelector": {}}`,
		},
	})
}

func checkRefused(t *testing.T, tests map[string]refusal) {
	t.Helper()

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.create(t)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("create: %v, want an error with %q", err, test.want)
			}
		})
	}
}

func checkAccepted(t *testing.T, tests map[string]attempt) {
	t.Helper()

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := test.create(t); err != nil {
				t.Errorf("create: %v", err)
			}
		})
	}
}

// create tries to, and leaves nothing.
func (a attempt) create(t *testing.T) error {
	t.Helper()

	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(a.object), &object.Object); err != nil {
		t.Fatal(err)
	}

	all := versions(a.kind)
	object.SetAPIVersion(groupOf(a.kind) + "/" + all[len(all)-1])
	object.SetKind(a.kind)
	object.SetName("attempt")

	if a.kind == "RuleGroup" {
		object.SetNamespace("default")
	}

	return newAdmin(t).Create(t.Context(), object, client.DryRunAll)
}

func groupOf(kind string) string {
	switch kind {
	case "Workspace", "WorkspaceTemplate":
		return "tenant.kubesphere.io"
	case "RuleGroup", "ClusterRuleGroup", "GlobalRuleGroup", "AlertingPolicy":
		return "alerting.kubesphere.io"
	case "NotificationManager", "Config", "Receiver", "Router", "Silence", "InhibitRule", "NotificationPolicy":
		return notificationGroup
	default:
		return "iam.kubesphere.io"
	}
}
