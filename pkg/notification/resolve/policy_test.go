package resolve

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/delivery"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

func policyYAML(name, spec string) string {
	return "{metadata: {name: " + name + "}, spec: {" + spec + "}}"
}

func annWebhook(spec string) string {
	return "{metadata: {name: r, labels: {type: tenant, user: ann, team: a}}, spec: {webhook: {" + spec + "}}}"
}

func TestPolicies(t *testing.T) {
	const (
		hook = `url: "https://hooks.example.com/x"`
		url  = "spec.webhook.url"
	)

	for _, c := range []struct {
		name     string
		receiver string
		policies []string
		want     []string
	}{
		{"channels: allowed", annWebhook(hook), []string{policyYAML("p", "allow: {channels: [webhook, email]}")}, nil},
		{"channels: refused", annWebhook(hook), []string{policyYAML("p", "allow: {channels: [email]}")}, []string{"PolicyDenied spec.webhook (by p)"}},
		{"channels: none at all", annWebhook(hook), []string{policyYAML("p", "allow: {channels: []}")}, []string{"PolicyDenied spec.webhook (by p)"}},
		{"channels: each policy counts", annWebhook(hook), []string{policyYAML("p", "allow: {channels: [webhook]}"), policyYAML("q", "allow: {channels: [email]}")}, []string{"PolicyDenied spec.webhook (by q)"}},
		{"on trial", annWebhook(hook), []string{policyYAML("p", "mode: DryRun, allow: {channels: [email]}")}, []string{"PolicyDenied spec.webhook (would be refused by p) ~"}},
		{"global ones are free", strings.Replace(annWebhook(hook), "type: tenant", "type: global", 1), []string{policyYAML("p", "allow: {channels: [email]}")}, nil},

		{"selector: this tenant", annWebhook(hook), []string{policyYAML("p", "selector: {tenants: [ann]}, allow: {channels: []}")}, []string{"PolicyDenied spec.webhook (by p)"}},
		{"selector: another", annWebhook(hook), []string{policyYAML("p", "selector: {tenants: [bob]}, allow: {channels: []}")}, nil},
		{"selector: these objects", annWebhook(hook), []string{policyYAML("p", "selector: {objects: {matchLabels: {team: a}}}, allow: {channels: []}")}, []string{"PolicyDenied spec.webhook (by p)"}},
		{"selector: others", annWebhook(hook), []string{policyYAML("p", "selector: {objects: {matchLabels: {team: b}}}, allow: {channels: []}")}, nil},

		{"hosts: named", annWebhook(hook), []string{policyYAML("p", "allow: {egress: {hosts: [HOOKS.example.com]}}")}, nil},
		{"hosts: below one named", annWebhook(hook), []string{policyYAML("p", "allow: {egress: {hosts: ['*.example.com']}}")}, nil},
		{"hosts: not the one above", annWebhook(`url: "https://example.com/"`), []string{policyYAML("p", "allow: {egress: {hosts: ['*.example.com']}}")}, []string{"PolicyDenied " + url + " (by p)"}},
		{"hosts: not one that ends alike", annWebhook(`url: "https://notexample.com/"`), []string{policyYAML("p", "allow: {egress: {hosts: ['*.example.com']}}")}, []string{"PolicyDenied " + url + " (by p)"}},
		{"hosts: with a dot at the end", annWebhook(`url: "https://hooks.example.com./"`), []string{policyYAML("p", "allow: {egress: {hosts: [hooks.example.com]}}")}, nil},
		{"hosts: a user is no host", annWebhook(`url: "https://hooks.example.com@evil.example.org/"`), []string{policyYAML("p", "allow: {egress: {hosts: [hooks.example.com]}}")}, []string{"PolicyDenied " + url + " (by p)"}},
		{"hosts: a Service", annWebhook(`service: {namespace: a, name: b}`), []string{policyYAML("p", "allow: {egress: {hosts: [b.c.svc]}}")}, []string{"PolicyDenied spec.webhook.service (by p)"}},
		{"hosts: a proxy", annWebhook(hook + `, httpConfig: {proxyUrl: "http://proxy.example.org"}`), []string{policyYAML("p", "allow: {egress: {hosts: [hooks.example.com]}}")}, []string{"PolicyDenied spec.webhook.httpConfig.proxyUrl (by p)"}},

		{"addresses: metadata", annWebhook(`url: "http://169.254.169.254/"`), nil, []string{"EgressDenied " + url}},
		{"addresses: loopback", annWebhook(`url: "http://[::1]:80/"`), nil, []string{"EgressDenied " + url}},
		{"addresses: private", annWebhook(`url: "http://10.0.0.1/"`), nil, nil},
		{"addresses: private refused", annWebhook(`url: "http://10.0.0.1/"`), []string{policyYAML("p", "allow: {egress: {privateNetworks: Deny}}")}, []string{"EgressDenied " + url}},
		{"addresses: private refused on trial", annWebhook(`url: "http://10.0.0.1/"`), []string{policyYAML("p", "mode: DryRun, allow: {egress: {privateNetworks: Deny}}")}, []string{"PolicyDenied " + url + " (would be refused by p) ~"}},
		{"addresses: denied", annWebhook(`url: "http://203.0.113.7/"`), []string{policyYAML("p", "allow: {egress: {deny: [203.0.113.0/24]}}")}, []string{"EgressDenied " + url}},
		{"addresses: allowed", annWebhook(`url: "http://203.0.113.7/"`), []string{policyYAML("p", "allow: {egress: {allow: [203.0.113.0/24]}}")}, nil},
		{"addresses: not among those allowed", annWebhook(`url: "http://203.0.112.7/"`), []string{policyYAML("p", "allow: {egress: {allow: [203.0.113.0/24]}}")}, []string{"EgressDenied " + url}},
		{"addresses: allowing does not open what is refused always", annWebhook(`url: "http://127.0.0.1/"`), []string{policyYAML("p", "allow: {egress: {allow: [0.0.0.0/0]}}")}, []string{"EgressDenied " + url}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, one := range c.policies {
				w.policy(t, one)
			}

			result := w.resolve(t, c.receiver)
			wantLines(t, "findings", brief(result.Findings), c.want)

			want := "webhook"
			if len(c.want) > 0 && !strings.HasSuffix(c.want[0], "~") {
				want = "webhook broken"
			}

			wantLines(t, "targets", targets(result), []string{want})
		})
	}
}

