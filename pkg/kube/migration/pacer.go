package migration

import (
	"context"
	"time"

	"k8s.io/utils/clock"
)

// pacer keeps writes apart, by an interval from the beginning of one to that of
// the next.
type pacer struct {
	clock    clock.Clock
	interval time.Duration
	last     time.Time
}

// wait returns when the next write may begin, or with the reason for which the
// context has ended.
func (p *pacer) wait(ctx context.Context) error {
	timer := p.clock.NewTimer(max(0, p.interval-p.clock.Since(p.last)))
	defer timer.Stop()

	select {
	case <-ctx.Done():
	case <-timer.C():
	}

	p.last = p.clock.Now()

	return context.Cause(ctx)
}
