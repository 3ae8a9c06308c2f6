// Package observer asks evaluators of rules, all replicas of each, what they know, and keeps the answer for a while:
// all groups of rules share it.
package observer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/evaluator"
)

const (
	// period is how old an answer may become before the evaluators are asked again.
	period = 15 * time.Second

	// timeout is how long all replicas together may take. A worker waits for no longer.
	timeout = 10 * time.Second

	// pageSize is how many groups an evaluator is asked for at once.
	pageSize = 200

	// maxPage is how much of one answer is read, in bytes.
	maxPage = 64 << 20

	// maxPages ends what would go on for ever.
	maxPages = 1000
)

// Observer asks one evaluator. It may be used by several goroutines at once: one of them asks, the others take what is
// known so far.
type Observer struct {
	endpoint string
	clock    clock.PassiveClock
	lookup   func(context.Context, string) ([]string, error)

	asking sync.Mutex // held by who asks

	mutex sync.Mutex // guards what follows
	state evaluator.State
	err   error
	asked time.Time
}

// New returns the observer of the evaluator at a URL, such as
// http://thanos-ruler-operated.kubesphere-monitoring-system.svc:10902. Where its name stands for several addresses, as
// that of a headless Service, each is a replica that is asked.
func New(endpoint string, clock clock.PassiveClock) *Observer {
	return &Observer{endpoint: endpoint, clock: clock, lookup: net.DefaultResolver.LookupHost}
}

var errUnknown = errors.New("the evaluator has not answered yet")

// State returns what the evaluators know. It is at most as old as the period and a round of questions; when nobody
// answers, the error says why, and there is no state.
func (o *Observer) State(ctx context.Context) (evaluator.State, error) {
	if o.isStale() && o.asking.TryLock() {
		defer o.asking.Unlock()

		if o.isStale() {
			state, err := o.ask(ctx)
			o.keep(state, err)
		}
	}

	o.mutex.Lock()
	defer o.mutex.Unlock()

	if o.asked.IsZero() {
		return nil, errUnknown
	}

	return o.state, o.err
}

func (o *Observer) isStale() bool {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	return o.asked.IsZero() || o.clock.Since(o.asked) >= period
}

func (o *Observer) keep(state evaluator.State, err error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	o.state, o.err, o.asked = state, err, o.clock.Now()
}

// ask asks all replicas at once. One that does not answer must not hide what the others know; its rules are seen by
// them too.
func (o *Observer) ask(ctx context.Context) (evaluator.State, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	base, err := url.Parse(o.endpoint)
	if err != nil {
		return nil, fmt.Errorf("read the address of the evaluator: %w", err)
	}

	addresses, err := o.lookup(ctx, base.Hostname())
	if err != nil {
		return nil, fmt.Errorf("look up the evaluator: %w", err)
	}

	states, errs := make([]evaluator.State, len(addresses)), make([]error, len(addresses))

	var group sync.WaitGroup
	for i, address := range addresses {
		group.Go(func() { states[i], errs[i] = read(ctx, base, address) })
	}

	group.Wait()

	answered := slices.DeleteFunc(states, func(state evaluator.State) bool { return state == nil })
	if len(answered) == 0 {
		return nil, errors.Join(errs...)
	}

	return evaluator.Merge(answered...), nil
}

// read asks one replica, page by page.
func read(ctx context.Context, base *url.URL, address string) (evaluator.State, error) {
	client := clientOf(base, address)
	defer client.CloseIdleConnections()

	state, next := evaluator.State{}, ""

	for range maxPages {
		page, err := get(ctx, client, base, next)
		if err != nil {
			return nil, fmt.Errorf("ask the evaluator at %s: %w", address, err)
		}

		for key, rules := range page.State {
			state[key] = append(state[key], rules...)
		}

		if page.Next == "" {
			return state, nil
		}

		next = page.Next
	}

	return nil, fmt.Errorf("ask the evaluator at %s: %w", address, errEndless)
}

var (
	errEndless = errors.New("it has always one more page of rules")
	errStatus  = errors.New("it answered")
)

// clientOf speaks to one address under the name of all.
func clientOf(base *url.URL, address string) *http.Client {
	port := base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}

	dialer := &net.Dialer{}

	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, net.JoinHostPort(address, port))
		},
		TLSClientConfig: &tls.Config{ServerName: base.Hostname(), MinVersion: tls.VersionTLS12},
	}}
}

func get(ctx context.Context, client *http.Client, base *url.URL, token string) (evaluator.Page, error) {
	target := base.JoinPath("api/v1/rules")

	query := url.Values{"group_limit": {strconv.Itoa(pageSize)}}
	if token != "" {
		query.Set("group_next_token", token)
	}

	target.RawQuery = query.Encode()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return evaluator.Page{}, fmt.Errorf("make a request: %w", err)
	}

	response, err := client.Do(request)
	if err != nil {
		return evaluator.Page{}, fmt.Errorf("send a request: %w", err)
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusOK {
		return evaluator.Page{}, fmt.Errorf("%w %s", errStatus, response.Status)
	}

	page, err := evaluator.Read(http.MaxBytesReader(nil, response.Body, maxPage))
	if err != nil {
		return evaluator.Page{}, fmt.Errorf("read its answer: %w", err)
	}

	return page, nil
}
