package notificationmanager_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/notificationmanager"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/settings"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/kube/harness"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// world is a server, and the controller.
type world struct {
	t          *testing.T
	client     client.Client
	reconciler reconcile.Reconciler
}

func newCluster(t *testing.T, objects ...client.Object) *world {
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

	built := notificationmanager.New(settings.Default(), manager.Dependencies{
		Client: server, Live: server, Recorder: events.NewFakeRecorder(100), Clock: clock.RealClock{},
	})

	return &world{t: t, client: server, reconciler: built.Reconciler}
}

func (c *world) run() {
	c.t.Helper()

	request := reconcile.Request{NamespacedName: types.NamespacedName{Name: "nm"}}
	if _, err := c.reconciler.Reconcile(c.t.Context(), request); err != nil {
		c.t.Fatal(err)
	}
}

func get[T client.Object](c *world, object T, namespace, name string) T {
	c.t.Helper()

	if err := c.client.Get(c.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
		c.t.Fatal(err)
	}

	return object
}

func (c *world) gone(object client.Object, namespace, name string) bool {
	c.t.Helper()

	err := c.client.Get(c.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object)
	if client.IgnoreNotFound(err) != nil {
		c.t.Fatal(err)
	}

	return apierrors.IsNotFound(err)
}

func (c *world) edit(change func(*notificationv2beta2.NotificationManager)) {
	c.t.Helper()

	found := get(c, &notificationv2beta2.NotificationManager{}, "", "nm")
	change(found)

	if err := c.client.Update(c.t.Context(), found); err != nil {
		c.t.Fatal(err)
	}

	c.run()
}

func (c *world) condition(name string) metav1.Condition {
	c.t.Helper()

	found := meta.FindStatusCondition(
		get(c, &notificationv2beta2.NotificationManager{}, "", "nm").Status.Conditions, name)
	if found == nil {
		c.t.Fatalf("no condition %s", name)
	}

	return *found
}

func (c *world) expect(name string, status metav1.ConditionStatus, reason string) {
	c.t.Helper()

	if got := c.condition(name); got.Status != status || got.Reason != reason {
		c.t.Errorf("%s is %s %s (%s), not %s %s", name, got.Status, got.Reason, got.Message, status, reason)
	}
}

func (c *world) ready(workload client.Object) {
	c.t.Helper()

	switch workload := workload.(type) {
	case *appsv1.Deployment:
		workload.Status.Replicas, workload.Status.ReadyReplicas = 1, 1
	case *appsv1.StatefulSet:
		workload.Status.Replicas, workload.Status.ReadyReplicas = 1, 1
	}

	if err := c.client.Status().Update(c.t.Context(), workload); err != nil {
		c.t.Fatal(err)
	}
}

func TestConditions(t *testing.T) {
	there := newCluster(t, named(nil))
	there.run()
	there.expect(kube.ConditionReady, metav1.ConditionFalse, "NoPodReady")
	there.expect(notificationmanager.ConditionAvailable, metav1.ConditionFalse, "NoPodReady")
	there.expect(notificationv2beta2.ConditionDurable, metav1.ConditionFalse, "NodeDisk")

	there.ready(get(there, &appsv1.Deployment{}, namespace, "nm-deployment"))
	there.run()
	there.expect(kube.ConditionReady, metav1.ConditionTrue, "PodReady")
	there.expect(notificationmanager.ConditionAvailable, metav1.ConditionTrue, "PodReady")

	status := get(there, &notificationv2beta2.NotificationManager{}, "", "nm").Status
	if status.ReadyReplicas == nil || *status.ReadyReplicas != 1 ||
		status.Endpoint != "http://nm-svc.kubesphere-monitoring-system.svc:19093/api/v2/alerts" {
		t.Errorf("got %+v", status)
	}

	there.edit(func(object *notificationv2beta2.NotificationManager) {
		object.Spec.Replicas = new(notificationv2beta2.Number(2))
	})
	there.expect(kube.ConditionReady, metav1.ConditionTrue, "PodReady")
	there.expect(kube.ConditionAccepted, metav1.ConditionFalse, "OneReplica")

	there.edit(func(object *notificationv2beta2.NotificationManager) {
		object.Spec.Delivery = &notificationv2beta2.Delivery{AckPolicy: notificationv2beta2.AckMemory}
	})
	there.expect(notificationv2beta2.ConditionDurable, metav1.ConditionFalse, "Memory")
}

