package guard_test

import (
	"fmt"
	"slices"
	"strings"
)

const (
	rbac   = "/apis/rbac.authorization.k8s.io/v1/"
	inA    = rbac + "namespaces/team-a-one/"
	inB    = rbac + "namespaces/team-b-one/"
	iam    = "/apis/iam.kubesphere.io/v1beta1/"
	iamOld = "/apis/iam.kubesphere.io/v1alpha2/"
	tenant = "/apis/tenant.kubesphere.io/v1beta1/"

	managedLabel = `"labels":{"app.kubernetes.io/managed-by":"ks-controller-manager"}`
	anybody      = `"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"mallory"}]`
	anything     = `"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]`
)

// managedObjects change what the manager has made, make others look like it, or take off what tells them apart.
func managedObjects() []attempt {
	var out []attempt

	for _, kind := range []struct{ path, change, make string }{
		{inA + "roles/", anything, `"kind":"Role"`},
		{
			inA + "rolebindings/", anybody,
			`"kind":"RoleBinding","roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"made"}`,
		},
		{rbac + "clusterroles/", anything, `"kind":"ClusterRole"`},
		{
			rbac + "clusterrolebindings/", anybody,
			`"kind":"ClusterRoleBinding",` +
				`"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"made"}`,
		},
		{iam + "namespaces/team-a-one/roles/", anything, `"kind":"Role","rules":[]`},
		{
			iam + "namespaces/team-a-one/rolebindings/", anybody,
			`"kind":"RoleBinding","subjects":[],"roleRef":{"apiGroup":"iam.kubesphere.io","kind":"Role","name":"made"}`,
		},
	} {
		path := kind.path + "made"
		group := strings.Join(strings.Split(path, "/")[2:4], "/")

		out = append(out, all(oscar, managed,
			request{merge, path, "{" + kind.change + "}"},
			request{put, path, "{" + kind.change + "}"},
			request{
				apply, path, fmt.Sprintf(`{"apiVersion":%q,%s,"metadata":{"name":"made"},%s}`,
					group, withoutContent(kind.make), kind.change),
			},
			request{merge, path, `{"metadata":{"labels":null}}`},
			request{patch, path, `[{"op":"remove","path":"/metadata/labels/app.kubernetes.io~1managed-by"}]`},
			request{merge, path, `{"metadata":{"labels":{"app.kubernetes.io/managed-by":"me"}}}`},
			request{merge, path, `{"metadata":{"finalizers":["example.com/hold"]}}`},
			request{remove, path, ""},
			request{remove, strings.TrimSuffix(kind.path, "/") + "?fieldSelector=metadata.name=made", ""},
			request{
				post, strings.TrimSuffix(kind.path, "/"),
				fmt.Sprintf(`{"apiVersion":%q,%s,"metadata":{"name":"alike",%s}}`, group, kind.make, managedLabel),
			},
		)...)
	}

	return append(out, all(nora, managed,
		request{merge, inA + "roles/made", "{" + anything + "}"},
		request{merge, inA + "roles/mine", "{\"metadata\":{" + managedLabel + "}}"},
		request{remove, inA + "rolebindings/made", ""},
		request{remove, iam + "namespaces/team-a-one/roles/made", ""},
	)...)
}

// renderedObjects change what the manager really has made, whose names are reserved as well, or take it away.
func renderedObjects() []attempt {
	const (
		role    = "kubesphere:workspacerole:team-a-viewer"
		self    = "kubesphere:workspacerole:team-a-self-provisioner:self"
		project = "kubesphere:iam:operator"
		noLabel = `{"metadata":{"labels":{"app.kubernetes.io/managed-by":null}}}`
	)

	var out []attempt

	for _, object := range []struct{ by, path, change string }{
		{oscar, rbac + "clusterroles/" + role, anything},
		{oscar, rbac + "clusterroles/" + self, anything},
		{oscar, rbac + "clusterrolebindings/" + self, anybody},
		{oscar, inA + "rolebindings/" + role, anybody},
		{nora, inA + "rolebindings/" + role, anybody},
		{nora, inA + "roles/" + project, anything},
		{nora, inA + "rolebindings/kubesphere:iam:alice-admin", anybody},
	} {
		out = append(out, allOf(object.by, []string{managed, reserved},
			request{merge, object.path, "{" + object.change + "}"},
			request{put, object.path, "{" + object.change + "}"},
			request{merge, object.path, noLabel},
		)...)
		out = append(out, all(object.by, managed, request{remove, object.path, ""})...)
	}

	// 3.x has roles under plain names.
	for _, path := range []string{inA + "roles/admin", iam + "namespaces/team-a-one/roles/admin"} {
		out = append(out, all(nora, managed,
			request{merge, path, "{" + anything + "}"}, request{merge, path, noLabel}, request{remove, path, ""})...)
	}

	return out
}

