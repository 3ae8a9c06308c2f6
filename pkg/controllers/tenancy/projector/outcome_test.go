package projector_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/projector"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// server is one in memory, with one of the controllers.
type server struct {
	t          *testing.T
	client     client.WithWatch
	controller *manager.Controller
}

func serverOf(t *testing.T, controller string, objects ...client.Object) server {
	t.Helper()

	s := subject(t, controller)

	c, err := harness.Fake().Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}

	for _, object := range objects {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	descriptor, _ := projector.Descriptors().Find(controller)
	environment := harness.Environment{
		Client: c, Recorder: events.NewFakeRecorder(1000), Clock: func() time.Time { return time.Unix(0, 0) },
	}

	return server{t: t, client: c, controller: build(t, descriptor, environment, s.Scheme)}
}

// run reconciles until all is at rest.
func (s server) run(key client.ObjectKey) {
	s.t.Helper()

	for range 4 {
		_, err := s.controller.Reconciler.Reconcile(s.t.Context(), reconcile.Request{NamespacedName: key})
		if err != nil && !errors.Is(err, reconcile.TerminalError(nil)) {
			s.t.Fatal(err)
		}
	}
}

func (s server) exists(object client.Object) bool {
	s.t.Helper()

	err := s.client.Get(s.t.Context(), client.ObjectKeyFromObject(object), object)
	if err != nil && !apierrors.IsNotFound(err) {
		s.t.Fatal(err)
	}

	return err == nil
}

func (s server) remove(object client.Object) {
	s.t.Helper()

	if err := s.client.Delete(s.t.Context(), object); err != nil {
		s.t.Fatal(err)
	}
}

// says checks a condition, by the reason and a part of the message.
func (s server) says(conditions []metav1.Condition, kind string, status metav1.ConditionStatus, reason, part string) {
	s.t.Helper()

	condition := meta.FindStatusCondition(conditions, kind)
	if condition == nil || condition.Status != status || condition.Reason != reason ||
		!strings.Contains(condition.Message, part) {
		s.t.Errorf("%s is %+v", kind, condition)
	}
}

func globalBinding(name, role string, subjects ...rbacv1.Subject) *iamv1beta1.GlobalRoleBinding {
	return &iamv1beta1.GlobalRoleBinding{ObjectMeta: named(name), BindingContent: to("GlobalRole", role, subjects...)}
}

func TestAdministratorsAreClusterAdmins(t *testing.T) {
	a, b := globalBinding("a", "platform-admin", users("alice")...), globalBinding("b", "platform-admin",
		users("alice")...)
	s := serverOf(t, "globalrolebinding", a, b)
	s.run(client.ObjectKey{Name: "a"})
	s.run(client.ObjectKey{Name: "b"})

	admin := &rbacv1.ClusterRoleBinding{ObjectMeta: named("alice-cluster-admin")}
	if !s.exists(admin) || admin.RoleRef.Name != "cluster-admin" || admin.Subjects[0].Name != "alice" {
		t.Fatalf("%+v", admin)
	}

	s.remove(a)
	s.run(client.ObjectKey{Name: "a"})

	if !s.exists(admin) {
		t.Error("b makes alice an administrator still")
	}

	s.remove(b)
	s.run(client.ObjectKey{Name: "alice-cluster-admin"}) // the request of the native binding itself

	if s.exists(admin) {
		t.Error("alice is still an administrator")
	}
}

func TestAnAdministratorIsReplaced(t *testing.T) {
	binding := globalBinding("a", "platform-admin", users("alice")...)
	s := serverOf(t, "globalrolebinding", binding)
	s.run(client.ObjectKey{Name: "a"})

	s.exists(binding)

	binding.Subjects = users("bob")
	if err := s.client.Update(t.Context(), binding); err != nil {
		t.Fatal(err)
	}

	s.run(client.ObjectKey{Name: "a"})

	if s.exists(&rbacv1.ClusterRoleBinding{ObjectMeta: named("alice-cluster-admin")}) ||
		!s.exists(&rbacv1.ClusterRoleBinding{ObjectMeta: named("bob-cluster-admin")}) {
		t.Error("bob is to be the administrator, and not alice")
	}
}

func TestABindingOfSomebodyElseIsLeftAlone(t *testing.T) {
	foreign := &rbacv1.ClusterRoleBinding{
		ObjectMeta: named("alice-cluster-admin"), RoleRef: native("ClusterRole", "view"), Subjects: users("alice",
			"carol"),
	}
	binding := globalBinding("a", "platform-admin", users("alice")...)
	s := serverOf(t, "globalrolebinding", foreign, binding)
	s.run(client.ObjectKey{Name: "a"})

	ours := &rbacv1.ClusterRoleBinding{ObjectMeta: named("kubesphere:globalrolebinding:a")}
	if !s.exists(ours) || ours.RoleRef.Name != "cluster-admin" {
		t.Errorf("%+v", ours)
	}

	s.remove(binding)
	s.run(client.ObjectKey{Name: "a"})

	if s.exists(ours) || !s.exists(foreign) || len(foreign.Subjects) != 2 || foreign.RoleRef.Name != "view" {
		t.Errorf("%+v", foreign)
	}
}

