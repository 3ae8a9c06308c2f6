package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func open1(tb testing.TB, path string, options Options) *Store {
	tb.Helper()

	opened, aside, err := Open(path, now(), options)
	if err != nil || aside != "" {
		tb.Fatal(aside, err)
	}

	tb.Cleanup(func() { _ = opened.Close() }) // some tests close it themselves

	return opened
}

// tasks are the rows of one table.
func tasks(t *testing.T, of *Store) map[string]string {
	t.Helper()

	rows := map[string]string{}

	err := of.Each(Tasks, func(key, value []byte) error {
		rows[string(key)] = string(value)

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return rows
}

func TestRowsAreKept(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "store")
	kept := open1(t, path, Options{})

	for _, changes := range [][]Change{
		{{Tasks, []byte("1"), []byte("one")}, {Tasks, []byte("2"), []byte("two")}, {Alerts, []byte("1"), []byte("a")}},
		{{Tasks, []byte("1"), nil}, {Tasks, []byte("3"), []byte{}}, {Tasks, []byte("4"), nil}},
	} {
		if err := kept.Commit(changes); err != nil {
			t.Fatal(err)
		}
	}

	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}

	again := open1(t, path, Options{})
	if diff := cmp.Diff(map[string]string{"2": "two", "3": ""}, tasks(t, again)); diff != "" {
		t.Error(diff)
	}

	one, err := again.Get(Alerts, []byte("1"))
	if string(one) != "a" || err != nil {
		t.Errorf("%q, %v", one, err)
	}

	none, err := again.Get(Alerts, []byte("2"))
	if none != nil || err != nil {
		t.Errorf("%q, %v", none, err)
	}
}

func TestAllOrNothing(t *testing.T) {
	t.Parallel()

	kept := open1(t, filepath.Join(t.TempDir(), "store"), Options{})

	err := kept.Commit([]Change{{Tasks, []byte("1"), []byte("one")}, {Tasks, nil, []byte("a key is required")}})
	if err == nil {
		t.Error("a row without a key is taken")
	}

	if rows := tasks(t, kept); len(rows) > 0 {
		t.Errorf("%v are there after a commit that failed", rows)
	}
}

func TestFull(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "store")
	kept := open1(t, path, Options{MaxBytes: 1 << 20})

	var err error
	for i := 0; err == nil; i++ {
		err = kept.Commit([]Change{{Tasks, fmt.Append(nil, i), bytes.Repeat([]byte("x"), 64<<10)}})
	}

	if !errors.Is(err, ErrFull) {
		t.Fatalf("%v, want %v", err, ErrFull)
	}

	before := tasks(t, kept)

	// What is done makes room: rows that are deleted can be, though nothing can be added.
	if err := kept.Commit([]Change{{Tasks, []byte("0"), nil}, {Tasks, []byte("1"), nil}}); err != nil {
		t.Fatalf("deleting in a full store: %v", err)
	}

	if err := kept.Commit([]Change{{Tasks, []byte("new"), []byte("row")}}); err != nil {
		t.Fatalf("adding where there is room again: %v", err)
	}

	if after := tasks(t, kept); len(after) != len(before)-1 {
		t.Errorf("%d rows became %d", len(before), len(after))
	}

	if size := kept.Bytes(); size > 1<<20 {
		t.Errorf("has %d bytes", size)
	}
}

func TestBrokenFilesAreSetAside(t *testing.T) {
	t.Parallel()

	for name, content := range map[string][]byte{
		"text":  []byte(strings.Repeat("this is no store\n", 1000)),
		"zeros": make([]byte, 64<<10),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			path := filepath.Join(t.TempDir(), "store")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}

			kept, aside, err := Open(path, now(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer kept.Close()

			if err := kept.Commit([]Change{{Tasks, []byte("1"), []byte("one")}}); err != nil {
				t.Error(err)
			}

			moved, err := os.ReadFile(aside) //nolint:gosec // a file of the test
			if err != nil || !bytes.Equal(moved, content) {
				t.Errorf("the broken file is not at %q: %v", aside, err)
			}
		})
	}
}

// TestBrokenPagesAreSetAside loses pages from the midst of a store, as a disk may.
func TestBrokenPagesAreSetAside(t *testing.T) {
	t.Parallel()

	const page, first, last = 4096, 4, 200

	path := filepath.Join(t.TempDir(), "store")
	kept := open1(t, path, Options{Forgetful: true})

	for i := range 2000 {
		if err := kept.Commit([]Change{{Tasks, fmt.Append(nil, i), bytes.Repeat([]byte("x"), 400)}}); err != nil {
			t.Fatal(err)
		}
	}

	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}

	file, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // the file of this test
	if err != nil {
		t.Fatal(err)
	}

	if _, err := file.WriteAt(make([]byte, (last-first)*page), first*page); err != nil {
		t.Fatal(err)
	}

	if err := file.Close(); err != nil {
		t.Fatal(err)
	}

	again, aside, err := Open(path, now(), Options{})
	if err != nil {
		t.Fatal(err)
	}

	if err := errors.Join(again.Commit([]Change{{Tasks, []byte("1"), []byte("one")}}), again.Close()); err != nil {
		t.Error(err)
	}

	if _, err := os.Stat(aside); err != nil {
		t.Errorf("the broken file is not at %q: %v", aside, err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "store")
	open1(t, path, Options{})

	if _, aside, err := Open(path, now(), Options{}); err == nil || aside != "" {
		t.Errorf("a store is open twice: %q, %v", aside, err)
	}
}

// How fast alerts become durable, by how many go into one commit.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 10, 100, 1000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			kept := open1(b, filepath.Join(b.TempDir(), "store"), Options{})
			value := bytes.Repeat([]byte("x"), 400)
			changes := make([]Change, size)

			for i := 0; b.Loop(); i++ {
				for j := range changes {
					changes[j] = Change{Alerts, fmt.Appendf(nil, "%d", (i*size+j)*7919%100_000), value}
				}

				if err := kept.Commit(changes); err != nil {
					b.Fatal(err)
				}
			}

			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "alerts/s")
		})
	}
}
