package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

const (
	// handover is how soon a standby must work when the leader has given its Leases back.
	handover = 3 * time.Second

	// losing is how soon a leader must end when somebody else holds its Lease: it sees that when it renews.
	losing = 5 * time.Second

	// quiet is how long is watched that something does not happen.
	quiet = 3 * time.Second
)

func leaseOf(domain manager.Domain) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: accountNamespace, Name: manager.LeaseName(domain)},
	}
}

// holder returns who holds the Lease of a domain. Empty: nobody.
func holder(ctx context.Context, domain manager.Domain) (string, error) {
	lease := leaseOf(domain)

	err := admin.Get(ctx, client.ObjectKeyFromObject(lease), lease)
	if err != nil || lease.Spec.HolderIdentity == nil {
		return "", client.IgnoreNotFound(err)
	}

	return *lease.Spec.HolderIdentity, nil
}

func holderNow(t *testing.T, domain manager.Domain) string {
	t.Helper()

	found, err := holder(t.Context(), domain)
	if err != nil {
		t.Fatal(err)
	}

	return found
}

// seize gives the Lease of a domain to somebody who never renews it, whoever holds it now.
func seize(t *testing.T, domain manager.Domain, identity string) {
	t.Helper()

	now := metav1.NowMicro()
	lease := leaseOf(domain)
	lease.Spec = coordinationv1.LeaseSpec{
		HolderIdentity: &identity, LeaseDurationSeconds: new(int32(3600)), AcquireTime: &now, RenewTime: &now,
	}

	err := admin.Create(t.Context(), lease)
	if apierrors.IsAlreadyExists(err) {
		// Without a version nobody who renews it meanwhile can be in the way.
		err = admin.Patch(t.Context(), lease, client.MergeFrom(leaseOf(domain)))
	}

	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { dropLease(t, domain) })
}

// dropLease removes a Lease whose holder is not going to give it back.
func dropLease(t *testing.T, domain manager.Domain) {
	t.Helper()

	err := admin.Delete(context.WithoutCancel(t.Context()), leaseOf(domain))
	if client.IgnoreNotFound(err) != nil {
		t.Errorf("delete the Lease of %s: %v", domain, err)
	}
}

// selecting has a manager run only a part of its catalogue.
func selecting(t *testing.T, elements ...string) func(*manager.Config) {
	t.Helper()

	return func(config *manager.Config) {
		selection, err := manager.Select(config.Catalog, elements, nil)
		if err != nil {
			t.Fatal(err)
		}

		config.Selection = selection
	}
}

// ended waits until a manager ends by itself, and returns what it ended with.
func (r *running) ended(t *testing.T, within time.Duration) error {
	t.Helper()
	eventually(t, within, "the manager ends", func(context.Context) error {
		select {
		case <-r.done:
			return nil
		default:
			return errors.New("it goes on")
		}
	})

	return r.err
}

// written returns the calls so far that changed something, as writes does.
func (c *calls) written() []call {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	return slices.DeleteFunc(slices.Clone(c.all), func(made call) bool {
		return made.method == http.MethodGet || strings.Contains(made.path, "/leases") ||
			strings.Contains(made.path, "reviews")
	})
}

// overlap tells when two managers wrote side by side: the first has written after the second began.
func overlap(first, second *calls) error {
	before, after := first.written(), second.written()
	if len(before) == 0 || len(after) == 0 {
		return nil
	}

	last, begin := before[len(before)-1], after[0]
	if last.at.Before(begin.at) {
		return nil
	}

	return fmt.Errorf("%s %s by the first, %s after %s %s by the second",
		last.method, last.path, last.at.Sub(begin.at), begin.method, begin.path)
}

// writesNothing watches for a while that a manager changes nothing.
func (r *running) writesNothing(t *testing.T, since time.Time) {
	t.Helper()
	always(t, quiet, "it writes nothing", func(context.Context) error {
		if made := r.calls.writes(since); len(made) > 0 {
			return fmt.Errorf("it has made %d writes: %v", len(made), made[:min(len(made), 5)])
		}

		return nil
	})
}

// Somebody who takes a Lease by force may be writing already, so the process must end, and its successor finds
// everything in place.
func TestLeaseLost(t *testing.T) {
	gadgetController, _ := gadgets()
	widgetController, watched := widgets()
	catalog := manager.Catalog{gadgetController, widgetController}

	withGadgets(t)

	object := gadget("settled", "a")
	create(t, object)

	started := start(t, catalog)
	watchBystander(t, started, watched)
	eventually(t, timeout, "it works", func(ctx context.Context) error { return observed(ctx, object) })

	seize(t, manager.Edge, "intruder")

	seized := time.Now()
	err := started.ended(t, losing)

	t.Logf("ended %s after the Lease was taken: %v", time.Since(seized).Round(time.Millisecond), err)

	lease := client.ObjectKeyFromObject(leaseOf(manager.Edge)).String()
	if err == nil || !strings.Contains(err.Error(), "lost the Lease "+lease) || strings.Contains(err.Error(), "\n") {
		t.Errorf("it ended with %v, want one line that names %s", err, lease)
	}

	if found := holderNow(t, manager.Edge); found != "intruder" {
		t.Errorf("the Lease of the intruder is held by %q now", found)
	}

	if found := holderNow(t, manager.Alerting); found != "" {
		t.Errorf("the other Lease was not given back by %q", found)
	}

	dropLease(t, manager.Edge)

	restarted := time.Now()
	again := start(t, catalog)
	again.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	again.waitFor(t, "widget", manager.Running, manager.ReasonRunning)
	again.writesNothing(t, restarted)
}

