package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// fakeServer stands before fake clients that know JSON only, one for each kind.
// It converts, and gives objects the metadata a server would.
type fakeServer struct {
	scheme      *runtime.Scheme
	converter   converter
	statusKinds map[schema.GroupVersionKind]bool

	mu      sync.Mutex
	stores  map[schema.GroupVersionKind]client.WithWatch
	created int
}

var _ client.WithWatch = &fakeServer{}

// store returns the client that keeps the objects of a kind.
func (f *fakeServer) store(gvk schema.GroupVersionKind) client.WithWatch {
	f.mu.Lock()
	defer f.mu.Unlock()

	if _, found := f.stores[gvk]; !found {
		f.stores[gvk] = newStore(gvk, f.converter, f.statusKinds[gvk])
	}

	return f.stores[gvk]
}

// storeOf returns the client that keeps an object.
func (f *fakeServer) storeOf(obj *unstructured.Unstructured) client.WithWatch {
	return f.store(obj.GroupVersionKind())
}

// Scheme implements client.Client.
func (f *fakeServer) Scheme() *runtime.Scheme {
	return f.scheme
}

// GroupVersionKindFor implements client.Client.
func (f *fakeServer) GroupVersionKindFor(obj runtime.Object) (schema.GroupVersionKind, error) {
	return apiutil.GVKForObject(obj, f.scheme)
}

// RESTMapper implements client.Client. It is empty.
func (*fakeServer) RESTMapper() meta.RESTMapper {
	return meta.NewDefaultRESTMapper(nil)
}

// IsObjectNamespaced implements client.Client, by what the object says of itself.
func (*fakeServer) IsObjectNamespaced(obj runtime.Object) (bool, error) {
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return false, fmt.Errorf("reading a %T: %w", obj, err)
	}

	return accessor.GetNamespace() != "", nil
}

// Get implements client.Reader.
func (f *fakeServer) Get(
	ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption,
) error {
	gvk, err := f.GroupVersionKindFor(obj)
	if err != nil {
		return err
	}

	stored := emptyOf(gvk)
	if err := f.store(gvk).Get(ctx, key, stored, opts...); err != nil {
		return err
	}

	return intoObject(stored, obj)
}

// List implements client.Reader.
func (f *fakeServer) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	gvk, err := itemKind(f.scheme, list)
	if err != nil {
		return err
	}

	stored := emptyListOf(gvk)
	if err := f.store(gvk).List(ctx, stored, opts...); err != nil {
		return err
	}

	return intoList(f.scheme, stored.Items, list)
}

// Watch implements client.WithWatch. What it sends is unstructured.
func (f *fakeServer) Watch(
	ctx context.Context, list client.ObjectList, opts ...client.ListOption,
) (watch.Interface, error) {
	gvk, err := itemKind(f.scheme, list)
	if err != nil {
		return nil, err
	}

	return f.store(gvk).Watch(ctx, emptyListOf(gvk), opts...)
}

// Create implements client.Writer.
func (f *fakeServer) Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error {
	sent, err := toUnstructured(f.scheme, obj)
	if err != nil {
		return err
	}

	f.baptize(sent)

	if f.statusKinds[sent.GroupVersionKind()] {
		delete(sent.Object, "status")
	}

	if err := f.storeOf(sent).Create(ctx, sent, opts...); err != nil {
		return err
	}

	return intoObject(sent, obj)
}

