package guard

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// buckets hold the tokens of each object: burst at most, one more per interval.
type buckets struct {
	// recent forgets a bucket once it must be full again.
	recent   recent[bucket]
	interval time.Duration
	// depth is how long a full bucket lasts once its first token is taken.
	depth time.Duration
}

// bucket is that of one object.
type bucket struct {
	// full is when the bucket is full again, which says how many tokens it has at
	// any other time.
	full time.Time
	// empty tells that the last request got no token.
	empty bool
}

func newBuckets(burst int, interval time.Duration) buckets {
	capacity := time.Duration(burst) * interval

	return buckets{recent: newRecent[bucket](capacity), interval: interval, depth: capacity - interval}
}

// take takes a token, or returns how long it is to the next one.
func (b *buckets) take(object types.NamespacedName, now time.Time) time.Duration {
	drawn, _ := b.recent.get(object, now)
	if drawn.full.Before(now) {
		drawn.full = now
	}

	wait := drawn.full.Sub(now) - b.depth

	drawn.empty = wait > 0
	if !drawn.empty {
		drawn.full = drawn.full.Add(b.interval)
	}

	b.recent.put(object, drawn, now)

	return max(wait, 0)
}

// RateLimiter returns limiter for the work queue that feeds the guard, changed
// in one thing. The queue takes every answer without an error for a success and
// has the limiter forget the failures of the object. Where the guard has put a
// request off that is not so, and an object that always fails would be tried
// once per Interval for ever instead of less and less often.
func (g *Guard) RateLimiter(
	limiter workqueue.TypedRateLimiter[reconcile.Request],
) workqueue.TypedRateLimiter[reconcile.Request] {
	return rateLimiter{TypedRateLimiter: limiter, guard: g}
}

type rateLimiter struct {
	workqueue.TypedRateLimiter[reconcile.Request]

	guard *Guard
}

// Forget implements workqueue.TypedRateLimiter.
func (r rateLimiter) Forget(request reconcile.Request) {
	if !r.guard.hasPutOff(request.NamespacedName) {
		r.TypedRateLimiter.Forget(request)
	}
}

// hasPutOff tells whether the last request of the object found no token.
func (g *Guard) hasPutOff(object types.NamespacedName) bool {
	now := g.options.Clock.Now()

	g.history.mu.Lock()
	defer g.history.mu.Unlock()

	last, _ := g.buckets.recent.get(object, now)

	return last.empty
}
