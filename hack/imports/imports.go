// Package imports holds the arrows of the house: which package may import which.
//
// The floors and the reasons for them are in CONTRIBUTING.md. What is written here is the same as a
// table that a test compares with what the go command says about every package of the module. Only
// imports of non-test files count: tests may reach the test harness and a test cluster from everywhere.
package imports

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// module is the module whose packages the rules are about.
const module = "github.com/ks-core/ks-controller-manager"

// rule says what the packages of one floor may import. Everything is a pattern as the go command has
// them: "..." stands for any path, "a/..." also for "a". Packages of this module are written without the
// module's path. The standard library is open to every floor.
type rule struct {
	packages string   // whom the rule is for
	why      string   // what is said to whoever breaks it
	ours     []string // what they may import of this module, besides what never names
	others   []string // what they may import of other modules; nil allows everything
	never    []string // what they may not import although the lists above allow it
}

// domains are the subjects of the control plane. They know nothing of each other.
func domains() []string {
	return []string{"tenancy", "notification", "logging", "alerting", "edge"}
}

// dataPlane lists the binaries that run beside users' workloads.
func dataPlane() []string {
	return []string{"notification-manager", "ks-log-agent", "ks-rule-agent", "ks-edge-agent"}
}

// rules is the table. The first rule whose packages match is the one that counts, so the narrow ones
// come first. A package that no rule matches is an error: a new floor is added here on purpose.
func rules() []rule {
	machinery := []string{"k8s.io/apimachinery/...", "sigs.k8s.io/controller-runtime/pkg/scheme"}
	client := []string{
		"k8s.io/client-go/kubernetes/...", "k8s.io/client-go/rest/...", "k8s.io/client-go/dynamic/...",
		"k8s.io/client-go/tools/...", "sigs.k8s.io/controller-runtime/...",
	}
	harness := []string{"pkg/kube/harness/..."}
	promql := "pkg/alerting/internal/promql/..."

	table := []rule{{
		packages: promql,
		why:      "what wraps Prometheus' parser is an engine below the engines of its domain",
		ours:     []string{promql},
		never:    client,
	}, {
		packages: "api/.../applyconfiguration/...",
		why:      "generated apply configurations build on the types and on client-go's own",
		ours:     []string{"api/..."},
		others: slices.Concat(machinery, []string{
			"k8s.io/client-go/applyconfigurations/...", "sigs.k8s.io/structured-merge-diff/...", "k8s.io/api/rbac/v1",
		}),
	}, {
		packages: "api/...",
		why:      "api holds types: clients of any kind import it and must not get a control plane with it",
		ours:     []string{"api/..."},
		// Roles and bindings have the rules and subjects of Kubernetes.
		others: append(slices.Clone(machinery), "k8s.io/api/rbac/v1"),
	}, {
		packages: "pkg/suggest/...",
		why:      "a helper of names knows nothing of Kubernetes or of the house",
		ours:     []string{"pkg/suggest/..."},
		others:   []string{},
	}, {
		packages: "pkg/features/...",
		why:      "feature gates are names and defaults, known to every floor above",
		ours:     []string{"pkg/features/...", "pkg/suggest/..."},
	}, {
		packages: "pkg/kube/harness/...",
		why:      "the harness is for tests of any reconciler, so it knows none",
		ours:     []string{"api/...", "pkg/kube/...", "test/cluster/..."},
	}, {
		packages: "pkg/kube/...",
		why:      "pkg/kube is how the house talks to Kubernetes and knows neither manager nor domains",
		ours:     []string{"api/...", "pkg/kube/..."},
		never:    harness,
	}, {
		packages: "pkg/manager/...",
		why:      "the manager runs any list of descriptors and knows no domain",
		ours:     []string{"pkg/manager/...", "pkg/kube/...", "pkg/features/...", "pkg/suggest/..."},
		never:    harness,
	}, {
		packages: "pkg/controllers",
		why:      "the catalogue lists the controllers of all domains and does nothing itself",
		ours:     []string{"api/...", "pkg/controllers/...", "pkg/kube/...", "pkg/manager/...", "pkg/features/..."},
		never:    harness,
	}}

	for _, domain := range domains() {
		table = append(table, rule{
			packages: "pkg/controllers/" + domain + "/...",
			why:      "controllers use the engine of their own domain; what two domains need is in pkg/kube or api",
			ours: []string{
				"api/...", "pkg/controllers/" + domain + "/...", "pkg/" + domain + "/...",
				"pkg/kube/...", "pkg/manager/...", "pkg/features/...",
			},
			never: harness,
		}, rule{
			packages: "pkg/" + domain + "/...",
			why:      "an engine is pure: values in, values out, no Kubernetes client and no other domain",
			ours:     []string{"api/...", "pkg/" + domain + "/..."},
			never:    client,
		})
	}

	for _, binary := range dataPlane() {
		table = append(table, rule{
			packages: "cmd/" + binary + "/...",
			why:      "a data-plane binary uses engines, never the reconcilers or their manager",
			ours:     []string{"api/...", "cmd/" + binary + "/...", "pkg/..."},
			never:    slices.Concat(harness, []string{"pkg/controllers/...", "pkg/manager/..."}),
		})
	}

	return append(table, rule{
		packages: "cmd/...",
		why:      "a binary is made of packages; tests and tools are not part of it",
		ours:     []string{"api/...", "cmd/...", "pkg/..."},
		never:    harness,
	}, rule{
		packages: "test/...",
		why:      "tests reach binaries by running them",
		ours:     []string{"api/...", "pkg/...", "test/..."},
	}, rule{
		packages: "hack/generate/...",
		why:      "generated files follow from the table, the types and the command line",
		ours:     []string{"api/...", "pkg/...", "cmd/ks-controller-manager/app"}, // for the reference of its flags
		never:    harness,
	}, rule{
		packages: "hack/...",
		why:      "tools of the repository reach binaries by running them",
		ours:     []string{"api/...", "hack/...", "pkg/...", "test/cluster/..."},
	})
}

