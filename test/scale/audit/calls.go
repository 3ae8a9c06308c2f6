package audit

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Call is one request that the API server has answered.
type Call struct {
	User, Verb, URI                       string
	Group, Version, Resource, Subresource string
	Namespace, Name                       string
	Code                                  int
	Received, Answered                    time.Time
}

// IsWrite tells of a call that changes something, or tries to.
func (c Call) IsWrite() bool {
	return slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, c.Verb)
}

// Target is what it was about, as people write it: "rolebindings.rbac.authorization.k8s.io/status".
func (c Call) Target() string {
	target := c.GroupVersionResource().GroupResource().String()
	if c.Subresource != "" {
		target += "/" + c.Subresource
	}

	return target
}

// GroupVersionResource is the resource that it was about.
func (c Call) GroupVersionResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: c.Group, Version: c.Version, Resource: c.Resource}
}

// source is what a list was taken from, without where it goes on and how fresh it has to be.
func (c Call) source() string {
	uri, err := url.Parse(c.URI)
	if err != nil {
		return c.URI
	}

	query := uri.Query()
	for _, parameter := range []string{"limit", "resourceVersion", "resourceVersionMatch", "timeoutSeconds"} {
		query.Del(parameter)
	}

	uri.RawQuery = query.Encode()

	return uri.String()
}

// continues tells of the second and later pages of a list.
func (c Call) continues() bool {
	uri, err := url.Parse(c.URI)

	return err == nil && uri.Query().Has("continue")
}

// Calls are calls in the order in which they ended.
type Calls []Call

// By returns those of a user.
func (c Calls) By(user string) Calls {
	return c.where(func(call Call) bool { return call.User == user })
}

// Writes returns those that change something, or try to.
func (c Calls) Writes() Calls { return c.where(Call.IsWrite) }

// Of returns those about a resource, of any group.
func (c Calls) Of(resource string) Calls {
	return c.where(func(call Call) bool { return call.Resource == resource })
}

// Failed returns those that were refused.
func (c Calls) Failed() Calls {
	const good = 300

	return c.where(func(call Call) bool { return call.Code >= good })
}

// OutsideCaches returns the reads that a process whose caches are full does not need: of single objects, and of what
// was listed before.
func (c Calls) OutsideCaches() Calls {
	listed := map[string]bool{}

	return c.where(func(call Call) bool {
		switch {
		case call.Verb == "get":
			return true
		case call.Verb != "list" || call.continues():
			return false
		}

		source := call.source()
		again := listed[source]
		listed[source] = true

		return again
	})
}

// Resources are what they were about, sorted, each once.
func (c Calls) Resources() []schema.GroupVersionResource {
	seen := map[schema.GroupVersionResource]bool{}
	for _, call := range c {
		seen[call.GroupVersionResource()] = true
	}

	return slices.SortedFunc(maps.Keys(seen), func(a, b schema.GroupVersionResource) int {
		return cmp.Compare(a.String(), b.String())
	})
}

// Last is when the last one was answered.
func (c Calls) Last() time.Time {
	var last time.Time

	for _, call := range c {
		if call.Answered.After(last) {
			last = call.Answered
		}
	}

	return last
}

// Row says how often a verb was used on a resource, and how often in vain.
type Row struct {
	Verb     string `json:"verb"`
	Resource string `json:"resource"`
	Count    int    `json:"count"`
	Failed   int    `json:"failed,omitempty"`
}

// Table counts them by verb and resource, the most frequent first.
func (c Calls) Table() []Row {
	type key struct{ verb, target string }

	counts, failed := map[key]int{}, map[key]int{}
	for _, call := range c {
		counts[key{call.Verb, call.Target()}]++
	}

	for _, call := range c.Failed() {
		failed[key{call.Verb, call.Target()}]++
	}

	rows := make([]Row, 0, len(counts))
	for k, count := range counts {
		rows = append(rows, Row{Verb: k.verb, Resource: k.target, Count: count, Failed: failed[k]})
	}

	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Verb, b.Verb))
	})

	return rows
}

func (c Calls) where(matches func(Call) bool) Calls {
	var found Calls

	for _, call := range c {
		if matches(call) {
			found = append(found, call)
		}
	}

	return found
}
