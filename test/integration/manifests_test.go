package integration_test

import (
	"context"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
)

// The command is the README's; the objects stay as they are when it is run again.
func TestDefaultManifestsAreAccepted(t *testing.T) {
	for range 2 {
		if out, err := shared.Kubectl(t.Context(), "apply", "--server-side", "-k", root+"/config/default"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}

	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if out, err := shared.Kubectl(ctx, "delete", "--wait=false", "-k", root+"/config/manager"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})

	deployment := &appsv1.Deployment{}
	key := client.ObjectKey{Namespace: accountNamespace, Name: accountName}

	if err := admin.Get(t.Context(), key, deployment); err != nil {
		t.Fatal(err)
	}

	container := deployment.Spec.Template.Spec.Containers[0]
	if container.LivenessProbe == nil || container.ReadinessProbe == nil || container.StartupProbe == nil {
		t.Error("a probe is missing")
	}

	// A namespace that enforces the restricted standard takes the pod.
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "restricted", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	create(t, namespace)

	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "restricted", Name: "probe"}, Spec: deployment.Spec.Template.Spec,
	}
	pod.Spec.ServiceAccountName, pod.Spec.DeprecatedServiceAccount = "", ""

	eventually(t, "the pod is admitted", func(ctx context.Context) error {
		return admin.Create(ctx, pod.DeepCopy(), client.DryRunAll)
	})

	// The same namespace refuses a pod that asks for more, so the answer above says something.
	pod.Spec.Containers[0].SecurityContext = nil
	if err := admin.Create(t.Context(), pod, client.DryRunAll); err == nil ||
		!strings.Contains(err.Error(), "violates PodSecurity") {
		t.Errorf("a pod without restrictions: %v", err)
	}
}

// Somebody who holds Kubernetes' own view, edit or admin can do with our kinds what the name says.
func TestRolesForPeopleAreAggregated(t *testing.T) {
	tests := []struct {
		role, verb string
		want       bool
	}{
		{"view", "list", true},
		{"view", "create", false},
		{"edit", "create", true},
		{"edit", "deletecollection", false},
		{"admin", "deletecollection", true},
		{"admin", "impersonate", false},
	}

	for _, test := range tests {
		t.Run(test.role+"-"+test.verb, func(t *testing.T) {
			user := "person-with-" + test.role
			create(t, clusterRoleBinding("test-"+test.role+"-"+test.verb, test.role, user))

			eventually(t, "the API server answers as the role says", func(ctx context.Context) error {
				review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
					User: user,
					ResourceAttributes: &authorizationv1.ResourceAttributes{
						Group: tenantv1beta1.GroupName, Resource: "workspacetemplates", Verb: test.verb,
					},
				}}

				return answered(ctx, review, test.want)
			})
		})
	}
}
