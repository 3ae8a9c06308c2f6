package serviceaccount_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/serviceaccount"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
)

func TestServiceAccountKeepsThePromises(t *testing.T) {
	if err := (manager.Catalog{serviceaccount.Descriptor()}).Validate(); err != nil {
		t.Error(err)
	}

	harness.Run(t, subject(t))
}

func subject(t *testing.T) harness.Subject {
	t.Helper()

	descriptor := serviceaccount.Descriptor()

	scheme := runtime.NewScheme()
	for _, add := range descriptor.AddToScheme {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return harness.Subject{
		Name:         serviceaccount.Name,
		Scheme:       scheme,
		Primary:      &corev1.ServiceAccount{},
		NoConditions: true,
		Kinds: []client.ObjectList{
			&corev1.ServiceAccountList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{}, &iamv1beta1.RoleList{},
			&admissionregistrationv1.ValidatingAdmissionPolicyBindingList{},
		},
		New: func(environment harness.Environment) reconcile.Reconciler {
			built, err := descriptor.New(manager.Dependencies{
				Client: environment.Client, Live: environment.Client,
				Recorder: environment.Recorder, Clock: environment.PassiveClock(),
				Digests: func(kind schema.GroupVersionKind) (stores.Digests, error) {
					for _, cached := range descriptor.Caches {
						if cached.Kind == kind {
							return harness.Digests(environment.Client, scheme, cached), nil
						}
					}

					return nil, fmt.Errorf("no digests of %s", kind)
				},
			})
			if err != nil {
				t.Fatal(err)
			}

			return built.Reconciler
		},
		Worlds: worlds(),
		Drifts: []harness.Drift{
			{Name: "more subjects", World: "4.x", Make: patch(binding("viewer"),
				`{"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"mallory"}]}`)},
			{Name: "another role", World: "4.x", Make: patch(binding("viewer"),
				`{"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"admin"}}`)},
		},
		MaxReads: 20, MaxWrites: 5, Seeds: 8,
	}
}

func patch(object client.Object, content string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.Patch(ctx, object.DeepCopyObject().(client.Object),
			client.RawPatch("application/merge-patch+json", []byte(content)))
	}
}

func inside(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "ns", Name: name} }

func account(name, role string) *corev1.ServiceAccount {
	made := &corev1.ServiceAccount{ObjectMeta: inside(name)}
	if role != "" {
		made.Annotations = map[string]string{iamv1beta1.ServiceAccountRoleAnnotation: role}
	}

	return made
}

func guard() *admissionregistrationv1.ValidatingAdmissionPolicyBinding {
	return &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: serviceaccount.Guard},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        serviceaccount.Guard,
			ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}
}

func warns() client.Object {
	binding := guard()
	binding.Spec.ValidationActions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn}

	return binding
}

func iamRole(name string) client.Object { return &iamv1beta1.Role{ObjectMeta: inside(name)} }

func role(name string) client.Object { return &rbacv1.Role{ObjectMeta: inside(name)} }

// binding is one that the controller made for robot.
func binding(role string) *rbacv1.RoleBinding {
	made := &rbacv1.RoleBinding{
		ObjectMeta: inside("kubesphere:serviceaccount:robot:" + role),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "kubesphere:iam:" + role},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "ns", Name: "robot"}},
	}
	made.Labels = map[string]string{
		tenancy.ManagedByLabel: tenancy.ManagedBy, tenancy.ComponentLabel: serviceaccount.Name,
		iamv1beta1.ServiceAccountLabel: "robot",
	}

	return made
}

// legacy is one that KubeSphere made for robot.
func legacy(name string, subjects ...string) client.Object {
	made := &rbacv1.RoleBinding{
		ObjectMeta: inside(name),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "kubesphere:iam:viewer"},
	}
	made.Labels = map[string]string{iamv1beta1.ServiceAccountLabel: "robot"}

	for _, subject := range subjects {
		made.Subjects = append(made.Subjects, rbacv1.Subject{Kind: "ServiceAccount", Namespace: "ns", Name: subject})
	}

	return made
}

func worlds() []harness.World {
	paused := account("paused", "viewer")
	paused.Annotations[kube.PausedAnnotation] = "true"

	told := account("told", "viewer")
	told.Annotations[projection.RefusedAnnotation] = "something"

	return []harness.World{
		{Name: "4.x", Objects: []client.Object{guard(), iamRole("viewer"), role("viewer"), account("robot", "viewer")}},
		{Name: "3.x", Objects: []client.Object{guard(), role("admin"), account("robot", "admin")}},
		{Name: "no annotation", Objects: []client.Object{guard(), account("default", "")}},
		{Name: "an unknown role", Objects: []client.Object{guard(), account("robot", "nobody")}},
		{Name: "no name of a role", Objects: []client.Object{
			guard(), role("viewer"), account("a", "viewer\nx"), account("b", "a/b"), account("c", strings.Repeat("x",
				9000)),
		}},
		{Name: "no guard", Objects: []client.Object{iamRole("viewer"), account("robot", "viewer")}},
		{Name: "a guard that only warns", Objects: []client.Object{warns(), iamRole("viewer"), account("robot", "viewer")}},
		{Name: "the role has changed", Objects: []client.Object{
			guard(), iamRole("viewer"), iamRole("admin"), account("robot", "viewer"), binding("admin"),
		}},
		{Name: "what KubeSphere made", Objects: []client.Object{
			guard(), iamRole("viewer"), account("robot", "viewer"), legacy("robot-viewer-x7", "robot"),
			legacy("robot-too-wide", "robot", "other"), legacy("hand-made", "robot"),
		}},
		{Name: "what KubeSphere made, unguarded", Objects: []client.Object{
			iamRole("viewer"), account("robot", "viewer"), legacy("robot-viewer-x7", "robot"),
		}},
		{Name: "told before", Objects: []client.Object{guard(), role("viewer"), told}},
		{Name: "paused", Objects: []client.Object{guard(), role("viewer"), paused}},
	}
}
