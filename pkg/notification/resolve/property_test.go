package resolve

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// marker is in every secret of the properties.
const marker = "M4RK3R"

// seeded draws the same in every run.
func seeded(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // draws cases, to be drawn again
}

// spoil changes some of the fields of a value, at random: nothing in them, or what nobody expects.
func spoil(random *rand.Rand, of reflect.Value, share float64) {
	if !of.CanSet() {
		return
	}

	if random.Float64() < share {
		spoilOne(random, of)

		return
	}

	switch of.Kind() {
	case reflect.Pointer:
		if !of.IsNil() {
			spoil(random, of.Elem(), share)
		}
	case reflect.Struct:
		for _, field := range of.Fields() {
			spoil(random, field, share)
		}
	case reflect.Slice:
		for i := range of.Len() {
			spoil(random, of.Index(i), share)
		}
	default:
	}
}

func spoilOne(random *rand.Rand, of reflect.Value) {
	switch of.Kind() {
	case reflect.String:
		of.SetString(oddText(random))
	case reflect.Int32, reflect.Int64:
		of.SetInt(oddNumber(random))
	case reflect.Bool:
		of.SetBool(random.IntN(2) == 0)
	case reflect.Pointer, reflect.Map:
		of.SetZero()
	case reflect.Slice:
		if random.IntN(2) == 0 || of.Len() == 0 {
			of.SetZero()
		} else {
			of.Set(of.Slice(0, random.IntN(of.Len())))
		}
	default:
	}
}

func oddNumber(random *rand.Rand) int64 {
	numbers := []int64{0, -1, 1, 1 << 30, -1 << 31, 465}

	return numbers[random.IntN(len(numbers))]
}

func oddText(random *rand.Rand) string {
	texts := []string{
		"", " ", "\x00", "\xff\xfe", "https://169.254.169.254/" + marker, "http://[::1", "://", "24:00", "{{", "Deny", "DryRun",
		"nm.default.text", "-1h", "text", "a\r\nb@example.com", strings.Repeat("x", 2000), "user", "ann", "10.0.0.0/8", "*.x",
		"credentials", marker,
	}

	return texts[random.IntN(len(texts))]
}

// invent fills a value with anything.
func invent(random *rand.Rand, of reflect.Value) {
	const most = 4

	switch of.Kind() {
	case reflect.Pointer:
		if random.IntN(most) > 0 {
			of.Set(reflect.New(of.Type().Elem()))
			invent(random, of.Elem())
		}
	case reflect.Struct:
		for _, field := range of.Fields() {
			invent(random, field)
		}
	case reflect.Slice:
		of.Set(reflect.MakeSlice(of.Type(), random.IntN(most), most))

		for i := range of.Len() {
			invent(random, of.Index(i))
		}
	case reflect.Map:
		of.Set(reflect.MakeMap(of.Type()))

		for range random.IntN(most) {
			of.SetMapIndex(reflect.ValueOf(oddText(random)), reflect.ValueOf(oddText(random)))
		}
	default:
		spoilOne(random, of)
	}
}