// A standby is ready: what it needs is in memory, and it takes over when the leader has stopped, never before.
func TestStandbyTakesOver(t *testing.T) {
	gadgetController, suffers := gadgets()
	widgetController, _ := widgets()
	catalog := manager.Catalog{gadgetController, widgetController}

	withGadgets(t)

	object := gadget("handed-over", "a")
	create(t, object)

	first := startChild(t, accountName)
	first.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	first.waitFor(t, "widget", manager.Running, manager.ReasonRunning)
	eventually(t, timeout, "the first works", func(ctx context.Context) error { return observed(ctx, object) })

	second := start(t, catalog)
	checkStandby(t, second)

	change(t, object, "b")
	eventually(t, timeout, "the first works still", func(ctx context.Context) error { return observed(ctx, object) })
	second.writesNothing(t, time.Time{})

	told := time.Now()

	if _ = first.stop(); !first.exitedWell() {
		t.Fatal(first.err)
	}

	stopped := time.Now()

	change(t, object, "c")
	eventually(t, handover-time.Since(stopped), "the standby has taken over", second.works)
	t.Logf("taken over %s after the leader had stopped, %s after it was told to",
		time.Since(stopped).Round(time.Millisecond), time.Since(told).Round(time.Millisecond))

	eventually(t, timeout, "a change is reconciled", func(ctx context.Context) error { return observed(ctx, object) })
	t.Logf("a change was reconciled %s after the leader had stopped", time.Since(stopped).Round(time.Millisecond))

	if suffers.count(object.Name) == 0 {
		t.Error("the standby has not reconciled it")
	}

	if late := first.calls.writes(stopped); len(late) > 0 {
		t.Errorf("the first wrote after it had stopped: %v", late)
	}

	if err := overlap(first.calls, second.calls); err != nil {
		t.Error(err)
	}
}

