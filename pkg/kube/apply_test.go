package kube_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
)

const owner = client.FieldOwner("ks-controller-manager/test")

// server returns a fake API server that keeps managedFields, and the writes it
// has seen.
func server(t *testing.T, objects ...client.Object) (client.WithWatch, *[]string) {
	t.Helper()

	writes := &[]string{}

	inner, err := harness.Fake().Open(t.Context(), harness.Subject{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatalf("starting a fake server: %v", err)
	}

	for _, obj := range objects {
		deleted := obj.GetDeletionTimestamp() != nil
		obj.SetDeletionTimestamp(nil)

		if err := inner.Create(t.Context(), obj); err != nil {
			t.Fatalf("creating %s: %v", obj.GetName(), err)
		}

		if !deleted {
			continue
		}

		if err := inner.Delete(t.Context(), obj); err != nil {
			t.Fatalf("deleting %s: %v", obj.GetName(), err)
		}
	}

	return interceptor.NewClient(inner, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration,
			opts ...client.ApplyOption,
		) error {
			*writes = append(*writes, "apply")

			return c.Apply(ctx, obj, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			*writes = append(*writes, "delete")

			return c.Delete(ctx, obj, opts...)
		},
	}), writes
}

// intent reads an apply configuration from YAML.
func intent(t *testing.T, text string) runtime.ApplyConfiguration {
	t.Helper()

	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatalf("decoding the intent: %v", err)
	}

	return client.ApplyConfigurationFromUnstructured(u)
}

// unstructuredOf returns an empty object of the kind of another.
func unstructuredOf(t *testing.T, c client.Client, obj client.Object) *unstructured.Unstructured {
	t.Helper()

	gvk, err := c.GroupVersionKindFor(obj)
	if err != nil {
		t.Fatalf("finding the kind: %v", err)
	}

	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)

	return u
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: b, labels: {app: x}}
spec:
  replicas: 0
  paused: false
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec:
      initContainers: [{name: first, image: i}, {name: second, image: i}]
      containers:
      - name: c
        image: i
        command: []
        securityContext: {}
        resources: {limits: {cpu: 1000m, memory: 1024Mi}}
        env: [{name: A, value: ""}, {name: B, value: "1"}]
        ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}]
      volumes: [{name: tmp, emptyDir: {}}]
`

const networkPolicy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: b}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{from: [{namespaceSelector: {}}]}]
`

const clusterRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: a, annotations: {}}
rules: [{apiGroups: [""], resources: [pods], verbs: [get], resourceNames: []}]
`

const service = `
apiVersion: v1
kind: Service
metadata: {name: a, namespace: b, finalizers: [x/y]}
spec:
  ports: [{name: http, port: 80, targetPort: http}, {name: https, port: 443, protocol: TCP, targetPort: 8443}]
  selector: {app: x}
