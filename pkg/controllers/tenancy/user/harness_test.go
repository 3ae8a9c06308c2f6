package user

import (
	"context"
	"reflect"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/user/traces"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// hashed is the hash of some password.
const hashed = "$2a$04$DlWJjAs9e0ZJDVHVd5LWueoV3RGN6OuW0SSvPU3lSmHrTGPTA4bNG"

func TestUserKeepsThePromises(t *testing.T) {
	harness.Run(t, subject(t))
}

func subject(t *testing.T) harness.Subject {
	t.Helper()

	scheme := runtime.NewScheme()
	for _, add := range Descriptor(accounts.DefaultSettings()).AddToScheme {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return harness.Subject{
		Name:    Name,
		Scheme:  scheme,
		Primary: &iamv1beta1.User{},
		Kinds: []client.ObjectList{
			&iamv1beta1.UserList{}, &iamv1beta1.LoginRecordList{}, &iamv1beta1.GroupBindingList{},
			&iamv1beta1.GlobalRoleBindingList{}, &iamv1beta1.WorkspaceRoleBindingList{},
			&iamv1beta1.ClusterRoleBindingList{}, &iamv1beta1.RoleBindingList{},
			&rbacv1.ClusterRoleBindingList{}, &rbacv1.RoleBindingList{},
			&corev1.ConfigMapList{}, &corev1.SecretList{}, &corev1.ServiceAccountList{},
		},
		StatusKinds: []client.Object{
			&iamv1beta1.GroupBinding{}, &iamv1beta1.GlobalRoleBinding{}, &iamv1beta1.WorkspaceRoleBinding{},
			&iamv1beta1.ClusterRoleBinding{}, &iamv1beta1.RoleBinding{},
		},
		Indexes: harnessIndexes(),
		New: func(environment harness.Environment) reconcile.Reconciler {
			return quick(t, manager.Dependencies{
				Client: environment.Client, Live: harness.Established(environment.Client),
				Recorder: environment.Recorder, Clock: environment.PassiveClock(),
			}).Reconciler
		},
		Worlds:   worlds(),
		Drifts:   drifts(),
		Seeds:    6,
		MaxReads: 11, MaxWrites: 20,
		// The hash has a random salt, and times depend on who came when.
		Volatile:     []string{"password", iamv1beta1.LastPasswordChangeAnnotation, "lastLoginTime"},
		NoConditions: true,
	}
}

// quick makes the controller with a hash that costs little.
func quick(t *testing.T, dependencies manager.Dependencies) *manager.Controller {
	t.Helper()

	built, err := New(dependencies, accounts.DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}

	built.Reconciler.(*Reconciler).hashes = newHashes(bcrypt.MinCost)

	return built
}

func harnessIndexes() []harness.Index {
	var made []harness.Index
	for _, index := range indexes() {
		made = append(made, harness.Index{Object: index.Object, Field: index.Field, Extract: index.Value})
	}

	return made
}

func user(name, password string) *iamv1beta1.User {
	return &iamv1beta1.User{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       iamv1beta1.UserSpec{Email: name + "@example.com", Password: password},
	}
}

func record(name, user string, success bool) *iamv1beta1.LoginRecord {
	return &iamv1beta1.LoginRecord{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{iamv1beta1.UserLabel: user}},
		Spec:       iamv1beta1.LoginRecordSpec{Type: "Password", Success: success},
	}
}

func worlds() []harness.World {
	plain := user("plain", "P@88w0rd")
	plain.Annotations = map[string]string{
		corev1.LastAppliedConfigAnnotation: `{"spec":{"password":"P@88w0rd"}}`,
		iamv1beta1.UninitializedAnnotation: "true",
	}

	provided := user("provided", "")
	provided.Labels = map[string]string{iamv1beta1.IdentityProviderLabel: "ldap"}

	disabled := user("disabled", hashed)
	state := iamv1beta1.UserDisabled
	disabled.Status = iamv1beta1.UserStatus{State: &state, Reason: "left us"}
	disabled.Status.LastTransitionTime = &metav1.Time{Time: time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)}

	paused := user("paused", "P@88w0rd")
	paused.Annotations = map[string]string{kube.PausedAnnotation: "true"}

	twin := user("twin", hashed)
	twin.Spec.Email = "A@example.com"

	tried := user("tries", hashed)
	tried.Status = *disabled.Status.DeepCopy()
	active := iamv1beta1.UserActive
	tried.Status.State, tried.Status.Reason = &active, ""

	noted := user("hashed", hashed)
	noted.Annotations = map[string]string{"note": "kept"}

	tries := []client.Object{tried}
	for _, name := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		tries = append(tries, record(name, "tries", false))
	}

	return []harness.World{
		{Name: "in plain", Objects: []client.Object{plain}},
		{Name: "hashed", Objects: []client.Object{noted}},
		{Name: "without a password", Objects: []client.Object{user("without", ""), provided}},
		{Name: "disabled", Objects: []client.Object{disabled}},
		{Name: "paused", Objects: []client.Object{paused}},
		{Name: "the same address", Objects: []client.Object{user("a", hashed), twin, user("b", hashed)}},
		{Name: "logins", Objects: []client.Object{
			user("logs-in", hashed),
			record("a", "logs-in", true), record("b", "logs-in", true), record("c", "logs-in", false),
		}},
		{Name: "failed logins", Objects: tries},
		{Name: "named everywhere", Objects: append([]client.Object{user("alice", hashed)}, namings("alice")...)},
	}
}

