package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/test/cluster/outage"
)

const (
	shortOutage = 5 * time.Second
	longOutage  = time.Minute

	// recovery is how late a watch may come back after a long outage: client-go's pauses grow to a minute.
	recovery = time.Minute
)

// A short outage is nothing: nobody loses a Lease, nobody starts anew, and nothing is written twice.
func TestAPIServerGoneFor5s(t *testing.T) {
	log := captureLog(t)
	gadgetController, _ := gadgets()
	widgetController, watched := widgets()
	proxy, proxied := through(t)
	before := goroutines()

	withGadgets(t)

	object := gadget("cut-off", "a")
	create(t, object)

	started := start(t, manager.Catalog{gadgetController, widgetController}, proxied)
	others := watchBystander(t, started, watched)
	eventually(t, timeout, "it works", func(ctx context.Context) error { return observed(ctx, object) })

	was := started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	lines, cut := len(log.lines()), time.Now()

	proxy.Cut()
	change(t, object, "b")
	staysUp(t, started, shortOutage)

	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}

	restored := time.Now()

	eventually(t, timeout, "it works again", func(ctx context.Context) error { return observed(ctx, object) })
	t.Logf("reconciled %s after the end of the outage", time.Since(restored))
	staysUp(t, started, quiet)

	if made := started.calls.writes(cut); len(made) != 1 || !strings.HasSuffix(made[0], "/cut-off/status") {
		t.Errorf("it wrote more than the one change: %v", made)
	}

	if row := started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning); row.Starts != was.Starts ||
		row.Restarts != 0 || !row.Since.Equal(was.Since) {
		t.Errorf("it noticed: before %+v, now %+v", was, row)
	}

	others.check(t)
	boundedLog(t, log, lines, 30)

	if err := started.stop(); err != nil {
		t.Error(err)
	}

	noGoroutinesLeft(t, before)
}

// staysUp holds that a manager does not end for a while.
func staysUp(t *testing.T, started *running, during time.Duration) {
	t.Helper()
	always(t, during, "the manager stays up", func(context.Context) error {
		select {
		case <-started.done:
			return fmt.Errorf("it ended: %w", started.err)
		default:
			return nil
		}
	})
}

// boundedLog holds that few lines were logged since the first ones.
func boundedLog(t *testing.T, log *logged, first, most int) {
	t.Helper()

	lines := log.lines()[first:]
	t.Logf("%d lines were logged", len(lines))

	if len(lines) > most {
		t.Errorf("%d lines were logged, want at most %d:\n%s", len(lines), most, strings.Join(lines, "\n"))
	}
}

// Whoever may no longer write must have stopped before another replica starts. Whoever need not mind goes on.
func TestAPIServerGoneFor60s(t *testing.T) {
	log := captureLog(t)
	gadgetController, _ := gadgets()
	widgetController, watched := widgets()
	catalog := manager.Catalog{gadgetController, widgetController}
	alone := func(config *manager.Config) { config.LeaderElection.Enabled = false }
	proxy, proxied := through(t)

	withGadgets(t)

	object := gadget("cut-off", "a")
	create(t, object)

	leaders := []*leader{
		startLeader(t, "gadget", manager.Edge, (*outage.Proxy).Cut),
		startLeader(t, "widget", manager.Alerting, (*outage.Proxy).Freeze),
	}

	before := goroutines()
	survivor := start(t, catalog, proxied, alone)
	others := watchBystander(t, survivor, watched)
	eventually(t, timeout, "they work", func(ctx context.Context) error { return observed(ctx, object) })
	survivor.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)

	usual, lines, cut := settled(t, before), len(log.lines()), time.Now()

	proxy.Cut()

	for _, leader := range leaders {
		leader.disconnect()
	}

	stopInTime(t, leaders)

	change(t, object, "b")
	staysUp(t, survivor, longOutage-time.Since(cut))
	boundedLog(t, log, lines, 30)

	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}

	restored := time.Now()

	eventually(t, recovery, "it works again", func(ctx context.Context) error { return observed(ctx, object) })
	t.Logf("reconciled %s after the end of the outage", time.Since(restored))

	change(t, others.object, "after")
	eventually(t, recovery, "so does the bystander", func(ctx context.Context) error {
		return observed(ctx, others.object)
	})
	t.Logf("the bystander works %s after the end of the outage", time.Since(restored))
	others.check(t)

	noMoreGoroutines(t, before, usual)
	boundedLog(t, log, lines, 30)

	if err := survivor.stop(); err != nil {
		t.Error(err)
	}

	noGoroutinesLeft(t, before)

	restarted := time.Now()
	again := start(t, catalog)
	again.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	again.waitFor(t, "widget", manager.Running, manager.ReasonRunning)
	again.writesNothing(t, restarted)
}

