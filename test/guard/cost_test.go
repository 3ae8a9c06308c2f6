package guard_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// budget is what the guard may cost one request for a namespace, and what the help to create one may.
const budget = 500 * time.Microsecond

// load is one kind of request, many times.
type load struct {
	name    string
	by      string
	share   time.Duration // of the budget: one over this
	request func(i int) request
}

func same(always request) func(int) request { return func(int) request { return always } }

func loads() []load {
	note := func(i int) request {
		return request{merge, namespace("team-a-one"), fmt.Sprintf(`{"metadata":{"annotations":{"note":"%d"}}}`, i)}
	}
	object := func(path, group, kind, content string) func(int) request {
		return same(request{
			post, path,
			fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"generateName":"cost-"}%s}`, group, kind, content),
		})
	}

	return []load{
		{"create by the platform", admin, 1, same(creation("cost", `{"labels":{"kubesphere.io/workspace":"team-a"}}`))},
		{"create by a member, helped", carol, 1, same(creation("team-a-cost", `{}`))},
		{"create by others", pete, 1, same(creation("cost", `{}`))},
		{"change by the platform", admin, 1, note},
		{"change by a member", nora, 1, note},
		{"move by a member", dora, 1, same(request{
			merge, namespace("team-a-one"), `{"metadata":{"labels":{"kubesphere.io/workspace":"team-b"}}}`,
		})},
		{"status alone", nora, 1, func(i int) request {
			return request{merge, namespace("team-a-one") + "/status", fmt.Sprintf(`{"status":{"conditions":`+
				`[{"type":"Cost","status":"True","message":"%d","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`, i)}
		}},
		// No policy is about these, which takes a look; about a RoleBinding there is one.
		{"ConfigMap", nora, 10, object(namespace("team-a-one/configmaps"), "v1", "ConfigMap", "")},
		{"Secret", nora, 10, object(namespace("team-a-one/secrets"), "v1", "Secret", "")},
		{"RoleBinding", nora, 2, object(inA+"rolebindings", "rbac.authorization.k8s.io/v1", "RoleBinding",
			`,"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"x"}`)},
	}
}

// cost is what a request took on the average: in the guard, in the help to create namespaces, and in all.
type cost struct{ guard, help, total time.Duration }

// run makes the requests, without effect. The API server has few others meanwhile.
func (l load) run(ctx context.Context, times int) (cost, error) {
	before, err := spent(ctx)
	if err != nil {
		return cost{}, err
	}

	start := time.Now()

	for i := range times {
		if err := l.request(i).send(ctx, l.by, true); err != nil {
			return cost{}, err
		}
	}

	total := time.Since(start)

	after, err := spent(ctx)
	if err != nil {
		return cost{}, err
	}

	return cost{
		(after.guard - before.guard) / time.Duration(times), (after.help - before.help) / time.Duration(times),
		total / time.Duration(times),
	}, nil
}

// spent is the time that the API server has spent in admission policies so far.
func spent(ctx context.Context) (cost, error) {
	client, err := clientOf(admin)
	if err != nil {
		return cost{}, err
	}

	metrics, err := client.Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return cost{}, err
	}

	var sum cost

	lines := bufio.NewScanner(bytes.NewReader(metrics))
	lines.Buffer(nil, math.MaxInt32)

	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "} ")
		if !strings.HasPrefix(name, "apiserver_admission_controller_admission_duration_seconds_sum{") ||
			!strings.Contains(name, `AdmissionPolicy"`) {
			continue
		}

		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return cost{}, err
		}

		spent := time.Duration(seconds * float64(time.Second))
		if strings.Contains(name, `"ValidatingAdmissionPolicy"`) {
			sum.guard += spent
		} else {
			sum.help += spent
		}
	}

	return sum, lines.Err()
}

// crowd makes the bindings of a large installation, which each question about a right has to pass.
func crowd(tb testing.TB) {
	tb.Helper()

	var bindings strings.Builder
	for i := range 500 {
		fmt.Fprintf(&bindings, `---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "test:crowd-%d"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "test:crowd-%d"}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: "user-%d"}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "group-%d"}
`, i, i, i, i)
	}

	file := filepath.Join(tb.TempDir(), "crowd.yaml")
	if err := os.WriteFile(file, []byte(bindings.String()), 0o600); err != nil {
		tb.Fatal(err)
	}

	if _, err := shared.Kubectl(tb.Context(), "apply", "--server-side", "-f", file); err != nil {
		tb.Fatal(err)
	}
}

// On a machine that is busy with something else everything takes longer: then the guard may take its share of that,
// which on an idle one is less than the budget.
func TestCost(t *testing.T) {
	crowd(t)

	for _, load := range loads() {
		t.Run(load.name, func(t *testing.T) {
			var least cost

			for i := range 5 {
				run, err := load.run(t.Context(), 60)
				if err != nil {
					t.Fatal(err)
				}

				if i == 0 || run.guard < least.guard {
					least = run
				}
			}

			allowed := max(budget, least.total/4) / load.share

			t.Logf("guard %s, help %s, of %s", least.guard, least.help, least.total)

			if least.guard > allowed || least.help > allowed {
				t.Errorf("costs more than %s", allowed)
			}
		})
	}
}

// What the policies take of a request, in microseconds: with them, and without.
func BenchmarkPolicies(b *testing.B) {
	crowd(b)

	measure := func(b *testing.B) {
		b.Helper()

		for _, load := range loads() {
			b.Run(load.name, func(b *testing.B) {
				cost, err := load.run(b.Context(), b.N)
				if err != nil {
					b.Fatal(err)
				}

				b.ReportMetric(float64(cost.guard.Nanoseconds())/1000, "guard-µs/op")
				b.ReportMetric(float64(cost.help.Nanoseconds())/1000, "help-µs/op")
			})
		}
	}

	b.Run("with", measure)

	unbindAll(b)
	b.Run("without", measure)
}

// unbindAll takes the guard out of force until the benchmark ends.
func unbindAll(b *testing.B) {
	b.Helper()

	for _, kind := range []string{"validating", "mutating"} {
		if _, err := shared.Kubectl(b.Context(), "delete", kind+"admissionpolicybindings", "--all"); err != nil {
			b.Fatal(err)
		}
	}

	b.Cleanup(func() {
		if err := guard(context.WithoutCancel(b.Context())); err != nil {
			b.Fatal(err)
		}
	})

	err := eventually(b.Context(), func(ctx context.Context) error {
		for _, attempt := range probes() {
			if err := attempt.send(ctx, attempt.by, true); err != nil {
				return err
			}
		}

		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
