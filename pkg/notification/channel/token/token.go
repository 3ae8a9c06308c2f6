// Package token keeps the access tokens that providers give for a credential until they expire.
//
// Each credential has a place of its own: while one provider is slow to give a token, everybody else gets theirs.
// Whoever asks for a token that is being fetched waits for it, for as long as its own context lasts; nothing runs
// in the background.
package token

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// Key names a credential without holding it.
type Key [sha256.Size]byte

// KeyOf is the key of a credential: of the provider's address, the account and the secret, say.
func KeyOf(parts ...string) Key {
	sum := sha256.New()

	for _, part := range parts {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		sum.Write([]byte(part))
	}

	return Key(sum.Sum(nil))
}

// String shows nothing: even a sum helps whoever can guess.
func (Key) String() string {
	return "[key]"
}

// Token is a token as it was given.
type Token struct {
	value secret.String
	key   Key
	// serial tells it from other tokens of the same credential.
	serial uint64
}

// Reveal gives the token, to send it to whom it is for.
func (t Token) Reveal() string {
	return t.value.Reveal()
}

// String hides the token, which fmt would find in its field otherwise.
func (Token) String() string {
	return "[token]"
}

// GoString hides the token from %#v.
func (t Token) GoString() string {
	return t.String()
}

// Secret is the token as what must not be shown.
func (t Token) Secret() secret.String {
	return t.value
}

// Grant is what a provider gave: a token, and for how long.
type Grant struct {
	Token    secret.String
	Lifetime time.Duration
}

// Fetch gets a token from the provider.
type Fetch func(ctx context.Context) (Grant, error)

// Cache holds tokens. It is safe for use by several goroutines.
type Cache struct {
	clock func() time.Time

	mu     sync.Mutex
	serial uint64
	places map[Key]*place
}

// place is where the token of one credential is, or will be.
type place struct {
	token   Token
	expires time.Time
	// fetching is the fetch that runs; nil when none does.
	fetching *flight
}

// flight is one fetch, and how it ended.
type flight struct {
	// done is closed when it has ended; err is not written after.
	done chan struct{}
	err  error
}

// New makes a cache. clock says what time it is.
func New(clock func() time.Time) *Cache {
	return &Cache{clock: clock, places: map[Key]*place{}}
}

// Get gives the token of a credential. It is fetched once, however many ask for it meanwhile; they share the error
// too, unless it was that the one who fetched it gave up.
func (c *Cache) Get(ctx context.Context, key Key, fetch Fetch) (Token, error) {
	for {
		token, running, mine := c.look(key)

		switch {
		case mine:
			return c.fetch(ctx, key, running, fetch)
		case running == nil:
			return token, nil
		}

		select {
		case <-running.done:
		case <-ctx.Done():
			return Token{}, context.Cause(ctx)
		}

		if running.err != nil && !gaveUp(running.err) {
			return Token{}, running.err
		}
	}
}

// gaveUp says whether a fetch ended because its caller's time was over, which is not that of those who waited.
func gaveUp(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// Invalidate drops a token that was not accepted. A newer one of the same credential stays.
func (c *Cache) Invalidate(token Token) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if held := c.places[token.key]; held != nil && held.token.serial == token.serial {
		held.token, held.expires = Token{}, time.Time{}
	}
}

// look gives the token if it is there, or the fetch to wait for, or says that the caller is to do it.
func (c *Cache) look(key Key) (token Token, running *flight, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()

	held := c.places[key]
	if held == nil {
		held = &place{}
		c.places[key] = held
	}

	switch {
	case held.valid(c.clock()):
		return held.token, nil, false
	case held.fetching != nil:
		return Token{}, held.fetching, false
	default:
		held.fetching = &flight{done: make(chan struct{})}

		return Token{}, held.fetching, true
	}
}

func (p *place) valid(now time.Time) bool {
	return p.token.serial != 0 && now.Before(p.expires)
}

// fetch gets the token for everybody who waits for it.
func (c *Cache) fetch(ctx context.Context, key Key, running *flight, fetch Fetch) (token Token, err error) {
	// What is said should fetch never return; settle is deferred, so that nobody waits for ever.
	grant, err := Grant{}, errors.New("the token was not fetched")

	defer func() {
		token = c.settle(key, running, grant, err)
	}()

	grant, err = fetch(ctx)

	return token, err
}

// settle puts down how a fetch ended and wakes those who wait.
func (c *Cache) settle(key Key, running *flight, grant Grant, err error) Token {
	c.mu.Lock()
	defer c.mu.Unlock()

	now := c.clock()
	held := c.places[key] // It is there: what is being fetched is never swept.
	held.fetching = nil

	running.err = err
	if err == nil {
		c.serial++
		held.token = Token{value: grant.Token, key: key, serial: c.serial}
		held.expires = now.Add(grant.Lifetime - margin(grant.Lifetime))
	}

	made := held.token
	if err != nil {
		made = Token{}
	}

	c.sweep(now)
	close(running.done)

	return made
}

// margin is how long before its end a token is not used any more: it has to last until the call has arrived.
func margin(lifetime time.Duration) time.Duration {
	const (
		longest = 5 * time.Minute
		share   = 10
	)

	return min(longest, lifetime/share)
}

// sweep drops what has expired: of credentials that nobody uses any more, nothing else would.
func (c *Cache) sweep(now time.Time) {
	for key, held := range c.places {
		if held.fetching == nil && !held.valid(now) {
			delete(c.places, key)
		}
	}
}

// size is how many places there are.
func (c *Cache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()

	return len(c.places)
}
