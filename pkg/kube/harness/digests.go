package harness

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
)

// Digests returns what a store of the spec would know, read anew each time. A read that fails knows nothing: on
// trial it fails because the process is dead, and so will the next call.
//
//nolint:ireturn // as Dependencies has it
func Digests(reader client.Reader, scheme *runtime.Scheme, spec stores.Spec) stores.Digests {
	return &digests{reader: reader, scheme: scheme, spec: spec}
}

type digests struct {
	reader client.Reader
	scheme *runtime.Scheme
	spec   stores.Spec
}

// Version implements stores.Digests.
func (d *digests) Version(key types.NamespacedName) (string, bool) {
	digest, found := d.InNamespace(key.Namespace)[key.Name]

	return digest, found
}

// InNamespace implements stores.Digests.
func (d *digests) InNamespace(namespace string) map[string]string {
	objects, err := d.list(namespace)
	if err != nil {
		return nil
	}

	found := map[string]string{}

	for _, object := range objects {
		if digest := d.spec.Digest.Of(object); digest != "" && object.GetNamespace() == namespace {
			found[object.GetName()] = digest
		}
	}

	return found
}

func (d *digests) list(namespace string) ([]client.Object, error) {
	made, err := d.scheme.New(d.spec.Kind.GroupVersion().WithKind(d.spec.Kind.Kind + "List"))
	if err != nil {
		return nil, fmt.Errorf("make a list of %s: %w", d.spec.Kind, err)
	}

	list, isList := made.(client.ObjectList)
	if !isList {
		return nil, fmt.Errorf("%T is no list", made)
	}

	selector := d.spec.Labels
	if selector == nil {
		selector = labels.Everything()
	}

	err = d.reader.List(context.Background(), list,
		client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: selector})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", d.spec.Resource, err)
	}

	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, fmt.Errorf("read a %T: %w", list, err)
	}

	objects := make([]client.Object, 0, len(items))

	for _, item := range items {
		if object, isObject := item.(client.Object); isObject {
			objects = append(objects, object)
		}
	}

	return objects, nil
}