// randomWorld is a world with everything in it, spoiled.
func randomWorld(t *testing.T, random *rand.Rand, share float64) (*world, *notificationv2beta2.Receiver) {
	t.Helper()

	w := newWorld(t)
	w.manager = read1[notificationManagerSpec](t, managerYAML+fullOptions+`
template: {timeZone: Asia/Shanghai}
delivery:
  retry: {maxAge: 2h}
  tenantSecretPolicy: Warn
  egress: {allow: [127.0.0.0/8], deny: [10.1.0.0/16], tenantPrivateNetworks: Deny}
`)

	for _, labels := range []string{
		"type: default", "type: tenant, user: ann", "type: tenant, user: ann, priority: '3'",
	} {
		text := strings.Replace(fullConfig, "type: default", labels, 1)
		w.config(t, strings.Replace(marked(text), "name: defaults", fmt.Sprintf("name: c%d", len(w.configs)), 1))
	}

	for _, mode := range []string{"Enforce", "DryRun"} {
		w.policy(t, policyYAML(strings.ToLower(mode), "mode: "+mode+`,
selector: {tenants: [ann], objects: {matchLabels: {type: tenant}}},
limits: {receivers: 3, targets: 9, rate: {messages: 7, per: 1m}, pending: 5},
allow: {channels: [slack, email, webhook, dingtalk, discord],
egress: {allow: [0.0.0.0/1], deny: [8.0.0.0/8], hosts: ['*.example.com'], privateNetworks: Deny},
secrets: {namespaces: [credentials, other], values: Allow, defaultConfigs: Deny}}`))
	}

	for _, name := range []string{"credentials/webhook", "credentials/mail", "other/slack"} {
		namespace, short, _ := strings.Cut(name, "/")
		w.secret(namespace, short, "ann", marker+" of "+name)
	}

	w.configMaps["credentials/words"] = Object[string]{
		Labels: map[string]string{"user": "ann"},
		Data: map[string]string{
			"a": `{{ define "nm.default.text" }}{{ .Status }}{{ end }}`, "b": `{{ define "x" }`,
		},
	}

	labels := []string{"type: global", "type: tenant, user: ann", "type: tenant, user: bob", "type: none"}
	receiver := read1[notificationv2beta2.Receiver](t,
		strings.Replace(marked(fullReceiver), "type: global", labels[random.IntN(len(labels))], 1))
	receiver.Spec.Slack.TmplText = &notificationv2beta2.ConfigmapKeySelector{Name: "words"}
	receiver.Spec.Sms = &notificationv2beta2.SmsReceiver{PhoneNumbers: []string{"1"}}
	receiver.Spec.TimeIntervals = read1[notificationv2beta2.ReceiverSpec](t,
		"timeIntervals: [{weekdays: [Monday], daysOfMonth: [1], months: [2], from: '01:00', to: '00:30', timeZone: UTC}]").TimeIntervals

	for _, one := range w.configs {
		spoil(random, reflect.ValueOf(&one.Spec).Elem(), share)
	}

	for _, one := range w.policies {
		spoil(random, reflect.ValueOf(&one.Spec).Elem(), share)
	}

	spoil(random, reflect.ValueOf(&receiver.Spec).Elem(), share)
	spoil(random, reflect.ValueOf(&w.manager.Receivers).Elem(), share/2)
	spoil(random, reflect.ValueOf(w.manager.Delivery).Elem(), share/2)

	return w, receiver
}

// marked puts a marker into each credential that stands in an object.
func marked(text string) string {
	text = strings.ReplaceAll(text, "{value: pem}", "{value: "+marker+"}")

	for one := range strings.FieldsSeq("d1 d2 w1 w2 c1 f1 f2 e1 t1 k1 k2 m2 x1 i1 i2 1:t") {
		for _, end := range []string{`"`, "}"} {
			text = strings.ReplaceAll(text, one+end, one+marker+end)
		}
	}

	return text
}

// shown is everything of a Result that anybody may see.
func shown(t *testing.T, result *Result) string {
	t.Helper()

	var text strings.Builder

	for _, one := range []any{result.Findings, result.References, result.Channels} {
		encoded, err := json.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}

		fmt.Fprintf(&text, "%s\n%v\n%+v\n%#v\n", encoded, one, one, one)
	}

	for i := range result.Receiver.Targets {
		one := &result.Receiver.Targets[i]
		fmt.Fprintf(&text, "%s %v %+v %v %v %+v\n", one.Key, one.Where, one.Broken, one.Channel, one.Channel, *one)
	}

	return text.String()
}