// baptize gives a new object what only a server gives. UIDs tell the order of
// creation, so that a message about one can be read.
func (f *fakeServer) baptize(obj *unstructured.Unstructured) {
	f.mu.Lock()
	f.created++
	number := f.created
	f.mu.Unlock()

	obj.SetUID(types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", number)))
	obj.SetCreationTimestamp(metav1.NewTime(epoch().Add(time.Duration(number) * time.Second)))

	if f.statusKinds[obj.GroupVersionKind()] {
		obj.SetGeneration(1)
	}
}

// Update implements client.Writer.
func (f *fakeServer) Update(ctx context.Context, obj client.Object, opts ...client.UpdateOption) error {
	sent, err := toUnstructured(f.scheme, obj)
	if err != nil {
		return err
	}

	return f.write(ctx, sent, obj, func() error {
		return f.storeOf(sent).Update(ctx, sent, opts...)
	})
}

// Patch implements client.Writer.
func (f *fakeServer) Patch(
	ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption,
) error {
	sent, raw, err := f.prepare(obj, patch)
	if err != nil {
		return err
	}

	return f.write(ctx, sent, obj, func() error {
		return f.storeOf(sent).Patch(ctx, sent, raw, opts...)
	})
}

// prepare computes a patch from the typed object it was made for.
func (f *fakeServer) prepare(
	obj client.Object, patch client.Patch,
) (*unstructured.Unstructured, client.Patch, error) {
	data, err := patch.Data(obj)
	if err != nil {
		return nil, nil, fmt.Errorf("computing a patch: %w", err)
	}

	sent, err := toUnstructured(f.scheme, obj)

	return sent, client.RawPatch(patch.Type(), data), err
}

// Apply implements client.Writer.
func (f *fakeServer) Apply(
	ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.ApplyOption,
) error {
	sent, err := intentOf(obj)
	if err != nil {
		return err
	}

	answer := emptyOf(sent.GroupVersionKind())

	err = f.write(ctx, sent, answer, func() error {
		configuration := client.ApplyConfigurationFromUnstructured(sent)

		return f.storeOf(sent).Apply(ctx, configuration, opts...)
	})
	if err != nil {
		return err
	}

	raw, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}

	if err := json.Unmarshal(raw, obj); err != nil {
		return fmt.Errorf("decoding the answer: %w", err)
	}

	return nil
}

// write does what may change sent at the server, adjusts the metadata there, and
// writes the result over answer.
func (f *fakeServer) write(
	ctx context.Context, sent *unstructured.Unstructured, answer client.Object, do func() error,
) error {
	before, err := f.stored(ctx, sent)
	if err != nil {
		return err
	}

	if err := do(); err != nil {
		return err
	}

	after, err := f.stored(ctx, sent)
	if err != nil {
		return err
	}

	if after == nil { // The last finalizer has gone, and the object with it.
		return intoObject(sent, answer)
	}

	if err := f.adjust(ctx, before, after); err != nil {
		return err
	}

	return intoObject(after, answer)
}

func (f *fakeServer) stored(ctx context.Context, like *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	stored := emptyOf(like.GroupVersionKind())

	err := f.storeOf(like).Get(ctx, client.ObjectKeyFromObject(like), stored)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // Absence is an answer.
	}

	return stored, err
}

// adjust makes up for what a write to a fake client leaves undone.
func (f *fakeServer) adjust(ctx context.Context, before, after *unstructured.Unstructured) error {
	switch {
	case before == nil:
		f.baptize(after)
	case f.statusKinds[after.GroupVersionKind()] &&
		!apiequality.Semantic.DeepEqual(before.Object["spec"], after.Object["spec"]):
		after.SetGeneration(before.GetGeneration() + 1)
	default:
		return nil
	}

	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":               after.GetUID(),
		"generation":        after.GetGeneration(),
		"creationTimestamp": after.GetCreationTimestamp(),
	}})
	if err != nil {
		return fmt.Errorf("encoding the metadata: %w", err)
	}

	err = f.storeOf(after).Patch(ctx, after, client.RawPatch(types.MergePatchType, patch))
	if err != nil {
		return fmt.Errorf("adjusting the metadata: %w", err)
	}

	return nil
}

var errOtherUID = errors.New("the UID in the precondition is not that of the object")

// Delete implements client.Writer.
func (f *fakeServer) Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error {
	sent, err := toUnstructured(f.scheme, obj)
	if err != nil {
		return err
	}

	stored, err := f.stored(ctx, sent)
	if err != nil {
		return err
	}

	only := (&client.DeleteOptions{}).ApplyOptions(opts).Preconditions
	if stored != nil && only != nil && only.UID != nil && *only.UID != stored.GetUID() {
		gvk := sent.GroupVersionKind()
		resource, _ := meta.UnsafeGuessKindToResource(gvk)

		//nolint:wrapcheck // This is the answer itself.
		return apierrors.NewConflict(resource.GroupResource(), sent.GetName(), errOtherUID)
	}

	return f.storeOf(sent).Delete(ctx, sent, opts...)
}

// DeleteAllOf implements client.Writer.
func (f *fakeServer) DeleteAllOf(ctx context.Context, obj client.Object, opts ...client.DeleteAllOfOption) error {
	sent, err := toUnstructured(f.scheme, obj)
	if err != nil {
		return err
	}

	return f.storeOf(sent).DeleteAllOf(ctx, sent, opts...)
}
