package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var errBroken = errors.New("broken")

func TestDisplay(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	first := row{kind: "Workspace", name: "a", ready: "-", reason: "-", created: now.Add(-2 * time.Second)}
	second := row{kind: "Workspace", name: "long-name", ready: "True", reason: "Fine", created: now.Add(-time.Minute)}

	changed := first
	changed.ready, changed.reason = "False", "Waiting"

	updates := [][]row{{first, second}, {first, second}, {changed, second}}

	for _, test := range []struct {
		name  string
		width int
		want  []string
	}{
		{
			name: "a line for each change",
			want: []string{
				"KIND        NAME        READY   REASON                 AGE",
				"Workspace   a           -       -                      2s",
				"Workspace   long-name   True    Fine                   60s",
				"Workspace   a           False   Waiting                2s",
			},
		},
		{
			name: "in place", width: 31,
			want: []string{
				"\r\x1b[KKIND        NAME        READY ",
				"\r\x1b[KWorkspace   a           -     ",
				"\r\x1b[KWorkspace   long-name   True  ",
				"\x1b[3A\r\x1b[KKIND        NAME        READY ",
				"\r\x1b[KWorkspace   a           -     ",
				"\r\x1b[KWorkspace   long-name   True  ",
				"\x1b[3A\r\x1b[KKIND        NAME        READY ",
				"\r\x1b[KWorkspace   a           False ",
				"\r\x1b[KWorkspace   long-name   True  ",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder

			shown := display{out: &out, width: test.width}
			for _, rows := range updates {
				shown.update(rows, now)
			}

			got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStep(t *testing.T) {
	var out strings.Builder

	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	say := announcer{out: &out, now: func() time.Time { return clock }}

	err := say.step(t.Context(), "boiling water", func(context.Context) error {
		clock = clock.Add(90 * time.Second)

		return nil
	})
	if err != nil {
		t.Errorf("a step that works: %v", err)
	}

	err = say.step(t.Context(), "making tea", func(context.Context) error { return errBroken })
	if !errors.Is(err, errBroken) {
		t.Errorf("a step that fails: %v", err)
	}

	want := "boiling water ... 90.0 s\nmaking tea ... failed\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
