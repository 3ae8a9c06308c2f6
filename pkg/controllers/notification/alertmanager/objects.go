package alertmanager

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alertmanagerconfig"
	"github.com/ks-core/ks-controller-manager/pkg/notification/rendering"
)

const (
	webPort    = 9093
	reloadPort = 8080
	webName    = "web"

	// enough is the number of nodes from which there are as many Alertmanagers.
	enough = 3

	// secretsFolder is where prometheus-operator mounts the Secrets of an Alertmanager.
	secretsFolder = "/etc/alertmanager/secrets/"
)

// podLabels are those that prometheus-operator gives the pods of an Alertmanager.
func podLabels() map[string]string {
	return map[string]string{"app.kubernetes.io/name": "alertmanager", "alertmanager": Instance}
}

// replicas is how many Alertmanagers there are: three tell each other what was told, two could not agree, and on fewer
// nodes one is as good.
func replicas(set int32, nodes int) int32 {
	switch {
	case set > 0:
		return set
	case nodes >= enough:
		return enough
	default:
		return 1
	}
}

// service is where alerts are posted to Alertmanager. Who comes again is given the same pod, so that a user of the web
// sees one and not several.
func service(namespace string) runtime.ApplyConfiguration {
	return corev1ac.Service(ObjectName, namespace).
		WithLabels(labelsOfOurs()).
		WithSpec(corev1ac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithSelector(podLabels()).WithSessionAffinity(corev1.ServiceAffinityClientIP).
			WithPorts(
				corev1ac.ServicePort().WithName(webName).WithPort(webPort).
					WithTargetPort(intstr.FromString(webName)).WithProtocol(corev1.ProtocolTCP),
				corev1ac.ServicePort().WithName("reloader-"+webName).WithPort(reloadPort).
					WithTargetPort(intstr.FromString("reloader-"+webName)).WithProtocol(corev1.ProtocolTCP)))
}

// budget lets one Alertmanager be away.
func budget(namespace string) runtime.ApplyConfiguration {
	return policyv1ac.PodDisruptionBudget(ObjectName, namespace).
		WithLabels(labelsOfOurs()).
		WithSpec(policyv1ac.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(podLabels())))
}

// alertmanager is the object of prometheus-operator. Its version and image are for the operator to choose.
func alertmanager(namespace string, replicas int32, secrets []string) runtime.ApplyConfiguration {
	spec := map[string]any{
		"replicas": int64(replicas),
		"podMetadata": map[string]any{
			"labels": map[string]any{componentLabel: Name},
		},
		"resources": map[string]any{
			"requests": map[string]any{"cpu": "20m", "memory": "30Mi"},
		},
		"securityContext": map[string]any{
			"fsGroup": int64(2000), "runAsNonRoot": true, "runAsUser": int64(1000),
		},
		"nodeSelector": map[string]any{"kubernetes.io/os": "linux"},
	}

	if len(secrets) > 0 {
		names := make([]any, 0, len(secrets))
		for _, name := range secrets {
			names = append(names, name)
		}

		spec["secrets"] = names
	}

	labels := map[string]any{}
	for key, value := range labelsOfOurs() {
		labels[key] = value
	}

	return client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": monitoringv1.SchemeGroupVersion.String(), "kind": monitoringv1.AlertmanagersKind,
		"metadata": map[string]any{"namespace": namespace, "name": Instance, "labels": labels},
		"spec":     spec,
	}})
}

// options are what the configuration says of a NotificationManager, and the Secrets that the Alertmanager needs for it.
// A token in another namespace cannot be given to it.
func options(
	object *notificationv2beta2.NotificationManager, namespace string,
) (alertmanagerconfig.Options, []string) {
	made := alertmanagerconfig.Options{
		Endpoint: rendering.Endpoint(object.Name, namespace),
		Watchdog: object.Spec.Watchdog != nil && object.Spec.Watchdog.Matcher == nil,
	}

	auth := object.Spec.Auth
	if auth == nil || auth.Endpoints != notificationv2beta2.AuthAll {
		return made, nil
	}

	ref := auth.BearerToken.Ref()
	if ref == nil || ref.Name == "" || ref.Key == "" || home(object, ref.Namespace, namespace) != namespace {
		return made, nil
	}

	made.TokenFile = secretsFolder + ref.Name + "/" + ref.Key

	return made, []string{ref.Name}
}

// home is the namespace of a Secret that a NotificationManager names.
func home(object *notificationv2beta2.NotificationManager, named, own string) string {
	switch {
	case named != "":
		return named
	case object.Spec.DefaultSecretNamespace != "":
		return object.Spec.DefaultSecretNamespace
	default:
		return own
	}
}

// decision is what becomes of the Secret.
type decision string

const (
	leave  decision = "Leave"
	create decision = "Create"
	renew  decision = "Renew"
	reset  decision = "Reset"
	keep   decision = "Keep"
)

// decide compares the Secret that there is with the configuration that it should have. One that was edited, or that
// somebody else made, is kept; one that asks for it is set back.
func decide(found *corev1.Secret, wanted string) decision {
	if found == nil {
		return create
	}

	current := found.Data[ConfigKey]
	initial, made := found.Annotations[InitialAnnotation]

	switch {
	case found.Annotations[ResetAnnotation] == "true":
		return reset
	case made && string(current) == wanted && initial == digest(current):
		return leave
	case made && initial == digest(current):
		return renew
	default:
		return keep
	}
}

// secretOf is the Secret with the configuration, with what others put into it.
func secretOf(found *corev1.Secret, namespace, wanted string) *corev1.Secret {
	made := &corev1.Secret{Type: corev1.SecretTypeOpaque}
	made.Namespace, made.Name = namespace, ObjectName

	if found != nil {
		made = found.DeepCopy()
	}

	if made.Labels == nil {
		made.Labels = map[string]string{}
	}

	maps.Copy(made.Labels, labelsOfOurs())

	if made.Annotations == nil {
		made.Annotations = map[string]string{}
	}

	delete(made.Annotations, ResetAnnotation)

	if made.Data == nil {
		made.Data = map[string][]byte{}
	}

	made.Annotations[InitialAnnotation] = digest([]byte(wanted))
	made.Data[ConfigKey] = []byte(wanted)

	return made
}

func digest(text []byte) string {
	const enough = 16

	sum := sha256.Sum256(text)

	return hex.EncodeToString(sum[:enough])
}
