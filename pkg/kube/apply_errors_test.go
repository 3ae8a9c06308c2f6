package kube_test

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// unreadable is an intent that cannot be sent.
type unreadable struct{}

// IsApplyConfiguration implements runtime.ApplyConfiguration.
func (unreadable) IsApplyConfiguration() {}

// MarshalJSON implements json.Marshaler.
func (unreadable) MarshalJSON() ([]byte, error) {
	return nil, errOffline
}

func TestApplyErrors(t *testing.T) {
	t.Parallel()

	cached := func(raw string) *corev1.Namespace {
		obj := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
		obj.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: string(owner), Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(raw),
		}}

		return obj
	}
	labelled := intent(t, `{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {a: b}}}`)

	cases := map[string]struct {
		cached client.Object
		intent runtime.ApplyConfiguration
		want   error // Nil for any.
	}{
		"an intent that is none":    {nil, unreadable{}, errOffline},
		"nothing there, offline":    {nil, labelled, errOffline},
		"something there, offline":  {cached(`{}`), labelled, errOffline},
		"a record that is none":     {cached(`{"f:metadata":`), labelled, nil},
		"a record of another shape": {cached(`{"f:metadata":["f:labels"]}`), labelled, nil},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			applier := kube.NewApplier(offline(t), owner)

			changed, err := applier.Apply(t.Context(), tc.cached, tc.intent)
			if changed || err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("Apply = %v, %v; want false, %v", changed, err, tc.want)
			}

			changed, err = applier.ApplyReplacing(t.Context(), tc.cached, tc.intent, "spec")
			if changed || err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("ApplyReplacing = %v, %v; want false, %v", changed, err, tc.want)
			}
		})
	}
}

// offline returns a client whose writes get nowhere.
func offline(t *testing.T) client.Client {
	t.Helper()

	online, _ := server(t)

	return interceptor.NewClient(online, interceptor.Funcs{
		Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
			return errOffline
		},
	})
}