// withoutContent leaves of an object that is made what an object that is applied needs besides its change.
func withoutContent(object string) string {
	for _, content := range []string{`,"rules":[]`, `,"subjects":[]`} {
		object = strings.ReplaceAll(object, content, "")
	}

	return object
}

// reservedNames hand the roles of the manager on, or take its names before it does.
func reservedNames() []attempt {
	binding := func(kind, name, role string) string {
		return fmt.Sprintf(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":%q,"metadata":{"name":%q},`+
			`"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":%q},%s}`,
			kind, name, role, anybody)
	}
	role := func(kind, name string) string {
		return fmt.Sprintf(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":%q,"metadata":{"name":%q}}`, kind, name)
	}

	out := all(oscar, reserved,
		request{post, inB + "rolebindings", binding("RoleBinding", "x", "kubesphere:workspacerole:team-b-admin")},
		request{apply, inB + "rolebindings/x", binding("RoleBinding", "x", "kubesphere:workspacerole:team-b-admin")},
		request{post, rbac + "clusterrolebindings", binding("ClusterRoleBinding", "x", "kubesphere:globalrole:admin")},
		request{
			post, rbac + "clusterrolebindings",
			binding("ClusterRoleBinding", "x", "kubesphere:workspacerole:team-b-admin:self"),
		},
		request{merge, inB + "rolebindings/handed", "{" + anybody + "}"},
		request{put, inB + "rolebindings/handed", "{" + anybody + "}"},
		request{post, inB + "rolebindings", binding("RoleBinding", "kubesphere:workspacerole:team-b-viewer", "view")},
		request{post, rbac + "clusterroles", role("ClusterRole", "kubesphere:workspacerole:team-c-admin")},
		request{post, rbac + "clusterroles", role("ClusterRole", "kubesphere:globalrole:admin")},
		request{post, inB + "roles", role("Role", "kubesphere:iam:other")},
		request{post, rbac + "clusterroles", `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole",` +
			`"metadata":{"generateName":"kubesphere:workspacerole:team-c-"}}`},
		request{put, inB + "rolebindings/handed", `{"metadata":{"labels":{"a":"b"}}}`},
	)

	// Somebody who holds the role there may hand it on, says RBAC.
	return append(out, all(nora, reserved,
		request{post, inA + "rolebindings", binding("RoleBinding", "x", "kubesphere:workspacerole:team-a-admin")})...)
}

// workspaceRoles write roles and bindings of a workspace whose roles somebody else manages.
func workspaceRoles() []attempt {
	made := func(version, kind, workspace string) string {
		content := `"rules":[]`
		if kind == "WorkspaceRoleBinding" {
			content = `"subjects":[],` +
				`"roleRef":{"apiGroup":"iam.kubesphere.io","kind":"WorkspaceRole","name":"team-a-admin"}`
		}

		return fmt.Sprintf(`{"apiVersion":"iam.kubesphere.io/%s","kind":%q,"metadata":{"name":"x",`+
			`"labels":{"kubesphere.io/workspace":%q}},%s}`, version, kind, workspace, content)
	}

	var out []attempt

	for _, version := range []string{"v1beta1", "v1alpha2"} {
		path := "/apis/iam.kubesphere.io/" + version + "/"

		out = append(out, all(mallory, roles,
			request{post, path + "workspaceroles", made(version, "WorkspaceRole", "team-b")},
			request{post, path + "workspaceroles", made(version, "WorkspaceRole", "")},
			request{post, path + "workspacerolebindings", made(version, "WorkspaceRoleBinding", "team-b")},
			request{post, path + "workspacerolebindings", made(version, "WorkspaceRoleBinding", "")},
			request{apply, path + "workspaceroles/x", made(version, "WorkspaceRole", "team-b")},
		)...)

		for _, object := range []string{"workspaceroles/team-b-admin", "workspacerolebindings/team-b-admin"} {
			out = append(out, all(mallory, roles,
				request{merge, path + object, `{"metadata":{"labels":{"kubesphere.io/workspace":"team-a"}}}`},
				request{merge, path + object, `{"metadata":{"labels":{"kubesphere.io/workspace":null}}}`},
				request{put, path + object, `{"metadata":{"labels":{"kubesphere.io/workspace":"team-a"}}}`},
				request{merge, path + object, `{"metadata":{"annotations":{"note":"x"}}}`},
				request{remove, path + object, ""},
			)...)
		}
	}

	return slices.Concat(out, all(mallory, roles,
		request{merge, iam + "workspaceroles/team-b-admin", "{" + anything + "}"},
		request{merge, iam + "workspacerolebindings/team-b-admin", "{" + anybody + "}"},
		request{
			merge, iam + "workspaceroles/team-a-admin",
			`{"metadata":{"labels":{"kubesphere.io/workspace":"team-b"}}}`,
		},
		request{merge, iam + "workspaceroles/team-a-admin", `{"metadata":{"labels":null}}`},
		request{
			merge, iam + "workspaceroles/of-nobody",
			`{"metadata":{"labels":{"kubesphere.io/workspace":"team-a"}}}`,
		},
		request{remove, iam + "workspaceroles/of-nobody", ""},
		request{remove, iam + "workspaceroles?labelSelector=kubesphere.io/workspace=team-b", ""},
		request{merge, iam + "workspaceroles/team-b-admin/status", `{"status":{"observedGeneration":9}}`},
	), all(oscar, roles,
		request{post, iam + "workspacerolebindings", made("v1beta1", "WorkspaceRoleBinding", "team-b")},
		request{remove, iam + "workspacerolebindings/team-b-admin", ""},
	))
}

// workspaceObjects change what a policy selects a workspace by, how it ends, and who manages it.
func workspaceObjects() []attempt {
	var out []attempt

	for _, path := range []string{
		"v1beta1/workspaces/team-a", "v1alpha1/workspaces/team-a",
		"v1beta1/workspacetemplates/team-a", "v1alpha2/workspacetemplates/team-a",
	} {
		path = "/apis/tenant.kubesphere.io/" + path
		for _, metadata := range []string{
			`{"labels":{"tier":"large"}}`,
			`{"labels":{"kubesphere.io/protected-resource":"true"}}`,
			`{"labels":null}`,
			`{"finalizers":["example.com/hold"]}`,
			`{"annotations":{"tenant.kubesphere.io/project-roles":"false"}}`,
			otherOwner,
		} {
			out = append(out, all(mallory, workspaces,
				request{merge, path, `{"metadata":` + metadata + `}`},
				request{put, path, `{"metadata":` + metadata + `}`})...)
		}
	}

	const template = tenant + "workspacetemplates/team-a"

	out = append(out, all(mallory, workspaces,
		request{merge, template, `{"metadata":{"annotations":{"tenant.kubesphere.io/project-roles":null}}}`},
		request{merge, template, `{"spec":{"template":{"metadata":{"labels":{"tier":"large"}}}}}`},
		request{merge, template, `{"spec":{"template":{"metadata":null}}}`},
		request{
			merge, template,
			`{"spec":{"template":{"metadata":{"annotations":{"tenant.kubesphere.io/project-roles":"false"}}}}}`,
		},
	)...)

	// Those who manage its roles may say who manages the workspace.
	out = append(out, attempt{
		by: oscar, request: request{merge, template, `{"spec":{"template":{"spec":{"manager":"oscar"}}}}`},
		policies: []string{workspaces}, isRightful: true,
	})

	return append(out, all(oscar, workspaces,
		request{merge, tenant + "workspaces/team-b", `{"spec":{"manager":"oscar"}}`},
		request{merge, tenant + "workspaces/team-b", `{"spec":null}`},
		request{
			post, tenant + "workspaces", `{"apiVersion":"tenant.kubesphere.io/v1beta1","kind":"Workspace","metadata":` +
				`{"name":"x","annotations":{"tenant.kubesphere.io/project-roles":"true"}}}`,
		},
		request{
			post, tenant + "workspaces", `{"apiVersion":"tenant.kubesphere.io/v1beta1","kind":"Workspace","metadata":` +
				`{"name":"x","finalizers":["example.com/hold"]}}`,
		},
	)...)
}

// platformObjects write what holds for all workspaces.
func platformObjects() []attempt {
	var out []attempt

	for _, object := range []struct{ path, name, kind, content string }{
		{tenant + "workspacepolicies", "small", "WorkspacePolicy", `"spec":{}`},
		{tenant + "namespaceassignments", "existing", "NamespaceAssignment", `"spec":{"workspace":"team-a","selector":{}}`},
		{iam + "groups", "existing", "Group", `"spec":{}`},
		{
			iam + "groupbindings", "existing", "GroupBinding",
			`"users":["mallory"],"groupRef":{"apiGroup":"iam.kubesphere.io","kind":"Group","name":"existing"}`,
		},
		{iam + "builtinroles", "existing", "BuiltinRole", `"role":{}`},
		{iamOld + "rolebases", "existing", "RoleBase", `"role":{}`},
		{iam + "roletemplates", "existing", "RoleTemplate", `"spec":{"rules":[]}`},
		{iam + "globalroles", "existing", "GlobalRole", `"rules":[]`},
		{iamOld + "globalroles", "existing", "GlobalRole", `"rules":[]`},
		{
			iam + "globalrolebindings", "existing", "GlobalRoleBinding",
			`"subjects":[],"roleRef":{"apiGroup":"iam.kubesphere.io","kind":"GlobalRole","name":"existing"}`,
		},
		{iam + "clusterroles", "existing", "ClusterRole", `"rules":[]`},
		{
			iam + "clusterrolebindings", "existing", "ClusterRoleBinding",
			`"subjects":[],"roleRef":{"apiGroup":"iam.kubesphere.io","kind":"ClusterRole","name":"existing"}`,
		},
	} {
		version := strings.Join(strings.Split(object.path, "/")[2:4], "/")

		out = append(out, all(mallory, platform,
			request{
				post, object.path, fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":"x"},%s}`,
					version, object.kind, object.content),
			},
			request{merge, object.path + "/" + object.name, `{"metadata":{"labels":{"a":"b"}}}`},
			request{put, object.path + "/" + object.name, `{"metadata":{"annotations":{"a":"b"}}}`},
			request{remove, object.path + "/" + object.name, ""},
			request{remove, object.path + "?fieldSelector=metadata.name=" + object.name, ""},
		)...)
	}

	return append(out, all(oscar, platform,
		request{merge, tenant + "workspacepolicies/small/status", `{"status":{"fullWorkspaces":[]}}`},
		request{merge, tenant + "workspaces/team-a/status", `{"status":{"namespaceLimit":99}}`},
		request{merge, tenant + "workspacetemplates/team-a/status", `{"status":{"observedGeneration":9}}`},
		request{merge, iam + "globalrolebindings/existing", "{" + anybody + "}"},
		request{merge, tenant + "workspacepolicies/small", `{"spec":{"mode":"DryRun"}}`},
	)...)
}

