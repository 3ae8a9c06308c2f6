// Package scale measures a manager on a large cluster: a generator of what users have made, a runner that plays a cold
// start, the same writes without a manager, a restart and edits, and figures for package report to judge.
//
// Who adds a domain adds a [Scenario]; the runner knows none.
package scale

import (
	"context"
	"fmt"
	"iter"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/test/scale/audit"
)

// Size says how much there is in a cluster.
type Size struct {
	Name        string
	Workspaces  int
	Namespaces  int
	Users       int
	Secrets     int // of others, which the manager has no use for
	SecretBytes int
	Groups      int // of alert rules
	Rules       int // in each group
}

// T10 is the size that promises are made for.
func T10() Size {
	return Size{
		Name: "T10", Workspaces: 100, Namespaces: 10_000, Users: 200, Secrets: 20_000, SecretBytes: 50_000,
	}
}

// ManyWorkspaces has few namespaces in each of many workspaces, and nothing else.
func ManyWorkspaces() Size {
	return Size{Name: "W1000", Workspaces: 1000, Namespaces: 5000, Users: 200}
}

// ManyRules has 10,000 alert rules, as many in each group as KubeSphere 3.4 allowed, and nothing else.
func ManyRules() Size {
	return Size{Name: "R10000", Namespaces: 250, Groups: 250, Rules: 40}
}

// Divided is the same with fewer of everything, but for what is within one Secret or one group of rules. There are
// always enough users for the bindings of a workspace.
func (s Size) Divided(by int) Size {
	const fewest = 10

	if by <= 1 {
		return s
	}

	return Size{
		Name:       fmt.Sprintf("%s/%d", s.Name, by),
		Workspaces: max(s.Workspaces/by, 1), Namespaces: max(s.Namespaces/by, 1),
		Users: max(s.Users/by, fewest), Secrets: s.Secrets / by, SecretBytes: s.SecretBytes,
		Groups: min(max(s.Groups/by, 1), s.Groups), Rules: s.Rules, // none stay none
	}
}

// Scenario is what a domain has to do in a large cluster.
type Scenario struct {
	Name string

	// Sizes are those that it is measured at.
	Sizes []Size

	// Components are folders of config to install beside what every manager needs.
	Components []string

	// Args are what the manager is told, such as the gates that have to be on.
	Args []string

	// AddToScheme makes the kinds known that the others use.
	AddToScheme func(*runtime.Scheme) error

	// Generate returns what users have made before the manager comes, in its order. The same size and seed give the
	// same objects.
	Generate func(size Size, seed uint64) []Stage

	// Objects is how many objects a manager that has looked at everything has looked at, at least.
	Objects func(size Size) int

	// Converged says what is still missing, and nothing when all is in place.
	Converged func(ctx context.Context, reader client.Reader, size Size) error

	// Resync has the manager go through everything once more, as the numbered round. It does not wait for that.
	Resync func(ctx context.Context, writer client.Client, size Size, round int) error

	// Edits are what users do meanwhile.
	Edits []Edit

	// Change is what a user changes when all is in order, if all that is done about it is to be counted.
	Change *Change
}

// Scenarios are all there are.
func Scenarios() []Scenario { return []Scenario{Tenancy(), Alerting()} }

// Stage is a part of what is generated. Its objects do not depend on each other.
type Stage struct {
	Name string
	// Ground tells that the manager has nothing to do for these. How much memory the others take is measured from
	// where there is nothing else.
	Ground  bool
	Objects iter.Seq[client.Object]
}

// Edit is a change by a user.
type Edit struct {
	Name string

	// Prepare returns the change and what waits until it is effective. The time between the two calls counts; what
	// Prepare does itself does not.
	Prepare func(ctx context.Context, admin client.WithWatch, size Size, number int) (Prepared, error)
}

// Prepared is an edit that is about to be made.
type Prepared struct {
	// Make makes the change, as its user does.
	Make func(context.Context) error
	// Await returns when the change is effective.
	Await func(context.Context) error
	// Close frees what Prepare has taken; may be nil.
	Close func()
}

// Change is one change by a user in a cluster that is in order.
type Change struct {
	// Make makes it, and Effective says what is still missing.
	Make, Effective func(ctx context.Context, admin client.Client, size Size) error

	// Concerns tells of a call that is about what was changed, or about what is made of it.
	Concerns func(call audit.Call, size Size) bool

	// Later is how long after that the manager looks at it once more.
	Later time.Duration
}
