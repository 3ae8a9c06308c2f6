package harness_test

import (
	"maps"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
)

// widget asks for a Secret with the content of a ConfigMap, and for a role to
// read it.
type widget struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   widgetSpec   `json:"spec"`
	Status widgetStatus `json:"status,omitzero"`
}

type widgetSpec struct {
	// Source names a ConfigMap in the widget's namespace.
	Source string `json:"source,omitempty"`
	// Verbs are what the role allows.
	Verbs []string `json:"verbs,omitempty"`
	// Size cannot be negative.
	Size int64 `json:"size,omitempty"`
	// Labels go to the Secret.
	Labels map[string]string `json:"labels,omitempty"`
}

type widgetStatus struct {
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

type widgetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []widget `json:"items"`
}

func (w *widget) copy() *widget {
	c := *w
	c.ObjectMeta = *w.ObjectMeta.DeepCopy()
	c.Spec.Verbs = slices.Clone(w.Spec.Verbs)
	c.Spec.Labels = maps.Clone(w.Spec.Labels)
	c.Status.Conditions = slices.Clone(w.Status.Conditions)

	return &c
}

// DeepCopyObject implements runtime.Object.
func (w *widget) DeepCopyObject() runtime.Object {
	return w.copy()
}

// DeepCopyObject implements runtime.Object.
func (l *widgetList) DeepCopyObject() runtime.Object {
	c := *l
	c.Items = nil

	for i := range l.Items {
		c.Items = append(c.Items, *l.Items[i].copy())
	}

	return &c
}

func widgetScheme(tb testing.TB) *runtime.Scheme {
	tb.Helper()

	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		tb.Fatalf("building the scheme: %v", err)
	}

	version := schema.GroupVersion{Group: "test.kubesphere.io", Version: "v1"}
	scheme.AddKnownTypeWithName(version.WithKind("Widget"), &widget{})
	scheme.AddKnownTypeWithName(version.WithKind("WidgetList"), &widgetList{})
	metav1.AddToGroupVersion(scheme, version)

	return scheme
}
