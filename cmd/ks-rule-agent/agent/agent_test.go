package agent_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

func dialects() []rulefiles.Dialect {
	return []rulefiles.Dialect{rulefiles.Prometheus, rulefiles.ThanosRuler}
}

// each runs a test for both evaluators.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()

	for _, dialect := range dialects() {
		t.Run(string(dialect), func(t *testing.T) { test(t, newWorld(t, dialect)) })
	}
}

func TestRulesAreLoadedOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill("a", 3)
		w.round()

		want := []string{"demo_a000.yaml", "demo_a001.yaml", "demo_a002.yaml"}
		if diff := cmp.Diff(want, w.loaded()); diff != "" {
			t.Errorf("loaded (-want +got):\n%s", diff)
		}

		if w.report.Wanted != w.report.Loaded || w.report.Objects != 3 || w.report.Rules != 3 {
			t.Errorf("report: %+v", w.report)
		}

		writes := w.writes
		if reloads := w.reloadsOf(func() { w.round(); w.restart(); w.round() }); reloads != 0 || w.writes != writes {
			t.Errorf("%d reloads and %d reports without a change, also over a restart", reloads, w.writes-writes)
		}

		delete(w.rules, "a001")
		w.round()

		if diff := cmp.Diff([]string{"demo_a000.yaml", "demo_a002.yaml"}, w.loaded()); diff != "" {
			t.Errorf("loaded after a deletion (-want +got):\n%s", diff)
		}
	})
}

// What the evaluator refuses is found, and nothing that is loaded is taken away meanwhile.
func TestTheCulpritIsFound(t *testing.T) {
	for _, named := range []bool{false, true} {
		t.Run(fmt.Sprintf("named=%t", named), func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				w.evaluator.names = named
				w.fill("old", 40)
				w.round()
				w.evaluator.history = nil

				w.fill("new", 64)
				w.put("new017", "up == 0", poison)
				w.put("new042", "up == 0", poison)
				w.put("old007", "up == 0", poison)

				reloads := w.reloadsOf(w.round)
				if limit := map[bool]int{false: 45, true: 12}[named]; reloads > limit {
					t.Errorf("%d reloads to find three of 65, want at most %d", reloads, limit)
				}

				if diff := cmp.Diff([]string{"new017", "new042", "old007"}, w.refused()); diff != "" {
					t.Errorf("refused (-want +got):\n%s", diff)
				}

				// The version before of old007 stays; the other two never were.
				if got := len(w.loaded()); got != 40+62 {
					t.Errorf("%d files are loaded, want 102", got)
				}

				keepsAll(t, w, 40)
			})
		})
	}
}

// keepsAll checks every set that the evaluator had. Thanos Ruler itself drops a bad file of a bad set, for a moment.
func keepsAll(t *testing.T, w *world, number int) {
	t.Helper()

	for _, files := range w.evaluator.history {
		old := slices.DeleteFunc(names(files), func(name string) bool { return !strings.HasPrefix(name, "demo_old") })

		if missing := number - len(old); missing > 1 || missing > 0 && !w.evaluator.thanos {
			t.Errorf("%d files that were loaded have been taken away meanwhile", missing)
		}
	}
}

func TestQuarantineLastsUntilAChange(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill("a", 5)
		w.round()
		w.put("a003", "up == 0", poison)
		w.round()

		if diff := cmp.Diff([]string{"a003"}, w.refused()); diff != "" || !w.report.Refused[0].Kept {
			t.Errorf("refused (-want +got):\n%s%+v", diff, w.report.Refused)
		}

		if reloads := w.reloadsOf(func() { w.round(); w.restart(); w.round() }); reloads != 0 {
			t.Errorf("%d reloads although nothing has changed, also over a restart", reloads)
		}

		if !strings.Contains(w.read("demo_a003.yaml"), "good") {
			t.Error("the version before is not loaded any more")
		}

		w.put("a004", "up == 0", "other")

		if reloads := w.reloadsOf(w.round); reloads != 1 || len(w.refused()) != 1 {
			t.Errorf("%d reloads after a change of another object, want 1; refused: %v", reloads, w.refused())
		}

		w.put("a003", "up == 0", "mended")

		if reloads := w.reloadsOf(w.round); reloads != 1 || len(w.refused()) != 0 {
			t.Errorf("%d reloads after the object was mended, want 1; refused: %v", reloads, w.refused())
		}
	})
}

