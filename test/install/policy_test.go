package install_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The pauses of the guide, and why: an API server looks for new kinds every 30 s when a policy needs one, and at
// changes of policies every second.
const (
	untilKindsAreKnown    = 35 * time.Second
	untilPoliciesAreGone  = 5 * time.Second
	untilPoliciesAreAsked = 2500 * time.Millisecond
)

// trial is a policy with a parameter kind of its own, and traffic that it matches and allows.
type trial struct {
	name   string
	folder string // of its manifests

	mutex   sync.Mutex
	made    int
	refused []string
}

func newTrial(t *testing.T, name string) *trial {
	t.Helper()

	made := &trial{name: name, folder: t.TempDir()}

	for _, file := range []string{"definition.yaml", "parameter.yaml", "policy.yaml"} {
		content, err := os.ReadFile("testdata/policy/" + file)
		if err != nil {
			t.Fatal(err)
		}

		own := strings.NewReplacer("bound", name, "Bound", strings.ToUpper(name[:1])+name[1:]).Replace(string(content))
		if err := os.WriteFile(filepath.Join(made.folder, file), []byte(own), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name + "-test"}}
	if err := admin.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())

		for _, file := range []string{"policy.yaml", "definition.yaml"} {
			if _, err := shared.Kubectl(ctx, "delete", "--ignore-not-found", "-f", made.path(file)); err != nil {
				t.Error(err)
			}
		}

		if err := admin.Delete(ctx, namespace); err != nil {
			t.Error(err)
		}
	})

	return made
}

func (r *trial) path(file string) string { return filepath.Join(r.folder, file) }

// start makes requests until the test ends.
func (r *trial) start(t *testing.T) {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())

	var done sync.WaitGroup

	done.Go(func() {
		wait.UntilWithContext(ctx, func(ctx context.Context) { r.note(ctx, r.try(ctx, 1)) }, 10*time.Millisecond)
	})

	t.Cleanup(func() {
		cancel()
		done.Wait()
	})
}

func (r *trial) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // it was cut off
	}

	r.mutex.Lock()
	defer r.mutex.Unlock()

	r.made++

	if err != nil {
		r.refused = append(r.refused, err.Error())
	}
}

// refusal is the first one.
func (r *trial) refusal() error {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	if len(r.refused) == 0 {
		return nil
	}

	return fmt.Errorf("%d of %d requests were refused, the first with: %s", len(r.refused), r.made, r.refused[0])
}

// try asks whether a ConfigMap with so many keys would be allowed.
func (r *trial) try(ctx context.Context, keys int) error {
	object := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.name + "-test", Name: "probe"}, Data: map[string]string{},
	}
	for i := range keys {
		object.Data[fmt.Sprint("key-", i)] = ""
	}

	return admin.Create(ctx, object, client.DryRunAll)
}

// step is a part of installing or removing a policy.
type step func(*testing.T, *trial)

func apply(file string) step {
	return func(t *testing.T, r *trial) {
		t.Helper()
		kubectl(t, "apply", "--server-side", "-f", r.path(file))
	}
}

func remove(file string) step {
	return func(t *testing.T, r *trial) {
		t.Helper()
		kubectl(t, "delete", "--timeout=1m", "-f", r.path(file))
	}
}

func established(t *testing.T, r *trial) {
	t.Helper()
	kubectl(t, "wait", "--for=condition=Established", "--timeout=1m", "-f", r.path("definition.yaml"))
}

// served waits until the parameter can be made, which an established kind allows a moment later.
func served(t *testing.T, r *trial) {
	t.Helper()
	eventually(t, "the parameter is made", func(ctx context.Context) error {
		_, err := shared.Kubectl(ctx, "apply", "--server-side", "-f", r.path("parameter.yaml"))

		return err
	})
}

// pause gives the API server time, during which requests go on.
func pause(long time.Duration) step {
	return func(t *testing.T, _ *trial) {
		t.Helper()

		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(long):
		}
	}
}

