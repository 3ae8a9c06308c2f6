package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/ks-core/ks-controller-manager/test/cluster/ports"
)

// orphanGrace is how long the programs of a run that was killed may take to notice and end.
const orphanGrace = 5 * time.Second

// awaitPorts checks that all ports are free, and gives the programs of a killed run a moment to free them.
func awaitPorts(ctx context.Context, wanted []port, grace time.Duration) error {
	taken := checkPorts(ctx, wanted)
	if taken == nil || grace == 0 {
		return taken
	}

	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, grace, false,
		func(context.Context) (bool, error) {
			taken = checkPorts(ctx, wanted)

			return taken == nil, nil
		})
	if err != nil {
		return taken
	}

	return nil
}

// checkPorts says of each port that is taken what to do about it.
func checkPorts(ctx context.Context, wanted []port) error {
	var errs []error

	for _, p := range wanted {
		err := ports.Check(ctx, p.number, p.use)
		if err == nil {
			continue
		}

		if _, taken := errors.AsType[*ports.TakenError](err); taken {
			err = fmt.Errorf("%w: stop that, or choose another port with %s=%d",
				err, p.variable, freePort(ctx, p, wanted))
		}

		errs = append(errs, err)
	}

	return errors.Join(errs...)
}

// freePort is the next port that is free and wanted for nothing else.
func freePort(ctx context.Context, taken port, wanted []port) int {
	for number := taken.number + 1; number <= math.MaxUint16; number++ {
		spokenFor := slices.ContainsFunc(wanted, func(p port) bool { return p.number == number })
		if !spokenFor && ports.Check(ctx, number, taken.use) == nil {
			return number
		}
	}

	return 0
}
