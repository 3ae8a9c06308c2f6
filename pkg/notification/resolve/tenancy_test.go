package resolve

import (
	"errors"
	"strings"
	"testing"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

const (
	annTeams    = "{metadata: {name: r, labels: {type: tenant, user: ann}}, spec: {teams: {webhook: "
	globalTeams = "{metadata: {name: r, labels: {type: global}}, spec: {teams: {webhook: "
	flow        = "https://flows.example.com/in?sig=abc"
	// both forms of a reference, with and without a namespace.
	ref       = "{valueFrom: {secretKeyRef: {name: hook, key: token}}}"
	oldRef    = "{name: hook, key: token}"
	foreign   = "{namespace: kube-system, name: hook, key: token}"
	namespace = "{metadata: {name: p}, spec: {allow: {secrets: {namespaces: ["
)

func TestWhichSecret(t *testing.T) {
	const field = "spec.teams.webhook"

	for _, c := range []struct {
		name     string
		receiver string
		secrets  []string // namespace, owner
		policies []string
		warn     bool
		want     []string
		// unread says that the Secret must not be looked up.
		unread bool
	}{
		{"global: the default namespace", globalTeams + ref, []string{"credentials", ""}, nil, false, nil, false},
		{"global: the form of v2beta1", globalTeams + oldRef, []string{"credentials", ""}, nil, false, nil, false},
		{"global: any namespace", globalTeams + foreign, []string{"kube-system", ""}, nil, false, nil, false},
		{"global: whatever a policy says", globalTeams + foreign, []string{"kube-system", ""}, []string{namespace + "x]}}}}"}, false, nil, false},
		{"global: a value", globalTeams + `{value: "` + flow + `"}`, nil, nil, false, nil, false},
		{"global: missing", globalTeams + ref, nil, nil, false, []string{"RefNotFound " + field}, false},
		{"global: missing key", globalTeams + "{name: hook, key: other}", []string{"credentials", ""}, nil, false, []string{"RefKeyNotFound " + field}, false},
		{"global: no key", globalTeams + "{name: hook, key: ''}", []string{"credentials", ""}, nil, false, []string{"Invalid " + field}, true},
		{"global: nothing", globalTeams + "{}", nil, nil, false, []string{"Invalid " + field}, true},
		{"global: null", globalTeams + "null", nil, nil, false, []string{"Invalid " + field}, true},

		{"tenant: its own", annTeams + ref, []string{"credentials", "ann"}, nil, false, nil, false},
		{"tenant: its own, namespace named", annTeams + "{namespace: credentials, name: hook, key: token}", []string{"credentials", "ann"}, nil, false, nil, false},
		{"tenant: a value", annTeams + `{value: "` + flow + `"}`, nil, nil, false, nil, true},
		{"tenant: the platform's", annTeams + ref, []string{"credentials", ""}, nil, false, []string{"RefNotFound " + field}, false},
		{"tenant: another's", annTeams + ref, []string{"credentials", "bob"}, nil, false, []string{"RefNotFound " + field}, false},
		{"tenant: missing", annTeams + ref, nil, nil, false, []string{"RefNotFound " + field}, false},
		{"tenant: another namespace", annTeams + foreign, []string{"kube-system", "ann"}, nil, false, []string{"RefNotAllowed " + field}, true},
		{"tenant: the process's namespace", annTeams + "{namespace: monitoring, name: hook, key: token}", []string{"monitoring", "ann"}, nil, false, []string{"RefNotAllowed " + field}, true},

		{"warn: the platform's", annTeams + ref, []string{"credentials", ""}, nil, true, []string{"RefNotAllowed " + field + " ~"}, false},
		{"warn: another namespace", annTeams + foreign, []string{"kube-system", ""}, nil, true, []string{"RefNotAllowed " + field + " ~"}, false},
		{"warn: missing", annTeams + ref, nil, nil, true, []string{"RefNotFound " + field}, false},

		{"policy: allows", annTeams + foreign, []string{"kube-system", ""}, []string{namespace + "kube-system]}}}}"}, false, nil, false},
		{"policy: refuses", annTeams + foreign, []string{"kube-system", ""}, []string{namespace + "a]}}}}"}, false, []string{"PolicyDenied " + field + " (by p)"}, true},
		{"policy: refuses the default namespace", annTeams + ref, []string{"credentials", "ann"}, []string{namespace + "a]}}}}"}, false, []string{"PolicyDenied " + field + " (by p)"}, true},
		{"policy: refuses with a warning elsewhere", annTeams + foreign, []string{"kube-system", ""}, []string{namespace + "a]}}}}"}, true, []string{"PolicyDenied " + field + " (by p)"}, true},
		{"policy: naming the default namespace gives nobody the platform's", annTeams + ref, []string{"credentials", ""}, []string{namespace + "credentials]}}}}"}, false, []string{"RefNotFound " + field}, false},
		{"policy: all have to allow", annTeams + foreign, []string{"kube-system", ""}, []string{namespace + "kube-system]}}}}", strings.Replace(namespace, "name: p", "name: q", 1) + "b]}}}}"}, false, []string{"PolicyDenied " + field + " (by q)"}, true},
		{"policy: of another tenant", annTeams + ref, []string{"credentials", "ann"}, []string{"{metadata: {name: p}, spec: {selector: {tenants: [bob]}, allow: {secrets: {namespaces: [x], values: Deny}}}}"}, false, nil, false},
		{"policy: on trial refuses nothing", annTeams + ref, []string{"credentials", "ann"}, []string{"{metadata: {name: p}, spec: {mode: DryRun, allow: {secrets: {namespaces: [x]}}}}"}, false, []string{"PolicyDenied " + field + " (would be refused by p) ~"}, false},
		{"policy: on trial allows nothing", annTeams + foreign, []string{"kube-system", ""}, []string{"{metadata: {name: p}, spec: {mode: DryRun, allow: {secrets: {namespaces: [kube-system]}}}}"}, false, []string{"RefNotAllowed " + field}, true},
		{"policy: no values", annTeams + `{value: "` + flow + `"}`, nil, []string{"{metadata: {name: p}, spec: {allow: {secrets: {values: Deny}}}}"}, false, []string{"PolicyDenied " + field + " (by p)"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for i := 0; i < len(c.secrets); i += 2 {
				w.secret(c.secrets[i], "hook", c.secrets[i+1], flow+"\n")
			}

			for _, one := range c.policies {
				w.policy(t, one)
			}

			if c.warn {
				w.manager.Delivery = &notificationv2beta2.Delivery{
					TenantSecretPolicy: notificationv2beta2.TenantSecretWarn,
				}
			}

			result := w.resolve(t, c.receiver+"}}}")
			wantLines(t, "findings", brief(result.Findings), c.want)

			want := "teams"
			if len(c.want) > 0 && !strings.HasSuffix(c.want[0], "~") {
				want = "teams broken"
			}

			wantLines(t, "targets", targets(result), []string{want})

			if c.unread && len(w.lookups) > 0 {
				t.Errorf("looked up %v, which the object may not name", w.lookups)
			}
		})
	}
}

// TestNobodyLearnsWhatExists is about a tenant that guesses names of Secrets: it is told the same of one that is not
// its own and of one that is not there.
func TestNobodyLearnsWhatExists(t *testing.T) {
	there := newWorld(t).secret("credentials", "hook", "bob", flow).resolve(t, annTeams+ref+"}}}")
	missing := newWorld(t).resolve(t, annTeams+ref+"}}}")

	if len(there.Findings) != 1 || len(missing.Findings) != 1 || there.Findings[0] != missing.Findings[0] {
		t.Errorf("of one that is there: %v\nof one that is not: %v", there.Findings, missing.Findings)
	}
}

func TestLookupErrors(t *testing.T) {
	for err, want := range map[error]Reason{
		ErrForbidden: RefForbidden, ErrNotRead: RefNotRead, errors.New("refused"): RefNotRead,
	} {
		w := newWorld(t)
		w.failing["credentials/hook"] = err
		result := w.resolve(t, globalTeams+ref+"}}}")
		wantLines(t, "findings", brief(result.Findings), []string{string(want) + " spec.teams.webhook"})
	}
}

// TestTenantsConfig is about who decides where credentials go: a Config of a tenant names its server and its own
// credentials, and never those of the platform.
func TestTenantsConfig(t *testing.T) {
	const receiver = `{metadata: {name: r, labels: {type: tenant, user: ann}}, spec: {slack: {channels: [ops]}}}`

	platforms := `
metadata: {name: d, labels: {type: default}}
spec: {slack: {slackTokenSecret: {name: bot, key: token}}}`
	own := func(labels string) string {
		return `
metadata: {name: t, labels: {` + labels + `}}
spec: {slack: {apiURL: "https://collect.example.com/", slackTokenSecret: {name: bot, key: token}}}`
	}

	w := newWorld(t).config(t, platforms).config(t, own("type: tenant, user: ann")).
		secret("credentials", "bot", "", "SYSTEM")
	plans, found := planned(t, w, receiver)
	wantLines(t, "findings", brief(found), []string{"Config t RefNotFound spec.slack.slackTokenSecret"})
	wantLines(t, "what is sent", tokens(plans), []string{"slack/ops "})

	// Without a Config of its own it uses the platform's, which goes to the platform's server.
	w = newWorld(t).config(t, platforms).secret("credentials", "bot", "", "SYSTEM")
	plans, found = planned(t, w, receiver)
	wantLines(t, "findings", brief(found), nil)
	wantLines(t, "what is sent", tokens(plans), []string{"slack/ops SYSTEM"})

	if url := plans["slack/ops"].settings.(slackSettings).BaseURL; url != "" {
		t.Errorf("the platform's token goes to %q", url)
	}

	// A tenant that labels its Config as a default as well gains nothing.
	w = newWorld(t).config(t, own("type: tenant, user: ann, extra: default")).secret("credentials", "bot", "", "SYSTEM")
	w.manager.DefaultConfigSelector.MatchLabels = map[string]string{"extra": "default"}
	plans, _ = planned(t, w, receiver)
	wantLines(t, "what is sent", tokens(plans), []string{"slack/ops "})
}

func TestNobodysReceiver(t *testing.T) {
	w := newWorld(t).secret("credentials", "hook", "", flow)
	result := w.resolve(t, strings.Replace(globalTeams, "type: global", "type: other", 1)+ref+"}}}")

	wantLines(t, "findings", brief(result.Findings), []string{"NotSelected metadata.labels ~"})
	wantLines(t, "targets", targets(result), nil)
	wantLines(t, "looked up", w.lookups, nil)
}

func TestTemplatesOfTenants(t *testing.T) {
	const text = `{{ define "mine" }}{{ len .Alerts }} alerts{{ end }}`

	receiver := func(labels, ref string) string {
		return `{metadata: {name: r, labels: {` + labels + `}}, ` +
			`spec: {teams: {webhook: {value: "` + flow + `"}, template: mine, tmplText: ` + ref + `}}}`
	}

	const (
		ann    = "type: tenant, user: ann"
		broken = "BadTemplate spec.teams.template ~"
	)

	for _, c := range []struct {
		name, receiver, namespace string
		owner                     map[string]string
		want                      []string
	}{
		{"its own", receiver(ann, "{name: words}"), "credentials", map[string]string{"user": "ann"}, nil},
		{"its own, by key", receiver(ann, "{name: words, key: text}"), "credentials", map[string]string{"user": "ann"}, nil},
		{"no such key", receiver(ann, "{name: words, key: x}"), "credentials", map[string]string{"user": "ann"}, []string{broken, "RefKeyNotFound spec.teams.tmplText ~"}},
		{"another's", receiver(ann, "{name: words}"), "credentials", map[string]string{"user": "bob"}, []string{broken, "RefNotFound spec.teams.tmplText ~"}},
		{"another namespace", receiver(ann, "{namespace: kube-system, name: words}"), "kube-system", nil, []string{broken, "RefNotAllowed spec.teams.tmplText ~"}},
		{"no name", receiver(ann, "{name: ''}"), "credentials", nil, []string{broken, "Invalid spec.teams.tmplText ~"}},
		{"global: any namespace", receiver("type: global", "{namespace: kube-system, name: words}"), "kube-system", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.configMaps[c.namespace+"/words"] = Object[string]{Labels: c.owner, Data: map[string]string{"text": text}}

			plans, found := planned(t, w, c.receiver)
			wantLines(t, "findings", brief(found), c.want)

			want := "mine"
			if len(c.want) > 0 {
				want = "nm.default.markdown"
			}

			if got := plans["teams"].settings.(teamsSettings).Text; templateName(got) != want {
				t.Errorf("the template is %q, want %q", templateName(got), want)
			}

			wantLines(t, "targets", targets(w.resolve(t, c.receiver)), []string{"teams"})
		})
	}
}

func TestSecretsAreTrimmed(t *testing.T) {
	w := newWorld(t).secret("credentials", "hook", "", "\r\n")
	result := w.resolve(t, globalTeams+ref+"}}}")
	wantLines(t, "an empty one", brief(result.Findings), []string{"Invalid spec.teams.webhook"})

	if got := trimmed(" a b \n\r\n"); got.Reveal() != " a b " {
		t.Errorf("trimmed to %q", got.Reveal())
	}
}
