package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/cleanup"
)

// cleanerWith returns one for a cluster in memory that serves kinds of ours, or none.
func cleanerWith(t *testing.T, ours bool, funcs interceptor.Funcs, objects ...client.Object) *cleaner {
	t.Helper()

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, tenantv1beta1.AddToScheme, iamv1beta1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	kinds := []cleanup.Kind{
		{GroupVersionKind: corev1.SchemeGroupVersion.WithKind("Namespace"), Resource: "namespaces"},
		{GroupVersionKind: rbacv1.SchemeGroupVersion.WithKind("RoleBinding"), Resource: "rolebindings"},
	}
	if ours {
		kinds = append(kinds,
			cleanup.Kind{
				GroupVersionKind: tenantv1beta1.SchemeGroupVersion.WithKind("Workspace"), Resource: "workspaces",
			},
			cleanup.Kind{GroupVersionKind: iamv1beta1.SchemeGroupVersion.WithKind("User"), Resource: "users"})
	}

	return &cleaner{
		client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(funcs).Build(),
		kinds:  func() ([]cleanup.Kind, error) { return kinds, nil },
		clock:  testclock.NewFakePassiveClock(time.Unix(1000, 0)),
	}
}

func left() []client.Object {
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: "payroll", Labels: map[string]string{tenantv1beta1.WorkspaceLabel: "w"},
			Finalizers: []string{"finalizers.kubesphere.io/namespaces", "example.com/keep"},
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "tenant.kubesphere.io/v1alpha1", Kind: "Workspace", Name: "w", UID: "w"},
			},
		}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{
			Name: "made", Namespace: "payroll", Labels: map[string]string{
				"app.kubernetes.io/managed-by": "ks-controller-manager",
			},
		}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "own", Namespace: "payroll"}},
		&tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{
			Name: "w", Finalizers: []string{"finalizers.tenant.kubesphere.io"},
		}},
		&iamv1beta1.User{ObjectMeta: metav1.ObjectMeta{
			Name: "alice", Finalizers: []string{"finalizers.kubesphere.io/users"},
		}},
		lease(900),
	}
}

// lease is held until its holder's last renewal is 15 seconds old.
func lease(renewed int64) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: defaultNamespace, Name: "ks-controller-manager-leader-election"},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: new("pod-1_x"), LeaseDurationSeconds: new(int32(15)),
			RenewTime: &metav1.MicroTime{Time: time.Unix(renewed, 0)},
		},
	}
}

// clean runs the command's work and returns what it printed.
func clean(t *testing.T, c *cleaner, wanted cleanupOptions) (string, error) {
	t.Helper()

	var out bytes.Buffer

	command := &cobra.Command{}
	command.SetContext(t.Context())
	command.SetOut(&out)
	command.SetErr(&out)

	wanted.namespace = defaultNamespace
	if wanted.format == "" {
		wanted.format = formatTable
	}

	err := c.run(command, wanted)

	return out.String(), err
}

func TestCleanupShowsBeforeItDoes(t *testing.T) {
	t.Parallel()

	c := cleanerWith(t, true, interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return errors.New("it patches")
		},
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
			return errors.New("it deletes")
		},
	}, left()...)

	for _, wanted := range []cleanupOptions{{}, {dryRun: true, yes: true}} {
		out, err := clean(t, c, wanted)
		if err != nil {
			t.Fatal(err)
		}

		for _, want := range []string{
			"planned  take off finalizer  namespaces", "take off owner", "delete", "payroll/made",
			"finalizers.kubesphere.io/users", "leases.coordination.k8s.io", "Nothing has been changed.",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("the output lacks %q:\n%s", want, out)
			}
		}
	}
}

