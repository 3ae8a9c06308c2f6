package projector_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/projector"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/aggregation"
)

func TestDescriptorsAreValid(t *testing.T) {
	if err := projector.Descriptors().Validate(); err != nil {
		t.Error(err)
	}
}

// subject is one of the controllers, on trial.
func subject(t *testing.T, name string) harness.Subject {
	t.Helper()

	descriptor, found := projector.Descriptors().Find(name)
	if !found {
		t.Fatalf("no controller %s", name)
	}

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{iamv1beta1.AddToScheme, rbacv1.AddToScheme, addAPIServices} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	built := build(t, descriptor, harness.Environment{}, scheme)

	var indexes []harness.Index
	for _, index := range built.Indexes {
		indexes = append(indexes, harness.Index{Object: index.Object, Field: index.Field, Extract: index.Value})
	}

	return harness.Subject{
		Name:    name,
		Scheme:  scheme,
		Indexes: indexes,
		StatusKinds: []client.Object{
			&iamv1beta1.GlobalRole{}, &iamv1beta1.GlobalRoleBinding{}, &iamv1beta1.Role{}, &iamv1beta1.RoleBinding{},
			&iamv1beta1.ClusterRole{}, &iamv1beta1.ClusterRoleBinding{},
		},
		New: func(environment harness.Environment) reconcile.Reconciler {
			return build(t, descriptor, environment, scheme).Reconciler
		},
		MaxReads: 30, MaxWrites: 4, Seeds: 6,
	}
}

func build(
	t *testing.T, descriptor manager.Descriptor, environment harness.Environment, scheme *runtime.Scheme,
	change ...func(*manager.Dependencies),
) *manager.Controller {
	t.Helper()

	dependencies := manager.Dependencies{
		Client: environment.Client, Live: harness.Established(environment.Client),
		Recorder: environment.Recorder, Clock: environment.PassiveClock(),
		Digests: func(kind schema.GroupVersionKind) (stores.Digests, error) {
			for _, cached := range descriptor.Caches {
				if cached.Kind == kind && cached.Depth == manager.Digested {
					return harness.Digests(environment.Client, scheme, cached), nil
				}
			}

			return nil, fmt.Errorf("%s has no digests of %s", descriptor.Name, kind)
		},
	}

	for _, do := range change {
		do(&dependencies)
	}

	built, err := descriptor.New(dependencies)
	if err != nil {
		t.Fatal(err)
	}

	return built
}

// addAPIServices makes the kind known, of which only metadata is read.
func addAPIServices(scheme *runtime.Scheme) error {
	group := schema.GroupVersion{Group: "apiregistration.k8s.io", Version: "v1"}
	scheme.AddKnownTypeWithName(group.WithKind("APIService"), &metav1.PartialObjectMetadata{})
	scheme.AddKnownTypeWithName(group.WithKind("APIServiceList"), &metav1.PartialObjectMetadataList{})

	return nil
}

func apiService(name string) client.Object {
	service := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}}
	service.SetGroupVersionKind(schema.GroupVersionKind{
		Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService",
	})

	return service
}

func sortedNames(names []string) []string {
	slices.Sort(names)

	return slices.Compact(names)
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func inside(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "ns", Name: name} }

func annotated(meta metav1.ObjectMeta, key, value string) metav1.ObjectMeta {
	meta.Annotations = map[string]string{key: value}

	return meta
}

func labelled(meta metav1.ObjectMeta, keysAndValues ...string) metav1.ObjectMeta {
	meta.Labels = map[string]string{}
	for pair := range slices.Chunk(keysAndValues, 2) {
		meta.Labels[pair[0]] = pair[1]
	}

	return meta
}

func rule(resources ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: resources, Verbs: []string{"*"}}
}

func wild() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}
}

func of(rules ...rbacv1.PolicyRule) iamv1beta1.RoleContent {
	return iamv1beta1.RoleContent{Rules: rules}
}

func made(names []string, rules ...rbacv1.PolicyRule) iamv1beta1.RoleContent {
	return iamv1beta1.RoleContent{
		Rules: rules, AggregationRoleTemplates: &iamv1beta1.AggregationRoleTemplates{TemplateNames: names},
	}
}

func template(name string, rules ...rbacv1.PolicyRule) *iamv1beta1.RoleTemplate {
	return &iamv1beta1.RoleTemplate{
		ObjectMeta: labelled(named(name), "aggregate-to", "r"),
		Spec:       iamv1beta1.RoleTemplateSpec{Rules: rules},
	}
}

