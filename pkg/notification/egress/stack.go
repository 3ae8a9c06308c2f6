package egress

import (
	"net/http"
	"runtime"
	"sync"
	"time"
	"weak"
)

// Options are the bounds of a stack. Zero values stand for the defaults.
type Options struct {
	// Timeout bounds one call, from the first byte to the last, where its context does not end sooner.
	Timeout time.Duration
	// AnswerLimit is how many bytes of an answer are read; the rest is left.
	AnswerLimit int
	// UserAgent is how we name ourselves.
	UserAgent string
	// ConnectionsPerHost bounds the connections to one host with one kind of settings.
	ConnectionsPerHost int
	// IdlePerHost bounds those that are kept for the next call.
	IdlePerHost int
	// IdleTimeout is how long they are kept.
	IdleTimeout time.Duration
}

const (
	defaultTimeout            = 30 * time.Second
	defaultAnswerLimit        = 64 << 10
	defaultUserAgent          = "ks-notification-manager"
	defaultConnectionsPerHost = 256
	defaultIdlePerHost        = 32
	defaultIdleTimeout        = time.Minute

	handshakeTimeout  = 10 * time.Second
	answerHeaderLimit = 64 << 10
)

// Stack holds the connections of a process. Clients with the same settings share them; the connections of
// settings that no client has any more end by themselves, one idle time later.
type Stack struct {
	options Options

	mu sync.Mutex
	// transports are held weakly: clients hold them, and the connections that are open. What nobody holds is
	// collected, so that nobody has to say when a receiver is gone.
	transports map[key]weak.Pointer[http.Transport]
}

// New makes a stack.
func New(options Options) *Stack {
	return &Stack{options: options.withDefaults(), transports: map[key]weak.Pointer[http.Transport]{}}
}

func (o Options) withDefaults() Options {
	o.Timeout = orElse(o.Timeout, defaultTimeout)
	o.AnswerLimit = orElse(o.AnswerLimit, defaultAnswerLimit)
	o.UserAgent = orElse(o.UserAgent, defaultUserAgent)
	o.ConnectionsPerHost = orElse(o.ConnectionsPerHost, defaultConnectionsPerHost)
	o.IdlePerHost = orElse(o.IdlePerHost, defaultIdlePerHost)
	o.IdleTimeout = orElse(o.IdleTimeout, defaultIdleTimeout)

	return o
}

func orElse[T comparable](value, other T) T {
	var zero T

	if value == zero {
		return other
	}

	return value
}

// Client gives what sends with these settings. Its errors are *SettingError.
func (s *Stack) Client(settings Settings) (*Client, error) {
	if err := settings.checkCredentials(); err != nil {
		return nil, err
	}

	transport, err := s.transport(settings)
	if err != nil {
		return nil, err
	}

	return &Client{
		http:     http.Client{Transport: transport, CheckRedirect: stay},
		settings: settings,
		options:  s.options,
	}, nil
}

// stay takes a redirect as the answer it is: where it leads was not asked of the user, nor of the guard.
func stay(*http.Request, []*http.Request) error {
	return http.ErrUseLastResponse
}

// transport gives the connections for settings, made or shared.
func (s *Stack) transport(settings Settings) (*http.Transport, error) {
	id := settings.key()

	s.mu.Lock()
	defer s.mu.Unlock()

	if shared := s.transports[id].Value(); shared != nil {
		return shared, nil
	}

	made, err := s.newTransport(settings)
	if err != nil {
		return nil, err
	}

	s.transports[id] = weak.Make(made)
	runtime.AddCleanup(made, s.forget, id)

	return made, nil
}

// forget drops what is left of a transport that was collected, if no other took its place.
func (s *Stack) forget(id key) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.transports[id].Value() == nil {
		delete(s.transports, id)
	}
}

// kinds is how many kinds of connections there are.
func (s *Stack) kinds() int {
	s.mu.Lock()
	defer s.mu.Unlock()

	return len(s.transports)
}

func (s *Stack) newTransport(settings Settings) (*http.Transport, error) {
	encryption, err := settings.TLS.config()
	if err != nil {
		return nil, err
	}

	proxy, err := settings.proxy()
	if err != nil {
		return nil, err
	}

	made := &http.Transport{
		DialContext:            settings.Guard.DialContext,
		TLSClientConfig:        encryption,
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxConnsPerHost:        s.options.ConnectionsPerHost,
		MaxIdleConnsPerHost:    s.options.IdlePerHost,
		IdleConnTimeout:        s.options.IdleTimeout,
		MaxResponseHeaderBytes: answerHeaderLimit,
		DisableCompression:     true, // answers are short, and what is not packed cannot unfold
		ForceAttemptHTTP2:      true,
	}

	if proxy != nil {
		made.Proxy = http.ProxyURL(proxy)
	}

	return made, nil
}
