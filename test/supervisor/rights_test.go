package supervisor_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/test/cluster/outage"
)

// noticed is how soon a change of rights must show: they are asked for every 10 s.
const noticed = 15 * time.Second

// rights are those of the gadget controller, which a test withdraws one by one.
type rights struct {
	all []rbacv1.PolicyRule
}

// rightsOf returns the rights of a controller, which are given back when the test ends.
func rightsOf(t *testing.T, descriptor manager.Descriptor) rights {
	t.Helper()

	given := rights{all: manager.Catalog{descriptor}.Rules()}

	t.Cleanup(func() {
		if err := grant(context.WithoutCancel(t.Context()), manager.RoleName(manager.Edge), given.all); err != nil {
			t.Errorf("give the rights back: %v", err)
		}
	})

	return given
}

// withdraw takes verbs on a resource of gadgets away, and returns when the API server knows.
func (r rights) withdraw(t *testing.T, resource string, verbs ...string) {
	t.Helper()

	var kept []rbacv1.PolicyRule

	for _, rule := range r.all {
		for _, of := range rule.Resources {
			split := *rule.DeepCopy()
			split.Resources = []string{of}

			if of == resource {
				split.Verbs = slices.DeleteFunc(split.Verbs, func(verb string) bool {
					return slices.Contains(verbs, verb)
				})
			}

			if len(split.Verbs) > 0 {
				kept = append(kept, split)
			}
		}
	}

	r.set(t, kept, resource, verbs, false)
}

// restore gives everything back, and returns when the API server knows.
func (r rights) restore(t *testing.T, resource string, verbs ...string) time.Time {
	t.Helper()
	r.set(t, r.all, resource, verbs, true)

	return time.Now()
}

func (rights) set(t *testing.T, rules []rbacv1.PolicyRule, resource string, verbs []string, want bool) {
	t.Helper()

	if err := grant(t.Context(), manager.RoleName(manager.Edge), rules); err != nil {
		t.Fatal(err)
	}

	for _, verb := range verbs {
		eventually(t, timeout, "the API server knows", func(ctx context.Context) error {
			allowed, err := mayAccount(ctx, verb, resource)
			if err == nil && allowed != want {
				err = fmt.Errorf("%s %s is allowed: %t", verb, resource, allowed)
			}

			return err
		})
	}
}

// mayAccount asks whether the account of the manager may do something with gadgets.
func mayAccount(ctx context.Context, verb, resource string) (bool, error) {
	resource, subresource, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: accountUser,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: verb, Group: groupVersion.Group, Resource: resource, Subresource: subresource,
		},
	}}

	if err := admin.Create(ctx, review); err != nil {
		return false, fmt.Errorf("ask for the rights of the account: %w", err)
	}

	return review.Status.Allowed, nil
}

const accountUser = "system:serviceaccount:" + accountNamespace + ":" + accountName

// through leads a manager to the API server by a proxy of its own.
func through(t *testing.T) (*outage.Proxy, func(*manager.Config)) {
	t.Helper()

	proxy := outage.ForTest(t, shared.Config().Host)

	return proxy, func(config *manager.Config) { config.REST = proxy.Config(config.REST) }
}

// breakWatches ends all connections at once, without a time in which there can be none.
func breakWatches(t *testing.T, proxy *outage.Proxy) {
	t.Helper()
	proxy.Cut()

	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}
}

// says holds that the message of a row has all these words.
func says(t *testing.T, row manager.Row, words ...string) {
	t.Helper()

	for _, word := range words {
		if !strings.Contains(row.Message, word) {
			t.Errorf("the message of %s (%s) does not say %q: %q", row.Name, row.Reason, word, row.Message)
		}
	}
}