func TestNobodyWithoutCredentialsGetsAnything(t *testing.T) {
	binding := globalBinding("a", "anonymous", append(users("system:anonymous", "alice"),
		rbacv1.Subject{Kind: "Group", Name: "system:unauthenticated"})...)
	s := serverOf(t, "globalrolebinding", &iamv1beta1.GlobalRole{ObjectMeta: named("anonymous")}, binding)
	s.run(client.ObjectKey{Name: "a"})

	native := &rbacv1.ClusterRoleBinding{ObjectMeta: named("kubesphere:globalrolebinding:a")}
	if !s.exists(native) || len(native.Subjects) != 1 || native.Subjects[0].Name != "alice" {
		t.Errorf("%+v", native.Subjects)
	}

	s.exists(binding)
	s.says(binding.Status.Conditions, kube.ConditionReady, metav1.ConditionTrue, "SubjectsRefused", "system:anonymous")
	s.says(binding.Status.Conditions, kube.ConditionAccepted, metav1.ConditionFalse, "SubjectsRefused",
		"unauthenticated")
	s.says(binding.Status.Conditions, kube.ConditionResolvedRefs, metav1.ConditionTrue, "SubjectsUnknown", "User alice")
}

func TestABindingGoesWithItsRole(t *testing.T) {
	role := &iamv1beta1.Role{ObjectMeta: inside("r")}
	binding := &iamv1beta1.RoleBinding{ObjectMeta: inside("b"), BindingContent: to("Role", "r", users("alice")...)}
	s := serverOf(t, "rolebinding", role, binding)
	key := client.ObjectKeyFromObject(binding)
	s.run(key)

	native := &rbacv1.RoleBinding{ObjectMeta: inside("kubesphere:iam:b")}
	if !s.exists(native) || native.RoleRef.Name != "kubesphere:iam:r" {
		t.Fatalf("%+v", native)
	}

	s.remove(role)
	s.run(key)

	if s.exists(native) {
		t.Error("alice has a role that is gone")
	}

	s.exists(binding)
	s.says(binding.Status.Conditions, kube.ConditionReady, metav1.ConditionFalse, "RoleNotFound", "no Role r")
	s.says(binding.Status.Conditions, kube.ConditionResolvedRefs, metav1.ConditionFalse, "RoleNotFound", "roleRef")
	s.says(binding.Status.Conditions, kube.ConditionStalled, metav1.ConditionFalse, "RoleNotFound", "")
}

func TestAnotherRoleReplacesTheBinding(t *testing.T) {
	binding := &iamv1beta1.RoleBinding{ObjectMeta: inside("b"), BindingContent: to("Role", "r", users("alice")...)}
	s := serverOf(t, "rolebinding", &iamv1beta1.Role{ObjectMeta: inside("r")},
		&iamv1beta1.ClusterRole{ObjectMeta: named("wide")}, binding)
	s.run(client.ObjectKeyFromObject(binding))

	native := &rbacv1.RoleBinding{ObjectMeta: inside("kubesphere:iam:b")}
	s.exists(native)
	before := native.UID

	s.exists(binding)

	binding.RoleRef = to("ClusterRole", "wide").RoleRef
	if err := s.client.Update(t.Context(), binding); err != nil {
		t.Fatal(err)
	}

	s.run(client.ObjectKeyFromObject(binding))

	if !s.exists(native) || native.UID == before || native.RoleRef != (rbacv1.RoleRef{
		APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "kubesphere:iam:wide",
	}) {
		t.Errorf("%+v", native)
	}
}

// The controller of namespaces takes a role over by its label, which takes it
// out of this controller's cache.
func TestARoleThatIsOnlyOutOfSightStays(t *testing.T) {
	native := &rbacv1.Role{ObjectMeta: labelled(inside("kubesphere:iam:admin"),
		"app.kubernetes.io/managed-by", "ks-controller-manager", "app.kubernetes.io/component", "role",
		iamv1beta1.RoleLabel, "admin")}
	s := serverOf(t, "role", native, &iamv1beta1.Role{ObjectMeta: inside("admin")})

	// Reads from the cache find nothing; reads from the API server do.
	descriptor, _ := projector.Descriptors().Find("role")
	s.controller = build(t, descriptor, harness.Environment{
		Client: s.client, Recorder: events.NewFakeRecorder(10), Clock: func() time.Time { return time.Unix(0, 0) },
	}, s.client.Scheme(), func(d *manager.Dependencies) { d.Client = blind{d.Client} })
	s.run(client.ObjectKey{Namespace: "ns", Name: "admin"})

	if !s.exists(native) {
		t.Error("the native role is gone")
	}
}