// inForce waits until the policy refuses what it should: without this, a policy that nobody asks would look well.
func inForce(t *testing.T, r *trial) {
	t.Helper()
	eventually(t, "the policy is in force", func(ctx context.Context) error {
		err := r.try(ctx, 2)
		if !isRefusal(err) {
			return errors.Join(errors.New("two keys are not refused by the policy"), err)
		}

		return nil
	})
}

// outOfForce expects that nobody asks the policy any more.
func outOfForce(t *testing.T, r *trial) {
	t.Helper()

	if err := r.try(t.Context(), 2); err != nil {
		t.Errorf("the policy is asked %s after its removal: %v", untilPoliciesAreGone, err)
	}
}

// installed is the order of the guide.
func installed() []step {
	return []step{
		apply("definition.yaml"), established, served, pause(untilKindsAreKnown), apply("policy.yaml"), inForce,
		pause(untilPoliciesAreAsked),
	}
}

// The order of the guide, during which nothing is refused that should not be, and the orders it warns of, which the
// same check must see.
func TestPoliciesComeAfterTheirParameters(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		steps []step
		wrong step   // what must not be done now; nil: all is in order
		says  string // what the refusals say then
	}{
		"ordered": {steps: append(installed(),
			remove("policy.yaml"), pause(untilPoliciesAreGone), outOfForce,
			remove("definition.yaml"), pause(untilPoliciesAreAsked))},
		"early": {wrong: apply("policy.yaml"), says: "failed to find resource referenced by paramKind"},
		"hasty": {
			steps: []step{apply("definition.yaml"), established, served}, wrong: apply("policy.yaml"),
			says: "failed to find resource referenced by paramKind",
		},
		"uprooted": {steps: installed(), wrong: remove("definition.yaml"), says: "no params found"},
	}

	kubectl(t, "apply", "--server-side", "-f", "testdata/policy/elsewhere.yaml")
	t.Cleanup(func() {
		_, err := shared.Kubectl(context.WithoutCancel(t.Context()), "delete", "-f", "testdata/policy/elsewhere.yaml")
		if err != nil {
			t.Error(err)
		}
	})

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			policy := play(t, name, test.steps)
			if test.wrong == nil {
				return
			}

			test.wrong(t, policy)

			if seen(t, policy, test.says) {
				return
			}

			// The API server looked for kinds just between the two steps, so now it will not for a while.
			policy = play(t, name+"again", test.steps)
			test.wrong(t, policy)

			if !seen(t, policy, test.says) {
				t.Error("the wrong order goes unseen")
			}
		})
	}
}

// trials are the names of what TestPoliciesComeAfterTheirParameters makes.
func trials() []string {
	return []string{"ordered", "early", "earlyagain", "hasty", "hastyagain", "uprooted", "uprootedagain"}
}

// play takes steps that must let every request through.
func play(t *testing.T, name string, steps []step) *trial {
	t.Helper()

	policy := newTrial(t, name)
	policy.start(t)

	for i, step := range steps {
		step(t, policy)

		if err := policy.refusal(); err != nil {
			t.Fatalf("after step %d: %v", i+1, err)
		}
	}

	policy.mutex.Lock()
	defer policy.mutex.Unlock()

	t.Logf("%d requests were allowed", policy.made)

	return policy
}

// seen waits for a refusal that says something, or for the policy to be in force without any.
func seen(t *testing.T, policy *trial, says string) bool {
	t.Helper()

	isSeen := false

	eventually(t, "something is refused", func(ctx context.Context) error {
		err := policy.refusal()
		isSeen = err != nil && strings.Contains(err.Error(), says)

		if isSeen || err == nil && isRefusal(policy.try(ctx, 2)) {
			return nil
		}

		return errors.Join(errors.New("nothing is refused for this"), err)
	})

	return isSeen
}

// isRefusal tells that the policy itself has refused a request, not the lack of something it needs.
func isRefusal(err error) bool { return err != nil && strings.Contains(err.Error(), "too many keys") }
