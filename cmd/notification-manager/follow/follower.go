package follow

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/klog/v2"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/observe"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/email"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/token"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
	"github.com/ks-core/ks-controller-manager/pkg/notification/inhibition"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// Engine is what is told of what the objects say.
type Engine interface {
	Configure(ctx context.Context, settings engine.Settings) error
	PutReceiver(ctx context.Context, receiver *target.Receiver) error
	DeleteReceiver(ctx context.Context, name string) error
	PutHistory(ctx context.Context, targets []target.Target) error
	PutRouter(ctx context.Context, router *routing.Router) error
	DeleteRouter(ctx context.Context, name string) error
	PutSilence(ctx context.Context, one *silence.Silence) error
	DeleteSilence(ctx context.Context, name string) error
	PutInhibitRule(ctx context.Context, rule *inhibition.Rule) error
	DeleteInhibitRule(ctx context.Context, name string) error
}

// Service makes the engine once it is known what it is to be like, and has it work.
type Service interface {
	// Open makes the engine as a NotificationManager wants it. It takes changes, and does nothing yet.
	Open(manager *notificationv2beta2.NotificationManager) (Engine, error)
	// Begin has it work. It knows all that it goes by.
	Begin()
}

// Options are what a Follower works with.
type Options struct {
	// Name is the NotificationManager; empty is the only one, or the one with the name of old.
	Name string
	// Namespace is where the process runs.
	Namespace string
	// Listers give the objects, Client and Metadata what these refer to. Without Metadata nothing of that is watched.
	Listers  Listers
	Client   kubernetes.Interface
	Metadata metadata.Interface
	// Service is what is told.
	Service Service
	// Stack, Tokens and Random are what channels are made of.
	Stack  *egress.Stack
	Tokens *token.Cache
	Random io.Reader
	// Mails is who has a mail already that others are still to get; nil has each channel remember it by itself.
	Mails *email.Memory
	// Deny are networks that no message may go to.
	Deny []netip.Prefix
	// Clock tells the time.
	Clock func() time.Time
	// Metrics are told of edits and lookups.
	Metrics *observe.Metrics
	// Resolver says how the tenants of a namespace are found for a NotificationManager; nil is by its name.
	Resolver func(manager *notificationv2beta2.NotificationManager) routing.TenantResolver
	// Forget is told of each Receiver that is gone.
	Forget func(receiver string)
}

// Follower follows the objects. Run has it work; what else it offers is safe for use by several goroutines.
type Follower struct {
	options Options
	watches *watches
	dirty   *dirty
	sources *sources

	view    atomic.Pointer[View]
	tenants atomic.Pointer[[]string]
	waiting atomic.Pointer[string]

	mutex sync.RWMutex
	known map[string]*known

	// All that follows belongs to the goroutine of Run.
	engine     Engine
	cluster    string
	templates  templating
	viewUses   []resolve.Reference
	history    resolve.Result
	dependents map[resolve.Reference]map[string]struct{}
	last       map[item]metav1.Object
	broken     map[item]resolve.Finding
	guarding   []string
}

// known is a Receiver as it was resolved last.
type known struct {
	object *notificationv2beta2.Receiver
	result resolve.Result
	older  int
}

// New makes a Follower.
func New(options Options) (*Follower, error) {
	f := &Follower{
		options: options, dirty: newDirty(options.Clock), known: map[string]*known{},
		dependents: map[resolve.Reference]map[string]struct{}{}, last: map[item]metav1.Object{},
		broken: map[item]resolve.Finding{},
	}
	f.wait("it has just started")

	watches, err := newWatches(options.Listers, func(kind Kind, name string) {
		f.dirty.add(item{kind: kind, name: name})
	})
	if err != nil {
		return nil, err
	}

	f.watches = watches

	return f, nil
}

// Waiting says what keeps the first settings from being there; empty once they are.
func (f *Follower) Waiting() string {
	return *f.waiting.Load()
}

func (f *Follower) wait(why string) {
	f.waiting.Store(&why)
}

// View is what holds for all receivers; nil before the first settings are there.
func (f *Follower) View() *View {
	return f.view.Load()
}

// Receiver gives a Receiver as it is stored; nil where there is none. Nobody may change it.
func (f *Follower) Receiver(name string) *notificationv2beta2.Receiver {
	return get[notificationv2beta2.Receiver](f.watches, KindReceiver, name)
}

// Config gives a Config as it is stored.
func (f *Follower) Config(name string) *notificationv2beta2.Config {
	return get[notificationv2beta2.Config](f.watches, KindConfig, name)
}

// Manager gives a NotificationManager as it is stored.
func (f *Follower) Manager(name string) *notificationv2beta2.NotificationManager {
	return get[notificationv2beta2.NotificationManager](f.watches, KindManager, name)
}

