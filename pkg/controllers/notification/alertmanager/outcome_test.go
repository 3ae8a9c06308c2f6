package alertmanager_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/alertmanager"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

type cluster struct {
	t          *testing.T
	client     client.Client
	reconciler reconcile.Reconciler
	events     chan string
}

func newCluster(t *testing.T, isThere bool, objects ...client.Object) *cluster {
	t.Helper()

	server, err := harness.Fake().Open(t.Context(), subject(t))
	if err != nil {
		t.Fatal(err)
	}

	for _, object := range objects {
		if err := server.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	recorder := events.NewFakeRecorder(100)
	made := &cluster{t: t, client: server, events: recorder.Events, reconciler: build(manager.Dependencies{
		Client: server, Live: server, Recorder: recorder, Clock: clock.RealClock{},
	}, isThere)}
	made.run()

	return made
}

func (c *cluster) run() {
	c.t.Helper()

	if _, err := c.reconciler.Reconcile(c.t.Context(), reconcile.Request{}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) config() *corev1.Secret {
	c.t.Helper()

	found := &corev1.Secret{}

	err := c.client.Get(c.t.Context(), client.ObjectKey{Namespace: namespace, Name: alertmanager.ObjectName}, found)
	if err != nil {
		c.t.Fatal(err)
	}

	return found
}

func (c *cluster) alertmanagers() []monitoringv1.Alertmanager {
	c.t.Helper()

	list := &monitoringv1.AlertmanagerList{}
	if err := c.client.List(c.t.Context(), list); err != nil {
		c.t.Fatal(err)
	}

	return list.Items
}

func TestReplicas(t *testing.T) {
	tests := map[int]int32{0: 1, 1: 1, 2: 1, 3: 3, 9: 3}

	for number, want := range tests {
		t.Run(strconv.Itoa(number), func(t *testing.T) {
			var names []string
			for i := range number {
				names = append(names, fmt.Sprintf("n%d", i))
			}

			got := newCluster(t, true, append(nodes(names...), nm(nil))...).alertmanagers()
			if len(got) != 1 || *got[0].Spec.Replicas != want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// Without prometheus-operator there is a configuration, and no Alertmanager.
func TestNoOperator(t *testing.T) {
	there := newCluster(t, false, nm(nil))
	if len(there.alertmanagers()) > 0 || len(there.config().Data) == 0 {
		t.Errorf("got %+v", there.alertmanagers())
	}
}

// A change of ours goes where nobody has edited, and nowhere else.
func TestConfiguration(t *testing.T) {
	there := newCluster(t, true, nm(nil))
	if text := string(there.config().Data[alertmanager.ConfigKey]); !strings.Contains(text,
		"http://nm-svc."+namespace+".svc:19093/") {
		t.Fatalf("got %s", text)
	}

	watch := func(on bool) {
		found := &notificationv2beta2.NotificationManager{}
		if err := there.client.Get(t.Context(), client.ObjectKey{Name: "nm"}, found); err != nil {
			t.Fatal(err)
		}

		found.Spec.Watchdog = nil
		if on {
			found.Spec.Watchdog = &notificationv2beta2.Watchdog{}
		}

		if err := there.client.Update(t.Context(), found); err != nil {
			t.Fatal(err)
		}

		there.run()
	}

	watch(true)

	if text := string(there.config().Data[alertmanager.ConfigKey]); !strings.Contains(text, "repeat_interval: 1m") {
		t.Errorf("it is not renewed: %s", text)
	}

	if err := editSecret(nil)(t.Context(), there.client); err != nil {
		t.Fatal(err)
	}

	watch(false)
	there.run()

	if text := string(there.config().Data[alertmanager.ConfigKey]); text != "route: {}" {
		t.Errorf("the edit is gone: %s", text)
	}

	if told := <-there.events; !strings.Contains(told, "ConfigurationKept") || len(there.events) > 0 {
		t.Errorf("%q, and %d more", told, len(there.events))
	}

	asked := editSecret(map[string]string{alertmanager.ResetAnnotation: "true"})
	if err := asked(t.Context(), there.client); err != nil {
		t.Fatal(err)
	}

	there.run()

	after := there.config()
	if _, asks := after.Annotations[alertmanager.ResetAnnotation]; asks ||
		!strings.Contains(string(after.Data[alertmanager.ConfigKey]), "nm-svc") {
		t.Errorf("it is not set back: %+v", after)
	}
}

// What somebody else made stays as it is.
func TestNothingIsTakenOver(t *testing.T) {
	there := newCluster(t, true, worlds()[3].Objects...)

	got := there.alertmanagers()
	if len(got) != 1 || *got[0].Spec.Replicas != 7 || len(got[0].Labels) > 0 {
		t.Errorf("got %+v", got)
	}

	if text := string(there.config().Data[alertmanager.ConfigKey]); text != "theirs" {
		t.Errorf("got %s", text)
	}
}

// A token that the service asks for is mounted, where that can be.
func TestToken(t *testing.T) {
	there := newCluster(t, true, nm(func(object *notificationv2beta2.NotificationManager) {
		object.Spec.Auth = &notificationv2beta2.ManagerAuth{
			Endpoints: notificationv2beta2.AuthAll,
			BearerToken: &notificationv2beta2.Credential{ValueFrom: &notificationv2beta2.ValueSource{
				SecretKeyRef: &notificationv2beta2.SecretKeySelector{Name: "auth", Key: "token"},
			}},
		}
	}))

	got := there.alertmanagers()
	if len(got) != 1 || len(got[0].Spec.Secrets) != 1 || got[0].Spec.Secrets[0] != "auth" ||
		!strings.Contains(string(there.config().Data[alertmanager.ConfigKey]), "/etc/alertmanager/secrets/auth/token") {
		t.Errorf("got %+v", got)
	}
}