// checkStandby holds that a manager waits for the Leases, knows who holds them, and has filled its caches.
func checkStandby(t *testing.T, waiting *running) {
	t.Helper()

	for name, domain := range map[string]manager.Domain{"gadget": manager.Edge, "widget": manager.Alerting} {
		row := waiting.waitFor(t, name, manager.Standby, manager.ReasonNotLeader)
		if leader := holderNow(t, domain); leader == "" || !strings.Contains(row.Message, leader) {
			t.Errorf("the message of %s does not name the holder %q: %q", name, leader, row.Message)
		}
	}

	status, err := waiting.status(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	isFilled := false
	for _, cached := range status.Caches {
		isFilled = isFilled || strings.HasPrefix(cached.Resource, "gadgets.") && cached.Synced && cached.Objects > 0
	}

	if !isFilled {
		t.Errorf("the standby has no gadgets in memory: %+v", status.Caches)
	}

	for _, lease := range status.Leases {
		if lease.Leading {
			t.Errorf("the standby leads: %+v", lease)
		}
	}
}

// works returns nil when the controllers of a manager run.
func (r *running) works(ctx context.Context) error {
	status, err := r.status(ctx)
	if err != nil {
		return err
	}

	for _, row := range status.Controllers {
		if row.State != manager.Running {
			return fmt.Errorf("%s is %s for %s: %s", row.Name, row.State, row.Reason, row.Message)
		}
	}

	return nil
}

// What TestStandbyTakesOver holds would not be seen if its check could not see it.
func TestTwoWithoutElectionAreSeenToOverlap(t *testing.T) {
	gadgetController, _ := gadgets()
	catalog := manager.Catalog{gadgetController}
	alone := func(config *manager.Config) { config.LeaderElection.Enabled = false }

	withGadgets(t)

	first, second := startChild(t, accountName, "--leader-elect=false"), start(t, catalog, alone)
	eventually(t, timeout, "the first works", first.works)
	eventually(t, timeout, "the second works", second.works)

	object := gadget("contested", "a")
	create(t, object)

	changing(t, object)
	eventually(t, timeout, "both are seen to write", func(context.Context) error {
		if overlap(first.calls, second.calls) == nil {
			return errors.New("no overlap was seen")
		}

		return nil
	})
}

// Processes with different selections work side by side: each holds the Leases of its own domains.
func TestTwoSelections(t *testing.T) {
	gadgetController, _ := gadgets()
	widgetController, _ := widgets()
	catalog := manager.Catalog{gadgetController, widgetController}

	withGadgets(t)

	ofEdge, ofAlerting := startChild(t, accountName, "--controllers=edge"), start(t, catalog, selecting(t, "alerting"))
	ofEdge.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	ofEdge.waitFor(t, "widget", manager.Disabled, manager.ReasonNotSelected)
	ofAlerting.waitFor(t, "widget", manager.Running, manager.ReasonRunning)
	ofAlerting.waitFor(t, "gadget", manager.Disabled, manager.ReasonNotSelected)

	for _, object := range []client.Object{gadget("side-by-side", "a"), widget("side-by-side", "a")} {
		create(t, object)
		eventually(t, timeout, "both work", func(ctx context.Context) error { return observed(ctx, object) })
	}

	if edge, alerting := holderNow(t, manager.Edge), holderNow(t, manager.Alerting); edge == "" || edge == alerting {
		t.Errorf("the Lease of edge is held by %q, that of alerting by %q", edge, alerting)
	}

	checkOnlyLease(t, ofEdge.running, manager.Edge, manager.Alerting)
	checkOnlyLease(t, ofAlerting, manager.Alerting, manager.Edge)

	// The end of one does not concern the other.
	if _ = ofEdge.stop(); !ofEdge.exitedWell() {
		t.Fatal(ofEdge.err)
	}

	object := widget("still-there", "a")
	create(t, object)
	eventually(t, timeout, "the other works", func(ctx context.Context) error { return observed(ctx, object) })
}

// checkOnlyLease holds that a manager holds the Lease of one domain and has never asked for that of another.
func checkOnlyLease(t *testing.T, of *running, own, foreign manager.Domain) {
	t.Helper()

	status, err := of.status(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if len(status.Leases) != 1 || status.Leases[0].Domain != own || !status.Leases[0].Leading {
		t.Errorf("the Leases of the process for %s: %+v", own, status.Leases)
	}

	if asked := of.calls.since(time.Time{}, "leases/"+manager.LeaseName(foreign)); len(asked) > 0 {
		t.Errorf("the process for %s asks for the Lease of %s: %v", own, foreign, asked)
	}
}

// A process that may not have its Leases says so, again and again to whoever looks and once to the log, and leads
// as soon as it may.
func TestNoRightToLeases(t *testing.T) {
	const name = "no-leases"

	withGadgets(t)
	makeAccount(t, name)

	waiting := startChild(t, name)

	for name, domain := range map[string]manager.Domain{"gadget": manager.Edge, "widget": manager.Alerting} {
		want := "the Lease " + client.ObjectKeyFromObject(leaseOf(domain)).String() + " cannot be had: "

		eventually(t, timeout, "the page says why", func(ctx context.Context) error {
			row, err := waiting.row(ctx, name)
			if err == nil && (row.State != manager.Standby || row.Reason != manager.ReasonNotLeader ||
				!strings.HasPrefix(row.Message, want) || !strings.Contains(row.Message, "forbidden")) {
				err = fmt.Errorf("it is %s for %s: %s", row.State, row.Reason, row.Message)
			}

			return err
		})
	}

	before := waiting.lines(t)
	tries := len(waiting.calls.since(time.Time{}, "/leases"))

	eventually(t, timeout, "it has tried a few times more", func(context.Context) error {
		if made := len(waiting.calls.since(time.Time{}, "/leases")) - tries; made < 10 {
			return fmt.Errorf("%d tries", made)
		}

		return nil
	})

	if after := waiting.lines(t); len(after) > len(before)+1 {
		t.Errorf("lines of the log for what was said already: %v", after[len(before):])
	}

	grantLeases(t, name, manager.Edge, manager.Alerting)

	granted := time.Now()

	waiting.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	waiting.waitFor(t, "widget", manager.Running, manager.ReasonRunning)
	t.Logf("leading %s after the Leases were granted", time.Since(granted).Round(time.Millisecond))

	// It gives them back while it may.
	if _ = waiting.stop(); !waiting.exitedWell() {
		t.Error(waiting.err)
	}
}

// makeAccount makes a ServiceAccount of the manager with all its roles but those of the namespace, where the
// Leases are.
func makeAccount(t *testing.T, name string) {
	t.Helper()
	create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: accountNamespace, Name: name}})

	subject := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: accountNamespace, Name: name}

	for _, role := range []string{
		accountName, manager.RoleName(manager.Edge), manager.RoleName(manager.Alerting),
	} {
		create(t, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-" + role}, Subjects: []rbacv1.Subject{subject},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		})
	}
}

// grantLeases lets a ServiceAccount have the Leases of some domains, and look for KubeSphere's own manager.
func grantLeases(t *testing.T, name string, domains ...manager.Domain) {
	t.Helper()

	object := metav1.ObjectMeta{Namespace: accountNamespace, Name: "test-leases-" + name}
	create(t, &rbacv1.Role{ObjectMeta: object, Rules: manager.NamespaceRules(domains)})
	create(t, &rbacv1.RoleBinding{
		ObjectMeta: object,
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: accountNamespace, Name: name}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: object.Name},
	})
}