// An object that no evaluator would take is not even written.
func TestInvalidObjectsAreNotWritten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill("a", 2)
		w.put("bad", "up ==", "not PromQL")

		if reloads := w.reloadsOf(w.round); reloads != 1 {
			t.Errorf("%d reloads, want 1", reloads)
		}

		if diff := cmp.Diff([]string{"bad"}, w.refused()); diff != "" || w.report.Refused[0].Kept {
			t.Errorf("refused (-want +got):\n%s", diff)
		}

		if _, err := os.Stat(filepath.Join(w.folder, "demo_bad.yaml")); err == nil {
			t.Error("a file that every evaluator refuses has been written")
		}

		w.put("a001", "up ==", "no longer PromQL")
		w.round()

		if got := w.loaded(); !slices.Contains(got, "demo_a001.yaml") || !w.report.Refused[0].Kept {
			t.Errorf("the version before is not kept: %v, %+v", got, w.report.Refused)
		}

		delete(w.rules, "a001")
		w.round()

		if got := w.loaded(); slices.Contains(got, "demo_a001.yaml") {
			t.Errorf("what is deleted is still loaded: %v", got)
		}
	})
}

func TestDriftIsRepaired(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill("a", 3)
		w.write("foreign_file.yaml", "groups: []\n")
		w.round()

		for name, drift := range map[string]func(){
			"edited":  func() { w.write("demo_a000.yaml", "groups: []\n") },
			"deleted": func() { _ = os.Remove(filepath.Join(w.folder, "demo_a001.yaml")) },
			"added":   func() { w.write("demo_stray.yaml", w.read("demo_a002.yaml")) },
			"marker":  func() { _ = os.Remove(filepath.Join(w.folder, rulefiles.MarkerFile)) },
		} {
			drift()

			if reloads := w.reloadsOf(w.round); reloads != 1 {
				t.Errorf("%s: %d reloads, want 1", name, reloads)
			}

			if got := w.loaded(); len(got) != 4 || w.read("foreign_file.yaml") != "groups: []\n" {
				t.Errorf("%s: loaded are %v, and the foreign file is %q", name, got, w.read("foreign_file.yaml"))
			}
		}

		w.evaluator.set(func(e *evaluator) { e.files = nil })

		if reloads := w.reloadsOf(w.round); reloads != 1 || len(w.loaded()) != 4 {
			t.Errorf("%d reloads for an evaluator that has lost its rules, which has now %v", reloads, w.loaded())
		}
	})
}

// Where the evaluator refuses what it had, nobody's rules are to blame.
func TestNobodyIsBlamedForABrokenEvaluator(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprintf("known=%t", known), func(t *testing.T) {
			w := newWorld(t, rulefiles.Prometheus)
			w.fill("a", 8)

			if known {
				w.round()
			}

			w.evaluator.set(func(e *evaluator) { e.broken = true })
			w.fill("b", 8)

			err := w.agent.Round(t.Context())
			if err == nil || !strings.Contains(w.report.Problem, "not the rules") || len(w.report.Refused) != 0 {
				t.Errorf("the round ends with %v, and the report is %+v", err, w.report)
			}

			w.evaluator.set(func(e *evaluator) { e.broken = false })
			w.round()

			if got := len(w.loaded()); got != 16 || w.report.Problem != "" {
				t.Errorf("%d files are loaded in the end; report: %+v", got, w.report)
			}
		})
	}
}

// Prometheus answers for all of its configuration: its rules may be fine although it says no.
func TestRulesAreTakenAlthoughTheEvaluatorSaysNo(t *testing.T) {
	w := newWorld(t, rulefiles.Prometheus)
	w.evaluator.set(func(e *evaluator) { e.elsewhere = true })
	w.fill("a", 4)

	if reloads := w.reloadsOf(w.round); reloads != 1 || len(w.loaded()) != 4 || len(w.refused()) != 0 {
		t.Errorf("%d reloads; loaded are %v, refused %v", reloads, w.loaded(), w.refused())
	}
}

