package report

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// Applier writes statuses by server-side apply: fields of others stay as they are.
func Applier(client *rest.RESTClient) Apply {
	return func(ctx context.Context, resource, name string, status any) error {
		text, err := json.Marshal(status)
		if err != nil {
			return fmt.Errorf("encode the status of %s %s: %w", resource, name, err)
		}

		return client.Patch(types.ApplyPatchType).Resource(resource).Name(name).SubResource("status").
			Param("fieldManager", FieldManager).Param("force", "true").Body(text).Do(ctx).Error()
	}
}
