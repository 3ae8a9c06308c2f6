package supervisor_test

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The kinds that the controllers under test serve. Gadgets come and go, widgets stay, gizmos are foreign.
//
//nolint:gochecknoglobals // nobody changes them
var (
	groupVersion = schema.GroupVersion{Group: "supervisor.example.com", Version: "v1"}
	gadgetKind   = groupVersion.WithKind("Gadget")
	widgetKind   = groupVersion.WithKind("Widget")
	gizmoKind    = schema.GroupVersionKind{Group: "foreign.example.com", Version: "v1", Kind: "Gizmo"}
)

// revision is that of the definitions in testdata.
const revision = 2

// Thing is what both kinds of ours have.
type Thing struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   ThingSpec   `json:"spec"`
	Status ThingStatus `json:"status"`
}

// ThingSpec says what the controller shall do with the thing.
type ThingSpec struct {
	// Value is copied to the status.
	Value string `json:"value,omitempty"`
	// Finalize has the controller hold the thing with a finalizer until it was asked to let go.
	Finalize bool `json:"finalize,omitempty"`
	// Secret names a Secret of the namespace default whose size is reported.
	Secret string `json:"secret,omitempty"`
}

// ThingStatus is what the controller says.
type ThingStatus struct {
	Observed string `json:"observed,omitempty"`
	Gizmos   bool   `json:"gizmos,omitempty"`
	Size     int    `json:"size,omitempty"`
}

// Gadget comes and goes.
type Gadget struct{ Thing }

// Widget stays.
type Widget struct{ Thing }

// GadgetList is a list of gadgets.
type GadgetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []Gadget `json:"items"`
}

// WidgetList is a list of widgets.
type WidgetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []Widget `json:"items"`
}

// DeepCopyInto copies all of a thing.
func (t *Thing) DeepCopyInto(out *Thing) {
	*out = *t
	t.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
}

// DeepCopyObject implements runtime.Object.
func (g *Gadget) DeepCopyObject() runtime.Object {
	out := &Gadget{}
	g.Thing.DeepCopyInto(&out.Thing)

	return out
}

// DeepCopyObject implements runtime.Object.
func (w *Widget) DeepCopyObject() runtime.Object {
	out := &Widget{}
	w.Thing.DeepCopyInto(&out.Thing)

	return out
}

// DeepCopyObject implements runtime.Object.
func (l *GadgetList) DeepCopyObject() runtime.Object {
	out := &GadgetList{TypeMeta: l.TypeMeta, ListMeta: *l.ListMeta.DeepCopy(), Items: make([]Gadget, len(l.Items))}
	for i := range l.Items {
		l.Items[i].Thing.DeepCopyInto(&out.Items[i].Thing)
	}

	return out
}

// DeepCopyObject implements runtime.Object.
func (l *WidgetList) DeepCopyObject() runtime.Object {
	out := &WidgetList{TypeMeta: l.TypeMeta, ListMeta: *l.ListMeta.DeepCopy(), Items: make([]Widget, len(l.Items))}
	for i := range l.Items {
		l.Items[i].Thing.DeepCopyInto(&out.Items[i].Thing)
	}

	return out
}

func addToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(groupVersion, &Gadget{}, &GadgetList{}, &Widget{}, &WidgetList{})
	metav1.AddToGroupVersion(scheme, groupVersion)

	return nil
}
