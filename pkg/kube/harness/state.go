package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// state is what a trial's objects look like, less what may differ between runs
// that went equally well.
type state map[string]any

// state takes a picture.
func (tr *trial) state(ctx context.Context) (state, error) {
	objects, err := tr.objects(ctx)
	if err != nil {
		return nil, err
	}

	names := uids(objects)
	picture := make(state, len(objects))

	for _, obj := range objects {
		values, err := replaceAll(obj.Object, names)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", refOf(obj), err)
		}

		picture[refOf(obj).String()] = tr.stable(values)
	}

	return picture, nil
}

// uids returns what to write for each UID: the name of whom it belongs to.
func uids(objects []*unstructured.Unstructured) *strings.Replacer {
	var pairs []string

	for _, obj := range objects {
		if uid := string(obj.GetUID()); uid != "" {
			pairs = append(pairs, uid, "UID of "+refOf(obj).String())
		}
	}

	return strings.NewReplacer(pairs...)
}

// replaceAll returns a copy of values with names for UIDs.
func replaceAll(values map[string]any, names *strings.Replacer) (map[string]any, error) {
	raw, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}

	var replaced map[string]any
	if err := json.Unmarshal([]byte(names.Replace(string(raw))), &replaced); err != nil {
		return nil, fmt.Errorf("decoding: %w", err)
	}

	return replaced, nil
}

// stable removes what differs between equal states. It works on a copy.
func (tr *trial) stable(values map[string]any) map[string]any {
	if metadata, isObject := values["metadata"].(map[string]any); isObject {
		for _, field := range []string{
			"uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink",
		} {
			delete(metadata, field)
		}
	}

	volatile := append([]string{
		"lastTransitionTime", "observedGeneration", "deletionTimestamp", "deletionGracePeriodSeconds",
	}, tr.subject.Volatile...)
	scrub(values, volatile)
	dropEmptyStatus(values)

	return values
}

// dropEmptyStatus makes no difference between a status that says nothing and none:
// a typed struct that went to the server and back leaves the one or the other.
func dropEmptyStatus(values map[string]any) {
	status, isObject := values["status"].(map[string]any)
	if values["status"] == nil || isObject && len(status) == 0 {
		delete(values, "status")
	}
}

func scrub(value any, volatile []string) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if !slices.Contains(volatile, key) {
				scrub(inner, volatile)

				continue
			}

			v[key] = "..." // That it is there does count.
		}
	case []any:
		for _, inner := range v {
			scrub(inner, volatile)
		}
	}
}

var errOtherState = errors.New("another state")

// same returns an error that shows the difference between two states.
func same(wanted, got state) error {
	if diff := cmp.Diff(wanted, got); diff != "" {
		return fmt.Errorf("%w (-wanted +got):\n%s", errOtherState, diff)
	}

	return nil
}
