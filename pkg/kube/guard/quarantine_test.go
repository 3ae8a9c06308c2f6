package guard_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube/guard"
)

func TestPanic(t *testing.T) {
	t.Parallel()

	var (
		nobody  *guard.Guard
		noValue runtime.PanicNilError
	)

	cases := map[string]struct {
		run     reconcile.Func
		err     string
		message string
	}{
		"text":           {panics("no way"), "panic: no way", "no way"},
		"error":          {panics(errors.New("no way")), "panic: no way", "no way"},
		"terminal error": {panics(reconcile.TerminalError(errors.New("x"))), "panic: terminal error: x", "terminal error: x"},
		"number":         {panics(42), "panic: 42", "42"},
		"lines":          {panics("one\r\ntwo"), "panic: one\r\ntwo", "one"},
		"no text":        {panics(""), "panic: ", ""},
		"long":           {panics(strings.Repeat("ä", 150)), "panic: " + strings.Repeat("ä", 150), strings.Repeat("ä", 100)},
		"cut rune":       {panics("x" + strings.Repeat("ä", 150)), "panic: x" + strings.Repeat("ä", 150), "x" + strings.Repeat("ä", 99)},
		"no UTF-8":       {panics("a\xffb"), "panic: a\xffb", "ab"},
		"nil":            {panics(nil), "panic: " + noValue.Error(), noValue.Error()},
		"nil pointer": {
			func(context.Context, reconcile.Request) (reconcile.Result, error) {
				return reconcile.Result{RequeueAfter: time.Duration(nobody.Abandoned())}, nil
			},
			"panic: runtime error: invalid memory address or nil pointer dereference",
			"runtime error: invalid memory address or nil pointer dereference",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var told []string

			logs := &logbook{}
			history := guard.NewHistory()
			g := guard.New(behaviors{"a": tc.run}, guard.Options{
				History: history, OnPanic: func(object types.NamespacedName, value any) {
					told = append(told, fmt.Sprintf("%s: panic: %v", object.Name, value))
				},
			})

			_, err := g.Reconcile(logs.context(t.Context()), request("a"))
			if err == nil || err.Error() != tc.err {
				t.Fatalf("Reconcile = %v; want %q", err, tc.err)
			}

			if errors.Is(err, reconcile.TerminalError(nil)) {
				t.Error("the error is terminal; want it retried")
			}

			if lines := logs.take(); len(lines) != 1 || !strings.Contains(lines[0], "guard_test.go") {
				t.Errorf("logged %q; want one line with the stack", lines)
			}

			if len(told) != 1 || told[0] != "a: "+tc.err {
				t.Errorf("OnPanic was told %q; want it once, with the object and the panic", told)
			}

			if !utf8.ValidString(tc.message) {
				t.Errorf("message %q is not UTF-8", tc.message)
			}

			wantRun(t, g, "b")
			wantCounts(t, history, guard.Counts{Runs: 2, Errors: 1, Panics: 1})
			wantTroubles(t, history, guard.Trouble{Kind: guard.Panicking, Object: "n/a", Message: tc.message})
		})
	}
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bad := true
		history := guard.NewHistory()
		runs := behaviors{"a": func(context.Context, reconcile.Request) (reconcile.Result, error) {
			if bad {
				blow("no way")
			}

			return reconcile.Result{}, nil
		}}
		g := guard.New(runs, guard.Options{History: history})
		ctx := (&logbook{}).context(t.Context())

		wantPanic := func() {
			t.Helper()

			if _, err := g.Reconcile(ctx, request("a")); err == nil {
				t.Fatal("Reconcile = nil; want a panic")
			}
		}

		for _, seconds := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300} {
			delay := time.Duration(seconds) * time.Second

			wantPanic()
			wantPutOff(t, g, "a", delay)
			wantRun(t, g, "b")

			// A new life of the controller knows what the last one has seen.
			g = guard.New(runs, guard.Options{History: history})

			pass(delay - 1)
			wantPutOff(t, g, "a", 1)
			pass(1)
		}

		bad = false

		wantRun(t, g, "a")
		wantRun(t, g, "a")
		wantTroubles(t, history)

		bad = true

		wantPanic()
		wantPutOff(t, g, "a", time.Second)

		// An object that is gone is not asked for again.
		pass(10*time.Minute - 1)
		wantTroubles(t, history, guard.Trouble{Kind: guard.Panicking, Object: "n/a", Message: "no way"})
		pass(20 * time.Minute)
		wantTroubles(t, history)
	})
}

func TestQuarantineEndsWithAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs := behaviors{"a": panics("no way")}
		history := guard.NewHistory()
		g := guard.New(runs, guard.Options{History: history})
		ctx := (&logbook{}).context(t.Context())

		if _, err := g.Reconcile(ctx, request("a")); err == nil {
			t.Fatal("Reconcile = nil; want a panic")
		}

		pass(time.Second)

		failure := errors.New("no luck")
		runs["a"] = func(context.Context, reconcile.Request) (reconcile.Result, error) {
			return reconcile.Result{}, failure
		}

		for range 2 {
			if _, err := g.Reconcile(ctx, request("a")); !errors.Is(err, failure) {
				t.Errorf("Reconcile = %v; want %v", err, failure)
			}
		}

		wantTroubles(t, history)
	})
}
