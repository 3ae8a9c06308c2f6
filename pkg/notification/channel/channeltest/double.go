// Package channeltest has doubles of the providers that notifications are sent to. A double takes what the provider
// takes, refuses what it refuses in the provider's own form, records everything, and fails on demand. It says
// nothing of a provider that is not written in its documentation or was observed.
package channeltest

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Reply is an answer.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Call is one request that a double got.
type Call struct {
	Method string
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
	// Text is the text of the message, where the request was one.
	Text string
	// Accepted is whether the message was taken: a person would see it.
	Accepted bool
}

// protocol is how a provider speaks. What is no message (the fetch of a token) gives an empty text.
type protocol interface {
	answer(d *Double, call *Call) Reply
}

// Fault looks at a request before the provider does. What it gives is the answer; nil lets the request through.
type Fault func(call *Call) *Reply

// Double stands in for a provider. It is an http.Handler.
type Double struct {
	clock    func() time.Time
	protocol protocol

	mu     sync.Mutex
	calls  []Call
	next   []Reply
	fault  Fault
	hang   chan struct{}
	issued int
	expiry map[string]time.Time
}

// Lifetime is how long the tokens of a double last.
const Lifetime = 2 * time.Hour

// bodyLimit is how much of a request is read.
const bodyLimit = 8 << 20

func newDouble(clock func() time.Time, spoken protocol) *Double {
	return &Double{clock: clock, protocol: spoken, expiry: map[string]time.Time{}}
}

// ServeHTTP records a request and answers it.
func (d *Double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)

		return
	}

	if released := d.held(); released != nil {
		select {
		case <-released:
		case <-r.Context().Done():
			return
		}
	}

	reply := d.take(Call{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header.Clone(), Body: body,
	})

	maps.Copy(w.Header(), reply.Header)

	w.WriteHeader(reply.Status)

	_, _ = io.WriteString(w, reply.Body)
}

func (d *Double) held() chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.hang
}

func (d *Double) take(call Call) Reply {
	d.mu.Lock()
	defer d.mu.Unlock()

	reply := d.decide(&call)
	d.calls = append(d.calls, call)

	return reply
}

func (d *Double) decide(call *Call) Reply {
	if d.fault != nil {
		if reply := d.fault(call); reply != nil {
			return *reply
		}
	}

	if len(d.next) > 0 {
		reply := d.next[0]
		d.next = d.next[1:]

		return reply
	}

	return d.protocol.answer(d, call)
}

// Next gives answers for the next requests, one each, in place of the provider's.
func (d *Double) Next(replies ...Reply) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.next = append(d.next, replies...)
}

// SetFault puts something before the provider that may answer instead; nil takes it away.
func (d *Double) SetFault(fault Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.fault = fault
}

// Hang holds all requests from now on, until the function it gives is called or whoever sent them gives up.
func (d *Double) Hang() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()

	held := make(chan struct{})
	d.hang = held

	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()

		d.hang = nil

		close(held)
	})
}

// ExpireTokens makes all tokens invalid that were given out.
func (d *Double) ExpireTokens() {
	d.mu.Lock()
	defer d.mu.Unlock()

	clear(d.expiry)
}

// Calls are the requests so far.
func (d *Double) Calls() []Call {
	d.mu.Lock()
	defer d.mu.Unlock()

	return append([]Call{}, d.calls...)
}

// Texts are the texts of the messages that were taken.
func (d *Double) Texts() []string {
	d.mu.Lock()
	defer d.mu.Unlock()

	var texts []string

	for i := range d.calls {
		if d.calls[i].Accepted {
			texts = append(texts, d.calls[i].Text)
		}
	}

	return texts
}

// Count says in how many messages that were taken each id was. An id is what the expression's first group matches,
// or all of it; one that stands twice in a message counts once.
func (d *Double) Count(id *regexp.Regexp) map[string]int {
	counts := map[string]int{}

	for _, text := range d.Texts() {
		seen := map[string]bool{}

		for _, match := range id.FindAllStringSubmatch(text, -1) {
			name := match[len(match)-1]
			if !seen[name] {
				seen[name] = true
				counts[name]++
			}
		}
	}

	return counts
}

// issue gives a token. The lock is held.
func (d *Double) issue() string {
	d.issued++
	token := "issued-token-" + strconv.Itoa(d.issued)
	d.expiry[token] = d.clock().Add(Lifetime)

	return token
}

// valid says whether a token was given and holds. The lock is held.
func (d *Double) valid(token string) bool {
	expires, ok := d.expiry[token]

	return ok && d.clock().Before(expires)
}
