package manager

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
)

// process is all that the controllers of a process share.
type process struct {
	config  Config
	clock   clock.WithTickerAndDelayedExecution
	board   *board
	rest    *rest.Config
	clients kubernetes.Interface
	mapper  meta.RESTMapper
	scheme  *runtime.Scheme
	live    client.Client

	stores      *stores.Stores
	leaseStores *stores.Stores
	definitions *definitions.Watcher
	originals   *originals // nil where no controller of tenancy is hosted
	permissions *permissions
	electors    map[Domain]*elector
	keepers     []*keeper
	migrations  *migrations
	broadcaster events.EventBroadcaster

	whoOnce sync.Once
	who     string
}

// newProcess prepares a process; nothing runs yet.
func newProcess(config Config) (*process, error) {
	clock := clock.RealClock{}
	made := &process{
		config: config, clock: clock, board: newBoard(clock), rest: config.restConfig(),
		electors: map[Domain]*elector{},
	}

	for _, prepare := range []func() error{
		made.makeClients, made.makeStores, made.makeWatchers, made.makeElectors,
	} {
		if err := prepare(); err != nil {
			return nil, err
		}
	}

	made.makeKeepers()
	made.migrations = newMigrations(made)

	return made, nil
}

// makeClients makes what talks to the API server.
func (p *process) makeClients() error {
	httpClient, err := rest.HTTPClientFor(p.rest)
	if err != nil {
		return fmt.Errorf("make a client for the API server: %w", err)
	}

	p.clients, err = kubernetes.NewForConfigAndClient(p.rest, httpClient)
	if err != nil {
		return fmt.Errorf("make a client for the API server: %w", err)
	}

	p.mapper, err = apiutil.NewDynamicRESTMapper(p.rest, httpClient)
	if err != nil {
		return fmt.Errorf("ask the API server for its kinds: %w", err)
	}

	p.scheme, err = p.config.scheme()
	if err != nil {
		return err
	}

	p.live, err = client.New(p.rest, client.Options{HTTPClient: httpClient, Scheme: p.scheme, Mapper: p.mapper})
	if err != nil {
		return fmt.Errorf("make a client for the API server: %w", err)
	}

	p.permissions = newPermissions(p.clients, p.clock)
	p.broadcaster = events.NewBroadcaster(&events.EventSinkImpl{Interface: p.clients.EventsV1()})
	p.stores = stores.New(stores.Options{
		Config: p.rest, HTTPClient: httpClient, Scheme: p.scheme, Mapper: p.mapper, Clock: p.clock,
	})

	return nil
}

// makeStores makes the stores of the Leases, on a connection that no other traffic can hold up.
func (p *process) makeStores() error {
	config := p.config.leaseRESTConfig()

	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("make a client for the Leases: %w", err)
	}

	p.leaseStores = stores.New(stores.Options{
		Config: config, HTTPClient: httpClient, Scheme: p.scheme, Mapper: p.mapper, Clock: p.clock,
	})

	return nil
}

// makeWatchers makes what looks out for custom kinds and for KubeSphere's own manager.
func (p *process) makeWatchers() error {
	enabled := p.enabled()

	p.definitions = definitions.New(definitions.Options{
		Wanted:    enabled.wanted(),
		Discovery: p.clients.Discovery(),
		Stores:    p.stores,
		Clock:     p.clock,
		Changed:   p.wakeAll,
	})

	if len(enabled.OfDomain(Tenancy)) > 0 {
		p.originals = newOriginals(p.config.LeaderElection.Namespace, p.stores, p.clock, p.wakeAll)
	}

	return nil
}

// makeElectors makes an elector for each domain that the process works in.
func (p *process) makeElectors() error {
	if !p.config.LeaderElection.Enabled {
		return nil
	}

	config := p.config.leaseRESTConfig()
	config.Timeout = p.config.leasePatience()

	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client for the Leases: %w", err)
	}

	identity := identity()

	for _, domain := range p.enabled().Domains() {
		p.electors[domain] = &elector{
			domain: domain, options: p.config.LeaderElection, identity: identity,
			client: clients.CoordinationV1(), stores: p.leaseStores, clock: p.clock,
			changed: func() { p.wakeDomain(domain) },
		}
	}

	return nil
}

// makeKeepers makes a keeper for each controller that is wanted; the others are told about once.
func (p *process) makeKeepers() {
	for _, descriptor := range p.config.Catalog {
		row, wanted := p.config.wants(descriptor)
		if wanted {
			p.keepers = append(p.keepers, newKeeper(p, descriptor))
		}

		p.board.put(row)

		if !wanted {
			klog.Background().Info("Controller does not run", "controller", row.Name, "state", row.State,
				"reason", row.Reason, "message", row.Message)
		}
	}
}

