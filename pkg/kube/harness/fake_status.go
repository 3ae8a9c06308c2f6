package harness

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// errUnsupported is what the fake server says to calls that need a real one.
var errUnsupported = errors.New("only a live server can do this")

// Status implements client.StatusClient.
func (f *fakeServer) Status() client.SubResourceWriter {
	return f.SubResource("status")
}

// SubResource implements client.SubResourceClientConstructor.
func (f *fakeServer) SubResource(name string) client.SubResourceClient {
	return fakeSubResource{server: f, name: name}
}

// fakeSubResource writes a subresource, which is to say the status.
type fakeSubResource struct {
	server *fakeServer
	name   string
}

// Get implements client.SubResourceReader.
func (r fakeSubResource) Get(context.Context, client.Object, client.Object, ...client.SubResourceGetOption) error {
	return fmt.Errorf("reading %s: %w", r.name, errUnsupported)
}

// Create implements client.SubResourceWriter.
func (r fakeSubResource) Create(
	context.Context, client.Object, client.Object, ...client.SubResourceCreateOption,
) error {
	return fmt.Errorf("creating %s: %w", r.name, errUnsupported)
}

// Update implements client.SubResourceWriter.
func (r fakeSubResource) Update(
	ctx context.Context, obj client.Object, opts ...client.SubResourceUpdateOption,
) error {
	sent, err := toUnstructured(r.server.scheme, obj)
	if err != nil {
		return err
	}

	err = r.server.storeOf(sent).SubResource(r.name).Update(ctx, sent, opts...)
	if err != nil {
		return err
	}

	return intoObject(sent, obj)
}

// Patch implements client.SubResourceWriter.
func (r fakeSubResource) Patch(
	ctx context.Context, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption,
) error {
	sent, raw, err := r.server.prepare(obj, patch)
	if err != nil {
		return err
	}

	err = r.server.storeOf(sent).SubResource(r.name).Patch(ctx, sent, raw, opts...)
	if err != nil {
		return err
	}

	return intoObject(sent, obj)
}

// Apply implements client.SubResourceWriter.
func (r fakeSubResource) Apply(
	ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption,
) error {
	sent, err := intentOf(obj)
	if err != nil {
		return err
	}

	return r.server.storeOf(sent).SubResource(r.name).Apply(ctx, obj, opts...)
}
