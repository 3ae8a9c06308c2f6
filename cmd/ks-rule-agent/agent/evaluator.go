package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

// refusedError is an evaluator's answer to files that it does not take.
type refusedError struct{ answer string }

func (e *refusedError) Error() string { return "the evaluator refuses the files: " + e.answer }

func isRefusal(err error) bool {
	var refused *refusedError

	return errors.As(err, &refused)
}

// evaluator is a Prometheus or a Thanos Ruler.
type evaluator struct {
	url     *url.URL
	client  *http.Client
	dialect rulefiles.Dialect

	// reloading and confirming are how long each may take.
	reloading, confirming time.Duration
}

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 64 << 10

// reload has the evaluator read its files. Only an answer that says that they are bad is a *refusedError.
func (e *evaluator) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.reloading)
	defer cancel()

	response, err := e.do(ctx, http.MethodPost, e.url.JoinPath("-", "reload"))
	if err != nil {
		return err
	}

	defer response.Body.Close()

	text, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // What has come is enough.
	answer := strings.TrimSpace(string(text))

	switch response.StatusCode {
	case http.StatusOK, http.StatusNoContent:
		return nil
	case http.StatusInternalServerError, http.StatusBadRequest, http.StatusUnprocessableEntity:
		return &refusedError{answer: answer}
	case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		return fmt.Errorf("the evaluator does not let itself be reloaded: %s: %s; start Prometheus with "+
			"--web.enable-lifecycle, and check --evaluator-url", response.Status, answer)
	default:
		return fmt.Errorf("reload the evaluator: %s: %s", response.Status, answer)
	}
}

func (e *evaluator) do(ctx context.Context, method string, target *url.URL) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, target.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask the evaluator: %w", err)
	}

	response, err := e.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the evaluator at %s does not answer: %w", e.url.Redacted(), cause(err))
	}

	return response, nil
}

// cause leaves out the port of this side, which is another one each time: a report changes with its text.
func cause(err error) error {
	var (
		operation *net.OpError
		request   *url.Error
	)

	switch {
	case errors.As(err, &operation):
		return operation.Err
	case errors.As(err, &request):
		return request.Err
	default:
		return err
	}
}

// answer is what /api/v1/rules says, as far as it matters here.
type answer struct {
	Data struct {
		Groups []struct {
			Name  string `json:"name"`
			File  string `json:"file"`
			Rules []struct {
				Name   string            `json:"name"`
				Labels map[string]string `json:"labels"`
			} `json:"rules"`
		} `json:"groups"`
	} `json:"data"`
}

// loaded returns the version that the evaluator shows, empty for none: or for several, which no set has.
func (e *evaluator) loaded(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.confirming)
	defer cancel()

	target := e.url.JoinPath("api", "v1", "rules")
	target.RawQuery = url.Values{"type": {"record"}, "rule_group[]": e.dialect.MarkerGroups()}.Encode()

	response, err := e.do(ctx, http.MethodGet, target)
	if err != nil {
		return "", err
	}

	defer response.Body.Close()

	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ask the evaluator which rules it has: %s; check --evaluator-url", response.Status)
	}

	var read answer
	if err := json.NewDecoder(response.Body).Decode(&read); err != nil {
		return "", fmt.Errorf("ask the evaluator which rules it has: %w; check --evaluator-url", err)
	}

	return read.version(e.dialect.MarkerGroups()), nil
}

// version is what the groups of the marker say with one voice.
func (a answer) version(groups []string) string {
	versions := map[string]string{}

	for _, group := range a.Data.Groups {
		if path.Base(group.File) != rulefiles.MarkerFile {
			continue
		}

		for _, rule := range group.Rules {
			if rule.Name == rulefiles.MarkerMetric {
				versions[group.Name] = rule.Labels[rulefiles.MarkerLabel]
			}
		}
	}

	version := versions[groups[0]]

	for _, name := range groups {
		if versions[name] != version {
			return ""
		}
	}

	return version
}

// poll is how often is looked whether a version is loaded. Most evaluators have it when their answer comes.
const poll = 50 * time.Millisecond

// confirm waits until the evaluator shows a version.
func (e *evaluator) confirm(ctx context.Context, version string) error {
	var (
		shown   string
		failure error
	)

	err := wait.PollUntilContextTimeout(ctx, poll, e.confirming, true, func(ctx context.Context) (bool, error) {
		shown, failure = e.loaded(ctx)

		return failure == nil && shown == version, nil
	})

	switch {
	case err == nil:
		return nil
	case failure != nil:
		return failure
	default:
		return fmt.Errorf("the evaluator shows version %q instead of %q; check that it reads *.yaml in --rule-dir, "+
			"and that nobody else writes there", shown, version)
	}
}
