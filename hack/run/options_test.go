package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseOptions(t *testing.T) {
	t.Chdir(checkout(t))

	environment := map[string]string{"ONCE": "1", "RUN_ETCD_PORT": "22379", "RUN_API_SERVER_PORT": "26443"}
	getenv := func(name string) string { return environment[name] }

	o, err := parseOptions([]string{"--etcd-port=32379", "--timeout=5s"}, getenv, io.Discard)
	if err != nil {
		t.Fatalf("parsing: %v", err)
	}

	if !o.once || o.timeout != 5*time.Second {
		t.Errorf("once %t, timeout %s; want true and 5s", o.once, o.timeout)
	}

	for flag, want := range map[string]int{
		apiServerPort: 26443, // from the environment
		etcdPort:      32379, // a flag counts more
		healthPort:    18081, // the default
	} {
		if got := o.portOf(flag); got != want {
			t.Errorf("--%s is %d, want %d", flag, got, want)
		}
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	t.Chdir(checkout(t))

	for _, test := range []struct {
		name        string
		args        []string
		environment map[string]string
		want        string
	}{
		{name: "an argument", args: []string{"now"}, want: `unexpected argument "now"`},
		{name: "a flag it does not have", args: []string{"--twice"}, want: "-twice"},
		{name: "no manager", args: []string{"--manager=missing"}, want: "run `make build`"},
		{name: "no configuration", args: []string{"--config=missing"}, want: "top folder of the checkout"},
		{
			name: "a port that is none", environment: map[string]string{"RUN_ETCD_PORT": "70000"},
			want: `RUN_ETCD_PORT="70000" is not a port`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			getenv := func(name string) string { return test.environment[name] }

			_, err := parseOptions(test.args, getenv, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// checkout is a folder with what a run needs to find.
func checkout(t *testing.T) string {
	t.Helper()

	dir := t.TempDir()
	for _, folder := range []string{"bin", "config/run", "config/samples"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}

	if err := os.WriteFile(filepath.Join(dir, "bin", managerName), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	return dir
}
