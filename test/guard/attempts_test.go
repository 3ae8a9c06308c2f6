package guard_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// The policies.
const (
	newcomers  = "ks-namespace-creation"
	ownership  = "ks-namespace-ownership"
	limit      = "ks-namespace-limit"
	protection = "ks-deletion-protection"
	managed    = "ks-managed-objects"
	reserved   = "ks-reserved-names"
	roles      = "ks-workspace-roles"
	workspaces = "ks-workspaces"
	platform   = "ks-platform-objects"
	inside     = "ks-namespace-roles"
	accounts   = "ks-service-account-roles"
)

// attempt is a way to get past the guard.
type attempt struct {
	request

	by string

	// by whom it is stopped: without all of these, it would succeed.
	policies []string

	// isRightful says that members of team-a may do it, where the one who tries may not.
	isRightful bool
}

func (a attempt) String() string { return a.by + ": " + a.request.String() }

// stopped returns an error unless a policy of the attempt refuses it. Nothing changes.
func (a attempt) stopped(ctx context.Context) error { return a.refusal(a.send(ctx, a.by, true)) }

// refusal returns an error unless the answer to the attempt is the refusal of one of its policies, with a message of
// its own.
func (a attempt) refusal(answer error) error {
	if answer == nil {
		return fmt.Errorf("%s: succeeds", a)
	}

	isOurs := slices.ContainsFunc(a.policies, func(policy string) bool {
		return strings.Contains(answer.Error(), "'"+policy+"'")
	})
	if !isRefused(answer) || !isOurs || strings.Contains(answer.Error(), "expression") {
		return fmt.Errorf("%s: is not refused by %s: %w", a, strings.Join(a.policies, " or "), answer)
	}

	return nil
}

// probes are one attempt for each policy, which stops it alone.
func probes() map[string]attempt {
	out := map[string]attempt{}

	for _, attempt := range attempts() {
		if len(attempt.policies) == 1 {
			out[attempt.policies[0]] = attempt
		}
	}

	return out
}

func attempts() []attempt {
	return slices.Concat(
		memberships(), guardedKeys(), owners(), creations(), finalizations(), beyondLimits(), protected(),
		managedObjects(), renderedObjects(), reservedNames(), workspaceRoles(), workspaceObjects(), platformObjects(),
		clusterRolesInside(), rolesByAnnotation(),
	)
}

func namespace(name string) string { return "/api/v1/namespaces/" + name }

