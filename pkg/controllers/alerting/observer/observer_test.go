package observer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/evaluator"
)

const rule = `{"type":"alerting","name":"A","state":"%s","health":"ok",
  "labels":{"rule_level":"cluster","rule_group":"%s","rule_id":"1"}}`

// pages answers with one group on each page.
func pages(t *testing.T, asked *atomic.Int64, state string, groups ...string) *httptest.Server {
	t.Helper()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)

		index := 0
		if token := r.URL.Query().Get("group_next_token"); token != "" {
			index = strings.Index(strings.Join(groups, ""), token)
		}

		next := ""
		if index+1 < len(groups) {
			next = groups[index+1]
		}

		_, _ = fmt.Fprintf(w, `{"status":"success","data":{"groupNextToken":%q,"groups":[{"name":"g","rules":[%s]}]}}`,
			next, fmt.Sprintf(rule, state, groups[index]))
	}))
	t.Cleanup(server.Close)

	return server
}

func made(t *testing.T, server *httptest.Server, addresses ...string) (*Observer, *testclock.FakePassiveClock) {
	t.Helper()

	clock := testclock.NewFakePassiveClock(time.Unix(0, 0))
	observer := New(server.URL, clock)
	observer.lookup = func(context.Context, string) ([]string, error) { return addresses, nil }

	return observer, clock
}

func TestAllPagesAreRead(t *testing.T) {
	asked := &atomic.Int64{}
	observer, clock := made(t, pages(t, asked, "firing", "a", "b", "c"), "127.0.0.1")

	for range 3 {
		state, err := observer.State(t.Context())
		if err != nil || len(state) != 3 {
			t.Fatalf("got %v, %v", state, err)
		}
	}

	if asked.Load() != 3 {
		t.Errorf("asked %d times for 3 pages: what is fresh is asked for again", asked.Load())
	}

	clock.SetTime(clock.Now().Add(period))

	if _, err := observer.State(t.Context()); err != nil || asked.Load() != 6 {
		t.Errorf("asked %d times, %v: what is old is not asked for again", asked.Load(), err)
	}
}

// Nobody listens at the second address.
func TestReplicaThatIsGoneHidesNothing(t *testing.T) {
	observer, _ := made(t, pages(t, &atomic.Int64{}, "firing", "a"), "127.0.0.1", "127.0.0.99")

	state, err := observer.State(t.Context())
	if err != nil || state[evaluator.GroupKey{Level: "cluster", Group: "a"}][0].State != "firing" {
		t.Errorf("got %v, %v", state, err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	observer, clock := made(t, pages(t, &atomic.Int64{}, "firing", "a"))
	observer.lookup = func(context.Context, string) ([]string, error) { return nil, errors.New("no such host") }

	if _, err := observer.State(t.Context()); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("got %v", err)
	}

	observer.lookup = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }

	if _, err := observer.State(t.Context()); err == nil {
		t.Error("an evaluator that does not answer is asked at once again")
	}

	clock.SetTime(clock.Now().Add(period))

	if _, err := observer.State(t.Context()); err != nil {
		t.Error(err)
	}
}

// While one asks, the others are not held up.
func TestOthersDoNotWait(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release

		_, _ = w.Write([]byte(`{"status":"success"}`))
	}))

	defer server.Close()

	observer, _ := made(t, server, "127.0.0.1")

	var group sync.WaitGroup

	group.Go(func() { _, _ = observer.State(t.Context()) })
	<-arrived

	if _, err := observer.State(t.Context()); !errors.Is(err, errUnknown) {
		t.Errorf("got %v", err)
	}

	close(release)
	group.Wait()
}

func TestEndlessPagesEnd(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"success","data":{"groupNextToken":"again"}}`))
	}))
	defer server.Close()

	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := read(t.Context(), base, "127.0.0.1"); !errors.Is(err, errEndless) {
		t.Errorf("got %v", err)
	}
}