func users(names ...string) []rbacv1.Subject {
	subjects := make([]rbacv1.Subject, 0, len(names))
	for _, name := range names {
		subjects = append(subjects, rbacv1.Subject{Kind: "User", Name: name})
	}

	return subjects
}

func to(kind, role string, subjects ...rbacv1.Subject) iamv1beta1.BindingContent {
	return iamv1beta1.BindingContent{
		RoleRef: rbacv1.RoleRef{APIGroup: iamv1beta1.GroupName, Kind: kind, Name: role}, Subjects: subjects,
	}
}

func native(kind, role string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role}
}

func patch(object client.Object, content string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.Patch(ctx, object.DeepCopyObject().(client.Object),
			client.RawPatch("application/merge-patch+json", []byte(content)))
	}
}

const moreRules = `{"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}`

const mallory = `{"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"mallory"}]}`

// roleWorlds are what every kind of roles may meet. fresh makes a role of the kind.
func roleWorlds(
	fresh func(metav1.ObjectMeta, iamv1beta1.RoleContent) client.Object, base func(string) metav1.ObjectMeta,
	legacy string,
) []harness.World {
	auto := annotated(base("auto"), iamv1beta1.AutoAggregateAnnotation, "true")
	selecting := iamv1beta1.RoleContent{AggregationRoleTemplates: &iamv1beta1.AggregationRoleTemplates{
		RoleSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"aggregate-to": "r"}},
	}}
	everything := iamv1beta1.RoleContent{AggregationRoleTemplates: &iamv1beta1.AggregationRoleTemplates{
		RoleSelector: &metav1.LabelSelector{},
	}}

	left := base("left")
	if legacy != "" {
		left.Finalizers = []string{legacy}
	}

	loop := func(name, other string) client.Object {
		return fresh(annotated(base(name), iamv1beta1.AggregationRolesAnnotation, `["`+other+`"]`), of(rule(name)))
	}

	return []harness.World{
		{Name: "plain", Objects: []client.Object{fresh(base("plain"), of(rule("deployments")))}},
		{Name: "no rules", Objects: []client.Object{fresh(base("none"), of())}},
		{Name: "everything", Objects: []client.Object{
			fresh(base("all"), of(wild())), apiService("v1."), apiService("v1.apps"),
		}},
		{Name: "rules that grant nothing", Objects: []client.Object{fresh(base("odd"), of(
			rbacv1.PolicyRule{}, rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/x"}}))}},
		{Name: "of templates", Objects: []client.Object{
			fresh(base("r"), made([]string{"a", "b"}, rule("own"))), template("a", rule("x"), rule("y")),
			template("b", rule("y")), template("c", rule("z")),
		}},
		{Name: "of templates that KubeSphere added already", Objects: []client.Object{
			fresh(base("old"), made([]string{"a", "gone"}, rule("own"), rule("x"))), template("a", rule("x")),
		}},
		{Name: "by selector", Objects: []client.Object{fresh(auto, selecting), template("a", rule("x"))}},
		{Name: "a selector of everything", Objects: []client.Object{fresh(auto, everything)}, Fails: true},
		{Name: "a template is missing", Objects: []client.Object{fresh(base("r"), made([]string{"lost"}))}},
		{Name: "no list of roles", Fails: true, Objects: []client.Object{
			fresh(annotated(base("r"), iamv1beta1.AggregationRolesAnnotation, `"a`), of()),
		}},
		{Name: "a circle", Objects: []client.Object{loop("a", "b"), loop("b", "a"), loop("self", "self")}},
		{Name: "a broken note", Objects: []client.Object{
			fresh(annotated(base("r"), aggregation.Annotation, "{"), made([]string{"a"})), template("a", rule("x")),
		}},
		{Name: "a long name", Objects: []client.Object{fresh(base(strings.Repeat("long.", 50)+"er"), of(rule("x")))}},
		{Name: "paused", Objects: []client.Object{fresh(annotated(base("p"), kube.PausedAnnotation, "true"), of(rule("x")))}},
		{Name: "left by KubeSphere", Objects: []client.Object{fresh(left, of(rule("x")))}},
	}
}

func TestGlobalRole(t *testing.T) { harness.Run(t, globalRoleSubject(t)) }

func globalRoleSubject(t *testing.T) harness.Subject {
	t.Helper()

	s := subject(t, "globalrole")
	s.Primary = &iamv1beta1.GlobalRole{}
	s.Kinds = []client.ObjectList{
		&iamv1beta1.GlobalRoleList{}, &iamv1beta1.RoleTemplateList{},
		&rbacv1.ClusterRoleList{},
	}
	s.Worlds = roleWorlds(func(meta metav1.ObjectMeta, content iamv1beta1.RoleContent) client.Object {
		return &iamv1beta1.GlobalRole{ObjectMeta: meta, RoleContent: content}
	}, named, iamv1beta1.LegacyGlobalRoleFinalizer)
	s.Drifts = []harness.Drift{
		{Name: "more rules", World: "plain", Make: patch(
			&rbacv1.ClusterRole{ObjectMeta: named("kubesphere:globalrole:plain")}, moreRules)},
		{Name: "rules where there are none", World: "no rules", Make: patch(
			&rbacv1.ClusterRole{ObjectMeta: named("kubesphere:globalrole:none")}, moreRules)},
	}

	return s
}

func TestRole(t *testing.T) { harness.Run(t, roleSubject(t)) }

func roleSubject(t *testing.T) harness.Subject {
	t.Helper()

	s := subject(t, "role")
	s.Primary = &iamv1beta1.Role{}
	s.Kinds = []client.ObjectList{&iamv1beta1.RoleList{}, &iamv1beta1.RoleTemplateList{}, &rbacv1.RoleList{}}

	s.Worlds = append(roleWorlds(func(meta metav1.ObjectMeta, content iamv1beta1.RoleContent) client.Object {
		return &iamv1beta1.Role{ObjectMeta: meta, RoleContent: content}
	}, inside, ""), harness.World{Name: "what 4.1 made", Objects: []client.Object{
		&iamv1beta1.Role{ObjectMeta: inside("old"), RoleContent: of(rule("x"))},
		&rbacv1.Role{
			ObjectMeta: labelled(inside("kubesphere:iam:old"), iamv1beta1.RoleLabel, "old"),
			Rules:      []rbacv1.PolicyRule{wild()},
		},
	}})
	s.Drifts = []harness.Drift{{Name: "more rules", World: "plain", Make: patch(
		&rbacv1.Role{ObjectMeta: inside("kubesphere:iam:plain")}, moreRules)}}

	return s
}

func TestClusterRole(t *testing.T) { harness.Run(t, clusterRoleSubject(t)) }

func clusterRoleSubject(t *testing.T) harness.Subject {
	t.Helper()

	s := subject(t, "clusterrole")
	s.Primary = &iamv1beta1.ClusterRole{}
	s.Kinds = []client.ObjectList{
		&iamv1beta1.ClusterRoleList{}, &iamv1beta1.RoleTemplateList{},
		&rbacv1.ClusterRoleList{},
	}
	s.Worlds = roleWorlds(func(meta metav1.ObjectMeta, content iamv1beta1.RoleContent) client.Object {
		return &iamv1beta1.ClusterRole{ObjectMeta: meta, RoleContent: content}
	}, named, "")
	s.Drifts = []harness.Drift{{Name: "more rules", World: "plain", Make: patch(
		&rbacv1.ClusterRole{ObjectMeta: named("kubesphere:iam:plain")}, moreRules)}}

	return s
}

// bindingWorlds are what every kind of bindings may meet. role is there under the name r.
func bindingWorlds(
	fresh func(metav1.ObjectMeta, iamv1beta1.BindingContent) client.Object, base func(string) metav1.ObjectMeta,
	kind string, role client.Object, legacy string,
) []harness.World {
	alice := &iamv1beta1.User{ObjectMeta: named("alice")}
	paused := annotated(base("paused"), kube.PausedAnnotation, "true")

	left := base("left")
	if legacy != "" {
		left.Finalizers = []string{legacy}
	}

	return []harness.World{
		{Name: "plain", Objects: []client.Object{role, alice, fresh(base("plain"), to(kind, "r", users("alice")...))}},
		{Name: "all kinds of subjects", Objects: []client.Object{role, fresh(base("b"), to(kind, "r",
			rbacv1.Subject{Kind: "User", APIGroup: "x", Name: "bob"}, rbacv1.Subject{Kind: "User", Name: "bob"},
			rbacv1.Subject{Kind: "Group", Name: "devs"}, rbacv1.Subject{
				Kind: "ServiceAccount", Name: "a",
				Namespace: "b",
			}))}},
		{Name: "an unknown role", Objects: []client.Object{fresh(base("b"), to(kind, "nobody", users("alice")...))}},
		{Name: "an unknown user", Objects: []client.Object{role, fresh(base("b"), to(kind, "r", users("carol")...))}},
		{Name: "another kind of role", Fails: true, Objects: []client.Object{role, fresh(base("b"), to("Robot", "r", users("a")...))}},
		{Name: "no name of a role", Fails: true, Objects: []client.Object{fresh(base("b"), to(kind, "", users("a")...))}},
		{Name: "a long name", Objects: []client.Object{role, fresh(base(strings.Repeat("long.", 50)+"er"), to(kind, "r", users("alice")...))}},
		{Name: "no subject", Objects: []client.Object{role, fresh(base("b"), to(kind, "r"))}},
		{Name: "broken subjects", Fails: true, Objects: []client.Object{role, fresh(base("b"), to(kind, "r", append(users("alice", ""),
			rbacv1.Subject{Kind: "ServiceAccount", Name: "a"}, rbacv1.Subject{Kind: "Robot", Name: "r2"})...))}},
		{Name: "everybody", Objects: []client.Object{role, fresh(base("b"), to(kind, "r", append(users("system:anonymous"),
			rbacv1.Subject{Kind: "Group", Name: "system:unauthenticated"})...))}},
		{Name: "several", Objects: []client.Object{
			role, alice, fresh(base("a"), to(kind, "r", users("alice")...)), fresh(base("b"), to(kind, "r",
				users("alice", "bob")...)),
			fresh(base("c"), to(kind, "nobody", users("alice")...)),
		}},
		{Name: "paused", Objects: []client.Object{role, fresh(paused, to(kind, "r", users("alice")...))}},
		{Name: "left by KubeSphere", Objects: []client.Object{role, fresh(left, to(kind, "r", users("alice")...))}},
	}
}

func TestGlobalRoleBinding(t *testing.T) { harness.Run(t, globalRoleBindingSubject(t)) }

func globalRoleBindingSubject(t *testing.T) harness.Subject {
	t.Helper()

	s := subject(t, "globalrolebinding")
	s.Primary = &iamv1beta1.GlobalRoleBinding{}
	s.Kinds = []client.ObjectList{
		&iamv1beta1.GlobalRoleBindingList{}, &iamv1beta1.GlobalRoleList{}, &iamv1beta1.UserList{},
		&rbacv1.ClusterRoleBindingList{},
	}

	fresh := func(meta metav1.ObjectMeta, content iamv1beta1.BindingContent) client.Object {
		return &iamv1beta1.GlobalRoleBinding{ObjectMeta: meta, BindingContent: content}
	}
	admin := func(name string, names ...string) client.Object {
		return fresh(named(name), to("GlobalRole", "platform-admin", users(names...)...))
	}

	s.Worlds = append(bindingWorlds(fresh, named, "GlobalRole", &iamv1beta1.GlobalRole{ObjectMeta: named("r")},
		iamv1beta1.LegacyGlobalRoleBindingFinalizer),
		harness.World{Name: "an administrator", Objects: []client.Object{admin("root", "alice")}},
		harness.World{Name: "one administrator twice", Objects: []client.Object{admin("a", "alice"), admin("b",
			"alice")}},
		harness.World{Name: "two administrators by one", Objects: []client.Object{admin("a", "alice", "bob")}},
		harness.World{Name: "a name with a slash", Objects: []client.Object{admin("a", "https://issuer#alice")}},
		harness.World{Name: "administrators of 4.1", Objects: []client.Object{
			admin("a", "alice"),
			&rbacv1.ClusterRoleBinding{
				ObjectMeta: named("alice-cluster-admin"), RoleRef: native("ClusterRole", "cluster-admin"),
				Subjects: users("alice"),
			},
		}},
		harness.World{Name: "the name is taken", Objects: []client.Object{&rbacv1.ClusterRoleBinding{
			ObjectMeta: named("bob-cluster-admin"), RoleRef: native("ClusterRole", "view"), Subjects: users("bob",
				"carol"),
		}}},
		harness.World{Name: "everybody who is known", Objects: []client.Object{
			&iamv1beta1.GlobalRole{ObjectMeta: named("authenticated")},
			fresh(named("a"), to("GlobalRole", "authenticated", rbacv1.Subject{
				Kind: "Group",
				Name: "system:authenticated",
			})),
		}},
	)
	s.Drifts = []harness.Drift{
		{Name: "another subject", World: "plain", Make: patch(
			&rbacv1.ClusterRoleBinding{ObjectMeta: named("kubesphere:globalrolebinding:plain")}, mallory)},
		{Name: "another role", World: "plain", Make: patch(
			&rbacv1.ClusterRoleBinding{ObjectMeta: named("kubesphere:globalrolebinding:plain")}, otherRole)},
		{Name: "another administrator", World: "an administrator", Make: patch(
			&rbacv1.ClusterRoleBinding{ObjectMeta: named("alice-cluster-admin")}, mallory)},
	}

	return s
}

const otherRole = `{"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"other"}}`

func TestRoleBinding(t *testing.T) { harness.Run(t, roleBindingSubject(t)) }

func roleBindingSubject(t *testing.T) harness.Subject {
	t.Helper()

	s := subject(t, "rolebinding")
	s.Primary = &iamv1beta1.RoleBinding{}
	s.Kinds = []client.ObjectList{
		&iamv1beta1.RoleBindingList{}, &iamv1beta1.RoleList{}, &iamv1beta1.ClusterRoleList{}, &iamv1beta1.UserList{},
		&rbacv1.RoleBindingList{},
	}

	fresh := func(meta metav1.ObjectMeta, content iamv1beta1.BindingContent) client.Object {
		return &iamv1beta1.RoleBinding{ObjectMeta: meta, BindingContent: content}
	}

	s.Worlds = append(bindingWorlds(fresh, inside, "Role", &iamv1beta1.Role{ObjectMeta: inside("r")}, ""),
		harness.World{Name: "to a ClusterRole", Objects: []client.Object{
			&iamv1beta1.ClusterRole{ObjectMeta: named("wide")}, fresh(inside("b"), to("ClusterRole", "wide",
				users("alice")...)),
		}},
		harness.World{Name: "a role of another namespace", Objects: []client.Object{
			&iamv1beta1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "r"}},
			fresh(inside("b"), to("Role", "r", users("alice")...)),
		}},
		// 4.1 did not follow a change of the role: the native binding refers to the old one.
		harness.World{Name: "what 4.1 made", Objects: []client.Object{
			&iamv1beta1.Role{ObjectMeta: inside("r")}, fresh(inside("old"), to("Role", "r", users("alice")...)),
			&rbacv1.RoleBinding{
				ObjectMeta: labelled(inside("kubesphere:iam:old"), iamv1beta1.RoleBindingLabel, "old"),
				RoleRef:    native("Role", "kubesphere:iam:before"), Subjects: users("mallory"),
			},
		}},
	)
	s.Drifts = []harness.Drift{
		{Name: "another subject", World: "plain", Make: patch(
			&rbacv1.RoleBinding{ObjectMeta: inside("kubesphere:iam:plain")}, mallory)},
		{Name: "another role", World: "plain", Make: patch(
			&rbacv1.RoleBinding{ObjectMeta: inside("kubesphere:iam:plain")}, otherRole)},
	}

	return s
}

func TestClusterRoleBinding(t *testing.T) { harness.Run(t, clusterRoleBindingSubject(t)) }

func clusterRoleBindingSubject(t *testing.T) harness.Subject {
	t.Helper()

	s := subject(t, "clusterrolebinding")
	s.Primary = &iamv1beta1.ClusterRoleBinding{}
	s.Kinds = []client.ObjectList{
		&iamv1beta1.ClusterRoleBindingList{}, &iamv1beta1.ClusterRoleList{}, &iamv1beta1.UserList{},
		&rbacv1.ClusterRoleBindingList{},
	}

	fresh := func(meta metav1.ObjectMeta, content iamv1beta1.BindingContent) client.Object {
		return &iamv1beta1.ClusterRoleBinding{ObjectMeta: meta, BindingContent: content}
	}

	s.Worlds = bindingWorlds(fresh, named, "ClusterRole", &iamv1beta1.ClusterRole{ObjectMeta: named("r")}, "")
	s.Drifts = []harness.Drift{{Name: "another subject", World: "plain", Make: patch(
		&rbacv1.ClusterRoleBinding{ObjectMeta: named("kubesphere:iam:plain")}, mallory)}}

	return s
}