func TestCleanup(t *testing.T) {
	t.Parallel()

	c := cleanerWith(t, true, interceptor.Funcs{}, left()...)

	out, err := clean(t, c, cleanupOptions{yes: true, format: formatJSON})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	var rows []map[string]any
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		t.Fatal(err)
	}

	want := []map[string]any{
		{
			"resource": "namespaces", "name": "payroll", "result": "done",
			"finalizers": []any{"finalizers.kubesphere.io/namespaces"}, "owners": []any{"Workspace/w"},
		},
		{
			"resource": "rolebindings.rbac.authorization.k8s.io", "namespace": "payroll", "name": "made",
			"delete": true, "result": "done",
		},
		{
			"resource": "users.iam.kubesphere.io", "name": "alice", "result": "done",
			"finalizers": []any{"finalizers.kubesphere.io/users"},
		},
		{
			"resource": "workspaces.tenant.kubesphere.io", "name": "w", "result": "done",
			"finalizers": []any{"finalizers.tenant.kubesphere.io"},
		},
		{
			"resource": "leases.coordination.k8s.io", "namespace": "kubesphere-system",
			"name": "ks-controller-manager-leader-election", "delete": true, "result": "done",
		},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}

	namespace := &corev1.Namespace{}
	if err := c.client.Get(t.Context(), client.ObjectKey{Name: "payroll"}, namespace); err != nil {
		t.Fatal(err)
	}

	if !slices.Equal(namespace.Finalizers, []string{"example.com/keep"}) || namespace.OwnerReferences != nil ||
		namespace.Labels[tenantv1beta1.WorkspaceLabel] != "w" {
		t.Errorf("the namespace is %+v", namespace.ObjectMeta)
	}

	for _, kept := range []client.Object{
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "own", Namespace: "payroll"}},
		&tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "w"}},
		&iamv1beta1.User{ObjectMeta: metav1.ObjectMeta{Name: "alice"}},
	} {
		if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(kept), kept); err != nil {
			t.Errorf("%s is gone: %v", kept.GetName(), err)
		}
	}

	if out, err := clean(t, c, cleanupOptions{yes: true}); err != nil || !strings.Contains(out, "nothing to clean up") {
		t.Errorf("again: %v\n%s", err, out)
	}
}

func TestCleanupOfEverything(t *testing.T) {
	t.Parallel()

	c := cleanerWith(t, true, interceptor.Funcs{}, left()...)

	if out, err := clean(t, c, cleanupOptions{yes: true, labels: true, customResources: true}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	for _, gone := range []client.Object{
		&tenantv1beta1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "w"}},
		&iamv1beta1.User{ObjectMeta: metav1.ObjectMeta{Name: "alice"}},
	} {
		err := c.client.Get(t.Context(), client.ObjectKeyFromObject(gone), gone)
		if !apierrors.IsNotFound(err) {
			t.Errorf("%s is still there: %v", gone.GetName(), err)
		}
	}

	namespace := &corev1.Namespace{}

	err := c.client.Get(t.Context(), client.ObjectKey{Name: "payroll"}, namespace)
	if err != nil || len(namespace.Labels) > 0 {
		t.Errorf("the namespace is %+v: %v", namespace.ObjectMeta, err)
	}
}

func TestCleanupWithoutOurKinds(t *testing.T) {
	t.Parallel()

	c := cleanerWith(t, false, interceptor.Funcs{}, left()[:2]...)
	if out, err := clean(t, c, cleanupOptions{yes: true}); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A manager that runs puts back what is taken off.
func TestCleanupBesideAManager(t *testing.T) {
	t.Parallel()

	originals := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{
		Namespace: defaultNamespace, Name: "ks-controller-manager",
	}}
	originals.Spec.Template.Spec.Containers = []corev1.Container{
		{Name: "ks-controller-manager", Image: "example.com/x:v3"},
	}

	for name, guard := range map[string]client.Object{"pod-1_x": lease(990), "KubeSphere's own manager": originals} {
		c := cleanerWith(t, true, interceptor.Funcs{}, append(left()[:5], guard)...)

		if _, err := clean(t, c, cleanupOptions{yes: true}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}

		if out, err := clean(t, c, cleanupOptions{}); err != nil || !strings.Contains(out, "Note: ") {
			t.Errorf("%s: only looking: %v\n%s", name, err, out)
		}

		if _, err := clean(t, c, cleanupOptions{yes: true, force: true}); err != nil {
			t.Errorf("%s: forced: %v", name, err)
		}
	}
}

