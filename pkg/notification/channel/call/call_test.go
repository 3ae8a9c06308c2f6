package call_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/call"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

func now() time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
}

func newCaller(t *testing.T, secrets ...call.Secret) *call.Caller {
	t.Helper()

	client, err := egress.New(egress.Options{}).Client(egress.Settings{
		Guard: egress.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	if err != nil {
		t.Fatal(err)
	}

	return call.New(channel.Webhook, client, now, secrets...)
}

func TestStatusSaysWhatBecomesOfAMessage(t *testing.T) {
	for status, want := range map[int]string{
		200: "", 201: "", 202: "", 204: "", 299: "",
		301: "Refused", 302: "Refused", 307: "Refused", 304: "Refused",
		400: "Refused", 404: "Refused", 405: "Refused", 410: "Refused", 413: "Refused", 422: "Refused",
		401: "Denied", 403: "Denied", 407: "Denied",
		408: "Unavailable", 421: "Unavailable", 425: "Unavailable",
		429: "RateLimited",
		500: "Unavailable", 501: "Unavailable", 502: "Unavailable", 503: "Unavailable", 504: "Unavailable",
		599: "Unavailable",
	} {
		err := newCaller(t).Status(&egress.Answer{Status: status, Body: []byte("s3cret of the inner network")})

		got := ""

		if err != nil {
			known := channel.AsError(err)
			got = known.Class.String()

			if known.Code != status || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%d: %v", status, err)
			}
		}

		if got != want {
			t.Errorf("%d is %q, want %q", status, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"0.5":                           500 * time.Millisecond,
		"0":                             0,
		"-3":                            0,
		"NaN":                           0,
		"1e99":                          time.Hour,
		"+Inf":                          time.Hour,
		"86400":                         time.Hour,
		"soon":                          0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute,
		"Fri, 02 Jan 2026 03:00:00 GMT": 0,
		"Fri, 02 Jan 2099 03:00:00 GMT": time.Hour,
	} {
		answer := &egress.Answer{Status: 429, Header: http.Header{"Retry-After": {value}}}

		if got := channel.AsError(newCaller(t).Status(answer)).RetryAfter; got != want {
			t.Errorf("%q is %s, want %s", value, got, want)
		}
	}
}

func TestDecode(t *testing.T) {
	for name, test := range map[string]struct {
		answer egress.Answer
		want   string
	}{
		"JSON":             {egress.Answer{Status: 200, Body: []byte(`{"a":1}`)}, ""},
		"JSON of an error": {egress.Answer{Status: 400, Body: []byte(`{"a":1}`)}, ""},
		"no JSON":          {egress.Answer{Status: 200, Body: []byte(`<html>`)}, "Unavailable"},
		"nothing":          {egress.Answer{Status: 200}, "Unavailable"},
		"cut off":          {egress.Answer{Status: 200, Body: []byte(`{"a":1}`), Incomplete: egress.ErrAnswerTooLong}, "Unavailable"},
		"no JSON, denied":  {egress.Answer{Status: 403, Body: []byte(`<html>`)}, "Denied"},
		"no JSON, gone":    {egress.Answer{Status: 404, Body: []byte(`<html>`)}, "Refused"},
		"no JSON, busy":    {egress.Answer{Status: 502, Body: []byte(`<html>`)}, "Unavailable"},
	} {
		var into struct{ A int }

		err := newCaller(t).Decode(&test.answer, &into)

		got := ""
		if err != nil {
			got = channel.AsError(err).Class.String()
		}

		if got != test.want || err == nil && into.A != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWordsOfProvidersShowNoSecret(t *testing.T) {
	to, err := egress.ParseEndpoint("https://host/hook/s3cretpath?key=s3cret+query")
	if err != nil {
		t.Fatal(err)
	}

	token, short := call.Credential(secret.New("s3cret/token")), call.Credential(secret.New("x"))
	caller := newCaller(t, token, call.Address(to), short).
		Hiding(call.Credential(secret.New("s3cret-fresh")))

	words := "bad s3cret/token, s3cret%2Ftoken or s3cretpath\n or 's3cret query' \x00 s3cret-fresh x " +
		strings.Repeat("long ", 100)

	err = caller.Refusal(channel.Denied, 7, 2*time.Hour, words)
	known := channel.AsError(err)

	if shown := fmt.Sprintf("%v %+v %#v", caller, caller, caller); strings.Contains(shown, "s3cret") {
		t.Errorf("shown: %s", shown)
	}

	if strings.Contains(err.Error(), "s3cret") || strings.ContainsAny(err.Error(), "\n\x00") {
		t.Errorf("shown: %v", err)
	}

	if !strings.HasPrefix(err.Error(), "Denied (7): webhook answered: bad [redacted], [redacted] or [redacted] or "+
		"'[redacted]' [redacted] x long ") || len(err.Error()) > 300 {
		t.Errorf("shown: %v", err)
	}

	if known.RetryAfter != time.Hour {
		t.Errorf("waits %s", known.RetryAfter)
	}
}

func TestCallsThatFail(t *testing.T) {
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hang.Close()

	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()

	for name, test := range map[string]struct{ url, want string }{
		"hangs":           {hang.URL, "Unavailable"},
		"nobody there":    {gone.URL, "Unavailable"},
		"no such name":    {"http://no.such.name.invalid/", "Unavailable"},
		"not let through": {"http://10.0.0.1/", "Refused"},
		"metadata":        {"http://169.254.169.254/", "Refused"},
	} {
		to, err := egress.ParseEndpoint(test.url)
		if err != nil {
			t.Fatal(err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)

		_, err = newCaller(t).Do(ctx, egress.Request{To: to})
		if err == nil || channel.AsError(err).Class.String() != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}

		cancel()
	}
}

func TestEncodeKeepsCharactersAsTheyAre(t *testing.T) {
	got, err := call.Encode(map[string]string{"a": "<b> & 경보 \"q\""})
	if want := `{"a":"<b> & 경보 \"q\""}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}

	if got := call.Size("경\n"); got != 7 {
		t.Errorf("size %d, want 7", got)
	}

	if _, err := newCaller(t).Post(t.Context(), egress.Endpoint{}, nil, func() {}); err == nil ||
		channel.AsError(err).Class != channel.Permanent {
		t.Errorf("what cannot be encoded: %v", err)
	}
}