// namings are objects of all kinds that name a user, alone or with another.
func namings(name string) []client.Object {
	labelled := func(object string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: object, Labels: map[string]string{iamv1beta1.UserLabel: name}}
	}
	inNamespace := func(meta metav1.ObjectMeta) metav1.ObjectMeta {
		meta.Namespace = "n"

		return meta
	}

	them := rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}
	other := rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "somebody-else"}
	alone := iamv1beta1.BindingContent{Subjects: []rbacv1.Subject{them}}
	shared := iamv1beta1.BindingContent{Subjects: []rbacv1.Subject{other, them}}
	kubeconfig := accounts.KubeconfigName(name)

	return []client.Object{
		&iamv1beta1.GlobalRoleBinding{ObjectMeta: labelled("global"), BindingContent: alone},
		&iamv1beta1.WorkspaceRoleBinding{ObjectMeta: labelled("workspace"), BindingContent: alone},
		&iamv1beta1.WorkspaceRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "shared"}, BindingContent: shared},
		&iamv1beta1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "unlabelled"}, BindingContent: alone},
		&iamv1beta1.RoleBinding{ObjectMeta: inNamespace(labelled("project")), BindingContent: alone},
		&iamv1beta1.RoleBinding{ObjectMeta: inNamespace(labelled("shared")), BindingContent: shared},
		&rbacv1.ClusterRoleBinding{ObjectMeta: labelled(name + "-cluster-admin")},
		&rbacv1.RoleBinding{ObjectMeta: inNamespace(labelled(name + "-admin"))},
		&rbacv1.RoleBinding{
			ObjectMeta: inNamespace(metav1.ObjectMeta{Name: "foreign"}), Subjects: []rbacv1.Subject{them},
		},
		&iamv1beta1.GroupBinding{ObjectMeta: metav1.ObjectMeta{Name: "alone"}, Users: []string{name}},
		&iamv1beta1.GroupBinding{ObjectMeta: metav1.ObjectMeta{Name: "shared"}, Users: []string{name, "somebody-else"}},
		record("login", name, true),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: accounts.ControlsNamespace, Name: kubeconfig}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: accounts.SystemNamespace, Name: kubeconfig}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			Namespace: accounts.SystemNamespace, Name: accounts.ServiceAccountName(name),
		}},
	}
}

func drifts() []harness.Drift {
	patch := func(name, content string) func(context.Context, client.Client) error {
		return func(ctx context.Context, c client.Client) error {
			return c.Patch(ctx, user(name, ""), client.RawPatch("application/merge-patch+json", []byte(content)))
		}
	}

	return []harness.Drift{
		{
			Name: "a client keeps the password", World: "hashed",
			Make: patch("hashed", `{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":`+
				`"{\"spec\":{\"password\":\"P@88w0rd\"}}"}}}`),
		},
		{Name: "the finalizer goes", World: "hashed", Make: patch("hashed", `{"metadata":{"finalizers":null}}`)},
		{Name: "the reason changes", World: "hashed", Make: patch("hashed", `{"status":{"reason":"x"}}`)},
		{Name: "a state that is none", World: "hashed", Make: patch("hashed", `{"status":{"state":"x"}}`)},
		{Name: "enabled without a password", World: "without a password", Make: patch("without", `{"status":{"state":"Active"}}`)},
		{Name: "the status goes", World: "hashed", Make: patch("hashed", `{"status":null}`)},
	}
}

// holderKeysOf returns what a binding is found by, whatever its kind.
func holderKeysOf(object client.Object) []string {
	for _, index := range indexes() {
		if index.Field == traces.HolderIndex && reflect.TypeOf(index.Object) == reflect.TypeOf(object) {
			return index.Value(object)
		}
	}

	return nil
}

func eachItem(list client.ObjectList, do func(runtime.Object) error) error {
	return meta.EachListItem(list, do)
}