// Receivers are all Receivers as they are stored, in no order.
func (f *Follower) Receivers() []*notificationv2beta2.Receiver {
	return list[notificationv2beta2.Receiver](f.watches, KindReceiver)
}

// Configs are all Configs as they are stored, in no order.
func (f *Follower) Configs() []*notificationv2beta2.Config {
	return list[notificationv2beta2.Config](f.watches, KindConfig)
}

// Result is what a Receiver came to that the engine knows.
func (f *Follower) Result(name string) (resolve.Result, bool) {
	f.mutex.RLock()
	defer f.mutex.RUnlock()

	found := f.known[name]
	if found == nil {
		return resolve.Result{}, false
	}

	return found.result, true
}

// Tenants are those that have Receivers, sorted.
func (f *Follower) Tenants() []string {
	if found := f.tenants.Load(); found != nil {
		return *found
	}

	return nil
}

// Cluster is the name of this cluster; empty before it is known.
func (f *Follower) Cluster() string {
	if view := f.View(); view != nil {
		return view.Cluster
	}

	return ""
}

// Reload reads again all that is referred to.
func (f *Follower) Reload() {
	if f.View() != nil {
		f.sources.reload(true)
	}
}

// lookPause is how long is waited before looking again for what gives no sign when it has come.
const lookPause = 100 * time.Millisecond

// Run follows until the context ends. It fails where the service cannot be opened.
func (f *Follower) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	f.sources = newSources(ctx, f.options.Client, f.options.Metadata, func(ref resolve.Reference) {
		f.dirty.add(item{kind: Kind(ref.Kind), namespace: ref.Namespace, name: ref.Name})
	}, f.options.Metrics.LookedUp)

	all.Go(func() { f.watches.run(ctx) })
	all.Go(func() { f.sources.run(ctx) })

	if err := f.start(ctx); err != nil || ctx.Err() != nil {
		return err
	}

	all.Go(func() { f.remind(ctx) })

	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.dirty.some:
			f.look(ctx)
		}
	}
}

// start waits until everything has been seen and there are settings, and has the engine work by them.
func (f *Follower) start(ctx context.Context) error {
	tick := time.NewTicker(lookPause)
	defer tick.Stop()

	said := saying{}

	for {
		why := f.notYet(ctx)
		if why == "" {
			f.wait("the settings to be in force")

			return f.begin(ctx)
		}

		f.wait(why)

		if said.worth(why, f.options.Clock()) {
			klog.FromContext(ctx).Info("Waiting: no alerts are taken yet", "for", why)
		}

		select {
		case <-ctx.Done():
			return nil
		case <-f.dirty.some:
		case <-tick.C:
		}
	}
}

// saying is what is said of waiting: what lasts, and once.
type saying struct {
	why  string
	from time.Time
	done bool
}

// worth tells whether a reason to wait is worth a line.
func (s *saying) worth(why string, now time.Time) bool {
	const lasting = 2 * time.Second

	if why != s.why {
		*s = saying{why: why, from: now}
	}

	if s.done || now.Sub(s.from) < lasting {
		return false
	}

	s.done = true

	return true
}

// notYet says what is missing to begin.
func (f *Follower) notYet(ctx context.Context) string {
	if missing := f.watches.missing(); missing != "" {
		return "the API server to show " + missing
	}

	if _, why := f.manager(); why != "" {
		return why
	}

	if f.cluster == "" {
		name, err := clusterName(ctx, f.options.Client)
		if err != nil {
			return "the API server to tell the cluster's name: " + err.Error()
		}

		f.cluster = name
	}

	return ""
}

// NameOfOld is the name that KubeSphere gives its NotificationManager.
const NameOfOld = "notification-manager"

// manager is the NotificationManager to go by, or why there is none.
func (f *Follower) manager() (*notificationv2beta2.NotificationManager, string) {
	if f.options.Name != "" {
		found := f.Manager(f.options.Name)
		if found == nil {
			return nil, fmt.Sprintf("a NotificationManager with the name %q, as --name has it", f.options.Name)
		}

		return found, ""
	}

	all := list[notificationv2beta2.NotificationManager](f.watches, KindManager)

	switch len(all) {
	case 0:
		return nil, "a NotificationManager: there is none"
	case 1:
		return all[0], ""
	}

	if found := f.Manager(NameOfOld); found != nil {
		return found, ""
	}

	return nil, fmt.Sprintf("--name: there are %d NotificationManagers, and none is called %s", len(all), NameOfOld)
}

// remind has a look at what gives no sign when it changes.
func (f *Follower) remind(ctx context.Context) {
	tick := time.NewTicker(pollPause)
	defer tick.Stop()

	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.dirty.add(item{kind: kindCluster})
			f.dirty.add(item{kind: kindSweep})
		}
	}
}
