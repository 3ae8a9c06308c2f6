package conformance_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The API server and the manager of KubeSphere write the status of a user with the whole object, in either version.
func TestStatusOfUsersIsWrittenWithTheObject(t *testing.T) {
	admin := newAdmin(t)

	user := read(t, "testdata/user-3.4.yaml")
	if err := admin.Create(t.Context(), user); err != nil {
		t.Fatal(err)
	}

	defer remove(t, admin, user)

	for _, version := range versions("User") {
		want := map[string]any{
			"state": "Disabled", "reason": "written in " + version, "lastLoginTime": "2024-01-01T00:00:00Z",
		}

		written := found(t, admin, user, version)
		written.Object["status"] = want

		if err := admin.Update(t.Context(), written); err != nil {
			t.Fatalf("update it in %s: %v", version, err)
		}

		for _, reads := range versions("User") {
			if diff := cmp.Diff(want, found(t, admin, user, reads).Object["status"]); diff != "" {
				t.Errorf("status written in %s, read in %s (-want +got):\n%s", version, reads, diff)
			}
		}
	}
}

// Conditions of ours are seen in every version, and an old client that sends back an object without them, as its
// types do not know them, takes none away.
func TestStatusOutlivesOldClients(t *testing.T) {
	admin := newAdmin(t)
	status := map[string]any{
		"observedGeneration": int64(1),
		"conditions": []any{map[string]any{
			"type": "Ready", "status": "True", "reason": "Ready", "message": "It is.", "observedGeneration": int64(1),
			"lastTransitionTime": "2026-01-01T00:00:00Z",
		}},
	}

	for _, file := range []string{
		"workspace-3.4", "workspacetemplate-3.4", "group-3.4", "groupbinding-3.4", "globalrole-3.4",
		"globalrolebinding-3.4", "workspacerole-3.4", "workspacerolebinding-3.4", "rolebase-3.4", "builtinrole-4.1",
		"role-4.1", "rolebinding-4.1", "clusterrole-4.1", "clusterrolebinding-4.1",
		"rulegroup-3.4", "clusterrulegroup-3.4", "globalrulegroup-3.4", "alertingpolicy",
		"notificationmanager-3.4", "notificationconfig-3.4", "notificationreceiver-3.4", "notificationrouter-4.1",
		"notificationsilence-4.1", "notificationinhibitrule",
	} {
		t.Run(file, func(t *testing.T) {
			object := read(t, "testdata/"+file+".yaml")
			if err := admin.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}

			defer remove(t, admin, object)

			all := versions(object.GetKind())
			reported := found(t, admin, object, all[len(all)-1])
			reported.Object["status"] = status

			if err := admin.Status().Update(t.Context(), reported); err != nil {
				t.Fatal(err)
			}

			for _, version := range all {
				old := found(t, admin, object, version)
				delete(old.Object, "status")

				if err := admin.Update(t.Context(), old); err != nil {
					t.Fatalf("update it in %s: %v", version, err)
				}

				if diff := cmp.Diff(status, found(t, admin, object, version).Object["status"]); diff != "" {
					t.Errorf("status read in %s (-want +got):\n%s", version, diff)
				}
			}
		})
	}
}

// KubeSphere 3.4 leaves the status of a group empty. Of ours no field is lost.
func TestStatusOfRuleGroups(t *testing.T) {
	admin := newAdmin(t)
	condition := func(kind string) any {
		return map[string]any{
			"type": kind, "status": "True", "reason": "Passed", "message": "All is well.",
			"lastTransitionTime": "2026-01-01T00:00:00Z",
		}
	}

	statuses := map[string]map[string]any{
		"of 3.4": {},
		"ours": {
			"observedGeneration": int64(1),
			"conditions":         []any{condition("Ready"), condition("TestsPassed")},
			"rules":              int64(3),
			"firing":             int64(2),
			"rulesStatus": []any{map[string]any{
				"name": "Down", "ruleID": "a", "state": "firing", "health": "err", "lastError": "no answer",
				"activeAlerts": int64(2), "activeSince": "2026-01-01T00:00:00Z",
			}, map[string]any{"name": "Down"}},
			"rulesStats": map[string]any{
				"inactive": int64(0), "pending": int64(0), "firing": int64(1), "disabled": int64(1),
			},
			"rejectedRules": []any{map[string]any{
				"index": int64(2), "name": "Odd", "field": "spec.rules[2].expr", "reason": "InvalidExpression",
				"message": "Write it in PromQL.",
			}},
			"prometheusRule": map[string]any{"namespace": "default", "name": "alertrules"},
		},
	}

	for _, file := range []string{"rulegroup-3.4", "clusterrulegroup-3.4", "globalrulegroup-3.4"} {
		for name, want := range statuses {
			t.Run(file+"/"+name, func(t *testing.T) {
				object := read(t, "testdata/"+file+".yaml")
				if err := admin.Create(t.Context(), object); err != nil {
					t.Fatal(err)
				}

				defer remove(t, admin, object)

				object.Object["status"] = want
				if err := client.WithFieldValidation(admin, "Strict").Status().Update(t.Context(), object); err != nil {
					t.Fatal(err)
				}

				if diff := cmp.Diff(want, found(t, admin, object, "v2beta1").Object["status"]); diff != "" {
					t.Errorf("status (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func newAdmin(t *testing.T) client.Client {
	t.Helper()

	admin, err := client.New(shared.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}

	return admin
}

// found reads an object in a version.
func found(
	t *testing.T, admin client.Client, original *unstructured.Unstructured, version string,
) *unstructured.Unstructured {
	t.Helper()

	object := inVersion(original, version)
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Fatalf("read it in %s: %v", version, err)
	}

	return object
}
