package resolve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/channeltest"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/dingtalk"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/discord"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/feishu"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/slack"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/teams"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/token"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// notificationManagerSpec is short for what tests read often.
type notificationManagerSpec = notificationv2beta2.NotificationManagerSpec

// The same.
type (
	receiverTargets  = target.Receiver
	receiverObject   = notificationv2beta2.Receiver
	dingTalkSettings = dingtalk.RobotSettings
	discordSettings  = discord.Settings
	feishuSettings   = feishu.RobotSettings
	slackSettings    = slack.Settings
	teamsSettings    = teams.Settings
)

// samePrefix compares networks, whose fields nobody sees.
func samePrefix(a, b netip.Prefix) bool { return a == b }

// world is what there is in a test.
type world struct {
	manager    *notificationv2beta2.NotificationManagerSpec
	configs    []*notificationv2beta2.Config
	policies   []*notificationv2beta2.NotificationPolicy
	secrets    map[string]Object[secret.String]
	configMaps map[string]Object[string]
	templates  *message.Set
	// failing are lookups that fail, by namespace and name.
	failing map[string]error
	// lookups are what was looked up, in order.
	lookups []string
}

const managerYAML = `
defaultSecretNamespace: credentials
defaultConfigSelector: {matchLabels: {type: default}}
receivers:
  tenantKey: user
  globalReceiverSelector: {matchLabels: {type: global}}
  tenantReceiverSelector: {matchLabels: {type: tenant}}
`

func newWorld(t *testing.T) *world {
	t.Helper()

	return &world{
		manager:    read1[notificationv2beta2.NotificationManagerSpec](t, managerYAML),
		secrets:    map[string]Object[secret.String]{},
		configMaps: map[string]Object[string]{},
		failing:    map[string]error{},
	}
}

// read1 reads an object.
func read1[T any](t *testing.T, text string) *T {
	t.Helper()

	made := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), made); err != nil {
		t.Fatalf("reading:\n%s\n%v", text, err)
	}

	return made
}

func (w *world) config(t *testing.T, text string) *world {
	t.Helper()

	w.configs = append(w.configs, read1[notificationv2beta2.Config](t, text))

	return w
}

func (w *world) policy(t *testing.T, text string) *world {
	t.Helper()

	w.policies = append(w.policies, read1[notificationv2beta2.NotificationPolicy](t, text))

	return w
}

// secret puts a Secret with one key, token, into the world; tenant is whose it is, or nobody's.
func (w *world) secret(namespace, name, tenant, text string) *world {
	made := Object[secret.String]{Data: map[string]secret.String{"token": secret.New(text)}}
	if tenant != "" {
		made.Labels = map[string]string{"user": tenant}
	}

	w.secrets[namespace+"/"+name] = made

	return w
}

func (w *world) sources() Sources {
	return Sources{
		Secret: func(namespace, name string) (Object[secret.String], error) {
			return lookIn(w, w.secrets, namespace+"/"+name)
		},
		ConfigMap: func(namespace, name string) (Object[string], error) {
			return lookIn(w, w.configMaps, namespace+"/"+name)
		},
	}
}

func lookIn[V any](w *world, in map[string]Object[V], key string) (Object[V], error) {
	w.lookups = append(w.lookups, key)

	if err := w.failing[key]; err != nil {
		return Object[V]{}, err
	}

	found, ok := in[key]
	if !ok {
		return Object[V]{}, fmt.Errorf("looking for %s: %w", key, ErrNotFound)
	}

	return found, nil
}

func (w *world) platform() (*Platform, []Finding) {
	clock := channeltest.NewClock()

	return New(Input{
		Manager: w.manager, Namespace: "monitoring", Configs: w.configs, Policies: w.policies, Templates: w.templates,
		Sources: w.sources(), Stack: egress.New(egress.Options{}), Tokens: token.New(clock.Now), Clock: clock.Now,
		Random: strings.NewReader(strings.Repeat("r", 1<<10)),
	})
}

