package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

var (
	errUnrepaired = errors.New("drift is not repaired")
	errNoDrift    = errors.New("the drift changes nothing")
)

// DriftIsRepaired checks that what others do to what is ours is undone: a child
// that was deleted comes back, a label or annotation of ours gets its value
// back, and each of the subject's own Drifts is put right. Nothing tells the
// reconciler but its next run.
func DriftIsRepaired(ctx context.Context, b Backend, s Subject) error {
	return inEachWorld(ctx, b, s, func(ctx context.Context, tr *trial, world World) error {
		if err := tr.plant(ctx, world.Objects); err != nil {
			return err
		}

		p := tr.start(0)
		if _, err := p.settle(ctx); err != nil {
			return err
		}

		drifts, err := tr.drifts(ctx, world)
		if err != nil {
			return err
		}

		for _, drift := range drifts {
			if err := p.repairs(ctx, drift); err != nil {
				return fmt.Errorf("%s: %w", drift.Name, err)
			}
		}

		return nil
	})
}

// repairs checks that one drift is undone.
func (p *process) repairs(ctx context.Context, drift Drift) error {
	before, err := p.trial.state(ctx)
	if err != nil {
		return err
	}

	if err := drift.Make(ctx, p.trial.server); err != nil {
		return fmt.Errorf("drifting: %w", err)
	}

	drifted, err := p.trial.state(ctx)
	if err != nil {
		return err
	}

	if same(before, drifted) == nil {
		return errNoDrift
	}

	if _, err := p.settle(ctx); err != nil {
		return err
	}

	after, err := p.trial.state(ctx)
	if err != nil {
		return err
	}

	if err := same(before, after); err != nil {
		return fmt.Errorf("%w: %w", errUnrepaired, err)
	}

	return nil
}

// drifts returns what is to be tried: the subject's own drifts, and what can be
// told from the children.
func (tr *trial) drifts(ctx context.Context, world World) ([]Drift, error) {
	drifts := slices.DeleteFunc(slices.Clone(tr.subject.Drifts), func(drift Drift) bool {
		return drift.World != "" && drift.World != world.Name
	})

	children, err := tr.children(ctx)
	if err != nil {
		return nil, err
	}

	for _, child := range children {
		typed, err := tr.typed(child)
		if err != nil {
			return nil, err
		}

		if tr.subject.Unrepaired != nil && tr.subject.Unrepaired(typed) {
			continue
		}

		drifts = append(drifts, vanishing(child))
		drifts = append(drifts, relabelled(child)...)
	}

	return drifts, nil
}

func vanishing(child *unstructured.Unstructured) Drift {
	return Drift{
		Name: refOf(child).String() + " vanishes",
		Make: func(ctx context.Context, c client.Client) error {
			return client.IgnoreNotFound(c.Delete(ctx, child.DeepCopy()))
		},
	}
}

// relabelled returns a drift for each label and annotation of a child that one
// of our field managers owns.
func relabelled(child *unstructured.Unstructured) []Drift {
	var drifts []Drift

	for _, field := range []string{"labels", "annotations"} {
		for _, key := range ownedKeys(child, field) {
			drifts = append(drifts, Drift{
				Name: fmt.Sprintf("the %s %s of %s change", field, key, refOf(child)),
				Make: func(ctx context.Context, c client.Client) error {
					return overwrite(ctx, c, child, field, key)
				},
			})
		}
	}

	return drifts
}

// overwrite sets a label or annotation to what it will not have been.
func overwrite(ctx context.Context, c client.Client, child *unstructured.Unstructured, field, key string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{field: map[string]any{key: "drifted"}}})
	if err != nil {
		return fmt.Errorf("encoding the patch: %w", err)
	}

	return c.Patch(ctx, child.DeepCopy(), client.RawPatch(types.MergePatchType, patch), client.FieldOwner("drift"))
}

// ownedKeys returns the keys of metadata.labels or metadata.annotations that one
// of our field managers has applied.
func ownedKeys(child *unstructured.Unstructured, field string) []string {
	var keys []string

	for _, entry := range child.GetManagedFields() {
		if !strings.HasPrefix(entry.Manager, kube.ManagerName+"/") || entry.FieldsV1 == nil ||
			entry.Operation != metav1.ManagedFieldsOperationApply {
			continue
		}

		var owned map[string]map[string]map[string]any
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned); err != nil {
			continue // Some other part of the record is deeper or flatter than metadata.
		}

		for name := range maps.Keys(owned["f:metadata"]["f:"+field]) {
			if key, isField := strings.CutPrefix(name, "f:"); isField {
				keys = append(keys, key)
			}
		}
	}

	slices.Sort(keys)

	return keys
}
