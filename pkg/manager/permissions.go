package manager

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
)

const (
	// askTimeout bounds each question asked of the API server before anything starts.
	askTimeout = 10 * time.Second

	// askConcurrency bounds how many questions about rights are asked at the same time.
	askConcurrency = 8

	// askAgain is how often a controller asks for rights that it lacks.
	askAgain = 10 * time.Second

	// answerAge is how old an answer may be that serves another controller with the same question.
	answerAge = time.Second
)

// right is something that the process needs to be allowed to do.
type right struct {
	verb, group, resource, subresource, namespace, name string
}

// String returns the right as people say it.
func (r right) String() string {
	text := r.verb + " " + r.resource
	if r.subresource != "" {
		text += "/" + r.subresource
	}

	if r.group != "" {
		text += "." + r.group
	}

	if r.name != "" {
		text += " " + r.name
	}

	if r.namespace != "" {
		text += " in " + r.namespace
	}

	return text
}

// readRights lists what it takes to keep these kinds in memory.
func readRights(caches []Cached) []right {
	var rights []right

	for _, cached := range caches {
		for _, verb := range readVerbs(cached) {
			rights = append(rights, right{
				verb: verb, group: cached.Kind.Group, resource: cached.Resource,
				namespace: cached.Namespace, name: cached.Name,
			})
		}
	}

	return rights
}

// writeRights lists what the rules allow, one by one.
func writeRights(rules []rbacv1.PolicyRule) []right {
	var rights []right

	for _, rule := range splitRules(rules) {
		resource, subresource, _ := strings.Cut(rule.Resources[0], "/")

		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}

		for _, verb := range rule.Verbs {
			for _, name := range names {
				rights = append(rights, right{
					verb: verb, group: rule.APIGroups[0], resource: resource, subresource: subresource, name: name,
				})
			}
		}
	}

	return rights
}

// permissions asks the API server what the process may do. Controllers that ask the same at the same time share
// an answer.
type permissions struct {
	clients kubernetes.Interface
	clock   clock.PassiveClock

	mutex   sync.Mutex
	answers map[right]*answer
}

// answer is one that was given, or is awaited.
type answer struct {
	asked   time.Time
	done    chan struct{}
	allowed bool
	err     error
}

func newPermissions(clients kubernetes.Interface, clock clock.PassiveClock) *permissions {
	return &permissions{clients: clients, clock: clock, answers: map[right]*answer{}}
}

// denied returns those of the rights that the process lacks, in their order.
func (p *permissions) denied(ctx context.Context, rights []right) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()

	denied := make([]string, len(rights))

	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(askConcurrency)

	for i, right := range rights {
		group.Go(func() error {
			allowed, err := p.allowed(ctx, right)
			if err == nil && !allowed {
				denied[i] = right.String()
			}

			return err
		})
	}

	if err := group.Wait(); err != nil {
		return nil, err
	}

	return slices.DeleteFunc(denied, func(right string) bool { return right == "" }), nil
}

func (p *permissions) allowed(ctx context.Context, right right) (bool, error) {
	given, mine := p.answer(right)
	if mine {
		given.allowed, given.err = p.ask(ctx, right)
		close(given.done)
	}

	select {
	case <-given.done:
		return given.allowed, given.err
	case <-ctx.Done():
		return false, fmt.Errorf("ask whether this process may %s: %w", right, ctx.Err())
	}
}

// answer returns a fresh answer to wait for, and whether it is the caller who has to ask.
func (p *permissions) answer(right right) (*answer, bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	now := p.clock.Now()

	for old, given := range p.answers {
		if now.Sub(given.asked) > answerAge {
			delete(p.answers, old)
		}
	}

	if given, found := p.answers[right]; found {
		return given, false
	}

	given := &answer{asked: now, done: make(chan struct{})}
	p.answers[right] = given

	return given, true
}

func (p *permissions) ask(ctx context.Context, right right) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: right.verb, Group: right.group, Resource: right.resource, Subresource: right.subresource,
			Namespace: right.namespace, Name: right.name,
		},
	}}

	given, err := p.clients.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask whether this process may %s: %w", right, err)
	}

	return given.Status.Allowed, nil
}
