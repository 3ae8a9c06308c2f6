package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// The definitions of testdata.
const (
	gadgetDefinition = "gadgets.supervisor.example.com"
	gizmoDefinition  = "gizmos.foreign.example.com"
)

func gadget(name, value string) *Gadget {
	return &Gadget{Thing: Thing{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ThingSpec{Value: value}}}
}

func widget(name, value string) *Widget {
	return &Widget{Thing: Thing{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ThingSpec{Value: value}}}
}

// define installs the definition of gadgets or gizmos, waits until it is served, and returns when it was established.
func define(t *testing.T, resource string) time.Time {
	t.Helper()

	if out, err := shared.Kubectl(t.Context(), "apply", "--server-side", "--force-conflicts",
		"-f", "testdata/"+resource+".yaml"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	name := gadgetDefinition
	if resource == "gizmos" {
		name = gizmoDefinition
	}

	if out, err := shared.Kubectl(t.Context(), "wait", "--for=condition=Established", "crd/"+name,
		"--timeout=20s"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	return time.Now()
}

// undefine removes a definition with all its objects, and returns when it was gone.
func undefine(t *testing.T, name string) time.Time {
	t.Helper()

	ctx := context.WithoutCancel(t.Context())
	if err := deleteDefinition(ctx, name); err != nil {
		t.Fatal(err)
	}

	eventually(t, timeout, name+" is gone", func(ctx context.Context) error {
		return gone(ctx, definitions.Reference(name))
	})

	return time.Now()
}

// deleteDefinition asks for the removal. The client of metadata cannot read the answer to that.
func deleteDefinition(ctx context.Context, name string) error {
	definition := &unstructured.Unstructured{}
	definition.SetGroupVersionKind(definitions.Reference(name).GroupVersionKind())
	definition.SetName(name)

	return client.IgnoreNotFound(admin.Delete(ctx, definition))
}

func gone(ctx context.Context, object client.Object) error {
	err := admin.Get(ctx, client.ObjectKeyFromObject(object), object)
	if apierrors.IsNotFound(err) {
		return nil
	}

	return errors.Join(err, errors.New("it is there"))
}

// withGadgets installs the definition for a test and removes it afterwards.
func withGadgets(t *testing.T) {
	t.Helper()
	define(t, "gadgets")
	t.Cleanup(func() { cleanDefinition(t, gadgetDefinition) })
}

// cleanDefinition removes a definition and whatever finalizers hold its objects, when a test is over.
func cleanDefinition(t *testing.T, name string) {
	t.Helper()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), timeout)
	defer cancel()

	if err := deleteDefinition(ctx, name); err != nil {
		t.Errorf("remove %s: %v", name, err)
	}

	for gone(ctx, definitions.Reference(name)) != nil && ctx.Err() == nil {
		gadgets := &GadgetList{}
		if err := admin.List(ctx, gadgets); err != nil {
			continue
		}

		for i := range gadgets.Items {
			if len(gadgets.Items[i].Finalizers) > 0 {
				_ = admin.Patch(ctx, &gadgets.Items[i], // it is tried again
					client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))
			}
		}
	}

	if ctx.Err() != nil {
		t.Errorf("remove %s: it stays", name)
	}
}

// create makes an object and removes it when the test ends.
func create(t *testing.T, object client.Object) {
	t.Helper()

	if err := admin.Create(t.Context(), object); err != nil {
		t.Fatalf("create %T %s: %v", object, object.GetName(), err)
	}

	t.Cleanup(func() {
		err := admin.Delete(context.WithoutCancel(t.Context()), object)
		if client.IgnoreNotFound(err) != nil && !isUnknownKind(err) {
			t.Errorf("delete %T %s: %v", object, object.GetName(), err)
		}
	})
}

func isUnknownKind(err error) bool {
	return apierrors.IsMethodNotSupported(err) || errors.As(err, new(*apierrors.StatusError))
}

// observed returns nil when the controller has copied the value of a thing to its status.
func observed(ctx context.Context, object client.Object) error {
	if err := admin.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return fmt.Errorf("read it: %w", err)
	}

	if thing := thingOf(object); thing.Status.Observed != thing.Spec.Value {
		return fmt.Errorf("observed is %q, want %q", thing.Status.Observed, thing.Spec.Value)
	}

	return nil
}

// change sets the value of a thing.
func change(t *testing.T, object client.Object, value string) {
	t.Helper()

	patch := fmt.Sprintf(`{"spec":{"value":%q}}`, value)

	err := admin.Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", []byte(patch)))
	if err != nil {
		t.Fatal(err)
	}
}

// bystander is the controller that must not notice anything, with its one object.
type bystander struct {
	manager *running
	suffers *behaviour
	object  *Widget
	before  manager.Row
}

// watchBystander waits until the bystander works, and remembers how it stands.
func watchBystander(t *testing.T, started *running, suffers *behaviour) *bystander {
	t.Helper()

	object := widget("bystander-"+strconv.FormatInt(time.Now().UnixNano(), 10), "0")
	create(t, object)

	before := started.waitFor(t, "widget", manager.Running, manager.ReasonRunning)
	eventually(t, timeout, "the bystander works", func(ctx context.Context) error { return observed(ctx, object) })

	return &bystander{manager: started, suffers: suffers, object: object, before: before}
}

// check holds that the bystander works as before, and was neither made nor started anew.
func (b *bystander) check(t *testing.T) {
	t.Helper()

	row, err := b.manager.row(t.Context(), "widget")
	if err != nil {
		t.Fatal(err)
	}

	if row.State != manager.Running || row.Starts != b.before.Starts || !row.Since.Equal(b.before.Since) {
		t.Errorf("the bystander noticed: before %+v, now %+v", b.before, row)
	}

	change(t, b.object, strconv.FormatInt(time.Now().UnixNano(), 10))
	eventually(t, timeout, "the bystander works", func(ctx context.Context) error { return observed(ctx, b.object) })
}
