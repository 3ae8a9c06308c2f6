package serviceaccount_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

// settled returns a server on which the controller has looked at the account robot until all was at rest.
func settled(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()

	s := subject(t)

	c, err := harness.Fake().Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}

	for _, object := range objects {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	reconciler := s.New(harness.Environment{
		Client: c, Recorder: events.NewFakeRecorder(10), Clock: func() time.Time { return time.Unix(0, 0) },
	})

	for range 3 {
		_, err := reconciler.Reconcile(t.Context(), reconcile.Request{
			NamespacedName: client.ObjectKey{Namespace: "ns", Name: "robot"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	return c
}

func roleOf(t *testing.T, c client.Client, name string) string {
	t.Helper()

	binding := &rbacv1.RoleBinding{}

	err := c.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: name}, binding)
	if apierrors.IsNotFound(err) {
		return ""
	}

	if err != nil {
		t.Fatal(err)
	}

	return binding.RoleRef.Name
}

func TestOutcomes(t *testing.T) {
	forged := binding("admin")
	forged.RoleRef.Name = "harmless"

	kept := []string{"robot-viewer-x7"}
	ours := "kubesphere:serviceaccount:robot:viewer"

	for _, test := range []struct {
		name    string
		objects []client.Object
		want    map[string]string
		refused bool
	}{
		{
			name: "4.x", want: map[string]string{
				ours: "kubesphere:iam:viewer", kept[0]: "",
				"hand-made": "kubesphere:iam:viewer",
			},
			objects: []client.Object{
				guard(), iamRole("viewer"), role("viewer"), account("robot", "viewer"),
				legacy(kept[0], "robot"), legacy("hand-made", "robot"),
			},
		},
		{
			name: "3.x", want: map[string]string{ours: "viewer"},
			objects: []client.Object{guard(), role("viewer"), account("robot", "viewer")},
		},
		{
			name: "unguarded: nothing is given, nothing is taken", refused: true,
			want: map[string]string{ours: "", kept[0]: "kubesphere:iam:viewer"},
			objects: []client.Object{
				iamRole("viewer"), account("robot", "viewer"), legacy(kept[0], "robot"),
			},
		},
		{
			name: "unguarded: what was given stays", want: map[string]string{ours: "kubesphere:iam:viewer"},
			objects: []client.Object{iamRole("viewer"), account("robot", "viewer"), binding("viewer")},
		},
		{
			name: "unguarded: what only looks given is not put right", refused: true,
			want:    map[string]string{"kubesphere:serviceaccount:robot:admin": "harmless"},
			objects: []client.Object{iamRole("admin"), account("robot", "admin"), forged},
		},
		{
			name: "a role that is gone", want: map[string]string{ours: ""}, refused: true,
			objects: []client.Object{guard(), account("robot", "viewer"), binding("viewer")},
		},
		{
			name: "the annotation is gone", want: map[string]string{ours: ""},
			objects: []client.Object{guard(), iamRole("viewer"), account("robot", ""), binding("viewer")},
		},
		{
			name: "the account is gone", want: map[string]string{ours: ""},
			objects: []client.Object{guard(), iamRole("viewer"), binding("viewer")},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := settled(t, test.objects...)

			for name, role := range test.want {
				if got := roleOf(t, c, name); got != role {
					t.Errorf("%s: want role %q, got %q", name, role, got)
				}
			}

			robot := &corev1.ServiceAccount{}

			err := c.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: "robot"}, robot)
			if client.IgnoreNotFound(err) != nil {
				t.Fatal(err)
			}

			if refused := robot.Annotations[projection.RefusedAnnotation]; (refused != "") != test.refused {
				t.Errorf("refused: %q", refused)
			}
		})
	}
}
