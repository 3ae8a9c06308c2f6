package alertmanagerconfig_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/alertmanagerconfig"
)

var update = flag.Bool("update", false, "write the golden files") //nolint:gochecknoglobals // a flag of the test

const endpoint = "http://notification-manager-svc.kubesphere-monitoring-system.svc:19093/api/v2/alerts"

func TestGolden(t *testing.T) {
	tests := map[string]alertmanagerconfig.Options{
		"plain": {Endpoint: endpoint},
		"watchdog": {
			Endpoint: endpoint, Watchdog: true, TokenFile: "/etc/alertmanager/secrets/notification-auth/token",
		},
	}

	for name, options := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := alertmanagerconfig.Render(alertmanagerconfig.Of(options))
			if err != nil {
				t.Fatal(err)
			}

			golden := "testdata/" + name + ".yaml"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}

			want, err := os.ReadFile(golden) //nolint:gosec // a file of the test
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatAlertmanagerWouldRefuse(t *testing.T) {
	type config = alertmanagerconfig.Config

	tests := map[string]struct {
		change func(*config)
		want   string
	}{
		"no receiver": {
			func(c *config) { c.Route.Routes[0].Receiver = "who" },
			`route.routes[0].receiver: there is no receiver "who"`,
		},
		"a receiver twice": {
			func(c *config) { c.Receivers[1].Name = "Default" },
			"receivers[1].name",
		},
		"no URL": {
			func(c *config) { c.Receivers[5].Webhooks[0].URL = "localhost" },
			"receivers[5].webhook_configs[0].url",
		},
		"no time": {
			func(c *config) { c.Route.GroupWait = "soon" },
			"route.group_wait",
		},
		"no time of all": {
			func(c *config) { c.Global.ResolveTimeout = "" },
			"global.resolve_timeout",
		},
		"no matcher": {
			func(c *config) { c.Route.Routes[1].Matchers = []string{"a"} },
			"route.routes[1].matchers[0]",
		},
		"no pattern": {
			func(c *config) { c.InhibitRules[0].TargetMatchers = []string{`a=~"("`} },
			"inhibit_rules[0].target_matchers[0]",
		},
		"a label twice": {
			func(c *config) { c.Route.GroupBy = []string{"a", "a"} },
			"route.group_by",
		},
		"a first that chooses": {
			func(c *config) { c.Route.Matchers = []string{`a="b"`} },
			"route.matchers",
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			made := alertmanagerconfig.Of(alertmanagerconfig.Options{Endpoint: endpoint})
			test.change(&made)

			if text, err := alertmanagerconfig.Render(made); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, and %q", err, text)
			}
		})
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	if err := alertmanagerconfig.Validate([]byte("rout: {}")); err == nil {
		t.Error("no error")
	}
}