// resolve resolves a Receiver, in a world where nothing else is wrong.
func (w *world) resolve(t *testing.T, text string) Result {
	t.Helper()

	platform, problems := w.platform()
	if len(problems) > 0 {
		t.Fatalf("the platform: %v", problems)
	}

	return platform.Receiver(read1[notificationv2beta2.Receiver](t, text), 0)
}

// global is a Receiver of the platform, and ofAnn one of a tenant.
func global(spec string) string {
	return "{metadata: {name: r, labels: {type: global}}, spec: {" + spec + "}}"
}

func ofAnn(spec string) string {
	return "{metadata: {name: r, labels: {type: tenant, user: ann}}, spec: {" + spec + "}}"
}

// brief is what tests say of findings: one line each.
func brief(found []Finding) []string {
	lines := make([]string, 0, len(found))

	for _, one := range found {
		line := string(one.Reason) + " " + one.Field

		if one.Kind != KindReceiver {
			line = strings.TrimSpace(one.Kind+" "+one.Name) + " " + line
		}

		switch {
		case one.DryRun:
			line += " (would be refused by " + one.Policy + ")"
		case one.Policy != "":
			line += " (by " + one.Policy + ")"
		}

		if !one.Breaks {
			line += " ~"
		}

		lines = append(lines, line)
	}

	return lines
}

// targets are keys of targets, and whether they work.
func targets(result Result) []string {
	lines := make([]string, 0, len(result.Receiver.Targets))

	for i := range result.Receiver.Targets {
		one := &result.Receiver.Targets[i]

		switch {
		case one.Broken != nil && one.Channel == nil:
			lines = append(lines, one.Key+" broken")
		case one.Broken == nil && one.Channel != nil:
			lines = append(lines, one.Key)
		default:
			lines = append(lines, one.Key+" neither works nor is broken")
		}
	}

	return lines
}

func wantLines(t *testing.T, what string, got, want []string) {
	t.Helper()

	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// planned are the plans of a Receiver by their key, with the settings of their channels.
func planned(t *testing.T, w *world, text string) (map[string]plan, []Finding) {
	t.Helper()

	platform, problems := w.platform()
	if len(problems) > 0 {
		t.Fatalf("the platform: %v", problems)
	}

	object := read1[notificationv2beta2.Receiver](t, text)
	result := platform.Receiver(object, 0)
	self := holder{kind: KindReceiver, name: object.Name, owner: result.Receiver.Route.Owner, root: "spec"}
	self.policies = platform.policiesFor(self.owner, object.Labels)

	found := map[string]plan{}

	for i := range result.Receiver.Route.Channels {
		kind := channel.Type(result.Receiver.Route.Channels[i].Type)
		_, parts := partsOf(&object.Spec, kind)

		for _, part := range parts {
			b := &builder{
				platform: platform, self: self, uid: string(object.UID), of: kind,
				looked: newLookups(platform.in.Sources),
			}

			for _, one := range part(b) {
				found[one.key] = one
			}
		}
	}

	return found, result.Findings
}

// comparing compares settings: secrets by what they hold, templates by their names, functions not at all.
func comparing() cmp.Options {
	return cmp.Options{
		cmp.Comparer(func(a, b secret.String) bool { return a.Reveal() == b.Reveal() }),
		cmp.Transformer("template", func(of *message.Template) string {
			if of == nil {
				return "none"
			}

			return of.Name()
		}),
		cmp.Comparer(func(a, b func(context.Context, string, string) (net.Conn, error)) bool {
			return (a == nil) == (b == nil)
		}),
		cmp.Comparer(func(a, b func() time.Time) bool { return (a == nil) == (b == nil) }),
		cmpopts.EquateEmpty(),
	}
}

// named is a template by its name, to compare with.
func named(t *testing.T, reference string) *message.Template {
	t.Helper()

	set, _ := message.Compile(nil, message.Options{})

	made, err := set.Text(reference, message.Text)
	if err != nil {
		t.Fatal(err)
	}

	return made
}

// templateName is the name of a template, whatever it is held as.
func templateName(of channel.Renderer) string {
	made, ok := of.(*message.Template)
	if !ok {
		return "none"
	}

	return made.Name()
}