// wrapped are packages of another module that one place of the house wraps, for they change their interface with
// each version: nobody else imports them, whatever the table allows.
type wrapped struct {
	others string // the packages of the other module
	by     string // who wraps them
	why    string // what is said to whoever imports them elsewhere

	// Of these some are as they have been for long: those who keep many of what they hold may import them.
	stable string
	users  []string
}

func wraps() []wrapped {
	return []wrapped{{
		others: "github.com/prometheus/prometheus/...",
		by:     "pkg/alerting/internal/promql/...",
		why:    "Prometheus changes its packages with each version: pkg/alerting/internal/promql wraps what is needed",
		stable: "github.com/prometheus/prometheus/model/labels",
		users:  []string{"pkg/notification/...", "cmd/notification-manager/...", "test/alertmanager/..."},
	}}
}

// check returns one line for each import that breaks a rule of the table, sorted. The graph has the
// imports of each package of the module, all by their full path.
func check(table []rule, graph map[string][]string) []string {
	var violations []string

	for from, imports := range graph {
		name := strings.TrimPrefix(from, module+"/")

		index := slices.IndexFunc(table, func(r rule) bool { return match(r.packages, name) })
		if index < 0 {
			violations = append(violations, name+" is on no floor: add a rule for it")

			continue
		}

		for _, to := range imports {
			if why := table[index].forbids(name, to); why != "" {
				violations = append(violations, fmt.Sprintf("%s imports %s: %s",
					name, strings.TrimPrefix(to, module+"/"), why))
			}
		}
	}

	slices.Sort(violations)

	return violations
}

// forbids returns why a package of the rule may not import the package with this full path, or nothing if it may.
func (r rule) forbids(name, path string) string {
	for _, w := range wraps() {
		if match(w.others, path) && !w.lends(name, path) {
			return w.why
		}
	}

	if !r.allows(path) {
		return r.why
	}

	return ""
}

// lends reports whether a package may import one that is wrapped.
func (w wrapped) lends(name, path string) bool {
	return match(w.by, name) || match(w.stable, path) && matchAny(w.users, name)
}

// allows reports whether the rule lets its packages import the package with this full path.
func (r rule) allows(path string) bool {
	if path, ours := strings.CutPrefix(path, module+"/"); ours {
		return matchAny(r.ours, path) && !matchAny(r.never, path)
	}

	if standard(path) {
		return true
	}

	return (r.others == nil || matchAny(r.others, path)) && !matchAny(r.never, path)
}

// standard reports whether a path is of the standard library: only its paths start without a domain.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")

	return !strings.Contains(first, ".")
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, path) })
}

// match reports whether a path is one the pattern stands for.
func match(pattern, path string) bool {
	expression := regexp.QuoteMeta(pattern)
	expression, below := strings.CutSuffix(expression, `/\.\.\.`)
	expression = strings.ReplaceAll(expression, `/\.\.\./`, `/(.*/)?`)

	if below {
		expression += "(/.*)?"
	}

	return regexp.MustCompile("^" + expression + "$").MatchString(path)
}