func TestPolicyOfDefaultConfigs(t *testing.T) {
	const receiver = `{metadata: {name: r, labels: {type: tenant, user: ann}}, spec: {slack: {channels: [ops]}}}`

	w := newWorld(t).config(t, slackConfig("d", "type: default", "")).
		policy(t, policyYAML("p", "allow: {secrets: {defaultConfigs: Deny}}"))
	result := w.resolve(t, receiver)
	wantLines(t, "findings", brief(result.Findings), []string{"PolicyDenied spec.slack (by p)"})
	wantLines(t, "targets", targets(result), []string{"slack/ops broken"})

	w.config(t, slackConfig("t", "type: tenant, user: ann", ""))
	wantLines(t, "with its own", brief(w.resolve(t, receiver).Findings), nil)

	// What a policy says of hosts and values counts for the tenant's own Config, and not for the platform's.
	hosts := policyYAML("p", "allow: {secrets: {values: Deny}, egress: {hosts: [other.example.com]}}")
	w = newWorld(t).config(t, slackConfig("d", "type: default", "")).policy(t, hosts)
	wantLines(t, "with the platform's", brief(w.resolve(t, receiver).Findings), nil)

	w = newWorld(t).config(t, slackConfig("t", "type: tenant, user: ann", "")).policy(t, hosts)
	wantLines(t, "with its own", brief(w.resolve(t, receiver).Findings), []string{
		"Config t PolicyDenied spec.slack.apiURL (by p)", "Config t PolicyDenied spec.slack.slackTokenSecret (by p)",
	})
}