// changes are all ways to change the metadata of a namespace: a merge patch of it as value.
func changes(name, metadata string) []request {
	path := namespace(name)
	body := `{"metadata":` + metadata + `}`

	out := []request{
		{merge, path, body},
		{merge, path + "/status", body},
		{put, path, body},
		{put, path + "/status", body},
		{put, path + "/finalize", body},
	}

	if !strings.Contains(metadata, "null") { // what somebody else has set cannot be removed by applying
		body := fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q,%s}`, name, metadata[1:])
		out = append(out, request{apply, path, body}, request{apply, path + "/status", body})
	}

	return out
}

// all are attempts by somebody that one policy stops.
func all(by, policy string, requests ...request) []attempt {
	return allOf(by, []string{policy}, requests...)
}

// allOf are attempts by somebody that each of some policies stops.
func allOf(by string, policies []string, requests ...request) []attempt {
	out := make([]attempt, 0, len(requests))
	for _, request := range requests {
		out = append(out, attempt{by: by, request: request, policies: policies})
	}

	return out
}

// memberships take namespaces into and out of workspaces, on every path.
func memberships() []attempt {
	const key = "/metadata/labels/kubesphere.io~1workspace"

	var out []attempt

	for _, change := range []struct{ by, namespace, to string }{
		{mallory, "team-a-one", ""},       // escapes
		{nora, "team-a-one", ""},          //
		{dora, "team-a-one", ""},          // nor may who can move it
		{mallory, "team-a-one", "team-b"}, // is smuggled
		{nora, "team-a-one", "team-b"},
		{dora, "team-a-one", "team-c"},
		{mallory, "team-b-one", "team-a"}, // is robbed
		{oscar, "team-b-one", ""},
		{mallory, "loose", "team-a"}, // is taken
		{oscar, "loose", "team-a"},
		{mallory, "kube-system", "team-a"},
		{mallory, "kubesphere-system", "team-a"}, // with the account of the manager in it
		{dora, "default", "team-a"},
	} {
		value, operation := fmt.Sprintf("%q", change.to), "add"
		if change.to == "" {
			value, operation = "null", "remove"
		}

		requests := changes(change.namespace, `{"labels":{"kubesphere.io/workspace":`+value+`}}`)

		for _, subresource := range []string{"", "/status"} {
			requests = append(requests, request{
				patch, namespace(change.namespace) + subresource,
				fmt.Sprintf(`[{"op":%q,"path":%q,"value":%s}]`, operation, key, value),
			})
		}

		out = append(out, all(change.by, ownership, requests...)...)
	}

	// By way of the status, where nobody would look at the limit.
	for _, request := range changes("team-a-one", `{"labels":{"kubesphere.io/workspace":"team-b"}}`) {
		if request.path != namespace("team-a-one") {
			out = append(out, all(dora, ownership, request)...)
		}
	}

	// All labels at once, and to nothing but still there.
	return append(out, all(mallory, ownership,
		request{patch, namespace("team-a-one"), `[{"op":"replace","path":"/metadata/labels","value":{}}]`},
		request{merge, namespace("team-a-one"), `{"metadata":{"labels":null}}`},
		request{merge, namespace("team-a-one"), `{"metadata":{"labels":{"kubesphere.io/workspace":""}}}`},
	)...)
}

// guardedKeys change what the platform says of a namespace of a workspace.
func guardedKeys() []attempt {
	var out []attempt

	for _, by := range []string{mallory, nora, dora} {
		for _, metadata := range []string{
			`{"labels":{"kubesphere.io/managed":"false"}}`,
			`{"labels":{"kubesphere.io/managed":null}}`,
			`{"labels":{"kubesphere.io/namespace":"kube-system"}}`,
			`{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}`,
			`{"labels":{"pod-security.kubernetes.io/enforce":null}}`,
			`{"labels":{"pod-security.kubernetes.io/warn":"privileged"}}`,
			`{"labels":{"kubesphere.io/protected-resource":"true"}}`,
			`{"labels":{"tenant.kubesphere.io/frozen":"false"}}`,
			`{"annotations":{"kubesphere.io/creator":"mallory"}}`,
			`{"annotations":{"kubesphere.io/creator":null}}`,
			`{"annotations":{"tenant.kubesphere.io/admitted":"team-b"}}`,
			`{"annotations":{"tenant.kubesphere.io/admitted":null}}`,
			`{"annotations":{"tenant.kubesphere.io/self-service":"true"}}`,
			`{"annotations":{"scheduler.alpha.kubernetes.io/node-selector":"pool=other"}}`,
			// Hidden among what is allowed.
			`{"labels":{"app":"x","kubesphere.io/managed":"false"},"annotations":{"note":"y"}}`,
			// On the way to another workspace.
			`{"labels":{"kubesphere.io/workspace":"team-b","kubesphere.io/managed":"false"}}`,
		} {
			out = append(out, all(by, ownership, changes("team-a-one", metadata)...)...)
		}

		out = append(out, all(by, ownership,
			changes("team-a-two", `{"labels":{"kubesphere.io/protected-resource":null}}`)...)...)
	}

	// What would count once the namespace joins a workspace.
	out = append(out, all(oscar, ownership,
		changes("loose", `{"annotations":{"kubesphere.io/creator":"oscar"}}`)...)...)

	return append(out, all(pete, ownership,
		request{merge, namespace("loose"), `{"metadata":{"annotations":{"tenant.kubesphere.io/admitted":"team-a"}}}`},
		request{merge, namespace("loose"), `{"metadata":{"labels":{"tenant.kubesphere.io/x":"y"}}}`})...)
}

const (
	tenantOwner = `{"ownerReferences":[{"apiVersion":"tenant.kubesphere.io/v1beta1","kind":"Workspace",` +
		`"name":"team-a","uid":"b0f4a3d2-5a43-4a8e-8f44-7d0d2a4b1c11","controller":true}]}`
	otherOwner = `{"ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n",` +
		`"uid":"b0f4a3d2-5a43-4a8e-8f44-7d0d2a4b1c12"}]}`
)

// owners give a namespace to somebody who takes it along when deleted.
func owners() []attempt {
	out := all(admin, ownership, changes("team-b-one", tenantOwner)...)
	out = append(out, all(oscar, ownership, changes("loose", tenantOwner)...)...)
	out = append(out, all(mallory, ownership, changes("team-a-one", otherOwner)...)...)
	out = append(out, all(nora, ownership, changes("team-a-one", otherOwner)...)...)

	// Nor is an owner taken off, or exchanged, by whoever does not like it.
	for _, metadata := range []string{`{"ownerReferences":null}`, otherOwner} {
		out = append(out, all(mallory, ownership, changes("team-a-owned", metadata)...)...)
		out = append(out, all(dora, ownership, changes("team-a-owned", metadata)...)...)
	}

	out = append(out, all(mallory, ownership,
		request{patch, namespace("team-a-owned"), `[{"op":"remove","path":"/metadata/ownerReferences"}]`},
		request{patch, namespace("team-a-owned") + "/status", `[{"op":"remove","path":"/metadata/ownerReferences/0"}]`},
	)...)

	return append(out, all(admin, newcomers, creation("owned", tenantOwner))...)
}

// creation makes a namespace. The metadata is that besides its name.
func creation(name, metadata string) request {
	body := fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q,%s}`, name, metadata[1:])

	return request{post, "/api/v1/namespaces", strings.ReplaceAll(body, ",}", "}")}
}

