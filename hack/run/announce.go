package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// announcer tells the user what is being done, and how long it took.
type announcer struct {
	out io.Writer
	now func() time.Time
}

// step says what it does, does it, and says how long that took.
func (a announcer) step(ctx context.Context, what string, do func(context.Context) error) error {
	began := a.now()

	a.printf("%s ... ", what)

	err := do(ctx)

	switch {
	case err != nil && ctx.Err() != nil:
		a.printf("interrupted\n")
	case err != nil:
		a.printf("failed\n")
	default:
		a.printf("%s\n", seconds(a.now().Sub(began)))
	}

	return err
}

// printf writes to the user. When nobody reads any more, nothing can be done about it.
func (a announcer) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(a.out, format, args...)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
