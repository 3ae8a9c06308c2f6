package kube_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// request is what a server is asked for.
type request struct {
	Kind, Namespace, Name string

	Type       types.PatchType
	Body       map[string]any
	Manager    string
	Force      bool
	DryRun     []string
	Validation string
}

// leanServer answers every patch with a version, and notes what it was asked.
func leanServer(t *testing.T, asked *request) client.Client {
	t.Helper()

	return interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Patch: func(_ context.Context, _ client.WithWatch, obj client.Object, patch client.Patch,
			options ...client.PatchOption,
		) error {
			metadata, isMetadata := obj.(*metav1.PartialObjectMetadata)
			if !isMetadata {
				t.Fatalf("the answer is to be a %T", obj)
			}

			sent := (&client.PatchOptions{}).ApplyOptions(options).AsPatchOptions()
			*asked = request{
				Kind:      obj.GetObjectKind().GroupVersionKind().String(),
				Namespace: obj.GetNamespace(), Name: obj.GetName(),
				Type: patch.Type(), Manager: sent.FieldManager, DryRun: sent.DryRun, Validation: sent.FieldValidation,
				Force: sent.Force != nil && *sent.Force,
			}

			body, err := patch.Data(obj)
			if err == nil {
				err = json.Unmarshal(body, &asked.Body)
			}

			metadata.UID, metadata.ResourceVersion = "uid", "7"

			return err
		},
	})
}

func TestLeanApply(t *testing.T) {
	t.Parallel()

	body := map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "shop", "name": "prices"},
		"data": map[string]any{"tea": "2"},
	}
	want := request{
		Kind: "/v1, Kind=ConfigMap", Namespace: "shop", Name: "prices", Type: types.ApplyPatchType, Body: body,
		Manager: "test", Force: true, DryRun: []string{metav1.DryRunAll}, Validation: metav1.FieldValidationIgnore,
	}

	typed := corev1apply.ConfigMap("prices", "shop").WithData(map[string]string{"tea": "2"})
	loose := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(body)}

	for name, intent := range map[string]runtime.ApplyConfiguration{
		"typed": typed, "unstructured": client.ApplyConfigurationFromUnstructured(loose),
	} {
		var got request

		err := kube.Lean(leanServer(t, &got)).
			Apply(t.Context(), intent, client.FieldOwner("test"), client.ForceOwnership, client.DryRunAll)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: request (-want +got):\n%s", name, diff)
		}
	}

	if loose.GetResourceVersion() != "7" || loose.GetUID() != "uid" {
		t.Errorf("the unstructured intent notes version %q and UID %q", loose.GetResourceVersion(), loose.GetUID())
	}

	if typed.ResourceVersion != nil || typed.UID != nil {
		t.Error("the typed intent was changed")
	}
}

func TestLeanApplyOfNothing(t *testing.T) {
	t.Parallel()

	for name, intent := range map[string]runtime.ApplyConfiguration{
		"no name": corev1apply.ConfigMap("", "shop"),
		"no kind": client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"name": "prices"},
		}}),
	} {
		var got request

		if err := kube.Lean(leanServer(t, &got)).Apply(t.Context(), intent, client.FieldOwner("test")); err == nil {
			t.Errorf("%s: asked for %s", name, got.Name)
		}
	}
}
