package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

var errNoIndex = errors.New("no such index")

// withIndexes answers lists with field selectors from the subject's indexes, as
// a cache does: a server knows none of them.
func withIndexes(c client.WithWatch, s Subject) client.WithWatch {
	return interceptor.NewClient(c, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			options := (&client.ListOptions{}).ApplyOptions(opts)
			selector := options.FieldSelector
			options.FieldSelector = nil

			if err := c.List(ctx, list, options); err != nil || selector == nil {
				return err
			}

			return s.filter(list, selector)
		},
	})
}

// filter keeps the items of list that selector matches.
func (s Subject) filter(list client.ObjectList, selector fields.Selector) error {
	items, err := meta.ExtractList(list)
	if err != nil {
		return fmt.Errorf("reading a %T: %w", list, err)
	}

	var kept []runtime.Object

	for _, item := range items {
		matches, err := s.matches(item, selector)
		if err != nil {
			return err
		}

		if matches {
			kept = append(kept, item)
		}
	}

	if err := meta.SetList(list, kept); err != nil {
		return fmt.Errorf("filling a %T: %w", list, err)
	}

	return nil
}

func (s Subject) matches(item runtime.Object, selector fields.Selector) (bool, error) {
	obj, isObject := item.(client.Object)
	if !isObject {
		return false, fmt.Errorf("%w: %T", errNoObject, item)
	}

	for _, requirement := range selector.Requirements() {
		extract, err := s.index(obj, requirement.Field)
		if err != nil {
			return false, err
		}

		if !slices.Contains(extract(obj), requirement.Value) {
			return false, nil
		}
	}

	return true, nil
}

func (s Subject) index(obj client.Object, field string) (client.IndexerFunc, error) {
	gvk, err := apiutil.GVKForObject(obj, s.Scheme)
	if err != nil {
		return nil, fmt.Errorf("finding the kind of a %T: %w", obj, err)
	}

	for _, index := range s.Indexes {
		indexed, err := apiutil.GVKForObject(index.Object, s.Scheme)
		if err == nil && indexed == gvk && index.Field == field {
			return index.Extract, nil
		}
	}

	return nil, fmt.Errorf("%w: %s of %s", errNoIndex, field, gvk.Kind)
}