// blind finds no Role of KubeSphere's.
type blind struct{ client.Client }

func (b blind) Get(
	ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption,
) error {
	if _, isRole := into.(*iamv1beta1.Role); isRole {
		return apierrors.NewNotFound(rbacv1.Resource("roles"), key.Name)
	}

	return b.Client.Get(ctx, key, into, options...)
}

func TestEveryVerbIsNoMoreThanTheOrdinaryOnes(t *testing.T) {
	for _, test := range []struct {
		role  string
		verbs int
	}{{role: "platform-admin", verbs: 1}, {role: "operators", verbs: 8}} {
		role := &iamv1beta1.GlobalRole{ObjectMeta: named(test.role), RoleContent: of(wild())}
		s := serverOf(t, "globalrole", role)
		s.run(client.ObjectKeyFromObject(role))

		native := &rbacv1.ClusterRole{ObjectMeta: named("kubesphere:globalrole:" + test.role)}
		if !s.exists(native) || len(native.Rules) != 1 || len(native.Rules[0].Verbs) != test.verbs {
			t.Errorf("%s: %+v", test.role, native.Rules)
		}
	}
}

func TestARoleSpeaksOfTheGroupsThereAre(t *testing.T) {
	role := &iamv1beta1.Role{ObjectMeta: inside("all"), RoleContent: of(wild())}
	s := serverOf(t, "role", role, apiService("v1."), apiService("v1.apps"), apiService("v2.autoscaling"))
	s.run(client.ObjectKeyFromObject(role))

	native := &rbacv1.Role{ObjectMeta: inside("kubesphere:iam:all")}
	s.exists(native)

	found := map[string]bool{}

	for _, rule := range native.Rules {
		for _, group := range rule.APIGroups {
			found[group] = true
		}
	}

	if !found["apps"] || !found["autoscaling"] || found["*"] {
		t.Errorf("%v", found)
	}
}

func TestATemplateIsTakenOff(t *testing.T) {
	role := &iamv1beta1.GlobalRole{ObjectMeta: named("r"), RoleContent: made([]string{"a"}, rule("own"))}
	s := serverOf(t, "globalrole", role, template("a", rule("x")))
	s.run(client.ObjectKey{Name: "r"})
	s.exists(role)

	if len(role.Rules) != 2 {
		t.Fatalf("%+v", role.Rules)
	}

	s.remove(template("a"))
	s.run(client.ObjectKey{Name: "r"})
	s.exists(role)
	s.says(role.Status.Conditions, kube.ConditionResolvedRefs, metav1.ConditionFalse, "TemplateNotFound",
		"RoleTemplate a")

	native := &rbacv1.ClusterRole{ObjectMeta: named("kubesphere:globalrole:r")}
	s.exists(native)

	if len(role.Rules) != 1 || len(native.Rules) != 1 || native.Rules[0].Resources[0] != "own" {
		t.Errorf("%+v, %+v", role.Rules, native.Rules)
	}
}

// With their definition all templates go, as when a chart is uninstalled. Nobody means by that to lose permissions.
func TestTemplatesThatGoWithTheirDefinitionTakeNothing(t *testing.T) {
	role := &iamv1beta1.GlobalRole{ObjectMeta: named("r"), RoleContent: made([]string{"a"}, rule("own"))}
	s := serverOf(t, "globalrole", role, template("a", rule("x")))
	s.run(client.ObjectKey{Name: "r"})
	s.remove(template("a"))

	descriptor, _ := projector.Descriptors().Find("globalrole")
	s.controller = build(t, descriptor, harness.Environment{
		Client: s.client, Recorder: events.NewFakeRecorder(10), Clock: func() time.Time { return time.Unix(0, 0) },
	}, s.client.Scheme(), func(d *manager.Dependencies) { d.Live = s.client }) // which has no definitions
	s.run(client.ObjectKey{Name: "r"})

	s.exists(role)

	if len(role.Rules) != 2 {
		t.Errorf("%+v", role.Rules)
	}
}

