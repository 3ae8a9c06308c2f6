// Package alertmanagerconfig writes the configuration of the Alertmanager that posts to a notification service: with
// the routes, the grouping and the inhibitions that KubeSphere gives it.
//
// It has a few types of its own for the part of Alertmanager's configuration that is used here, and reads back strictly
// what it writes, so that no configuration leaves that Alertmanager would refuse.
package alertmanagerconfig

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"

	"sigs.k8s.io/yaml"
)

// Names of receivers, as KubeSphere has them.
const (
	receiverDefault    = "Default"
	receiverWatchdog   = "Watchdog"
	receiverNull       = "null"
	receiverEvent      = "event"
	receiverAuditing   = "auditing"
	receiverPrometheus = "prometheus"
)

// Options are what differs from one cluster to another.
type Options struct {
	// Endpoint is the URL that alerts are posted to.
	Endpoint string
	// Watchdog says that the service waits for the alert of that name: it is posted again and again then. Otherwise
	// nobody is told of it.
	Watchdog bool
	// TokenFile is the file with the token that the service asks for; empty: it asks for none.
	TokenFile string
}

// Config is a configuration of Alertmanager.
type Config struct {
	Global       Global        `json:"global"`
	Route        Route         `json:"route"`
	InhibitRules []InhibitRule `json:"inhibit_rules"` //nolint:tagliatelle // Alertmanager's own
	Receivers    []Receiver    `json:"receivers"`
}

// Global counts for all.
type Global struct {
	ResolveTimeout string `json:"resolve_timeout"` //nolint:tagliatelle // as above
}

// Route says who is told of which alerts, and when.
type Route struct {
	Receiver       string   `json:"receiver"`
	Matchers       []string `json:"matchers,omitempty"`
	GroupBy        []string `json:"group_by,omitempty"`        //nolint:tagliatelle // as above
	GroupWait      string   `json:"group_wait,omitempty"`      //nolint:tagliatelle // as above
	GroupInterval  string   `json:"group_interval,omitempty"`  //nolint:tagliatelle // as above
	RepeatInterval string   `json:"repeat_interval,omitempty"` //nolint:tagliatelle // as above
	Routes         []Route  `json:"routes,omitempty"`
}

// InhibitRule says which alerts keep others back.
type InhibitRule struct {
	SourceMatchers []string `json:"source_matchers"` //nolint:tagliatelle // as above
	TargetMatchers []string `json:"target_matchers"` //nolint:tagliatelle // as above
	Equal          []string `json:"equal"`
}

// Receiver is who is told; one without a webhook is nobody.
type Receiver struct {
	Name     string    `json:"name"`
	Webhooks []Webhook `json:"webhook_configs,omitempty"` //nolint:tagliatelle // as above
}

// Webhook is a URL that alerts are posted to.
type Webhook struct {
	URL          string      `json:"url"`
	SendResolved *bool       `json:"send_resolved,omitempty"` //nolint:tagliatelle // as above
	HTTP         *HTTPConfig `json:"http_config,omitempty"`   //nolint:tagliatelle // as above
}

// HTTPConfig says how the URL is reached.
type HTTPConfig struct {
	Authorization Authorization `json:"authorization"`
}

// Authorization is a token in a file.
type Authorization struct {
	CredentialsFile string `json:"credentials_file"` //nolint:tagliatelle // as above
}

const (
	second30, minute, minutes5, hours12 = "30s", "1m", "5m", "12h"

	labelNamespace, labelName = "namespace", "alertname"
)

// Of is KubeSphere's configuration.
func Of(options Options) Config {
	watchdog := Route{Receiver: receiverWatchdog, Matchers: []string{`alertname="Watchdog"`}}
	if options.Watchdog {
		watchdog.GroupInterval, watchdog.RepeatInterval = minute, minute
	}

	return Config{
		Global: Global{ResolveTimeout: minutes5},
		Route: Route{
			Receiver: receiverDefault, GroupBy: []string{labelNamespace, labelName, "rule_id"},
			GroupWait: second30, GroupInterval: minutes5, RepeatInterval: hours12,
			Routes: []Route{
				watchdog,
				{Receiver: receiverNull, Matchers: []string{`alertname="InfoInhibitor"`}},
				{Receiver: receiverEvent, Matchers: []string{`alerttype="event"`}, GroupInterval: second30},
				{Receiver: receiverAuditing, Matchers: []string{`alerttype="auditing"`}, GroupInterval: second30},
				{Receiver: receiverPrometheus, Matchers: []string{`alerttype=~".*"`}},
			},
		},
		InhibitRules: []InhibitRule{
			inhibits(`severity="critical"`, `severity=~"warning|info"`, labelNamespace, labelName),
			inhibits(`severity="warning"`, `severity="info"`, labelNamespace, labelName),
			inhibits(`alertname="InfoInhibitor"`, `severity="info"`, labelNamespace),
		},
		Receivers: receivers(options),
	}
}

