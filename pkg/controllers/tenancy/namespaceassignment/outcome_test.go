package namespaceassignment_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/namespaceassignment"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// server is one in memory, with the controller.
type server struct {
	t          *testing.T
	client     client.Client
	reconciler reconcile.Reconciler
}

func serverWith(t *testing.T, objects ...client.Object) server {
	t.Helper()

	c, err := harness.Fake().Open(t.Context(), subject(t))
	if err != nil {
		t.Fatal(err)
	}

	for _, object := range objects {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	built, err := namespaceassignment.New(manager.Dependencies{
		Client: c, Recorder: events.NewFakeRecorder(1000), Clock: testclock.NewFakePassiveClock(time.Unix(0, 0)),
	})
	if err != nil {
		t.Fatal(err)
	}

	return server{t: t, client: c, reconciler: built.Reconciler}
}

// run reconciles until nothing more is asked for, as often as is allowed, and returns how often that was.
func (s server) run(name string, most int) int {
	s.t.Helper()

	for count := 1; ; count++ {
		result, err := s.reconciler.Reconcile(s.t.Context(), reconcile.Request{
			NamespacedName: client.ObjectKey{Name: name},
		})
		if count == most || result.IsZero() || err != nil {
			return count
		}
	}
}

func (s server) status(name string) tenantv1beta1.NamespaceAssignmentStatus {
	s.t.Helper()

	object := &tenantv1beta1.NamespaceAssignment{}
	if err := s.client.Get(s.t.Context(), client.ObjectKey{Name: name}, object); err != nil {
		s.t.Fatal(err)
	}

	return object.Status
}

// members returns the names of the namespaces by workspace.
func (s server) members() map[string]string {
	s.t.Helper()

	var namespaces corev1.NamespaceList
	if err := s.client.List(s.t.Context(), &namespaces); err != nil {
		s.t.Fatal(err)
	}

	names := map[string]string{}

	for i := range namespaces.Items {
		workspace := namespaces.Items[i].Labels[tenantv1beta1.WorkspaceLabel]
		names[workspace] = strings.TrimSpace(names[workspace] + " " + namespaces.Items[i].Name)
	}

	return names
}

// summary tells of each condition in one word.
func summary(status tenantv1beta1.NamespaceAssignmentStatus) string {
	var words []string
	for _, condition := range status.Conditions {
		words = append(words, fmt.Sprintf("%s=%s/%s", condition.Type, condition.Status, condition.Reason))
	}

	counted := func(n *int32) string {
		if n == nil {
			return "-"
		}

		return strconv.Itoa(int(*n))
	}

	return strings.Join(words, " ") + " " + counted(status.Assigned) + counted(status.Pending) + counted(status.Refused)
}

func TestOutcomes(t *testing.T) {
	const (
		reconciling = "Ready=False/%[1]s Reconciling=True/%[1]s Stalled=False/%[1]s "
		stalled     = "Ready=False/%[1]s Reconciling=False/%[1]s Stalled=True/%[1]s Accepted=False/%[1]s ---"
		resolved    = " ResolvedRefs=True/ResolvedRefs "
	)

	tests := map[string]struct {
		name, want string
		members    map[string]string
	}{
		"moved": {
			"moved", "Ready=True/Assigned Reconciling=False/Assigned Stalled=False/Assigned Accepted=True/Accepted" +
				resolved + "Programmed=True/Assigned 200",
			map[string]string{"": "foreign kube-public", "w": "free taken"},
		},
		"refused": {
			"refused", fmt.Sprintf(reconciling, "NamespacesRefused") + "Accepted=True/Accepted" + resolved +
				"Programmed=False/NamespacesRefused 101",
			map[string]string{"old": "held", "w": "free"},
		},
		"in dispute": {
			"two", fmt.Sprintf(reconciling, "Conflict") + "Accepted=False/Conflict" + resolved +
				"Programmed=False/Conflict 002",
			map[string]string{"old": "held", "w": "settled"},
		},
		"rehearsed": {
			"dry", "Ready=True/DryRun Reconciling=False/DryRun Stalled=False/DryRun Accepted=True/Accepted" + resolved +
				"Programmed=False/DryRun 010",
			map[string]string{"": "free"},
		},
		"no workspace": {
			"lost", fmt.Sprintf(reconciling, "WorkspaceNotFound") + "Accepted=True/Accepted " +
				"ResolvedRefs=False/WorkspaceNotFound Programmed=False/WorkspaceNotFound ---",
			map[string]string{"": "free"},
		},
		"everything": {
			"everything", fmt.Sprintf(stalled, "SelectorMatchesEverything"), map[string]string{"": "free"},
		},
		"invalid": {"invalid", fmt.Sprintf(stalled, "InvalidSelector"), map[string]string{"": "free"}},
		"paused": {
			"paused", "Ready=Unknown/Paused Reconciling=False/Paused Stalled=False/Paused ---",
			map[string]string{"": "free"},
		},
	}

	for _, world := range worlds() {
		test, wanted := tests[world.Name]
		if !wanted {
			continue
		}

		t.Run(world.Name, func(t *testing.T) {
			server := serverWith(t, world.Objects...)
			server.run(test.name, 1)
			server.run(test.name, 1)

			if diff := cmp.Diff(test.want, summary(server.status(test.name))); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}

			if diff := cmp.Diff(test.members, server.members()); diff != "" {
				t.Errorf("namespaces by workspace (-want +got):\n%s", diff)
			}
		})
	}
}

