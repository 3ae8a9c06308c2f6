package follow_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	kuberuntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubetesting "k8s.io/client-go/testing"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/doubles"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/observe"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/email"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/token"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
	"github.com/ks-core/ks-controller-manager/pkg/notification/inhibition"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// told is an engine that keeps what it is told.
type told struct {
	mutex     sync.Mutex
	begun     bool
	lines     []string
	settings  engine.Settings
	receivers map[string]*target.Receiver
}

func newTold() *told {
	return &told{receivers: map[string]*target.Receiver{}}
}

func (e *told) Open( //nolint:ireturn // as the follower wants it
	*notificationv2beta2.NotificationManager,
) (follow.Engine, error) {
	return e, nil
}

func (e *told) Begin() {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	e.begun = true
}

// works tells whether it was told to begin.
func (e *told) works() bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	return e.begun
}

// note keeps a line.
func (e *told) note(ctx context.Context, line string) error {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	e.lines = append(e.lines, line)

	return ctx.Err()
}

func (e *told) Configure(ctx context.Context, settings engine.Settings) error {
	err := e.note(ctx, "settings")

	e.mutex.Lock()
	defer e.mutex.Unlock()

	e.settings = settings

	return err
}

func (e *told) PutReceiver(ctx context.Context, one *target.Receiver) error {
	err := e.note(ctx, "+receiver "+one.Route.Name)

	e.mutex.Lock()
	defer e.mutex.Unlock()

	e.receivers[one.Route.Name] = one

	return err
}

func (e *told) DeleteReceiver(ctx context.Context, name string) error {
	return e.note(ctx, "-receiver "+name)
}

func (e *told) PutHistory(ctx context.Context, targets []target.Target) error {
	return e.note(ctx, fmt.Sprint("history ", len(targets)))
}

func (e *told) PutRouter(ctx context.Context, one *routing.Router) error {
	return e.note(ctx, "+router "+one.Name)
}

func (e *told) DeleteRouter(ctx context.Context, name string) error {
	return e.note(ctx, "-router "+name)
}

func (e *told) PutSilence(ctx context.Context, one *silence.Silence) error {
	return e.note(ctx, "+silence "+one.Name())
}

func (e *told) DeleteSilence(ctx context.Context, name string) error {
	return e.note(ctx, "-silence "+name)
}

func (e *told) PutInhibitRule(ctx context.Context, one *inhibition.Rule) error {
	return e.note(ctx, "+rule "+one.Name())
}

func (e *told) DeleteInhibitRule(ctx context.Context, name string) error {
	return e.note(ctx, "-rule "+name)
}

// take gives what it was told since the last call, sorted.
func (e *told) take() []string {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	taken := slices.Sorted(slices.Values(e.lines))
	e.lines = nil

	return taken
}

// broken says what is wrong with the first target of a receiver.
func (e *told) broken(name string) string {
	e.mutex.Lock()
	defer e.mutex.Unlock()

	one := e.receivers[name]
	if one == nil || len(one.Targets) == 0 {
		return "no target"
	}

	if one.Targets[0].Broken == nil {
		return ""
	}

	return one.Targets[0].Broken.Error()
}

// following is a follower that works, and what it tells.
type following struct {
	*follow.Follower

	world  *doubles.World
	engine *told
}

// start has a follower work until the test ends.
func start(t *testing.T, world *doubles.World, change func(*follow.Options)) *following {
	t.Helper()

	made := &following{world: world, engine: newTold()}
	options := follow.Options{
		Namespace: doubles.Namespace, Listers: world.Listers(), Client: world.Clients, Metadata: world.Metadata,
		Service: made.engine, Stack: egress.New(egress.Options{}), Tokens: token.New(time.Now), Random: rand.Reader,
		Clock: time.Now, Metrics: observe.NewMetrics(prometheus.NewRegistry()), Forget: func(string) {},
	}

	if change != nil {
		change(&options)
	}

	follower, err := follow.New(options)
	if err != nil {
		t.Fatal(err)
	}

	made.Follower = follower

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)

	go func() { ended <- follower.Run(ctx) }()

	t.Cleanup(func() {
		cancel()

		if err := <-ended; err != nil {
			t.Error(err)
		}
	})

	return made
}