func creations() []attempt {
	out := all(mallory, newcomers,
		creation("own", `{}`), // outside of every workspace
		creation("team-b-own", `{}`),
		creation("team-a", `{}`),
		creation("team-ax-own", `{}`),
		creation("kube-own", `{}`),
		creation("team-a-own", `{"labels":{"kubesphere.io/workspace":"team-b"}}`),
		creation("own", `{"labels":{"kubesphere.io/workspace":""}}`),
		creation("team-a-own", `{"labels":{"kubesphere.io/protected-resource":"true"}}`),
		creation("team-a-own", `{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}`),
		creation("team-a-own", `{"labels":{"tenant.kubesphere.io/x":"y"}}`),
		creation("team-a-own", `{"annotations":{"tenant.kubesphere.io/admitted":"team-a"}}`),
		creation("team-a-own", `{"annotations":{"scheduler.alpha.kubernetes.io/node-selector":"pool=other"}}`),
		creation("team-a-own", otherOwner),
		creation("team-a-own", tenantOwner),
		request{
			post, "/api/v1/namespaces", `{"apiVersion":"v1","kind":"Namespace","metadata":{"generateName":"team-a-",` +
				`"labels":{"kubesphere.io/workspace":"team-b"}}}`,
		},
		request{
			post, "/api/v1/namespaces",
			`{"apiVersion":"v1","kind":"Namespace","metadata":{"generateName":"own-"}}`,
		},
		// Applying what is not there creates it.
		request{
			apply, namespace("team-a-own"), `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team-a-own",` +
				`"labels":{"kubesphere.io/workspace":"team-b"}}}`,
		},
	)

	for _, by := range []string{oscar, pete} {
		foreign := attempt{by: by, policies: []string{newcomers}, isRightful: true}
		for _, request := range []request{
			creation("own", `{"labels":{"kubesphere.io/workspace":"team-a"}}`),
			creation("own", `{"annotations":{"kubesphere.io/creator":"alice"}}`),
		} {
			foreign.request = request
			out = append(out, foreign)
		}
	}

	// Without the help that sets these right, who may create gets nowhere with untruths.
	for _, metadata := range []string{
		`{"labels":{"kubesphere.io/workspace":"team-a","kubesphere.io/managed":"false"}}`,
		`{"labels":{"kubesphere.io/workspace":"team-a","kubesphere.io/namespace":"kube-system"}}`,
		`{"labels":{"kubesphere.io/workspace":"team-a"},"annotations":{"kubesphere.io/creator":"alice"}}`,
		`{"labels":{"kubesphere.io/workspace":"team-a"},"annotations":{"tenant.kubesphere.io/self-service":"false"}}`,
	} {
		out = append(out, attempt{
			by: dora, request: creation("own", metadata), policies: []string{newcomers}, isRightful: true,
		})
	}

	return out
}

// finalizations declare a namespace empty that is not.
func finalizations() []attempt {
	return all(nora, ownership, request{put, namespace("team-a-one") + "/finalize", `{"spec":{"finalizers":[]}}`})
}

// beyondLimits bring namespaces into workspaces that are full, also from one to another.
func beyondLimits() []attempt {
	out := all(dora, limit, creation("own", `{"labels":{"kubesphere.io/workspace":"full"}}`),
		request{
			apply, namespace("own"), `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"own",` +
				`"labels":{"kubesphere.io/workspace":"full"}}}`,
		},
		request{merge, namespace("too-full-one"), `{"metadata":{"labels":{"kubesphere.io/workspace":"full"}}}`},
	)

	for _, request := range changes("team-a-one", `{"labels":{"kubesphere.io/workspace":"full"}}`) {
		if request.path == namespace("team-a-one") {
			out = append(out, all(dora, limit, request)...)
		} else {
			out = append(out, all(dora, ownership, request)...)
		}
	}

	return out
}

// protected deletes what must stay.
func protected() []attempt {
	var out []attempt

	for _, by := range []string{admin, oscar} {
		for _, path := range []string{
			namespace("team-a-two"),
			"/apis/tenant.kubesphere.io/v1beta1/workspaces/system-workspace",
			"/apis/tenant.kubesphere.io/v1alpha1/workspaces/system-workspace",
			"/apis/tenant.kubesphere.io/v1beta1/workspacetemplates/system-workspace",
			"/apis/tenant.kubesphere.io/v1alpha2/workspacetemplates/system-workspace",
			"/apis/tenant.kubesphere.io/v1beta1/workspaces?fieldSelector=metadata.name=system-workspace",
			"/apis/tenant.kubesphere.io/v1alpha2/workspacetemplates?fieldSelector=metadata.name=system-workspace",
		} {
			out = append(out, all(by, protection, request{remove, path, ""},
				request{remove, path, `{"propagationPolicy":"Foreground"}`},
				request{remove, path, `{"propagationPolicy":"Orphan","gracePeriodSeconds":0}`})...)
		}
	}

	return out
}
