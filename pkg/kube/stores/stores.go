package stores

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// Options say how stores reach the API server.
type Options struct {
	Config     *rest.Config
	HTTPClient *http.Client
	Scheme     *runtime.Scheme
	Mapper     meta.RESTMapper
	Clock      clock.PassiveClock
}

// Stores are all stores of a process.
type Stores struct {
	options Options

	mutex  sync.Mutex
	open   map[string]*store
	closed bool
	// running counts the stores whose goroutines have not ended, also of those that
	// nobody uses any more.
	running sync.WaitGroup
}

// New returns Stores without a single store.
func New(options Options) *Stores {
	return &Stores{options: options, open: map[string]*store{}}
}

// User is who opens a view. The functions are called from goroutines of the stores:
// they must not block, nor call the view.
type User struct {
	// Name of the user in reports.
	Name string

	// OnFailure is told what keeps a store of the view from listing and watching, each
	// time it is tried. May be nil.
	OnFailure func(spec Spec, err error)

	// OnPanic is told of a panic in a function that the user gave: a handler, an
	// index or a Trim. May be nil.
	OnPanic func(where string, cause any)
}

var errClosed = errors.New("the process is stopping")

// Open returns a view of the given specs and starts the stores that are not there
// yet. The caller releases it.
func (s *Stores) Open(ctx context.Context, user User, specs ...Spec) (*View, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	if s.closed {
		return nil, errClosed
	}

	view := &View{stores: s, user: user, byRepresentation: map[representation]*store{}, released: make(chan struct{})}

	for _, spec := range specs {
		if err := s.addLocked(ctx, view, spec); err != nil {
			s.releaseLocked(view)

			return nil, fmt.Errorf("keep %s: %w", spec.GroupResource(), err)
		}
	}

	return view, nil
}

func (s *Stores) addLocked(ctx context.Context, view *View, spec Spec) error {
	if err := spec.Validate(); err != nil {
		return err
	}

	place := representationOf(spec)
	if _, taken := view.byRepresentation[place]; taken {
		return errors.New("the view has this kind twice, so that a read would not know which is meant")
	}

	found, exists := s.open[spec.key()]
	if !exists {
		var err error
		if found, err = s.startLocked(ctx, spec); err != nil {
			return err
		}
	}

	found.users[view] = struct{}{}
	view.byRepresentation[place] = found

	return nil
}

// startLocked starts a store. It lives until its last user releases it, whatever
// becomes of the context that it was asked for in.
func (s *Stores) startLocked(ctx context.Context, spec Spec) (*store, error) {
	started, run, err := s.newStore(ctx, spec)
	if err != nil {
		return nil, err
	}

	ctx, started.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.open[spec.key()] = started

	s.running.Go(func() {
		defer close(started.done)

		if err := run(ctx); err != nil {
			klog.FromContext(ctx).Error(err, "A store ended", "resource", spec.GroupResource().String())
		}
	})

	return started, nil
}

// release takes a view off its stores, and ends those that have no other.
func (s *Stores) release(view *View) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	s.releaseLocked(view)
}

func (s *Stores) releaseLocked(view *View) {
	for _, used := range view.byRepresentation {
		delete(used.users, view)

		if len(used.users) == 0 && s.open[used.spec.key()] == used {
			used.stop()
			delete(s.open, used.spec.key())
		}
	}
}

func (s *Stores) usersOf(of *store) []*View {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	return slices.Collect(maps.Keys(of.users))
}

// Close ends all stores and waits for their goroutines, or for the context.
func (s *Stores) Close(ctx context.Context) error {
	s.mutex.Lock()
	s.closed = true

	for _, opened := range s.open {
		opened.stop()
	}

	s.open = map[string]*store{}
	s.mutex.Unlock()

	ended := make(chan struct{})

	go func() {
		s.running.Wait()
		close(ended)
	}()

	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the stores to end: %w", ctx.Err())
	}
}

// Report says what a store holds, and for whom.
type Report struct {
	// Resource is the resource with its group, as kubectl takes it.
	Resource string `json:"resource"`
	// Version of the kind.
	Version string `json:"version"`
	// Depth says how much of each object is kept.
	Depth Depth `json:"depth"`
	// Trim names what drops fields that nobody reads.
	Trim string `json:"trim,omitempty"`
	// Labels, Namespace and Name restrict what is kept.
	Labels    string `json:"labels,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// Objects is how many there are.
	Objects int `json:"objects"`
	// Synced tells whether all there was at the start has arrived.
	Synced bool `json:"synced"`
	// Users are those who read it.
	Users []string `json:"users"`
}

// Report lists all stores, sorted.
func (s *Stores) Report() []Report {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	reports := make([]Report, 0, len(s.open))

	for _, opened := range s.open {
		spec := opened.spec
		report := Report{
			Resource: spec.GroupResource().String(), Version: spec.Kind.Version, Depth: spec.Depth,
			Trim: spec.Trim.Name, Labels: spec.LabelString(), Namespace: spec.Namespace, Name: spec.Name,
			Objects: opened.count(), Synced: opened.hasSynced(), Users: make([]string, 0, len(opened.users)),
		}

		for view := range opened.users {
			report.Users = append(report.Users, view.user.Name)
		}

		slices.Sort(report.Users)
		reports = append(reports, report)
	}

	slices.SortFunc(reports, func(a, b Report) int {
		return strings.Compare(a.sortKey(), b.sortKey())
	})

	return reports
}

func (r Report) sortKey() string {
	return strings.Join([]string{
		r.Resource, r.Version, string(r.Depth), r.Trim, r.Labels, r.Namespace, r.Name,
	}, "|")
}