func TestEvaluatorThatDoesNotAnswer(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.evaluator.set(func(e *evaluator) { e.down = true })
		w.fill("a", 2)

		if err := w.agent.Round(t.Context()); err == nil || w.agent.Ready() == nil {
			t.Fatal("the round goes well without an evaluator")
		}

		if text := w.read("demo_a000.yaml"); text == "" {
			t.Error("an evaluator that starts now finds no rules")
		}

		problem := w.data["problem"]
		_ = w.agent.Round(t.Context())

		if w.writes != 1 || w.data["problem"] != problem {
			t.Errorf("the report changes while nothing does: %q, then %q", problem, w.data["problem"])
		}

		w.evaluator.set(func(e *evaluator) { e.down = false })
		w.round()

		if len(w.loaded()) != 2 || w.agent.Ready() != nil || w.agent.Alive() != nil {
			t.Errorf("loaded are %v", w.loaded())
		}

		// What is known to be good waits for it in the folder; what it has not been asked about does not.
		w.evaluator.set(func(e *evaluator) { e.down = true })
		w.put("a000", "up == 0", poison)
		_ = w.agent.Round(t.Context())

		if !strings.Contains(w.read("demo_a000.yaml"), "good") {
			t.Error("an evaluator that starts now finds a file that it has never been asked about")
		}
	})
}

func TestPrepareAndClear(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill("a", 2)
		w.put("bad", "up ==", "not PromQL")
		w.write("foreign.yaml", "groups: []\n")
		w.write(".ks-rule-agent-123", "left by an agent that was killed")

		if err := w.agent.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}

		reload(w)

		if reloads := w.reloadsOf(func() { w.restart(); w.round() }); reloads != 0 {
			t.Errorf("%d reloads of an evaluator that started with the prepared files", reloads)
		}

		removed, err := w.agent.Clear(t.Context())
		if err != nil || len(removed) != 3 {
			t.Errorf("removed %v, %v", removed, err)
		}

		left, err := os.ReadDir(w.folder)
		if err != nil || len(left) != 1 || len(w.loaded()) != 1 {
			t.Errorf("left are %v, loaded %v, %v", left, w.loaded(), err)
		}
	})
}

// reload lets the evaluator read its files by itself, as when it starts.
func reload(w *world) {
	w.evaluator.mutex.Lock()
	defer w.evaluator.mutex.Unlock()

	for _, name := range []string{rulefiles.MarkerFile, "demo_a000.yaml", "demo_a001.yaml", "foreign.yaml"} {
		if w.evaluator.files == nil {
			w.evaluator.files = map[string]string{}
		}

		w.evaluator.files[name] = w.read(name)
	}
}

// An agent that is ended while it searches leaves files that are good.
func TestAnEndInTheMiddle(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill("a", 8)
		w.round()
		w.fill("b", 8)
		w.put("b005", "up == 0", poison)

		for limit := range 12 {
			ctx, cancel := context.WithCancel(t.Context())
			after := func(reloads int) {
				if reloads > limit {
					cancel()
				}
			}

			w.evaluator.set(func(e *evaluator) { e.after, e.reloads = after, 0 })

			_ = w.agent.Round(ctx)

			if strings.Contains(allOf(w), poison) && ctx.Err() != nil {
				t.Errorf("ended after %d reloads: a refused file is left", limit)
			}

			cancel()
			w.evaluator.set(func(e *evaluator) { e.after = nil })
			w.restart()
		}

		w.round()

		if len(w.loaded()) != 15 || len(w.refused()) != 1 {
			t.Errorf("loaded are %v, refused %v", w.loaded(), w.refused())
		}
	})
}

func allOf(w *world) string {
	paths, _ := filepath.Glob(filepath.Join(w.folder, "*.yaml"))

	var all strings.Builder

	for _, path := range paths {
		content, _ := os.ReadFile(path)
		all.Write(content)
	}

	return all.String()
}

// Many changes at once are one reload, and the agent sees drift by itself.
func TestRun(t *testing.T) {
	w := newWorld(t, rulefiles.Prometheus)
	w.fill("a", 50)

	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan struct{}, 1)
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		w.agent.Run(ctx, changes)
	}()

	eventually(t, func() bool { return len(w.loaded()) == 50 })

	if err := os.Remove(filepath.Join(w.folder, "demo_a000.yaml")); err != nil {
		t.Fatal(err)
	}

	eventually(t, func() bool {
		w.evaluator.mutex.Lock()
		defer w.evaluator.mutex.Unlock()

		return w.evaluator.reloads == 2 && len(w.evaluator.files) == 51
	})

	cancel()
	<-ended
}

func eventually(t *testing.T, check func() bool) {
	t.Helper()

	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		if check() {
			return
		}

		<-time.After(5 * time.Millisecond)
	}

	t.Fatal("it does not come to that")
}
