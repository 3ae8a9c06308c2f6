package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/test/scale/audit"
)

const account = "system:serviceaccount:a:manager"

// line is a line of an audit log, with what Log does not use left out.
func line(stage, verb, uri, subresource, user, code string) string {
	return `{"kind":"Event","stage":"` + stage + `","verb":"` + verb + `","requestURI":"` + uri +
		`","user":{"username":"` + user + `"},"responseStatus":{"code":` + code +
		`},"objectRef":{"resource":"roles","subresource":"` + subresource + `","apiGroup":"rbac","apiVersion":"v1"},` +
		`"requestReceivedTimestamp":"2026-11-01T10:00:00.000001Z","stageTimestamp":"2026-11-01T10:00:01.000002Z"}` +
		"\n"
}

func TestLog(t *testing.T) {
	dir := t.TempDir()

	log, flags, err := audit.Prepare(dir, account)
	if err != nil {
		t.Fatal(err)
	}

	if empty, err := log.Between(0, 10); err != nil || len(empty) > 0 {
		t.Errorf("before the first call: %v, %v", empty, err)
	}

	write(t, flags["audit-log-path"],
		line("ResponseComplete", "create", "/before", "", account, "201"))

	from, err := log.End()
	if err != nil {
		t.Fatal(err)
	}

	write(t, flags["audit-log-path"],
		line("ResponseComplete", "list", "/roles?limit=500&resourceVersion=0", "", account, "200"),
		line("ResponseComplete", "list", "/roles?limit=500&continue=abc", "", account, "200"),
		line("ResponseStarted", "watch", "/roles?watch=true", "", account, "200"),
		line("ResponseComplete", "watch", "/roles?watch=true", "", account, "200"),
		line("ResponseComplete", "patch", "/roles/a/status", "status", account, "409"),
		line("ResponseComplete", "patch", "/roles/a/status", "status", account, "200"),
		line("ResponseComplete", "get", "/roles/a", "", account, "200"),
		line("ResponseComplete", "list", "/roles?resourceVersion=7", "", account, "200"),
		line("ResponseComplete", "create", "/secrets", "", "somebody", "201"),
		`{"half":"a li`)

	to, err := log.End()
	if err != nil {
		t.Fatal(err)
	}

	calls, err := log.Between(from, to)
	if err != nil {
		t.Fatal(err)
	}

	calls = calls.By(account)
	want := []audit.Row{
		{Verb: "list", Resource: "roles.rbac", Count: 3},
		{Verb: "patch", Resource: "roles.rbac/status", Count: 2, Failed: 1},
		{Verb: "get", Resource: "roles.rbac", Count: 1},
		{Verb: "watch", Resource: "roles.rbac", Count: 1},
	}

	if diff := cmp.Diff(want, calls.Table()); diff != "" {
		t.Errorf("all calls (-want +got):\n%s", diff)
	}

	if got := len(calls.Writes()); got != 2 {
		t.Errorf("%d writes, want 2", got)
	}

	// The list that repeats the first one, and the one of a single object.
	if got := calls.OutsideCaches().Table(); len(got) != 2 || got[0].Verb != "get" || got[1].Verb != "list" {
		t.Errorf("reads outside of caches: %v", got)
	}

	if got := calls.Last(); !got.Equal(time.Date(2026, 11, 1, 10, 0, 1, 2000, time.UTC)) {
		t.Errorf("the last was answered at %s", got)
	}
}

func TestAwaitQuiet(t *testing.T) {
	log, flags, err := audit.Prepare(t.TempDir(), account)
	if err != nil {
		t.Fatal(err)
	}

	write(t, flags["audit-log-path"], "something")

	if err := log.AwaitQuiet(t.Context(), time.Millisecond, time.Minute); err != nil {
		t.Error(err)
	}

	if err := log.AwaitQuiet(t.Context(), time.Minute, time.Millisecond); err == nil {
		t.Error("a minute has passed within a millisecond")
	}
}

func write(t *testing.T, path string, lines ...string) {
	t.Helper()

	file, err := os.OpenFile(filepath.Clean(path), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	if _, err := file.WriteString(strings.Join(lines, "")); err != nil {
		t.Fatal(err)
	}
}
