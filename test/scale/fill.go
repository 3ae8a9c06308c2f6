package scale

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fillers is how many objects are made at the same time.
const fillers = 32

// fill makes what users have made before the manager comes.
func fill(ctx context.Context, admin client.Client, stages []Stage, logf func(string, ...any)) error {
	for _, stage := range stages {
		started, made := time.Now(), 0

		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(fillers)

		for object := range stage.Objects {
			if ctx.Err() != nil {
				break
			}

			made++

			group.Go(func() error { return admin.Create(ctx, object, fieldOwner) })
		}

		if err := group.Wait(); err != nil {
			return fmt.Errorf("making %s: %w", stage.Name, err)
		}

		logf("made %d %s in %.1f s", made, stage.Name, time.Since(started).Seconds())
	}

	return nil
}