// eventually waits for something to be true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()

	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()

	timeout := time.After(20 * time.Second)

	for !is() {
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// hears waits for lines, and for nothing else.
func (f *following) hears(t *testing.T, want ...string) {
	t.Helper()

	var got []string

	slices.Sort(want)
	eventually(t, fmt.Sprintf("the engine is told %q", want), func() bool {
		got = slices.Sorted(slices.Values(append(got, f.engine.take()...)))

		return len(got) >= len(want)
	})

	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func read[T any](t *testing.T, text string) *T {
	t.Helper()

	return doubles.Read[T](t, text)
}

const referring = `
metadata: {name: %s, labels: {type: global}}
spec:
  webhook:
    url: https://hooks.example.com/x
    httpConfig: {bearerToken: {valueFrom: {secretKeyRef: {namespace: vault, name: %s, key: token}}}}
`

// An edit of one object tells the engine of that object, and of nothing else.
func TestOnlyWhatChanged(t *testing.T) {
	world := doubles.New(t)
	world.Secret("vault", "a", nil, map[string]string{"token": "1"})
	world.Secret("vault", "b", nil, map[string]string{"token": "1"})

	a := read[notificationv2beta2.Receiver](t, fmt.Sprintf(referring, "a", "a"))
	b := read[notificationv2beta2.Receiver](t, fmt.Sprintf(referring, "b", "b"))
	manager := doubles.Manager(t, "")

	world.Put(manager, a, b)
	following := start(t, world, nil)
	following.hears(t, "settings", "history 0", "+receiver a", "+receiver b")

	steps := []struct {
		name string
		do   func()
		want []string
	}{
		{"a Receiver", func() {
			a.Spec.Webhook.Template = "nm.default.text"
			world.Put(a)
		}, []string{"+receiver a"}},
		{"a Secret", func() { world.Secret("vault", "b", nil, map[string]string{"token": "2"}) }, []string{"+receiver b"}},
		{"a Router", func() {
			world.Put(read[notificationv2beta2.Router](t, `
metadata: {name: r}
spec: {alertSelector: {matchLabels: {a: b}}, receivers: {name: [a]}}`))
		}, []string{"+router r"}},
		{"a broken Router", func() {
			world.Put(read[notificationv2beta2.Router](t, `
metadata: {name: r}
spec: {alertSelector: {}, receivers: {regexName: "("}}`))
		}, []string{"-router r"}},
		{"a Silence", func() {
			world.Put(read[notificationv2beta2.Silence](t, `
metadata: {name: s, labels: {type: global}}
spec: {matcher: {matchLabels: {a: b}}}`))
		}, []string{"+silence s"}},
		{"an InhibitRule", func() {
			world.Put(read[notificationv2beta2.InhibitRule](t, `
metadata: {name: i}
spec: {sourceMatcher: {matchLabels: {a: b}}, targetMatcher: {matchLabels: {a: c}}}`))
		}, []string{"+rule i"}},
		{"a Receiver is gone", func() { world.Delete(a) }, []string{"-receiver a"}},
		{"the settings", func() {
			manager.Spec.GroupLabels = []string{"pod"}
			world.Put(manager)
		}, []string{"settings", "history 0", "+receiver b", "-router r", "+silence s", "+rule i"}},
		{"the pods of the service", func() {
			replicas := notificationv2beta2.Number(1)
			manager.Spec.Replicas = &replicas
			world.Put(manager, b)
		}, []string{"+receiver b"}},
	}

	for _, step := range steps {
		step.do()

		t.Log(step.name)
		following.hears(t, step.want...)
	}
}

// A status that was written changes nothing.
func TestStatusIsNoEdit(t *testing.T) {
	world := doubles.New(t)
	a := doubles.Webhook(t, "a", "https://hooks.example.com/a")
	b := doubles.Webhook(t, "b", "https://hooks.example.com/b")
	world.Put(doubles.Manager(t, ""), a, b)

	following := start(t, world, nil)
	following.hears(t, "settings", "history 0", "+receiver a", "+receiver b")

	sent := int64(7)
	a.Status.Sent = &sent
	world.Rewrite(a)
	world.Put(b)
	following.hears(t, "+receiver b")
}

// B4: without a NotificationManager nothing is begun, nothing spins, and it begins as soon as there is one.
func TestNoManager(t *testing.T) {
	world := doubles.New(t)
	world.Put(doubles.Webhook(t, "a", "https://hooks.example.com/a"))

	following := start(t, world, nil)
	eventually(t, "it waits", func() bool { return strings.Contains(following.Waiting(), "there is none") })

	if following.View() != nil || following.engine.works() {
		t.Error("it has begun with settings of nobody")
	}

	world.Put(doubles.Manager(t, ""))
	following.hears(t, "settings", "history 0", "+receiver a")

	eventually(t, "it has begun", func() bool { return following.engine.works() && following.Waiting() == "" })
}

func TestWhichManager(t *testing.T) {
	for name, test := range map[string]struct {
		option   string
		managers []string
		want     string
		waits    string
	}{
		"the only one":  {managers: []string{"other"}, want: "other"},
		"that of old":   {managers: []string{"other", "notification-manager"}, want: "notification-manager"},
		"the named one": {option: "other", managers: []string{"other", "notification-manager"}, want: "other"},
		"none of them":  {managers: []string{"a", "b"}, waits: "--name"},
		"not yet there": {option: "c", managers: []string{"a"}, waits: `"c"`},
	} {
		t.Run(name, func(t *testing.T) {
			world := doubles.New(t)

			for _, one := range test.managers {
				manager := doubles.Manager(t, "")
				manager.Name, manager.UID = one, ""
				world.Put(manager)
			}

			following := start(t, world, func(options *follow.Options) { options.Name = test.option })

			if test.want == "" {
				eventually(t, "it says what it waits for", func() bool {
					return strings.Contains(following.Waiting(), test.waits)
				})

				return
			}

			eventually(t, "it has begun", func() bool { return following.View() != nil })

			if got := following.View().Manager.Name; got != test.want {
				t.Errorf("works for %s, want %s", got, test.want)
			}
		})
	}
}

// B5, B17: what one object lacks or breaks is a finding about that object.
func TestBrokenObjectsDisturbNobody(t *testing.T) {
	world := doubles.New(t)
	world.Put(doubles.Manager(t, ""), doubles.Webhook(t, "good", "https://hooks.example.com/a"))

	for name, spec := range map[string]string{
		"discord":  "{discord: {webhook: {}}}",
		"telegram": "{telegram: {channels: [a]}}",
		"nothing":  "{}",
		"selector": `{webhook: {url: "https://a.example", alertSelector: {matchExpressions: [{key: a, operator: Match, regexValue: "("}]}}}`,
		"url":      `{webhook: {url: "::"}}`,
		"email":    "{email: {to: [nobody]}}",
	} {
		world.Put(read[notificationv2beta2.Receiver](t,
			"metadata: {name: "+name+", labels: {type: global}}\nspec: "+spec))
	}

	world.Put(read[notificationv2beta2.Config](t, `
metadata: {name: sms, labels: {type: default}}
spec: {sms: {providers: {}}}`))

	following := start(t, world, nil)
	eventually(t, "it has begun", func() bool { return following.View() != nil && following.Waiting() == "" })
	eventually(t, "all are told", func() bool { return following.engine.broken("good") == "" })

	for _, name := range []string{"discord", "telegram", "selector", "url", "email"} {
		eventually(t, name+" has findings", func() bool {
			result, known := following.Result(name)

			return known && len(result.Findings) > 0
		})
	}
}

// B19: a Secret that nobody refers to is never asked for, none is listed or watched, and each is read once a version.
func TestSecretsAreReadByName(t *testing.T) {
	world := doubles.New(t)
	world.Secret("vault", "a", nil, map[string]string{"token": "1"})
	world.Secret("vault", "unused", nil, map[string]string{"token": "1"})
	world.Put(doubles.Manager(t, ""), read[notificationv2beta2.Receiver](t, fmt.Sprintf(referring, "a", "a")),
		read[notificationv2beta2.Receiver](t, fmt.Sprintf(referring, "b", "a")))

	following := start(t, world, nil)
	following.hears(t, "settings", "history 0", "+receiver a", "+receiver b")

	world.Secret("vault", "unused", nil, map[string]string{"token": "2"})
	world.Secret("vault", "a", nil, map[string]string{"token": "2"})
	following.hears(t, "+receiver a", "+receiver b")

	if got := world.Asked("get", "secrets", "a"); got != 2 {
		t.Errorf("the Secret was read %d times, want once for each of its 2 versions", got)
	}

	for _, verb := range []string{"list", "watch"} {
		if got := world.Asked(verb, "secrets", "*"); got != 0 {
			t.Errorf("Secrets were asked for by %s %d times", verb, got)
		}
	}

	if got := world.Asked("get", "secrets", "unused"); got != 0 {
		t.Errorf("a Secret that nobody refers to was read %d times", got)
	}
}

// What a receiver lacks may come later, and what it has may go.
func TestSecretComesAndGoes(t *testing.T) {
	world := doubles.New(t)
	world.Put(doubles.Manager(t, ""), read[notificationv2beta2.Receiver](t, fmt.Sprintf(referring, "a", "a")))

	following := start(t, world, nil)
	following.hears(t, "settings", "history 0", "+receiver a")

	if got := following.engine.broken("a"); !strings.Contains(got, "does not exist") {
		t.Errorf("broken: %q", got)
	}

	world.Secret("vault", "a", nil, map[string]string{"token": "1"})
	following.hears(t, "+receiver a")

	if got := following.engine.broken("a"); got != "" {
		t.Errorf("broken: %q", got)
	}
}

// An API server that does not answer breaks nothing that worked.
func TestLookupThatFails(t *testing.T) {
	world := doubles.New(t)
	world.Secret("vault", "a", nil, map[string]string{"token": "1"})
	world.Put(doubles.Manager(t, ""), read[notificationv2beta2.Receiver](t, fmt.Sprintf(referring, "a", "a")))

	following := start(t, world, nil)
	following.hears(t, "settings", "history 0", "+receiver a")

	world.Clients.PrependReactor("get", "secrets", func(kubetesting.Action) (bool, kuberuntime.Object, error) {
		return true, nil, errors.New("no connection")
	})

	before := world.Asked("get", "secrets", "a")
	world.Secret("vault", "a", nil, map[string]string{"token": "2"})
	eventually(t, "it was asked for", func() bool { return world.Asked("get", "secrets", "a") > before })

	if got := following.engine.take(); len(got) > 0 {
		t.Errorf("the engine was told %q", got)
	}

	if got := following.engine.broken("a"); got != "" {
		t.Errorf("broken: %q", got)
	}
}

// Without the right to watch names Secrets are asked for again on demand.
func TestMayNotWatch(t *testing.T) {
	world := doubles.New(t)
	world.Secret("vault", "a", nil, map[string]string{"token": "1"})
	world.Put(doubles.Manager(t, ""), read[notificationv2beta2.Receiver](t, fmt.Sprintf(referring, "a", "a")))

	forbid(world)

	following := start(t, world, nil)
	following.hears(t, "settings", "history 0", "+receiver a")

	world.Secret("vault", "a", nil, map[string]string{"token": "2"})
	following.Reload()
	following.hears(t, "+receiver a")
}

// A kind of ours that an older cluster does not have is done without; one of the contract is waited for.
func TestMissingKinds(t *testing.T) {
	world := doubles.New(t)
	world.Put(doubles.Manager(t, ""))
	world.Hide(follow.KindInhibitRule)
	world.Hide(follow.KindPolicy)

	following := start(t, world, nil)
	following.hears(t, "settings", "history 0")

	world = doubles.New(t)
	world.Put(doubles.Manager(t, ""))
	world.Hide(follow.KindRouter)

	following = start(t, world, nil)
	eventually(t, "it says so", func() bool { return strings.Contains(following.Waiting(), "routers") })
}

// A tenant's Config concerns that tenant alone.
func TestConfigOfATenant(t *testing.T) {
	world := doubles.New(t)
	world.Put(doubles.Manager(t, ""))

	for _, tenant := range []string{"alice", "bob"} {
		world.Put(read[notificationv2beta2.Receiver](t, `
metadata: {name: `+tenant+`, labels: {type: tenant, user: `+tenant+`}}
spec: {slack: {channels: ["#a"]}}`))
	}

	following := start(t, world, nil)
	following.hears(t, "settings", "history 0", "+receiver alice", "+receiver bob")

	world.Put(read[notificationv2beta2.Config](t, `
metadata: {name: c, labels: {type: tenant, user: alice}}
spec: {slack: {slackTokenSecret: {value: token-of-alice}}}`))
	following.hears(t, "+receiver alice", "history 0")

	if got := following.engine.broken("alice"); got != "" {
		t.Errorf("broken: %q", got)
	}
}

// Templates come of ConfigMaps, and change with them; who answers, and whom the watchdog tells, is in the view.
func TestView(t *testing.T) {
	world := doubles.New(t)
	world.ConfigMap(doubles.Namespace, "templates", map[string]string{"t": `{{ define "own" }}one{{ end }}`})
	world.Secret(doubles.Namespace, "auth", nil, map[string]string{"token": "let me in"})
	world.ConfigMap("kubesphere-system", "kubesphere-config", map[string]string{
		"kubesphere.yaml": "multicluster: {clusterName: member-1}",
	})
	world.Put(doubles.Webhook(t, "a", "https://hooks.example.com/a"), doubles.Manager(t, `
  template: {text: {name: templates}}
  auth: {bearerToken: {valueFrom: {secretKeyRef: {name: auth, key: token}}}}
  watchdog: {timeout: 2m}
`))

	mails := email.NewMemory()
	following := start(t, world, func(options *follow.Options) { options.Mails = mails })
	following.hears(t, "settings", "history 0", "+receiver a", "+router @watchdog")

	view := following.View()
	if view.Cluster != "member-1" || view.Auth.Token.Reveal() != "let me in" || view.Auth.All ||
		view.Watchdog.Timeout != 2*time.Minute || len(view.Findings) > 0 {
		t.Errorf("the view is %+v", view)
	}

	if !slices.Contains(view.Input.Templates.Names(), "own") {
		t.Error("the template is missing")
	}

	world.ConfigMap(doubles.Namespace, "templates", map[string]string{"t": `{{ define "second" }}two{{ end }}`})
	following.hears(t, "settings", "history 0", "+receiver a")

	if !slices.Contains(following.View().Input.Templates.Names(), "second") {
		t.Error("the template of now is missing")
	}

	if view.Input.Mails != mails || following.View().Input.Mails != mails {
		t.Error("an edit has forgotten who has a mail already")
	}
}

// Many edits while others read: what is given out is never changed.
func TestReadersBesideEdits(t *testing.T) {
	world := doubles.New(t)
	manager := doubles.Manager(t, "")
	world.Put(manager, doubles.Webhook(t, "a", "https://hooks.example.com/a"))

	following := start(t, world, nil)
	eventually(t, "it has begun", func() bool { return following.Waiting() == "" })

	var readers sync.WaitGroup

	ctx, cancel := context.WithCancel(t.Context())

	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				view := following.View()
				result, _ := following.Result("a")
				_ = fmt.Sprint(view.Manager.Spec.GroupLabels, len(view.Input.Configs), len(result.Findings),
					len(following.Receivers()), len(following.Configs()))
			}
		})
	}

	for i := range 20 {
		manager.Spec.GroupLabels = []string{fmt.Sprint("label-", i)}
		world.Put(manager, doubles.Webhook(t, "a", fmt.Sprint("https://hooks.example.com/", i)))
	}

	eventually(t, "the last edit is in force", func() bool {
		return following.View().Manager.Spec.GroupLabels[0] == "label-19"
	})
	cancel()
	readers.Wait()
}

