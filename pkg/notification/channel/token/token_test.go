package token

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.now
}

func (c *clock) advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.now = c.now.Add(by)
}

// issuer gives tokens with a number each.
type issuer struct {
	count    atomic.Int64
	lifetime time.Duration
}

func (i *issuer) fetch(context.Context) (Grant, error) {
	return Grant{Token: secret.New(fmt.Sprintf("token-%d", i.count.Add(1))), Lifetime: i.lifetime}, nil
}

func get(t *testing.T, cache *Cache, key Key, fetch Fetch) Token {
	t.Helper()

	token, err := cache.Get(t.Context(), key, fetch)
	if err != nil {
		t.Fatal(err)
	}

	return token
}

func TestTokensAreKeptUntilShortlyBeforeTheirEnd(t *testing.T) {
	for name, test := range map[string]struct {
		lifetime, kept, fetched time.Duration
	}{
		"two hours": {2 * time.Hour, 115*time.Minute - time.Second, 115 * time.Minute},
		"a minute":  {time.Minute, 53 * time.Second, 54 * time.Second},
	} {
		now, from := newClock(), &issuer{lifetime: test.lifetime}
		cache, key := New(now.Now), KeyOf("a")

		get(t, cache, key, from.fetch)
		now.advance(test.kept)

		if got := get(t, cache, key, from.fetch).Reveal(); got != "token-1" {
			t.Errorf("%s: after %s got %s", name, test.kept, got)
		}

		now.advance(test.fetched - test.kept)

		if got := get(t, cache, key, from.fetch).Reveal(); got != "token-2" {
			t.Errorf("%s: after %s got %s", name, test.fetched, got)
		}
	}
}

// B12: what is dropped is the token that was used, by the key it was stored under.
func TestInvalidateDropsTheTokenThatWasUsed(t *testing.T) {
	now, from := newClock(), &issuer{lifetime: time.Hour}
	cache, key, other := New(now.Now), KeyOf("corp", "secret"), KeyOf("corp", "another")

	used, kept := get(t, cache, key, from.fetch), get(t, cache, other, from.fetch)

	cache.Invalidate(used)

	fresh := get(t, cache, key, from.fetch)
	if fresh.Reveal() != "token-3" {
		t.Errorf("after its end was said the token is %s", fresh.Reveal())
	}

	// Somebody else who used the old one is told of it later: the new one stays.
	cache.Invalidate(used)

	if got := get(t, cache, key, from.fetch).Reveal(); got != "token-3" {
		t.Errorf("the new token was dropped for the old one: %s", got)
	}

	if got := get(t, cache, other, from.fetch).Reveal(); got != kept.Reveal() {
		t.Errorf("the token of another credential was dropped: %s", got)
	}

	cache.Invalidate(Token{})
}

// B13: while one provider is slow, others get their tokens, and who waits for it gets one of its own fetch.
func TestASlowProviderBlocksNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, from := New(time.Now), &issuer{lifetime: time.Hour}
		release := make(chan struct{})

		var fetches atomic.Int64

		slow := func(ctx context.Context) (Grant, error) {
			fetches.Add(1)
			<-release

			return from.fetch(ctx)
		}

		var waiting sync.WaitGroup
		for range 10 {
			waiting.Go(func() {
				if got := get(t, cache, KeyOf("slow"), slow).Reveal(); got != "token-2" {
					t.Errorf("a waiter got %s", got)
				}
			})
		}

		synctest.Wait()

		if got := get(t, cache, KeyOf("fast"), from.fetch).Reveal(); got != "token-1" {
			t.Errorf("got %s", got)
		}

		// Whoever has no time does not wait, and the fetch goes on.
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		if _, err := cache.Get(hurried, KeyOf("slow"), slow); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("in a hurry: %v", err)
		}

		close(release)
		waiting.Wait()

		if fetches.Load() != 1 {
			t.Errorf("it was fetched %d times", fetches.Load())
		}
	})
}

// B13: nothing is left running when everybody's time was over.
func TestNothingRunsInTheBackground(t *testing.T) {
	cache := New(time.Now)
	before := runtime.NumGoroutine()

	for range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)

		_, err := cache.Get(ctx, KeyOf("slow"), func(ctx context.Context) (Grant, error) {
			<-ctx.Done()

			return Grant{}, ctx.Err()
		})
		if err == nil {
			t.Error("a fetch without an end gave a token")
		}

		cancel()
	}

	if got := runtime.NumGoroutine(); got > before+1 {
		t.Errorf("there are %d goroutines, there were %d", got, before)
	}
}

func TestWhoFetchesAndGivesUpLeavesItToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, from := New(time.Now), &issuer{lifetime: time.Hour}

		first, cancel := context.WithCancel(t.Context())

		var both sync.WaitGroup
		both.Go(func() {
			_, err := cache.Get(first, KeyOf("a"), func(ctx context.Context) (Grant, error) {
				<-ctx.Done()

				return Grant{}, fmt.Errorf("calling: %w", ctx.Err())
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the first got %v", err)
			}
		})

		synctest.Wait()
		both.Go(func() {
			if got := get(t, cache, KeyOf("a"), from.fetch).Reveal(); got != "token-1" {
				t.Errorf("the next got %s", got)
			}
		})

		synctest.Wait()
		cancel()
		both.Wait()
	})
}

func TestErrorsAreSharedAndNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, from := New(time.Now), &issuer{lifetime: time.Hour}
		refused, release := errors.New("refused"), make(chan struct{})

		var fetches atomic.Int64

		//nolint:unparam // it is a Fetch
		refuse := func(context.Context) (Grant, error) {
			fetches.Add(1)
			<-release

			return Grant{}, refused
		}

		var waiting sync.WaitGroup
		for range 5 {
			waiting.Go(func() {
				if _, err := cache.Get(t.Context(), KeyOf("a"), refuse); !errors.Is(err, refused) {
					t.Errorf("got %v", err)
				}
			})
		}

		synctest.Wait()
		close(release)
		waiting.Wait()

		if fetches.Load() != 1 {
			t.Errorf("it was tried %d times at once", fetches.Load())
		}

		if got := get(t, cache, KeyOf("a"), from.fetch).Reveal(); got != "token-1" {
			t.Errorf("after an error got %s", got)
		}
	})
}

func TestTheCacheForgetsWhatHasExpired(t *testing.T) {
	now, from := newClock(), &issuer{lifetime: time.Hour}
	cache := New(now.Now)

	for i := range 100 {
		get(t, cache, KeyOf(strconv.Itoa(i)), from.fetch)
	}

	now.advance(2 * time.Hour)
	get(t, cache, KeyOf("one"), from.fetch)

	if got := cache.size(); got != 1 {
		t.Errorf("%d places are held, want 1", got)
	}
}

// B13: neither the secret nor what is made of it is printed.
func TestNothingSecretIsPrinted(t *testing.T) {
	key := KeyOf("app", "s3cret")
	cache := New(time.Now)
	token := get(t, cache, key, func(context.Context) (Grant, error) {
		return Grant{Token: secret.New("s3cret"), Lifetime: time.Hour}, nil
	})

	shown := fmt.Sprintf("%v %s %v %s %+v %#v", key, key, token.Secret(), token.Secret(), token, token)
	if strings.Contains(shown, "s3cret") || strings.Contains(shown, hex.EncodeToString(key[:4])) {
		t.Error(shown)
	}

	if KeyOf("ab", "c") == KeyOf("a", "bc") || KeyOf("a") == KeyOf("a", "") {
		t.Error("different credentials have one key")
	}
}
