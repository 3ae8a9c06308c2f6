package notificationconfig_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/yaml"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/notificationconfig"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/settings"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func TestNotificationConfigKeepsThePromises(t *testing.T) {
	for _, kind := range notificationconfig.Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			harness.Run(t, subject(t, kind))
		})
	}
}

// ofKind makes requests name the kind, as the controller's own watches do.
type ofKind struct {
	reconcile.Reconciler

	kind string
}

func (k ofKind) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	request.Namespace = k.kind

	return k.Reconciler.Reconcile(ctx, request)
}

func schemeOf(t *testing.T) *runtime.Scheme {
	t.Helper()

	scheme := runtime.NewScheme()

	for _, add := range notificationconfig.Descriptor(settings.Default()).AddToScheme {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	return scheme
}

func build(scheme *runtime.Scheme, environment harness.Environment) *manager.Controller {
	var versions stores.Digests

	for _, cached := range notificationconfig.Descriptor(settings.Default()).Caches {
		if cached.Kind.Kind == "ConfigMap" {
			versions = harness.Digests(environment.Client, scheme, cached)
		}
	}

	return notificationconfig.NewForTest(manager.Dependencies{
		Client: environment.Client, Live: environment.Client, Recorder: environment.Recorder,
		Clock: environment.PassiveClock(),
	}, versions)
}

func subject(t *testing.T, kind notificationconfig.Kind) harness.Subject {
	t.Helper()

	scheme := schemeOf(t)
	made := harness.Subject{
		Name:    notificationconfig.Name + " of " + kind.Name,
		Scheme:  scheme,
		Primary: kind.Object,
		Kinds:   []client.ObjectList{&corev1.SecretList{}, &corev1.ConfigMapList{}},
		New: func(environment harness.Environment) reconcile.Reconciler {
			return ofKind{build(scheme, environment).Reconciler, kind.Name}
		},
		Worlds: worlds(t),
		// Everything that objects depend on, and the Secrets and ConfigMaps that they name.
		MaxReads: 24, MaxWrites: 1, Seeds: 3,
		Remains:    func(client.Object) bool { return true }, // It owns nothing.
		Unrepaired: func(client.Object) bool { return true },
		// Of a NotificationManager another controller tells the rest.
		NoConditions: kind.Name == "NotificationManager",
	}

	for _, one := range notificationconfig.Kinds() {
		made.Kinds = append(made.Kinds, one.List)
		made.StatusKinds = append(made.StatusKinds, one.Object)
	}

	for _, index := range build(scheme, harness.Environment{}).Indexes {
		made.Indexes = append(made.Indexes, harness.Index{
			Object: index.Object, Field: index.Field, Extract: index.Value,
		})
	}

	return made
}

// object reads an object as users write it.
func object[T any](t *testing.T, name, text string) *T {
	t.Helper()

	made := new(T)
	if err := yaml.UnmarshalStrict([]byte("metadata: {name: "+name+"}\n"+text), made); err != nil {
		t.Fatalf("%s: %v", text, err)
	}

	return made
}

const managerText = `
spec:
  defaultSecretNamespace: federated
  defaultConfigSelector: {matchLabels: {type: default}}
  receivers:
    tenantKey: user
    globalReceiverSelector: {matchLabels: {type: global}}
    tenantReceiverSelector: {matchLabels: {type: tenant}}
  template:
    text: {namespace: templates, name: all}
    timeZone: Asia/Shanghai
`

func secretOf(name string, labels map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "federated", Name: name, Labels: labels},
		Data:       map[string][]byte{"token": []byte("hidden"), "password": []byte("hidden")},
	}
}