// A missing right stopped the whole manager, one that was withdrawn left it retrying for good.
func TestRightsMissingGrantedWithdrawn(t *testing.T) {
	gadgetController, _ := gadgets()
	widgetController, watched := widgets()
	proxy, proxied := through(t)
	before := goroutines()

	withGadgets(t)

	object := gadget("allowed", "a")
	create(t, object)

	reading := rightsOf(t, gadgetController)
	reading.withdraw(t, "gadgets", "list", "watch")

	started := start(t, manager.Catalog{gadgetController, widgetController}, proxied)
	others := watchBystander(t, started, watched)

	row := started.waitFor(t, "gadget", manager.Waiting, manager.ReasonForbidden)
	says(t, row, "list gadgets.supervisor.example.com", "watch gadgets.supervisor.example.com",
		manager.RoleName(manager.Edge), accountUser)

	if made := started.calls.since(time.Time{}, "gadgets"); len(made) > 0 {
		t.Errorf("it asks for what it may not have: %v", made)
	}

	granted := reading.restore(t, "gadgets", "list", "watch")
	eventually(t, noticed, "the first object is reconciled", func(ctx context.Context) error {
		return observed(ctx, object)
	})
	t.Logf("reconciled %s after the grant", time.Since(granted))

	if row := started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning); row.Restarts != 0 {
		t.Errorf("it was restarted: %+v", row)
	}

	others.check(t)

	// A watch that is open is not asked again what it may.
	reading.withdraw(t, "gadgets", "list", "watch")
	breakWatches(t, proxy)

	withdrawn := time.Now()
	row = started.waitFor(t, "gadget", manager.Waiting, manager.ReasonForbidden)
	t.Logf("waiting %s after the withdrawal", time.Since(withdrawn))
	says(t, row, "list gadgets.supervisor.example.com", manager.RoleName(manager.Edge), accountUser)
	leftAlone(t, started, time.Now())
	others.check(t)

	change(t, object, "b")

	granted = reading.restore(t, "gadgets", "list", "watch")
	eventually(t, noticed, "it goes on", func(ctx context.Context) error { return observed(ctx, object) })
	t.Logf("reconciled %s after the second grant", time.Since(granted))

	started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	others.check(t)

	if err := started.stop(); err != nil {
		t.Error(err)
	}

	noGoroutinesLeft(t, before)
}

// leftAlone holds that a controller that waits asks for its rights once in a while, and for nothing else.
func leftAlone(t *testing.T, started *running, since time.Time) {
	t.Helper()

	reviews := func() int { return len(started.calls.since(since, "selfsubjectaccessreviews")) }
	before := reviews()

	const longerThanARound = 12 * time.Second

	always(t, longerThanARound, "it asks for what it may not have", func(context.Context) error {
		if made := started.calls.since(since, "gadgets"); len(made) > 0 {
			return fmt.Errorf("requests: %v", made)
		}

		return nil
	})

	// Four rights: to list and watch the kind, and the optional one where that is there.
	if made := reviews() - before; made == 0 || made > 8 {
		t.Errorf("it asked for its rights %d times in %s", made, longerThanARound)
	}
}

// A missing write must not stop what else a controller does, and must be told.
func TestMissingWriteIsDegraded(t *testing.T) {
	gadgetController, suffers := gadgets()
	widgetController, watched := widgets()
	before := goroutines()

	withGadgets(t)

	object := gadget("read-only", "a")
	create(t, object)

	writing := rightsOf(t, gadgetController)
	writing.withdraw(t, "gadgets/status", "patch")

	started := start(t, manager.Catalog{gadgetController, widgetController})
	others := watchBystander(t, started, watched)

	row := started.waitFor(t, "gadget", manager.Degraded, manager.ReasonForbidden)
	says(t, row, "patch gadgets/status.supervisor.example.com", manager.RoleName(manager.Edge))

	other := gadget("still-looked-at", "")
	create(t, other)
	eventually(t, timeout, "it still runs", func(context.Context) error { return ran(suffers, other.Name) })

	granted := writing.restore(t, "gadgets/status", "patch")

	started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	t.Logf("running %s after the grant", time.Since(granted))
	eventually(t, noticed, "the object is written", func(ctx context.Context) error { return observed(ctx, object) })
	t.Logf("observed %s after the grant", time.Since(granted))

	writing.withdraw(t, "gadgets/status", "patch")
	change(t, object, "b")

	withdrawn := time.Now()
	row = started.waitFor(t, "gadget", manager.Degraded, manager.ReasonForbidden)
	t.Logf("degraded %s after the first refused write", time.Since(withdrawn))
	says(t, row, "patch gadgets/status.supervisor.example.com")

	granted = writing.restore(t, "gadgets/status", "patch")

	row = started.waitFor(t, "gadget", manager.Running, manager.ReasonRunning)
	t.Logf("running %s after the second grant", time.Since(granted))
	eventually(t, noticed, "the object is written", func(ctx context.Context) error { return observed(ctx, object) })
	t.Logf("observed %s after the second grant", time.Since(granted))

	if row.Restarts != 0 {
		t.Errorf("it was restarted: %+v", row)
	}

	others.check(t)

	if err := started.stop(); err != nil {
		t.Error(err)
	}

	noGoroutinesLeft(t, before)
}

// ran returns nil when an object was run at least once.
func ran(suffers *behaviour, name string) error {
	if suffers.count(name) == 0 {
		return fmt.Errorf("%s was never run", name)
	}

	return nil
}