func TestPolicyLimits(t *testing.T) {
	receiver := ofAnn(`slack: {channels: [a, b, c]}, rateLimit: {messages: 50, per: 1m}`)

	w := newWorld(t).config(t, slackConfig("d", "type: default", "")).
		policy(t, policyYAML("p", "limits: {targets: 2, receivers: 5, rate: {messages: 30}, pending: 7}")).
		policy(t, policyYAML("q", "limits: {targets: 3, receivers: 9, rate: {messages: 10, per: 1m}}")).
		policy(t, policyYAML("x", "mode: DryRun, limits: {targets: 1, receivers: 3, rate: {messages: 1}, pending: 1}"))
	platform, _ := w.platform()
	object := read1[receiverObject](t, receiver)

	result := platform.Receiver(object, 4)
	wantLines(t, "findings", brief(result.Findings), []string{
		"PolicyDenied metadata.name (would be refused by x) ~",
		"PolicyDenied spec (by p)", "PolicyDenied spec (would be refused by x) ~",
	})
	wantLines(t, "targets", targets(result), []string{"slack/a", "slack/b", "slack/c broken"})

	if want := (delivery.Rate{Messages: 1, Per: 6 * time.Second}); result.Receiver.Targets[0].Where.Rate != want {
		t.Errorf("the rate is %v, want %v", result.Receiver.Targets[0].Where.Rate, want)
	}

	if result.Receiver.Retry == nil || result.Receiver.Retry.Pending != 7 {
		t.Errorf("limits are %+v, want 7 pending", result.Receiver.Retry)
	}

	wantLines(t, "one too many", targets(platform.Receiver(object, 5)), []string{
		"slack/a broken", "slack/b broken", "slack/c broken",
	})
}

func TestFindingsOfPolicies(t *testing.T) {
	w := newWorld(t).policy(t, policyYAML("p", "selector: {objects: {matchExpressions: [{key: a, operator: Near}]}}, "+
		"limits: {rate: {messages: 0}}, allow: {egress: {deny: [x, 10.0.0.0/8], allow: [y]}, channels: []}"))
	platform, found := w.platform()

	wantLines(t, "findings", brief(found), []string{
		"NotificationPolicy p Invalid spec.allow.egress.allow[0] ~", "NotificationPolicy p Invalid spec.allow.egress.deny[0] ~",
		"NotificationPolicy p Invalid spec.limits.rate.messages ~", "NotificationPolicy p Invalid spec.selector.objects ~",
	})

	// A selector that cannot be read selects everything, and a list of which nothing is left allows nothing.
	result := platform.Receiver(read1[receiverObject](t, annWebhook(`url: "http://203.0.113.7/"`)), 0)
	wantLines(t, "what it refuses", brief(result.Findings), []string{
		"PolicyDenied spec.webhook (by p)", "EgressDenied spec.webhook.url",
	})
}

func TestGuards(t *testing.T) {
	w := newWorld(t)
	w.manager = read1[notificationManagerSpec](t, managerYAML+`
delivery: {egress: {allow: [127.0.0.0/8], deny: [10.1.0.0/16], tenantPrivateNetworks: Deny}}
`)
	platform, _ := w.platform()
	tenant := platform.guard(holder{owner: selector.Owner{Kind: selector.Tenant, Tenant: "ann"}})
	system := platform.guard(holder{})

	for _, c := range []struct {
		address        string
		system, tenant bool
	}{
		{"127.0.0.1", true, false},
		{"10.0.0.1", true, false},
		{"10.1.0.1", false, false},
		{"203.0.113.1", true, true},
		{"169.254.169.254", false, false},
	} {
		address := netip.MustParseAddr(c.address)
		if got := system.Check(address) == nil; got != c.system {
			t.Errorf("the platform may reach %s: %v, want %v", c.address, got, c.system)
		}

		if got := tenant.Check(address) == nil; got != c.tenant {
			t.Errorf("a tenant may reach %s: %v, want %v", c.address, got, c.tenant)
		}
	}
}