func TestNothingPanicsAndNothingIsShown(t *testing.T) {
	const rounds = 500

	random := seeded(11)
	working, broken := 0, 0

	for round := range rounds {
		share := []float64{0, 0.005, 0.02, 0.1, 0.4}[round%5]
		w, receiver := randomWorld(t, random, share)
		spoiledByMarker := strings.Contains(asJSON(t, withoutCredentials(receiver, w)), marker)

		platform, found := w.platform()
		result := platform.Receiver(receiver, random.IntN(6))
		history := platform.History()

		text := shown(t, &result) + shown(t, &history) + fmt.Sprintf("%+v", found)
		if at := strings.Index(text, marker); at >= 0 && !spoiledByMarker {
			t.Fatalf("round %d shows a secret: ...%s...", round, text[max(0, at-300):min(len(text), at+100)])
		}

		for i := range result.Receiver.Targets {
			one := &result.Receiver.Targets[i]
			if (one.Channel == nil) == (one.Broken == nil) {
				t.Fatalf("round %d: %s neither works nor is broken: %v", round, one.Key, one.Broken)
			}

			if one.Channel != nil {
				working++
			} else {
				broken++
			}
		}

		keysDiffer(t, &result)
		everyChannelHasTargets(t, receiver, &result)

		if result.Receiver.Open != nil {
			result.Receiver.Open(instant(t, "2026-01-05T12:30:00Z"))
		}
	}

	if working < rounds || broken < rounds {
		t.Errorf("%d targets work and %d are broken: that says little", working, broken)
	}
}

func asJSON(t *testing.T, of any) string {
	t.Helper()

	encoded, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}

	return string(encoded)
}

// withoutCredentials is all that may be shown of the objects.
func withoutCredentials(receiver *notificationv2beta2.Receiver, w *world) any {
	bare := receiver.DeepCopy()
	blank(reflect.ValueOf(&bare.Spec).Elem())

	if bare.Spec.Webhook != nil {
		bare.Spec.Webhook.URL = nil
	}

	all := []any{bare.Spec, w.manager.Receivers, w.manager.Delivery}

	for _, one := range w.configs {
		spec := one.DeepCopy().Spec
		blank(reflect.ValueOf(&spec).Elem())

		all = append(all, spec)
	}

	for _, one := range w.policies {
		all = append(all, one.Spec)
	}

	return all
}

// blank takes the values out of all credentials.
func blank(of reflect.Value) {
	if credential, ok := reflect.TypeAssert[*notificationv2beta2.Credential](of.Addr()); ok {
		credential.Value = ""

		return
	}

	switch of.Kind() {
	case reflect.Pointer:
		if !of.IsNil() {
			blank(of.Elem())
		}
	case reflect.Struct:
		for _, field := range of.Fields() {
			blank(field)
		}
	default:
	}
}

func keysDiffer(t *testing.T, result *Result) {
	t.Helper()

	seen := map[string]bool{}

	for i := range result.Receiver.Targets {
		key := result.Receiver.Targets[i].Key
		if seen[key] {
			t.Fatalf("two targets are called %q", key)
		}

		seen[key] = true
	}
}

// everyChannelHasTargets checks that what is for a channel has somewhere to wait, whatever is wrong with it.
func everyChannelHasTargets(t *testing.T, receiver *notificationv2beta2.Receiver, result *Result) {
	t.Helper()

	if result.Receiver.Route.Owner.Kind == selector.Ignored {
		return
	}

	for _, one := range result.Receiver.Route.Channels {
		common, _ := partsOf(&receiver.Spec, channel.Type(one.Type))
		if common.Enabled != nil && !*common.Enabled {
			continue
		}

		found := false

		for i := range result.Receiver.Targets {
			found = found || string(result.Receiver.Targets[i].Type) == one.Type
		}

		if !found {
			t.Fatalf("%s has no target", one.Type)
		}
	}
}

// TestOrderDoesNotMatter shuffles the Configs and the policies.
func TestOrderDoesNotMatter(t *testing.T) {
	random := seeded(12)

	for range 100 {
		w, receiver := randomWorld(t, random, 0.01)

		before, found := w.platform()
		want := before.Receiver(receiver, 1)

		random.Shuffle(len(w.configs), func(i, j int) { w.configs[i], w.configs[j] = w.configs[j], w.configs[i] })
		random.Shuffle(len(w.policies), func(i, j int) { w.policies[i], w.policies[j] = w.policies[j], w.policies[i] })

		after, foundAfter := w.platform()
		got := after.Receiver(receiver, 1)

		if diff := cmp.Diff(found, foundAfter); diff != "" {
			t.Fatalf("findings of the platform:\n%s", diff)
		}

		want.Receiver, got.Receiver = withoutChannels(want), withoutChannels(got)
		if diff := cmp.Diff(want, got, comparing(), cmpopts.IgnoreTypes(&routing.Receiver{}),
			cmpopts.IgnoreFields(*want.Receiver, "Open")); diff != "" {
			t.Fatalf("the result depends on the order:\n%s", diff)
		}
	}
}

