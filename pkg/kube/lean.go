package kube

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Lean returns a client whose Apply spares the API server what nobody needs:
//
//   - It asks for the metadata alone as the answer, in a compact form. Nobody reads more of it than the version, and to
//     write and to parse the whole is a good part of what an apply costs on both sides.
//   - It asks for no field validation, for which the server parses the intent a second time. All that this would find
//     are duplicate keys, which an encoder does not write: a field that is not in the schema fails an apply anyway.
//
// Apply sends an intent as it is, and changes nothing in a typed one. In an unstructured one it notes the UID and the
// version of what is now there. All other calls are those of c.
func Lean(c client.Client) client.Client {
	return lean{Client: c}
}

type lean struct{ client.Client }

// Apply implements client.Writer.
func (l lean) Apply(ctx context.Context, intent runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	target, err := targetOf(intent)
	if err != nil {
		return err
	}

	body, err := json.Marshal(intent)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", describe(target), err)
	}

	apply := (&client.ApplyOptions{}).ApplyOptions(options)
	patch := &client.PatchOptions{
		DryRun: apply.DryRun, Force: apply.Force, FieldManager: apply.FieldManager,
		FieldValidation: metav1.FieldValidationIgnore,
	}

	if err := l.Patch(ctx, target, client.RawPatch(types.ApplyPatchType, body), patch); err != nil {
		return err
	}

	if noted, isObject := intent.(metav1.Object); isObject {
		noted.SetUID(target.UID)
		noted.SetResourceVersion(target.ResourceVersion)
	}

	return nil
}

// identified is what every generated apply configuration knows of itself.
type identified interface {
	GetAPIVersion() *string
	GetKind() *string
	GetNamespace() *string
	GetName() *string
}

// targetOf names the object that an intent is about.
func targetOf(intent runtime.ApplyConfiguration) (*metav1.PartialObjectMetadata, error) {
	target := &metav1.PartialObjectMetadata{}

	switch intent := intent.(type) {
	case client.Object:
		target.SetGroupVersionKind(intent.GetObjectKind().GroupVersionKind())
		target.SetNamespace(intent.GetNamespace())
		target.SetName(intent.GetName())
	case identified:
		target.SetGroupVersionKind(schema.FromAPIVersionAndKind(given(intent.GetAPIVersion()), given(intent.GetKind())))
		target.SetNamespace(given(intent.GetNamespace()))
		target.SetName(given(intent.GetName()))
	}

	if target.Name == "" || target.Kind == "" {
		return nil, fmt.Errorf("%w: %T", errNameless, intent)
	}

	return target, nil
}

// given is what a field of an apply configuration says, if it says something.
func given(field *string) string {
	if field == nil {
		return ""
	}

	return *field
}