// The Deployment takes alerts until the StatefulSet does.
func TestAVolumeIsAskedFor(t *testing.T) {
	there := newCluster(t, named(nil))
	there.run()
	there.edit(withVolume)

	if there.gone(&appsv1.Deployment{}, namespace, "nm-deployment") {
		t.Fatal("nobody takes alerts")
	}

	there.ready(get(there, &appsv1.StatefulSet{}, namespace, "nm-deployment"))
	there.run()
	there.expect(notificationv2beta2.ConditionDurable, metav1.ConditionTrue, "Volume")

	if !there.gone(&appsv1.Deployment{}, namespace, "nm-deployment") {
		t.Error("the Deployment stays")
	}
}

// What cannot be read stops nothing that runs.
func TestUnreadable(t *testing.T) {
	there := newCluster(t, named(nil))
	there.run()

	found := get(there, &notificationv2beta2.NotificationManager{}, "", "nm")
	found.Spec.PortName, found.Spec.Affinity = "new", new(part(`"a"`))

	if err := there.client.Update(t.Context(), found); err != nil {
		t.Fatal(err)
	}

	request := reconcile.Request{NamespacedName: types.NamespacedName{Name: "nm"}}
	if _, err := there.reconciler.Reconcile(t.Context(), request); err == nil {
		t.Error("no error")
	}

	there.expect(kube.ConditionStalled, metav1.ConditionTrue, "Invalid")

	if message := there.condition(kube.ConditionReady).Message; !strings.HasPrefix(message, "spec.affinity: ") {
		t.Errorf("got %q", message)
	}

	if name := get(there, &corev1.Service{}, namespace, "nm-svc").Spec.Ports[0].Name; name != "webhook" {
		t.Errorf("the port is %s", name)
	}
}

// The name of the port changes at the Service too, and a role goes where nothing is named any more.
func TestChangesAreApplied(t *testing.T) {
	there := newCluster(t, named(func(object *notificationv2beta2.NotificationManager) {
		object.Spec.DefaultSecretNamespace = "before"
	}))
	there.run()
	get(there, &rbacv1.Role{}, "before", "nm-delivery")

	there.edit(func(object *notificationv2beta2.NotificationManager) {
		object.Spec.DefaultSecretNamespace, object.Spec.PortName = "after", "http"
	})

	for _, gone := range []client.Object{&rbacv1.Role{}, &rbacv1.RoleBinding{}} {
		if !there.gone(gone, "before", "nm-delivery") {
			t.Errorf("a %T stays", gone)
		}
	}

	get(there, &rbacv1.Role{}, "after", "nm-delivery")

	if name := get(there, &corev1.Service{}, namespace, "nm-svc").Spec.Ports[0].Name; name != "http" {
		t.Errorf("the port is %s", name)
	}
}

// old is a Deployment as the operator of KubeSphere 3.x leaves it.
func old(selector map[string]string) *appsv1.Deployment {
	labels := map[string]string{"app": "notification-manager", "notification-manager": "nm"}

	made := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: "nm-deployment", Labels: labels,
	}}
	made.Spec.Replicas = new(int32(2))
	made.Spec.Selector = &metav1.LabelSelector{MatchLabels: selector}
	made.Spec.Template.Labels = selector
	made.Spec.Template.Spec.Containers = []corev1.Container{
		{Name: "notification-manager", Image: "kubesphere/notification-manager:v2.3.0"},
		{Name: "tenant", Image: "kubesphere/kubesphere-sidecar:v3.2.0"},
	}

	return made
}

// What the old operator made is taken over where it stands: its sidecar goes, and what it selects stays.
func TestTakingOver(t *testing.T) {
	selector := map[string]string{"app": "notification-manager", "notification-manager": "nm", "old": "yes"}
	before := old(selector)
	there := newCluster(t, named(nil), before)
	there.run()

	after := get(there, &appsv1.Deployment{}, namespace, "nm-deployment")
	if after.UID != before.UID {
		t.Error("it was made anew")
	}

	if *after.Spec.Replicas != 1 || after.Spec.Template.Labels["old"] != "yes" ||
		after.Spec.Selector.MatchLabels["old"] != "yes" {
		t.Errorf("got %+v", after.Spec)
	}

	names := []string{}
	for _, container := range after.Spec.Template.Spec.Containers {
		names = append(names, container.Name)
	}

	if !slices.Equal(names, []string{"notification-manager"}) {
		t.Errorf("containers %v", names)
	}
}