// woken returns the names of those whom an event of an object wakes, by any watch of its kind.
func (s server) woken(object client.Object) []string {
	s.t.Helper()

	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	kind, _ := s.client.GroupVersionKindFor(object)

	for _, watch := range s.controller.Watches {
		if watched, err := s.client.GroupVersionKindFor(watch.Object); err == nil && watched == kind {
			watch.Handler.Delete(s.t.Context(), event.DeleteEvent{Object: object}, queue)
		}
	}

	var names []string

	for queue.Len() > 0 {
		request, _ := queue.Get()
		names = append(names, request.String())
		queue.Done(request)
	}

	return names
}

func TestWhoIsWoken(t *testing.T) {
	auto := annotated(named("auto"), iamv1beta1.AutoAggregateAnnotation, "true")
	selecting := iamv1beta1.RoleContent{AggregationRoleTemplates: &iamv1beta1.AggregationRoleTemplates{
		RoleSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"aggregate-to": "r"}},
	}}
	old := annotated(named("old"), iamv1beta1.AggregationRolesAnnotation, `["part"]`)
	user := &iamv1beta1.User{ObjectMeta: named("alice")}

	for _, test := range []struct {
		name, controller string
		there            []client.Object
		event            client.Object
		want             string
	}{
		{
			name: "by a template", controller: "globalrole", event: template("a"), want: "/auto /named",
			there: []client.Object{
				&iamv1beta1.GlobalRole{ObjectMeta: named("named"), RoleContent: made([]string{"a"})},
				&iamv1beta1.GlobalRole{ObjectMeta: auto, RoleContent: selecting},
				&iamv1beta1.GlobalRole{ObjectMeta: named("other"), RoleContent: made([]string{"b"})},
			},
		},
		{
			name: "by a role that is a template", controller: "globalrole", want: "/old /part",
			there: []client.Object{&iamv1beta1.GlobalRole{ObjectMeta: old}},
			event: &iamv1beta1.GlobalRole{ObjectMeta: named("part")},
		},
		{
			name: "by the native role", controller: "role", want: "ns/r",
			event: &rbacv1.Role{ObjectMeta: inside("kubesphere:iam:r")},
		},
		{
			name: "by somebody else's", controller: "role", event: &rbacv1.Role{ObjectMeta: inside("r")},
		},
		{
			name: "by a new API", controller: "role", event: apiService("v1.new"), want: "ns/wild",
			there: []client.Object{
				&iamv1beta1.Role{ObjectMeta: inside("wild"), RoleContent: of(wild())},
				&iamv1beta1.Role{ObjectMeta: inside("tame"), RoleContent: of(rule("x"))},
			},
		},
		{
			name: "by a role", controller: "rolebinding", event: &iamv1beta1.Role{ObjectMeta: inside("r")},
			want: "ns/b",
			there: []client.Object{
				&iamv1beta1.RoleBinding{ObjectMeta: inside("b"), BindingContent: to("Role", "r")},
				&iamv1beta1.RoleBinding{ObjectMeta: inside("c"), BindingContent: to("ClusterRole", "r")},
				&iamv1beta1.RoleBinding{
					ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "b"}, BindingContent: to("Role", "r"),
				},
			},
		},
		{
			name: "by a ClusterRole", controller: "rolebinding", event: &iamv1beta1.ClusterRole{ObjectMeta: named("r")},
			want: "ns/c", there: []client.Object{
				&iamv1beta1.RoleBinding{ObjectMeta: inside("b"), BindingContent: to("Role", "r")},
				&iamv1beta1.RoleBinding{ObjectMeta: inside("c"), BindingContent: to("ClusterRole", "r")},
			},
		},
		{
			name: "by a user", controller: "clusterrolebinding", event: user, want: "/b", there: []client.Object{
				&iamv1beta1.ClusterRoleBinding{ObjectMeta: named("b"), BindingContent: to("ClusterRole", "r",
					users("alice")...)},
				&iamv1beta1.ClusterRoleBinding{ObjectMeta: named("c"), BindingContent: to("ClusterRole", "r",
					users("bob")...)},
			},
		},
		{
			name: "by a shared binding", controller: "globalrolebinding", want: "/a /b",
			event: &rbacv1.ClusterRoleBinding{ObjectMeta: named("alice-cluster-admin")},
			there: []client.Object{
				globalBinding("a", "platform-admin", users("alice")...), globalBinding("b", "platform-admin",
					users("alice")...),
				globalBinding("c", "platform-admin", users("bob")...),
			},
		},
		{
			name: "by a shared binding that nobody asks for", controller: "globalrolebinding",
			want:  "/alice-cluster-admin",
			event: &rbacv1.ClusterRoleBinding{ObjectMeta: named("alice-cluster-admin")},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := serverOf(t, test.controller, test.there...).woken(test.event)
			if joined := strings.Join(sortedNames(got), " "); joined != test.want {
				t.Errorf("want %q, got %q", test.want, joined)
			}
		})
	}
}