func inhibits(source, target string, equal ...string) InhibitRule {
	return InhibitRule{SourceMatchers: []string{source}, TargetMatchers: []string{target}, Equal: equal}
}

func receivers(options Options) []Receiver {
	posts := func(name string, resolved *bool) Receiver {
		webhook := Webhook{URL: options.Endpoint, SendResolved: resolved}
		if options.TokenFile != "" {
			webhook.HTTP = &HTTPConfig{Authorization: Authorization{CredentialsFile: options.TokenFile}}
		}

		return Receiver{Name: name, Webhooks: []Webhook{webhook}}
	}

	watchdog := Receiver{Name: receiverWatchdog}
	if options.Watchdog {
		watchdog = posts(receiverWatchdog, new(false))
	}

	// What happened once does not end.
	return []Receiver{
		{Name: receiverDefault},
		watchdog,
		{Name: receiverNull},
		posts(receiverEvent, new(false)), posts(receiverAuditing, new(false)), posts(receiverPrometheus, nil),
	}
}

// Render writes a configuration. One that Alertmanager would refuse is an error that names its field.
func Render(config Config) (string, error) {
	text, err := yaml.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("write the configuration of Alertmanager: %w", err)
	}

	if err := Validate(text); err != nil {
		return "", err
	}

	return string(text), nil
}

// Validate finds what is wrong with a configuration of the form that is written here.
func Validate(text []byte) error {
	var config Config
	if err := yaml.UnmarshalStrict(text, &config); err != nil {
		return fmt.Errorf("read the configuration of Alertmanager: %w", err)
	}

	var errs []error

	names := map[string]bool{}

	for i, receiver := range config.Receivers {
		field := fmt.Sprintf("receivers[%d]", i)
		if receiver.Name == "" || names[receiver.Name] {
			errs = append(errs, fmt.Errorf(
				"%s.name: %q is empty or there twice; name each receiver once", field, receiver.Name))
		}

		names[receiver.Name] = true

		for j, webhook := range receiver.Webhooks {
			errs = append(errs, checkURL(fmt.Sprintf("%s.webhook_configs[%d].url", field, j), webhook.URL))
		}
	}

	errs = append(errs, checkDuration("global.resolve_timeout", config.Global.ResolveTimeout))
	if len(config.Route.Matchers) > 0 {
		errs = append(errs, errors.New("route.matchers: the first route takes every alert; remove them"))
	}

	errs = append(errs, checkRoute("route", config.Route, names)...)

	for i, rule := range config.InhibitRules {
		field := fmt.Sprintf("inhibit_rules[%d]", i)
		errs = append(errs, checkMatchers(field+".source_matchers", rule.SourceMatchers),
			checkMatchers(field+".target_matchers", rule.TargetMatchers))
	}

	return errors.Join(errs...)
}

func checkRoute(field string, route Route, names map[string]bool) []error {
	var errs []error

	if !names[route.Receiver] {
		errs = append(errs, fmt.Errorf("%s.receiver: there is no receiver %q; add it", field, route.Receiver))
	}

	for name, text := range map[string]string{
		"group_wait": route.GroupWait, "group_interval": route.GroupInterval, "repeat_interval": route.RepeatInterval,
	} {
		if text != "" {
			errs = append(errs, checkDuration(field+"."+name, text))
		}
	}

	errs = append(errs, checkMatchers(field+".matchers", route.Matchers))

	if sorted := slices.Sorted(slices.Values(route.GroupBy)); len(slices.Compact(sorted)) < len(route.GroupBy) {
		errs = append(errs, fmt.Errorf("%s.group_by: a label is there twice; name each once", field))
	}

	for i, below := range route.Routes {
		errs = append(errs, checkRoute(fmt.Sprintf("%s.routes[%d]", field, i), below, names)...)
	}

	return errs
}

func checkURL(field, text string) error {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return fmt.Errorf(
			"%s: %q is no URL; write one such as http://notification-manager-svc.monitoring.svc:19093/api/v2/alerts",
			field, text)
	}

	return nil
}

func checkDuration(field, text string) error {
	if !regexp.MustCompile(`^([1-9]\d*(ms|s|m|h|d|w|y))+$`).MatchString(text) {
		return fmt.Errorf("%s: %q is no length of time; write one such as 30s or 5m", field, text)
	}

	return nil
}

func checkMatchers(field string, matchers []string) error {
	form := regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*(=|!=|=~|!~)"((?:[^"\\\n]|\\.)*)"$`)

	for i, matcher := range matchers {
		parts := form.FindStringSubmatch(matcher)
		if parts == nil {
			return fmt.Errorf("%s[%d]: %q is no matcher; write one such as severity=\"critical\"", field, i, matcher)
		}

		if parts[1] == "=~" || parts[1] == "!~" {
			if _, err := regexp.Compile("^(?:" + parts[2] + ")$"); err != nil {
				return fmt.Errorf("%s[%d]: %w", field, i, err)
			}
		}
	}

	return nil
}
