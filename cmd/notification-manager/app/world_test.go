package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/doubles"
)

// marker is what must never be shown: it is in every credential.
const marker = "hunter2-marker"

// sink is a server that keeps what is posted, and answers as it is told.
type sink struct {
	*httptest.Server

	mutex  sync.Mutex
	bodies []string
	tokens []string
	status int
}

func newSink(t *testing.T) *sink {
	t.Helper()

	made := &sink{status: http.StatusOK}
	made.Server = httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)

		made.mutex.Lock()
		defer made.mutex.Unlock()

		if made.status < http.StatusMultipleChoices {
			made.bodies = append(made.bodies, string(body))
			made.tokens = append(made.tokens, request.Header.Get("Authorization"))
		}

		writer.WriteHeader(made.status)
	}))
	t.Cleanup(made.Close)

	return made
}

func (s *sink) answer(status int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	s.status = status
}

func (s *sink) got() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	return strings.Join(s.bodies, "\n")
}

// running is a process, but for its port.
type running struct {
	*parts

	world   *doubles.World
	handler http.Handler
	stop    func() error
	applied *applied
}

// applied keeps the statuses that were written.
type applied struct {
	mutex sync.Mutex
	texts map[string]string
}

func (a *applied) apply(_ context.Context, resource, name string, status any) error {
	text, err := json.Marshal(status)

	a.mutex.Lock()
	defer a.mutex.Unlock()

	a.texts[resource+"/"+name] = string(text)

	return err
}

func (a *applied) get(of string) string {
	a.mutex.Lock()
	defer a.mutex.Unlock()

	return a.texts[of]
}

// reviewer knows two users.
type reviewer struct{}

func (reviewer) Review(
	_ context.Context, token string, _ []string,
) (authenticationv1.TokenReviewStatus, error) {
	switch token {
	case "token-of-console", "token-of-stranger":
		return authenticationv1.TokenReviewStatus{
			Authenticated: true, User: authenticationv1.UserInfo{Username: strings.TrimPrefix(token, "token-of-")},
		}, nil
	default:
		return authenticationv1.TokenReviewStatus{}, nil
	}
}

// start has a process work until the test ends.
func start(t *testing.T, world *doubles.World, folder string) *running {
	t.Helper()

	options := &Options{
		Address: "127.0.0.1:0", Data: folder, Abreast: 16, Grace: time.Second, IngestPatience: 10 * time.Second,
		SendPatience: 10 * time.Second, Version: "v1",
	}
	made := &running{world: world, applied: &applied{texts: map[string]string{}}}

	built, err := assemble(options, folder, outside(world, made.applied))
	if err != nil {
		t.Fatal(err)
	}

	made.parts, made.handler = built, built.server.Handler()

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)

	go func() { ended <- built.run(ctx) }()

	made.stop = sync.OnceValue(func() error {
		cancel()

		return <-ended
	})

	t.Cleanup(func() {
		if err := made.stop(); err != nil {
			t.Error(err)
		}
	})

	return made
}

func outside(from *doubles.World, into *applied) world {
	return world{
		clients: from.Clients, metadata: from.Metadata, listers: from.Listers(), apply: into.apply,
		users: reviewer{}, namespace: doubles.Namespace,
	}
}

// ready waits until alerts are taken.
func (r *running) ready(t *testing.T) *running {
	t.Helper()

	eventually(t, "it is ready", func() bool {
		status, _ := r.do(http.MethodGet, "/-/ready", "")

		return status == http.StatusOK
	})

	return r
}

// do asks, and gives the status and the body of the answer.
func (r *running) do(method, path, body string, header ...string) (status int, text string) {
	answer := r.ask(method, path, body, header...)

	return answer.Code, answer.Body.String()
}

func (r *running) ask(method, path, body string, header ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}

	answer := httptest.NewRecorder()
	r.handler.ServeHTTP(answer, request)

	return answer
}

// eventually waits for something to be true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()

	ticker := time.NewTicker(2 * time.Millisecond)
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

// alerts is a body with an alert for each name.
func alerts(names ...string) string {
	var list []string

	for _, name := range names {
		list = append(list, fmt.Sprintf(`{"status":"firing","labels":{"alertname":%q,"namespace":"shop"},`+
			`"annotations":{"message":"it is down"}}`, name))
	}

	return `{"version":"4","alerts":[` + strings.Join(list, ",") + `]}`
}

// execute runs the command and returns what it prints, and its exit code.
func execute(t *testing.T, input string, arguments ...string) (output string, code int) {
	t.Helper()

	var out, problems bytes.Buffer

	command := NewCommand("notification-manager", "v1.2.3")
	command.SetArgs(slices.Clone(arguments))
	command.SetIn(strings.NewReader(input))
	command.SetOut(&out)
	command.SetErr(&problems)

	code = tell(&problems, "notification-manager", command.ExecuteContext(t.Context()))

	return out.String() + problems.String(), code
}