// What two assignments claim for different workspaces stays where it is, and both say who the other is.
func TestBothTellOfADispute(t *testing.T) {
	server := serverWith(t, workspace("w"), workspace("v"), assignment("one", "w", "a"), assignment("two", "v", "a"),
		namespace("wanted", "", "a"))

	for name, other := range map[string]string{"one": "two", "two": "one"} {
		server.run(name, 1)

		ready := meta.FindStatusCondition(server.status(name).Conditions, "Ready")
		if ready == nil || ready.Reason != "Conflict" ||
			!strings.Contains(ready.Message, "NamespaceAssignment "+other) ||
			!strings.Contains(ready.Message, "wanted") {
			t.Errorf("%s: %+v", name, ready)
		}
	}

	if diff := cmp.Diff(map[string]string{"": "wanted"}, server.members()); diff != "" {
		t.Errorf("namespaces by workspace (-want +got):\n%s", diff)
	}
}

// A run writes no more than its share, and the status names no more than it has room for.
func TestManyAreMovedInSteps(t *testing.T) {
	const many = 450

	objects := []client.Object{workspace("w"), assignment("many", "w", "a")}
	for i := range many {
		objects = append(objects, namespace(fmt.Sprintf("n%03d", i), "", "a"))
	}

	server := serverWith(t, objects...)
	server.run("many", 1)

	status := server.status("many")
	if moved := len(strings.Fields(server.members()["w"])); moved != 200 || len(status.Changes) != 100 {
		t.Errorf("one run moved %d and told of %d", moved, len(status.Changes))
	}

	if runs := server.run("many", 5); runs != 2 {
		t.Errorf("the rest took %d runs, want 2", runs)
	}

	server.run("many", 1)

	if got := summary(server.status("many")); !strings.HasSuffix(got, "Programmed=True/Assigned 45000") {
		t.Errorf("in the end: %s", got)
	}
}

// A namespace that a member made counts as let in where it is put.
func TestMovedNamespacesAreAdmitted(t *testing.T) {
	made := namespace("made", "old", "a")
	made.Annotations = map[string]string{
		tenantv1beta1.SelfServiceAnnotation: "true", tenantv1beta1.AdmittedAnnotation: "old",
	}

	server := serverWith(t, workspace("w"), assignment("moved", "w", "a", "old"), made)
	server.run("moved", 1)

	if err := server.client.Get(t.Context(), client.ObjectKeyFromObject(made), made); err != nil {
		t.Fatal(err)
	}

	if made.Annotations[tenantv1beta1.AdmittedAnnotation] != "w" || made.Labels[tenantv1beta1.WorkspaceLabel] != "w" {
		t.Errorf("it is %v, %v", made.Labels, made.Annotations)
	}
}
