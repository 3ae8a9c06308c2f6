// Package audit tells what was asked of an API server, by whom and when, from its audit log: exact for a process of
// any kind, and with nothing between that process and the API server.
package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	policyFile = "audit-policy.yaml"
	logFile    = "audit.log"

	pollPeriod = 100 * time.Millisecond
)

// policy has the API server tell of all that the account does and of what kube-controller-manager writes. Leases,
// reviews of rights and discovery are no work on objects, and a running process never ends them.
const policy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  resources:
  - {group: coordination.k8s.io}
  - {group: authorization.k8s.io}
  - {group: authentication.k8s.io}
- level: None
  nonResourceURLs: ["*"]
- level: Metadata
  users: [%q]
- level: Metadata
  userGroups: ["system:serviceaccounts:kube-system"]
  verbs: [create, update, patch, delete, deletecollection]
- level: None
`

// Log is the audit log of an API server.
type Log struct{ path string }

// Prepare writes the policy that follows an account into a folder, and returns the log with the flags that the API
// server has to be started with.
func Prepare(dir, account string) (Log, map[string]string, error) {
	path := filepath.Join(dir, policyFile)
	if err := os.WriteFile(path, fmt.Appendf(nil, policy, account), 0o600); err != nil {
		return Log{}, nil, fmt.Errorf("writing the audit policy: %w", err)
	}

	log := Log{path: filepath.Join(dir, logFile)}

	return log, map[string]string{
		"audit-policy-file":  path,
		"audit-log-path":     log.path,
		"audit-log-maxsize":  "1000000", // megabytes: it would begin a new file at 100
		"audit-log-compress": "false",
	}, nil
}

// Mark is a place in a log.
type Mark int64

// End is where the log ends now. A log that nothing was written to has no file.
func (l Log) End() (Mark, error) {
	info, err := os.Stat(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}

	if err != nil {
		return 0, fmt.Errorf("looking at the audit log: %w", err)
	}

	return Mark(info.Size()), nil
}

// AwaitQuiet waits until nothing was asked for a while: the log has not grown.
func (l Log) AwaitQuiet(ctx context.Context, quiet, timeout time.Duration) error {
	var last Mark

	since := time.Now()

	err := wait.PollUntilContextTimeout(ctx, pollPeriod, timeout, true, func(context.Context) (bool, error) {
		end, err := l.End()
		if end != last {
			last, since = end, time.Now()
		}

		return time.Since(since) >= quiet, err
	})
	if err != nil {
		return fmt.Errorf("waiting until the API server is quiet for %s: %w", quiet, err)
	}

	return nil
}

// Between returns the calls that were logged between two marks, in the order in which they ended.
func (l Log) Between(from, to Mark) (Calls, error) {
	file, err := os.Open(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}

	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}

	defer func() { _ = file.Close() }() // it was read only

	return parse(io.NewSectionReader(file, int64(from), int64(to-from)))
}

// event is what is used of a line of the log.
type event struct {
	Stage      string `json:"stage"`
	Verb       string `json:"verb"`
	RequestURI string `json:"requestURI"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Group       string `json:"apiGroup"`
		Version     string `json:"apiVersion"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	Received time.Time `json:"requestReceivedTimestamp"`
	Answered time.Time `json:"stageTimestamp"`
}

// firstStage tells whether it is the first line about its call: a watch has another when it ends.
func (e event) firstStage() bool {
	if e.Verb == "watch" {
		return e.Stage == "ResponseStarted"
	}

	return e.Stage == "ResponseComplete" || e.Stage == "Panic"
}

func (e event) call() Call {
	return Call{
		User: e.User.Username, Verb: e.Verb, URI: e.RequestURI,
		Group: e.ObjectRef.Group, Version: e.ObjectRef.Version, Resource: e.ObjectRef.Resource,
		Subresource: e.ObjectRef.Subresource, Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name,
		Code: e.ResponseStatus.Code, Received: e.Received, Answered: e.Answered,
	}
}

func parse(reader io.Reader) (Calls, error) {
	var calls Calls

	lines := bufio.NewReader(reader)

	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // a line that is still being written is none yet
			return calls, nil
		}

		if err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}

		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}

		if e.firstStage() {
			calls = append(calls, e.call())
		}
	}
}