// clusterRolesInside bind in a namespace what is not confined to it.
func clusterRolesInside() []attempt {
	bind := func(by, kind string) []attempt {
		return all(by, inside, request{
			post, iam + "namespaces/team-a-one/rolebindings", fmt.Sprintf(`{"apiVersion":"iam.kubesphere.io/v1beta1",`+
				`"kind":"RoleBinding","metadata":{"name":"x"},"subjects":[],"roleRef":{"apiGroup":"iam.kubesphere.io",`+
				`"kind":%q,"name":"cluster-admin"}}`, kind),
		})
	}

	// A binding of KubeSphere's can be made to refer to another role, as those of Kubernetes cannot.
	bindings := iam + "namespaces/team-a-one/rolebindings/"
	change := `{"roleRef":{"apiGroup":"iam.kubesphere.io","kind":"ClusterRole","name":"cluster-admin"}}`
	out := all(nora, inside,
		request{merge, bindings + "mine", change},
		request{put, bindings + "mine", change},
		request{patch, bindings + "mine", `[{"op":"replace","path":"/roleRef/kind","value":"ClusterRole"}]`},
		// It was the platform that bound the role of the cluster, to nobody yet.
		request{merge, bindings + "bound", "{" + anybody + "}"},
		request{put, bindings + "bound", "{" + anybody + "}"},
	)

	return slices.Concat(out, bind(mallory, "ClusterRole"), bind(oscar, "ClusterRole"),
		bind(mallory, "GlobalRole"), bind(mallory, "WorkspaceRole"))
}

// rolesByAnnotation ask for a role on behalf of a service account, without the right to give it.
func rolesByAnnotation() []attempt {
	const metadata = `"metadata":{"name":"default","annotations":{"iam.kubesphere.io/role":"admin"}}`

	path := namespace("team-a-one") + "/serviceaccounts"

	return all(sven, accounts,
		request{
			post, path,
			`{"apiVersion":"v1","kind":"ServiceAccount",` + strings.Replace(metadata, "default", "x", 1) + "}",
		},
		request{merge, path + "/default", "{" + metadata + "}"},
		request{put, path + "/default", "{" + metadata + "}"},
		request{apply, path + "/default", `{"apiVersion":"v1","kind":"ServiceAccount",` + metadata + "}"},
	)
}