// As long as a namespace would go with its Workspace, that does not go; the rest is cleaned up, and what went wrong is
// told with the object.
func TestCleanupHoldsWorkspacesBack(t *testing.T) {
	t.Parallel()

	c := cleanerWith(t, true, interceptor.Funcs{
		Patch: func(
			ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch,
			options ...client.PatchOption,
		) error {
			if object.GetName() == "payroll" {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "payroll", nil)
			}

			return c.Patch(ctx, object, patch, options...)
		},
	}, left()...)

	out, err := clean(t, c, cleanupOptions{yes: true, customResources: true})

	want := "2 of 5 objects are not cleaned up, the first of them namespaces/payroll"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v", err)
	}

	want = "workspaces.tenant.kubesphere.io/w skipped: namespaces/payroll would be deleted with it"
	if !strings.Contains(out, want) {
		t.Errorf("the Workspace is not held back:\n%s", out)
	}

	if err := c.client.Get(t.Context(), client.ObjectKey{Name: "w"}, &tenantv1beta1.Workspace{}); err != nil {
		t.Errorf("the Workspace is gone: %v", err)
	}

	err = c.client.Get(t.Context(), client.ObjectKey{Name: "alice"}, &iamv1beta1.User{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the user is still there: %v", err)
	}
}

// What somebody changes meanwhile is looked at anew, a few times.
func TestCleanupLooksAgain(t *testing.T) {
	t.Parallel()

	for conflicts, fails := range map[int]bool{3: false, 50: true} {
		patches := 0
		c := cleanerWith(t, false, interceptor.Funcs{
			Patch: func(
				ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch,
				options ...client.PatchOption,
			) error {
				patches++
				if patches <= conflicts {
					return apierrors.NewConflict(schema.GroupResource{}, "payroll", errors.New("changed"))
				}

				return c.Patch(ctx, object, patch, options...)
			},
		}, left()[0])

		if _, err := clean(t, c, cleanupOptions{yes: true}); (err != nil) != fails {
			t.Errorf("with %d conflicts: %v", conflicts, err)
		}
	}
}

func TestHolderOf(t *testing.T) {
	t.Parallel()

	now := time.Unix(1000, 0)
	released := lease(999)
	released.Spec.HolderIdentity = new("")

	for name, test := range map[string]struct {
		lease *coordinationv1.Lease
		want  string
	}{
		"fresh": {lease(999), "pod-1_x"}, "run out": {lease(900), ""}, "released": {released, ""},
		"empty": {&coordinationv1.Lease{}, ""},
	} {
		if got := holderOf(test.lease, now); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestManyPages(t *testing.T) {
	t.Parallel()

	const many = 3

	pages := 0
	c := cleanerWith(t, false, interceptor.Funcs{
		List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			page, isPage := list.(*metav1.PartialObjectMetadataList)
			if !isPage {
				return errors.New("not metadata alone")
			}

			var asked client.ListOptions

			asked.ApplyOptions(options)

			if asked.Continue != strings.Repeat("x", pages%many) {
				return fmt.Errorf("page %d with %q", pages, asked.Continue)
			}

			page.Items = []metav1.PartialObjectMetadata{{ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprint("n", pages), Finalizers: []string{"kubesphere.io/cascading-deletion"},
			}}}

			pages++
			if pages%many != 0 {
				page.Continue = strings.Repeat("x", pages%many)
			}

			return nil
		},
	})

	steps, err := c.plan(t.Context(), cleanup.Options{})
	if err != nil || len(steps) != 2*many {
		t.Errorf("%d steps of two kinds with %d pages each: %v", len(steps), many, err)
	}
}