// noMoreGoroutines holds that there are no more than usual, once what an outage has stirred up has settled.
func noMoreGoroutines(t *testing.T, before stacks, usual int) {
	t.Helper()
	eventually(t, time.Minute, "goroutines", func(context.Context) error {
		if now := goroutines().beside(before); len(now) > usual {
			return fmt.Errorf("%d before, %d now:\n%s", usual, len(now), strings.Join(now, "\n\n"))
		}

		return nil
	})
	t.Logf("goroutines: %d before, %d after", usual, len(goroutines().beside(before)))
}

// leader is a manager in a process of its own that leads in one domain.
type leader struct {
	*child

	domain       manager.Domain
	proxy        *outage.Proxy
	how          func(*outage.Proxy)
	disconnected time.Time
	stopped      time.Time
}

func startLeader(t *testing.T, controller string, domain manager.Domain, how func(*outage.Proxy)) *leader {
	t.Helper()

	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := shared.ServiceAccountKubeconfig(t.Context(), accountNamespace, accountName, path); err != nil {
		t.Fatal(err)
	}

	proxy := outage.ForTest(t, shared.Config().Host)
	started := startChild(t, accountName, "--controllers="+string(domain),
		"--kubeconfig="+path, "--master="+proxy.Config(shared.Config()).Host)

	started.waitFor(t, controller, manager.Running, manager.ReasonRunning)

	return &leader{child: started, domain: domain, proxy: proxy, how: how}
}

func (l *leader) disconnect() {
	l.disconnected = time.Now()
	l.how(l.proxy)
}

// stopInTime holds that the controllers of leaders that were cut off have stopped before anybody else may lead, and
// that the leaders then end, and say why in one line.
func stopInTime(t *testing.T, leaders []*leader) {
	t.Helper()

	expires := make([]time.Time, len(leaders))
	for i, leader := range leaders {
		expires[i] = leader.expires(t)
	}

	waiting := slices.Clone(leaders)

	eventually(t, timeout, "the leaders stop", func(ctx context.Context) error {
		waiting = slices.DeleteFunc(waiting, func(leader *leader) bool { return leader.hasStopped(ctx) })
		if len(waiting) > 0 {
			return fmt.Errorf("%d of them work", len(waiting))
		}

		return nil
	})

	for i, leader := range leaders {
		t.Logf("the leader of %s: stopped after %s, %s before its Lease ran out", leader.domain,
			leader.stopped.Sub(leader.disconnected), expires[i].Sub(leader.stopped))

		if leader.stopped.After(expires[i]) {
			t.Errorf("the leader of %s stopped when another may have led already", leader.domain)
		}

		_ = leader.ended(t, timeout)
		t.Logf("the leader of %s: ended after %s", leader.domain, time.Since(leader.disconnected))
		leader.saidWhy(t)
	}
}

// expires returns until when nobody else may take over from a leader.
func (l *leader) expires(t *testing.T) time.Time {
	t.Helper()

	lease := leaseOf(l.domain)
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(lease), lease); err != nil {
		t.Fatal(err)
	}

	return lease.Spec.RenewTime.Add(time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second)
}

// hasStopped tells whether no controller of the leader works any more: its page goes when they have stopped.
func (l *leader) hasStopped(ctx context.Context) bool {
	if _, err := l.status(ctx); err == nil {
		return false
	}

	l.stopped = time.Now()

	return true
}

func (l *leader) saidWhy(t *testing.T) {
	t.Helper()

	lease := "lost the Lease " + client.ObjectKeyFromObject(leaseOf(l.domain)).String()
	said := slices.DeleteFunc(l.lines(t), func(line string) bool { return !strings.Contains(line, lease) })

	if len(said) != 1 || l.exitedWell() {
		t.Errorf("it ended with %v and said %q %d times:\n%s", l.err, lease, len(said), strings.Join(l.lines(t), "\n"))
	}
}

// A watch that is made anew all the time is a load, and misses what it is for.
func TestLeasesAreWatchedWithoutEnd(t *testing.T) {
	widgetController, _ := widgets()
	started := start(t, manager.Catalog{widgetController})
	started.waitFor(t, "widget", manager.Running, manager.ReasonRunning)

	const longerThanACall = 7 * time.Second

	since := time.Now()

	always(t, longerThanACall, "the watch stays", func(context.Context) error {
		made := started.calls.since(since, "/leases")
		if slices.ContainsFunc(made, func(call string) bool { return strings.HasSuffix(call, "/leases") }) {
			return errors.New("it is made anew")
		}

		return nil
	})
}