func withoutChannels(of Result) *receiverTargets {
	made := *of.Receiver
	for i := range made.Targets {
		made.Targets[i].Channel = nil
	}

	return &made
}

// TestRandomObjects resolves objects in which nothing has to fit.
func TestRandomObjects(t *testing.T) {
	random := seeded(13)
	told := 0

	for range 1000 {
		w := newWorld(t)
		receiver, config := &notificationv2beta2.Receiver{}, &notificationv2beta2.Config{}
		policy := &notificationv2beta2.NotificationPolicy{}
		w.manager.Receivers.Options = &notificationv2beta2.Options{}
		w.manager.Delivery = &notificationv2beta2.Delivery{
			Retry: &notificationv2beta2.RetryPolicy{}, Egress: &notificationv2beta2.Egress{},
		}

		for _, one := range []any{
			&receiver.Spec, &config.Spec, &policy.Spec, w.manager.Receivers.Options,
			w.manager.Delivery.Retry, w.manager.Delivery.Egress,
		} {
			invent(random, reflect.ValueOf(one).Elem())
		}

		receiver.Labels = map[string]string{"type": "tenant", "user": "ann"}
		if random.IntN(2) == 0 {
			receiver.Labels = map[string]string{"type": "global"}
		}

		config.Labels = map[string]string{"type": "default", "priority": oddText(random)}
		w.configs = []*notificationv2beta2.Config{config, nil}
		w.policies = []*notificationv2beta2.NotificationPolicy{policy, nil}

		platform, _ := w.platform()
		result := platform.Receiver(receiver, 0)
		everyChannelHasTargets(t, receiver, &result)
		keysDiffer(t, &result)

		told += len(result.Receiver.Targets)
	}

	if told == 0 {
		t.Error("nobody is told of anything")
	}
}

// TestEmptyPlatform is about a process that knows nothing yet.
func TestEmptyPlatform(t *testing.T) {
	platform, found := New(Input{})
	wantLines(t, "findings", brief(found), nil)

	receiver := read1[notificationv2beta2.Receiver](t, fullReceiver)
	if got := platform.Receiver(receiver, 0); len(got.Receiver.Targets) != 0 {
		t.Errorf("somebody is told: %v", targets(got))
	}
}

func TestTemplatesAreKept(t *testing.T) {
	kept := newTemplates()
	set, _ := message.Compile(nil, message.Options{})
	key := templateKey{reference: "nm.subject", fallback: message.Text}

	first := kept.get(set, key).made
	if kept.get(set, key).made != first {
		t.Error("a template is made twice")
	}

	for i := range 3000 {
		kept.get(set, templateKey{reference: fmt.Sprintf("t%d", i), fallback: message.Text})
	}

	if len(kept.known) > 1024 {
		t.Errorf("%d templates are kept", len(kept.known))
	}
}

func BenchmarkReceiver(b *testing.B) {
	t := new(testing.T)
	w := newWorld(t).config(t, fullConfig).secret("credentials", "mail", "", "m1").secret("other", "slack", "", "s1")
	w.configs[0].Spec.Email.TLS = nil
	platform, _ := w.platform()
	receiver := read1[notificationv2beta2.Receiver](t, `
metadata: {name: r, labels: {type: tenant, user: ann}}
spec: {email: {to: [a@example.com]}, slack: {channels: [ops]}, dingtalk: {conversation: {chatids: [a]}}}
`)

	b.ReportAllocs()

	for b.Loop() {
		if got := platform.Receiver(receiver, 0); len(got.Findings) != 0 {
			b.Fatal(got.Findings)
		}
	}
}
