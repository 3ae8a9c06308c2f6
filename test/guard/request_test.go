package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// method is a way to write, or to read.
type method string

const (
	post   method = "POST"
	merge  method = "merge patch"
	patch  method = "JSON patch"
	apply  method = "server-side apply"
	put    method = "PUT" // of what is there, with the body as a merge patch
	remove method = "DELETE"
	read   method = "GET"
)

// request is one to the API server.
type request struct {
	method method
	path   string
	body   string
}

func (r request) String() string { return fmt.Sprintf("%s %s %s", r.method, r.path, r.body) }

// send makes the request in the name of somebody. A dry run is admitted as any other request is, and changes nothing.
func (r request) send(ctx context.Context, who string, dryRun bool) error {
	client, err := clientOf(who)
	if err != nil {
		return err
	}

	sent := r
	if dryRun && r.method == remove && r.body != "" {
		// What a body says of a deletion counts, and then nothing else does.
		sent.body = strings.TrimSuffix(r.body, "}") + `,"dryRun":["All"]}`
	}

	call, err := sent.call(ctx, client)
	if err != nil {
		return err
	}

	path, query, _ := strings.Cut(r.path, "?")
	call = call.AbsPath(path)

	if key, value, isGiven := strings.Cut(query, "="); isGiven {
		call = call.Param(key, value)
	}

	if dryRun && r.method != read {
		call = call.Param("dryRun", "All")
	}

	return call.Do(ctx).Error()
}

// call has everything of the request except its path.
func (r request) call(ctx context.Context, client *rest.RESTClient) (*rest.Request, error) {
	body := []byte(r.body)

	switch r.method {
	case post:
		return client.Post().SetHeader("Content-Type", "application/json").Body(body), nil
	case merge:
		return client.Patch(types.MergePatchType).Body(body), nil
	case patch:
		return client.Patch(types.JSONPatchType).Body(body), nil
	case apply:
		call := client.Patch(types.ApplyYAMLPatchType).Param("fieldManager", "test").Param("force", "true")

		return call.Body(body), nil
	case put:
		body, err := r.changed(ctx)

		return client.Put().SetHeader("Content-Type", "application/json").Body(body), err
	case read:
		return client.Get(), nil
	case remove:
		if r.body == "" {
			return client.Delete(), nil
		}

		return client.Delete().SetHeader("Content-Type", "application/json").Body(body), nil
	default:
		return nil, errors.New("no such method: " + string(r.method))
	}
}

// changed is the object as it is, which an administrator reads, and the change.
func (r request) changed(ctx context.Context) ([]byte, error) {
	client, err := clientOf(admin)
	if err != nil {
		return nil, err
	}

	path := strings.TrimSuffix(strings.TrimSuffix(r.path, "/status"), "/finalize")

	found, err := client.Get().AbsPath(path).DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}

	var live, change map[string]any
	if err := errors.Join(json.Unmarshal(found, &live), json.Unmarshal([]byte(r.body), &change)); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}

	return json.Marshal(merged(live, change))
}

// merged is a merge patch, applied.
func merged(live, change map[string]any) map[string]any {
	if live == nil {
		live = map[string]any{}
	}

	for key, value := range change {
		switch value := value.(type) {
		case nil:
			delete(live, key)
		case map[string]any:
			inner, _ := live[key].(map[string]any)
			live[key] = merged(inner, value)
		default:
			live[key] = value
		}
	}

	return live
}

// The people. What they may do is in testdata.
const (
	admin   = "admin"
	oscar   = "oscar"
	mallory = "mallory"
	dora    = "dora"
	nora    = "nora"
	pete    = "pete"
	sven    = "sven"
	alice   = "alice"
	carol   = "carol"
	vera    = "vera"
	greta   = "greta"
	dave    = "dave"
	olga    = "olga"
	bob     = "bob"
	robot   = "system:serviceaccount:team-a-one:robot"
)

// clientOf returns a client of somebody.
func clientOf(who string) (*rest.RESTClient, error) {
	config := shared.Config()
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	config.ContentType = "application/json"

	if who != admin {
		config.Impersonate = rest.ImpersonationConfig{UserName: who, Groups: groupsOf(who)}
	}

	return rest.UnversionedRESTClientFor(config)
}

func groupsOf(who string) []string {
	groups := []string{"system:authenticated"}

	if namespace, isAccount := strings.CutPrefix(who, "system:serviceaccount:"); isAccount {
		namespace, _, _ = strings.Cut(namespace, ":")
		groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:"+namespace)
	}

	return groups
}

// isRefused tells whether the request was understood and not allowed. Another error is a mistake in a test.
func isRefused(err error) bool {
	var status apierrors.APIStatus

	return errors.As(err, &status) && status.Status().Code == http.StatusForbidden
}