`

const namespace = `{apiVersion: v1, kind: Namespace, metadata: {name: a}}`

// kinds are intents with what a comparison without a schema stumbles over.
func kinds() map[string]struct {
	intent string
	object client.Object
} {
	return map[string]struct {
		intent string
		object client.Object
	}{
		"items with keys, quantities, zeros": {deployment, &appsv1.Deployment{}},
		"atomic selectors, empty":            {networkPolicy, &networkingv1.NetworkPolicy{}},
		"atomic rules":                       {clusterRole, &rbacv1.ClusterRole{}},
		"sets, defaulted keys":               {service, &corev1.Service{}},
		"nothing but a name":                 {namespace, &corev1.Namespace{}},
	}
}

func TestApplyWritesOnce(t *testing.T) {
	t.Parallel()

	for name, tc := range kinds() {
		for _, typed := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()

				c, writes := server(t)
				applier := kube.NewApplier(c, owner)

				wanted := intent(t, tc.intent)
				if changed, err := applier.Apply(t.Context(), nil, wanted); err != nil || !changed {
					t.Fatalf("first Apply = %v, %v; want true, nil", changed, err)
				}

				cached := tc.object
				if !typed {
					cached = unstructuredOf(t, c, tc.object)
				}

				key := client.ObjectKeyFromObject(wanted.(client.Object))
				if err := c.Get(t.Context(), key, cached); err != nil {
					t.Fatalf("reading the child: %v", err)
				}

				if changed, err := applier.Apply(t.Context(), cached, wanted); err != nil || changed {
					t.Errorf("second Apply of a %T = %v, %v; want false, nil", cached, changed, err)
				}

				if diff := cmp.Diff([]string{"apply"}, *writes); diff != "" {
					t.Errorf("writes (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// edit replaces text in a YAML document, and fails when there is none to replace.
func edit(t *testing.T, document, from, to string) string {
	t.Helper()

	edited := strings.Replace(document, from, to, 1)
	if edited == document {
		t.Fatalf("%q is not in the document", from)
	}

	return edited
}

func TestApplySeesAChangedIntent(t *testing.T) {
	t.Parallel()

	cases := map[string]struct{ kind, from, to string }{
		"value":                 {"items with keys, quantities, zeros", "1000m", "1001m"},
		"same quantity":         {"items with keys, quantities, zeros", "1000m", "1"},
		"zero to value":         {"items with keys, quantities, zeros", "replicas: 0", "replicas: 1"},
		"label dropped":         {"items with keys, quantities, zeros", ", labels: {app: x}}\nspec", "}\nspec"},
		"item dropped":          {"items with keys, quantities, zeros", `, {name: B, value: "1"}`, ""},
		"item added":            {"items with keys, quantities, zeros", "{containerPort: 80}", "{containerPort: 80}, {containerPort: 81}"},
		"zero field dropped":    {"items with keys, quantities, zeros", "  paused: false\n", ""},
		"order of items":        {"items with keys, quantities, zeros", "{name: first, image: i}, {name: second, image: i}", "{name: second, image: i}, {name: first, image: i}"},
		"null":                  {"items with keys, quantities, zeros", "replicas: 0", "replicas: null"},
		"atomic made empty":     {"atomic selectors, empty", "namespaceSelector: {}", "podSelector: {}"},
		"empty selector filled": {"atomic selectors, empty", "  podSelector: {}", "  podSelector: {matchLabels: {a: b}}"},
		"verb":                  {"atomic rules", "verbs: [get]", "verbs: [get, list]"},
		"emptied rules":         {"atomic rules", `rules: [{apiGroups: [""], resources: [pods], verbs: [get], resourceNames: []}]`, "rules: []"},
		"finalizer dropped":     {"sets, defaulted keys", ", finalizers: [x/y]", ""},
		"finalizer added":       {"sets, defaulted keys", "[x/y]", "[x/y, x/z]"},
		"key made explicit":     {"sets, defaulted keys", "port: 80,", "port: 80, protocol: TCP,"},
		"key changed":           {"sets, defaulted keys", "port: 80,", "port: 80, protocol: UDP,"},
		"label added":           {"nothing but a name", "name: a", "name: a, labels: {a: b}"},
		"empty map added":       {"nothing but a name", "name: a", "name: a, labels: {}"},
		"empty list added":      {"nothing but a name", "name: a", "name: a, finalizers: []"},
	}
	unchanged := map[string]bool{"same quantity": true, "empty list added": true}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c, writes := server(t)
			applier := kube.NewApplier(c, owner)
			before := kinds()[tc.kind].intent
			after := intent(t, edit(t, before, tc.from, tc.to))

			cached := applied(t, c, intent(t, before), kinds()[tc.kind].object)
			*writes = nil

			changed, err := applier.Apply(t.Context(), cached, after)
			if err != nil || changed == unchanged[name] {
				t.Fatalf("Apply = %v, %v; want %v, nil", changed, err, !unchanged[name])
			}

			cached = read(t, c, cached)
			if changed, err := applier.Apply(t.Context(), cached, after); err != nil || changed {
				t.Errorf("Apply again = %v, %v; want false, nil", changed, err)
			}
		})
	}
}

// applied returns the child as the server has it after wanted was applied.
func applied(t *testing.T, c client.Client, wanted runtime.ApplyConfiguration, empty client.Object) client.Object {
	t.Helper()

	if _, err := kube.NewApplier(c, owner).Apply(t.Context(), nil, wanted); err != nil {
		t.Fatalf("applying: %v", err)
	}

	named, isObject := wanted.(client.Object)
	if !isObject {
		t.Fatalf("%T has no name", wanted)
	}

	empty.SetName(named.GetName())
	empty.SetNamespace(named.GetNamespace())

	return read(t, c, empty)
}

func read(t *testing.T, c client.Client, obj client.Object) client.Object {
	t.Helper()

	if err := c.Get(t.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
		t.Fatalf("reading the child: %v", err)
	}

	return obj
}

func TestApplySeesDrift(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		kind, from, to string
		write          bool
	}{
		"foreign label":           {"nothing but a name", "name: a", "name: a, labels: {their: own}", false},
		"foreign label beside":    {"items with keys, quantities, zeros", "{app: x}}", "{app: x, their: own}}", false},
		"our label":               {"items with keys, quantities, zeros", "{app: x}}", "{app: theirs}}", true},
		"foreign item":            {"items with keys, quantities, zeros", "containers:\n", "containers:\n      - {name: their, image: own}\n", false},
		"our item":                {"items with keys, quantities, zeros", "- name: c\n        image: i", "- name: c\n        image: j", true},
		"foreign field of item":   {"items with keys, quantities, zeros", "image: i\n", "image: i\n        tty: true\n", false},
		"atomic rules":            {"atomic rules", "verbs: [get]", "verbs: ['*']", true},
		"atomic selector taken":   {"atomic selectors, empty", "  podSelector: {}", "  podSelector: {matchLabels: {a: b}}", true},
		"foreign finalizer":       {"sets, defaulted keys", "[x/y]", "[x/y, their/own]", false},
		"selector key of another": {"sets, defaulted keys", "{app: x}", "{their: own}", true},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c, writes := server(t)
			applier := kube.NewApplier(c, owner)
			wanted := intent(t, kinds()[tc.kind].intent)
			cached := applied(t, c, wanted, kinds()[tc.kind].object)

			foreign := intent(t, edit(t, kinds()[tc.kind].intent, tc.from, tc.to))
			if err := c.Apply(t.Context(), foreign, client.FieldOwner("other"), client.ForceOwnership); err != nil {
				t.Fatalf("drifting: %v", err)
			}

			*writes = nil

			changed, err := applier.Apply(t.Context(), read(t, c, cached), wanted)
			if err != nil || changed != tc.write {
				t.Errorf("Apply = %v, %v; want %v, nil", changed, err, tc.write)
			}

			if changed, err = applier.Apply(t.Context(), read(t, c, cached), wanted); err != nil || changed {
				t.Errorf("Apply again = %v, %v; want false, nil", changed, err)
			}
		})
	}
}

func binding(role string) *rbacv1ac.RoleBindingApplyConfiguration {
	return rbacv1ac.RoleBinding("a", "b").
		WithSubjects(rbacv1ac.Subject().WithKind(rbacv1.UserKind).WithName("jane")).
		WithRoleRef(rbacv1ac.RoleRef().WithKind("Role").WithName(role))
}

func TestApplyReplacing(t *testing.T) {
	t.Parallel()

	old := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "b"}}
	old.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "view"}

	terminating := old.DeepCopy()
	terminating.Finalizers = []string{"x/y"}
	terminating.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}

	cases := map[string]struct {
		cached  *rbacv1.RoleBinding
		role    string
		writes  []string
		isError bool
	}{
		"absent":             {nil, "view", []string{"apply"}, false},
		"same role":          {old, "view", []string{"apply"}, false},
		"other role":         {old, "edit", []string{"delete", "apply"}, false},
		"other, terminating": {terminating, "edit", nil, true},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var objects []client.Object

			if tc.cached != nil {
				tc.cached = tc.cached.DeepCopy()
				objects = append(objects, tc.cached.DeepCopy())
			}

			c, writes := server(t, objects...)
			if tc.cached != nil {
				read(t, c, tc.cached)
			}

			applier := kube.NewApplier(c, owner)

			changed, err := applier.ApplyReplacing(t.Context(), tc.cached, binding(tc.role), "roleRef")
			if changed != (err == nil) || (err != nil) != tc.isError {
				t.Errorf("ApplyReplacing = %v, %v; want error: %v", changed, err, tc.isError)
			}

			if diff := cmp.Diff(tc.writes, *writes, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestApplyReplacingLeavesWhatHasChanged(t *testing.T) {
	t.Parallel()

	cached := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "b"}}
	cached.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "view"}

	c, _ := server(t, cached)

	newer := cached.DeepCopy()
	newer.Labels = map[string]string{"their": "own"}

	if err := c.Update(t.Context(), newer); err != nil {
		t.Fatalf("changing the child: %v", err)
	}

	_, err := kube.NewApplier(c, owner).ApplyReplacing(t.Context(), cached, binding("edit"), "roleRef")
	if !apierrors.IsConflict(err) {
		t.Errorf("ApplyReplacing = %v; want a conflict", err)
	}
}

func TestApplyLeavesItsArgumentsAlone(t *testing.T) {
	t.Parallel()

	c, _ := server(t)
	wanted := binding("view")

	if _, err := kube.NewApplier(c, owner).Apply(t.Context(), (*rbacv1.RoleBinding)(nil), wanted); err != nil {
		t.Fatalf("Apply = %v", err)
	}

	if diff := cmp.Diff(binding("view"), wanted); diff != "" {
		t.Errorf("the intent has changed (-before +after):\n%s", diff)
	}
}

func TestApplyRefusesAnotherObject(t *testing.T) {
	t.Parallel()

	c, writes := server(t)
	other := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: "b"}}

	if _, err := kube.NewApplier(c, owner).Apply(t.Context(), other, binding("view")); err == nil || len(*writes) > 0 {
		t.Errorf("Apply = %v, writes %v; want an error and none", err, *writes)
	}
}