// forbid has nobody watch the names of Secrets.
func forbid(world *doubles.World) {
	world.Forbid(apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", errors.New("no rights")))
}

// What an edit takes until it is in force, among a thousand Receivers.
func BenchmarkEdit(b *testing.B) {
	world := doubles.New(b)
	world.Put(doubles.Manager(b, ""))

	for i := range 1000 {
		world.Put(doubles.Webhook(b, fmt.Sprint("receiver-", i), "https://hooks.example.com/a"))
	}

	engine := newTold()

	follower, err := follow.New(follow.Options{
		Namespace: doubles.Namespace, Listers: world.Listers(), Client: world.Clients, Metadata: world.Metadata,
		Service: engine, Stack: egress.New(egress.Options{}), Tokens: token.New(time.Now), Random: rand.Reader,
		Clock: time.Now, Metrics: observe.NewMetrics(prometheus.NewRegistry()), Forget: func(string) {},
	})
	if err != nil {
		b.Fatal(err)
	}

	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)

	go func() { ended <- follower.Run(ctx) }()

	for follower.Waiting() != "" || len(engine.take()) == 0 {
		runtime.Gosched()
	}

	edited := doubles.Webhook(b, "receiver-500", "https://hooks.example.com/b")

	for b.Loop() {
		engine.take()
		world.Put(edited)

		for !slices.Contains(engine.take(), "+receiver receiver-500") {
			runtime.Gosched()
		}
	}

	cancel()

	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
