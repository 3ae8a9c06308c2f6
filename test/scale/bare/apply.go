package bare

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

const (
	retryPause = 20 * time.Millisecond
	retryLimit = 10 * time.Second
)

// Outcome is how applying the intents went.
type Outcome struct {
	Applied  int
	Retries  int64
	Duration time.Duration
}

// Rate is the number of intents in a second.
func (o Outcome) Rate() float64 { return float64(o.Applied) / o.Duration.Seconds() }

// Apply applies the intents with a number of workers, each as fast as it can.
func Apply(ctx context.Context, config *rest.Config, intents []Intent, workers int) (Outcome, error) {
	client, err := clientFor(config)
	if err != nil {
		return Outcome{}, err
	}

	var retries atomic.Int64

	started := time.Now()

	for rank := range ranks {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(workers)

		for _, intent := range intents {
			if intent.rank() == rank {
				group.Go(func() error { return intent.apply(ctx, client, &retries) })
			}
		}

		if err := group.Wait(); err != nil {
			return Outcome{}, err
		}
	}

	return Outcome{Applied: len(intents), Retries: retries.Load(), Duration: time.Since(started)}, nil
}

// clientFor makes a client that sends bytes and looks at no answer but the code.
func clientFor(config *rest.Config) (*rest.RESTClient, error) {
	bare := rest.CopyConfig(config)
	bare.GroupVersion = &schema.GroupVersion{}
	bare.NegotiatedSerializer = scheme.Codecs.WithoutConversion()

	client, err := rest.UnversionedRESTClientFor(bare)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}

	return client, nil
}

// apply tries until the API server has seen what the intent depends on: it looks roles up in caches of its own.
func (i Intent) apply(ctx context.Context, client *rest.RESTClient, retries *atomic.Int64) error {
	var last error

	err := wait.PollUntilContextTimeout(ctx, retryPause, retryLimit, true, func(ctx context.Context) (bool, error) {
		last = client.Patch(types.ApplyYAMLPatchType).AbsPath(i.path()).
			Param("fieldManager", i.Owner).Param("force", "true").
			Body(i.Body).Do(ctx).Error()

		switch apierrors.ReasonForError(last) {
		case "Forbidden", "NotFound", "Conflict":
			retries.Add(1)

			return false, nil
		default:
			return true, last
		}
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", http.MethodPatch, i.path(), last)
	}

	return nil
}

func (i Intent) path() string {
	path := "/api/" + i.Resource.Version
	if i.Resource.Group != "" {
		path = "/apis/" + i.Resource.Group + "/" + i.Resource.Version
	}

	if i.Namespace != "" {
		path += "/namespaces/" + i.Namespace
	}

	path += "/" + i.Resource.Resource + "/" + i.Name
	if i.Subresource != "" {
		path += "/" + i.Subresource
	}

	return path
}