// enabled lists the controllers that were asked for and whose gates are on.
func (p *process) enabled() Catalog {
	var enabled Catalog

	for _, descriptor := range p.config.Catalog {
		if _, wanted := p.config.wants(descriptor); wanted {
			enabled = append(enabled, descriptor)
		}
	}

	return enabled
}

// wants tells whether a controller was asked for and its gate is on, and the row it starts with.
func (c Config) wants(descriptor Descriptor) (Row, bool) {
	row := Row{Name: descriptor.Name, Domain: descriptor.Domain, State: Disabled}

	switch {
	case !c.Selection.Selected(descriptor):
		row.Reason, row.Message = ReasonNotSelected, "--controllers does not ask for it"
	case !c.Gates.Enabled(descriptor.Gate):
		row.Reason, row.Message = ReasonGateDisabled, fmt.Sprintf("the feature gate %s is off", descriptor.Gate)
	default:
		row.State, row.Reason = Starting, ReasonDiscovering

		return row, true
	}

	return row, false
}

func (p *process) wakeAll() {
	for _, keeper := range p.keepers {
		keeper.wake()
	}

	p.migrations.wake()
}

func (p *process) wakeDomain(domain Domain) {
	for _, keeper := range p.keepers {
		if keeper.descriptor.Domain == domain {
			keeper.wake()
		}
	}

	p.migrations.wake()
}

// circumstances are what the watches show now.
func (p *process) circumstances(domain Domain) circumstances {
	now := circumstances{kind: p.definitions.Kind, problem: p.definitions.Problem(), originalKnown: true}

	if domain == Tenancy && p.originals != nil {
		now.original, now.originalKnown = p.originals.unelected()
	}

	return now
}

// leads tells whether the process works in a domain, and otherwise why not.
func (p *process) leads(domain Domain) (bool, string) {
	elector, elects := p.electors[domain]
	if !elects {
		return true, ""
	}

	leads, why := elector.standing()
	if !leads && domain == Tenancy && p.originals != nil {
		if hint := p.originals.hint(); hint != "" {
			why += "; " + hint
		}
	}

	return leads, why
}

// clientOf returns a client that reads from a view and nothing else, goes by the name of a controller, and tells
// when a write of its is refused.
func (p *process) clientOf(name string, view *stores.View, forbidden func()) (client.Client, error) {
	config := rest.CopyConfig(p.rest)
	config.UserAgent += " (controller " + name + ")"
	config.WarningHandlerWithContext = log.NewKubeAPIWarningLogger(log.KubeAPIWarningLoggerOptions{Deduplicate: true})
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &forbiddenWrites{next: next, forbidden: forbidden}
	})

	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make its client: %w", err)
	}

	made, err := client.New(config, client.Options{
		HTTPClient: httpClient, Scheme: p.scheme, Mapper: p.mapper,
		Cache: &client.CacheOptions{Reader: view, Unstructured: true},
	})
	if err != nil {
		return nil, fmt.Errorf("make its client: %w", err)
	}

	return kube.Lean(made), nil
}

// forbiddenWrites tells of writes that the API server refuses.
type forbiddenWrites struct {
	next      http.RoundTripper
	forbidden func()
}

// RoundTrip implements http.RoundTripper.
func (f *forbiddenWrites) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := f.next.RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusForbidden && request.Method != http.MethodGet {
		f.forbidden()
	}

	return response, err //nolint:wrapcheck // a wrapper hands on what it gets
}

func (p *process) recorder(name string) events.EventRecorder {
	return p.broadcaster.NewRecorder(p.scheme, name)
}

// rows returns the board with what is counted at the moment of asking.
func (p *process) rows() []Row {
	rows := p.board.snapshot()
	now := p.clock.Now()

	for i := range rows {
		for _, keeper := range p.keepers {
			if keeper.descriptor.Name == rows[i].Name {
				rows[i].Runs = keeper.history.Snapshot()
				rows[i].Troubles = keeper.history.Troubles(now)
			}
		}
	}

	return rows
}

// account names the account of the process for messages. It is asked for once.
func (p *process) account(ctx context.Context) string {
	p.whoOnce.Do(func() {
		p.who = "this account"

		review, err := p.clients.AuthenticationV1().SelfSubjectReviews().
			Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err == nil && review.Status.UserInfo.Username != "" {
			p.who = review.Status.UserInfo.Username
		}
	})

	return p.who
}