func TestGuardOfTheServersOwner(t *testing.T) {
	w := newWorld(t).config(t, slackConfig("d", "type: default", ""))
	w.manager = read1[notificationManagerSpec](t, managerYAML+"delivery: {egress: {tenantPrivateNetworks: Deny}}\n")

	const receiver = `{metadata: {name: r, labels: {type: tenant, user: ann}}, spec: {slack: {channels: [ops]}}}`

	plans, _ := planned(t, w, receiver)
	if !plans["slack/ops"].http.Guard.AllowPrivate {
		t.Error("a tenant does not reach the server that the platform named")
	}

	w.config(t, slackConfig("t", "type: tenant, user: ann", ""))

	plans, _ = planned(t, w, receiver)
	if plans["slack/ops"].http.Guard.AllowPrivate {
		t.Error("a tenant reaches private addresses by a server that it named")
	}
}

func TestOutside(t *testing.T) {
	allowed := []netip.Prefix{
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("198.51.100.7/32"),
		netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::ffff:192.0.2.0/120"),
	}
	denied := outside(allowed)

	if len(denied) > 24+32+24+32 {
		t.Errorf("%d networks are outside of three", len(denied))
	}

	for address, in := range map[string]bool{
		"203.0.113.0": true, "203.0.113.255": true, "203.0.112.255": false, "203.0.114.0": false, "198.51.100.7": true,
		"198.51.100.6": false, "198.51.100.8": false, "0.0.0.0": false, "255.255.255.255": false, "192.0.2.9": true,
		"2001:db8::": true, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": true, "2001:db9::": false, "2001:db7:ffff::": false,
		"::": false,
	} {
		blocked := slices.ContainsFunc(denied, func(one netip.Prefix) bool {
			return one.Contains(netip.MustParseAddr(address))
		})
		if blocked == in {
			t.Errorf("%s is outside: %v", address, blocked)
		}
	}

	everything := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	if got := outside(everything); len(got) != 0 {
		t.Errorf("outside of everything is %v", got)
	}
}

// Those who try an object of which nobody knows that it is the platform's reach what tenants do; the others' stay.
func TestGuardOfTheDoubted(t *testing.T) {
	w := newWorld(t)
	w.manager = read1[notificationManagerSpec](t, managerYAML+"delivery: {egress: {allow: [127.0.0.0/8]}}\n")
	w.config(t, `{metadata: {name: d, labels: {type: default}},
spec: {slack: {apiURL: "http://127.0.0.1/", slackTokenSecret: {value: mine}}}}`)

	platform, _ := w.platform()
	object := read1[receiverObject](t, global(`webhook: {url: "http://127.0.0.1/"}, slack: {channels: [ops]}`))

	for name, test := range map[string]struct {
		doubted []Reference
		want    []string
	}{
		"nothing":          {nil, []string{"slack/ops", "webhook"}},
		"the Receiver":     {[]Reference{{Kind: KindReceiver, Name: "r"}}, []string{"slack/ops", "webhook broken"}},
		"the Config":       {[]Reference{{Kind: KindConfig, Name: "d"}}, []string{"slack/ops broken", "webhook"}},
		"another Receiver": {[]Reference{{Kind: KindReceiver, Name: "d"}}, []string{"slack/ops", "webhook"}},
	} {
		trial, _ := platform.Trial(test.doubted...).WithConfigs(w.configs)
		got := targets(trial.Receiver(object, 0))
		slices.Sort(got)
		wantLines(t, name, got, test.want)
	}

	got := targets(platform.Receiver(object, 0))
	slices.Sort(got)
	wantLines(t, "the platform itself", got, []string{"slack/ops", "webhook"})
}