// everything is a world in which all is well.
func everything(t *testing.T) []client.Object {
	t.Helper()

	templates := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "templates", Name: "all"}}
	templates.Data = map[string]string{"a": `{{ define "mine" }}{{ len .Alerts }}{{ end }}`}

	return []client.Object{
		object[notificationv2beta2.NotificationManager](t, "nm", managerText), templates,
		secretOf("mail", nil), secretOf("slack", map[string]string{"user": "jane"}),
		labelled(object[notificationv2beta2.Config](t, "default-mail", `
spec:
  email:
    from: alerts@example.com
    smartHost: {host: mail.example.com, port: 587}
    authUsername: alerts
    authPassword: {valueFrom: {secretKeyRef: {name: mail, key: password}}}
`), "type", "default"),
		labelled(object[notificationv2beta2.Config](t, "jane-slack", `
spec:
  slack: {slackTokenSecret: {valueFrom: {secretKeyRef: {name: slack, key: token}}}}
`), "type", "tenant", "user", "jane"),
		labelled(object[notificationv2beta2.Receiver](t, "everybody", `
spec:
  email:
    to: [a@example.com, b@example.com]
    template: mine
    alertSelector: {matchExpressions: [{key: severity, operator: Match, regexValue: critical}]}
`), "type", "global"),
		labelled(object[notificationv2beta2.Receiver](t, "jane", `
spec:
  slack: {channels: ["#a"]}
  email: {to: [jane@example.com]}
`), "type", "tenant", "user", "jane"),
		object[notificationv2beta2.Router](t, "router", `
spec:
  alertSelector: {matchLabels: {severity: critical}}
  receivers: {name: [everybody, nobody]}
`),
		labelled(object[notificationv2beta2.Silence](t, "nights", `
spec:
  matcher: {matchLabels: {severity: info}}
  schedule: 0 22 * * *
  duration: 8h
`), "type", "global"),
		object[notificationv2beta2.InhibitRule](t, "inhibit", `
spec:
  sourceMatcher: {matchLabels: {severity: critical}}
  targetMatcher: {matchLabels: {severity: warning}}
  equal: [namespace]
`),
		object[notificationv2beta2.NotificationPolicy](t, "policy", `
spec:
  mode: DryRun
  allow: {channels: [email]}
`),
	}
}

func labelled[T client.Object](object T, pairs ...string) T {
	labels := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		labels[pairs[i]] = pairs[i+1]
	}

	object.SetLabels(labels)

	return object
}

func worlds(t *testing.T) []harness.World {
	t.Helper()

	all := everything(t)
	paused := everything(t)

	for _, one := range paused {
		one.SetAnnotations(map[string]string{kube.PausedAnnotation: "true"})
	}

	var nobodys, nothingNamed []client.Object

	for _, one := range everything(t) {
		switch one.(type) {
		case *corev1.Secret, *corev1.ConfigMap:
		case *notificationv2beta2.NotificationManager:
			nothingNamed = append(nothingNamed, one)
		default:
			nothingNamed = append(nothingNamed, one)
			nobodys = append(nobodys, one)
		}
	}

	return []harness.World{
		{Name: "all is well", Objects: all},
		{Name: "no NotificationManager", Objects: nobodys},
		{Name: "nothing that is named is there", Objects: nothingNamed},
		{Name: "paused", Objects: paused},
		{Name: "broken", Fails: true, Objects: broken(t)},
	}
}

func broken(t *testing.T) []client.Object {
	t.Helper()

	return []client.Object{
		object[notificationv2beta2.NotificationManager](t, "nm", managerText),
		labelled(object[notificationv2beta2.Config](t, "sms", `spec: {sms: {providers: {}}}`), "type", "default"),
		labelled(object[notificationv2beta2.Config](t, "nobodys", `spec: {}`), "type", "other"),
		labelled(object[notificationv2beta2.Receiver](t, "bad", `
spec:
  slack: {channels: [], alertSelector: {matchExpressions: [{key: a, operator: Match, regexValue: "("}]}}
  sms: {phoneNumbers: ["1"]}
`), "type", "global"),
		object[notificationv2beta2.Router](t, "bad", `spec: {alertSelector: {}, receivers: {regexName: "("}}`),
		labelled(object[notificationv2beta2.Silence](t, "bad", `
spec: {matcher: {}, schedule: "61 * * * *", duration: soon, timeZone: Nowhere}
`), "type", "global"),
		object[notificationv2beta2.InhibitRule](t, "bad", `spec: {sourceMatcher: {}, targetMatcher: {}}`),
		object[notificationv2beta2.NotificationPolicy](t, "bad", `spec: {allow: {egress: {deny: [nowhere]}}}`),
	}
}
