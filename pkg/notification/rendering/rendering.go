// Package rendering makes of a NotificationManager what runs it in a cluster: a workload, a Service, an account with
// the permissions that the service needs and no others, a disruption budget and a network policy.
//
// The parts of a pod that a NotificationManager has are raw JSON, as others wrote it. They are read here, strictly:
// what cannot be read is a finding that names the field, and nothing is rendered of a pod that would not be the one
// that was asked for; a field that nobody knows is a finding too, and is left out.
package rendering

import (
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// What the service and those who talk to it have agreed on.
const (
	// Port is where the service takes alerts.
	Port = 19093
	// PortName is the name of the port where a NotificationManager gives none.
	PortName = "webhook"
	// ContainerName is the name of the container of the service.
	ContainerName = "notification-manager"
	// NamespaceVariable is the variable with the namespace of Secrets and ConfigMaps that are named without one.
	NamespaceVariable = "NAMESPACE"
	// PodVariable is the variable with the name of the pod.
	PodVariable = "POD_NAME"
	// PodNamespaceVariable is the variable with the namespace of the pod.
	PodNamespaceVariable = "POD_NAMESPACE"
	// ManagerFlag is the flag with the name of the NotificationManager.
	ManagerFlag = "--manager"
	// DataFlag is the flag with the folder of the messages that wait.
	DataFlag = "--data"
	// DataFolder is that folder.
	DataFolder = "/var/lib/notification-manager"
	// AlertsPath is the path that alerts are posted to.
	AlertsPath = "/api/v2/alerts"

	livePath, readyPath = "/-/live", "/-/ready"
)

// Target is where a NotificationManager is put, and what operators say of all of them.
type Target struct {
	// Namespace is where its pods are.
	Namespace string
	// Image is the one of the service where a NotificationManager names none.
	Image string
	// Registry takes the place of the registry in Image, where given.
	Registry string
	// PullSecrets are the names of Secrets with credentials of registries, in Namespace.
	PullSecrets []string
	// Selector are the labels that the workload which is there selects its pods by, which cannot be changed. Empty:
	// there is none.
	Selector map[string]string
}

// Reason is the kind of a Finding, as a condition names it.
type Reason string

// What can be found.
const (
	// Invalid is a field that cannot be used.
	Invalid Reason = "Invalid"
	// UnknownField is a field of a part of a pod that nobody knows.
	UnknownField Reason = "UnknownField"
	// OneReplica says that one pod runs where more were asked for.
	OneReplica Reason = "OneReplica"
	// ImageReplaced says that the image of KubeSphere 3.x was named, and is not the one that runs.
	ImageReplaced Reason = "ImageReplaced"
)

// Finding is something wrong with a NotificationManager.
type Finding struct {
	// Field is the path of the field.
	Field string
	// Reason is the kind of the finding, Message what is wrong and what to do.
	Reason  Reason
	Message string
	// Breaks says that nothing can be rendered until it is mended.
	Breaks bool
}

// String names the field and says what is wrong.
func (f Finding) String() string { return f.Field + ": " + f.Message }

// Result is what a NotificationManager comes to.
type Result struct {
	// Children are the objects, in the order in which they are to be written. There are none where a finding breaks.
	Children []runtime.ApplyConfiguration
	// Findings are in the order of the fields.
	Findings []Finding
	// Stateful says that the workload is a StatefulSet, and not a Deployment.
	Stateful bool
	// Endpoint is the address that alerts are posted to.
	Endpoint string
}

// Broken tells whether nothing could be rendered.
func (r *Result) Broken() bool {
	for i := range r.Findings {
		if r.Findings[i].Breaks {
			return true
		}
	}

	return false
}

// Names of the objects of a NotificationManager.

// WorkloadName is the name of the Deployment or StatefulSet, of the disruption budget and of the network policy.
func WorkloadName(manager string) string { return manager + "-deployment" }

// ServiceName is the name of the Service.
func ServiceName(manager string) string { return manager + "-svc" }

// AccountName is the name of the ServiceAccount, and of its roles in namespaces.
func AccountName(manager string) string { return manager + "-delivery" }

// ClusterRoleName is the name of the ClusterRole.
func ClusterRoleName(manager string) string { return "ks-notification-" + manager }

// Endpoint is the address that alerts are posted to.
func Endpoint(manager, namespace string) string {
	return "http://" + ServiceName(manager) + "." + namespace + ".svc:" + strconv.Itoa(Port) + AlertsPath
}

// Labels mark every object of a NotificationManager, and select its pods.
func Labels(manager string) map[string]string {
	return map[string]string{
		notificationv2beta2.AppLabel:     notificationv2beta2.AppName,
		notificationv2beta2.ManagerLabel: manager,
	}
}

// renderer renders one NotificationManager.
type renderer struct {
	name   string
	uid    types.UID
	spec   *notificationv2beta2.NotificationManagerSpec
	target Target
	labels map[string]string
	found  []Finding
}

// Render makes the objects of a NotificationManager. The same input gives the same objects.
func Render(manager *notificationv2beta2.NotificationManager, target Target) Result {
	r := &renderer{
		name: manager.Name, uid: manager.UID, spec: &manager.Spec, target: target, labels: Labels(manager.Name),
	}
	result := Result{
		Stateful: r.claim() != nil,
		Endpoint: Endpoint(r.name, target.Namespace),
	}

	r.checkName()

	pod := r.pod()
	workload := r.workload(pod)
	children := append(r.permissions(), r.service(), r.networkPolicy(), r.disruptionBudget(), workload)
	result.Findings = r.found

	if !result.Broken() {
		result.Children = children
	}

	return result
}

func (r *renderer) report(field, message string) {
	r.found = append(r.found, Finding{Field: field, Reason: Invalid, Message: message, Breaks: true})
}

func (r *renderer) warn(field string, reason Reason, message string) {
	r.found = append(r.found, Finding{Field: field, Reason: reason, Message: message})
}

// checkName finds names that no Service and no label can have.
func (r *renderer) checkName() {
	if len(validation.IsDNS1035Label(ServiceName(r.name))) > 0 || len(validation.IsValidLabelValue(r.name)) > 0 {
		r.report("metadata.name", "cannot be the name of a Service: make it anew with a name of at most 59 lower case "+
			"letters, digits and dashes that begins with a letter")
	}
}

// portName is the name of the port; one that no port can have does not count.
func (r *renderer) portName() string {
	if r.spec.PortName == "" {
		return PortName
	}

	if problems := validation.IsValidPortName(r.spec.PortName); len(problems) > 0 {
		return PortName
	}

	return r.spec.PortName
}

// old is the image of the service of KubeSphere 3.x, which keeps nothing on disk and needs all Secrets of the cluster.
const old = `(^|/)kubesphere/notification-manager([:@].*)?$`

// image is the one that runs.
func (r *renderer) image() string {
	ours := withRegistry(r.target.Image, r.target.Registry)

	switch {
	case r.spec.Image == nil || *r.spec.Image == "":
		return ours
	case regexp.MustCompile(old).MatchString(*r.spec.Image):
		r.warn("spec.image", ImageReplaced, "names the image of KubeSphere, whose service loses alerts; "+ours+
			" runs in its place, with the same endpoints: remove the field")

		return ours
	default:
		return *r.spec.Image
	}
}

// withRegistry puts an image into another registry.
func withRegistry(image, registry string) string {
	if registry == "" {
		return image
	}

	name := image

	first, rest, found := strings.Cut(image, "/")
	if found && (strings.ContainsAny(first, ".:") || first == "localhost") {
		name = rest
	}

	return strings.TrimSuffix(registry, "/") + "/" + name
}

// secretNamespace is where Secrets are that are named without a namespace.
func (r *renderer) secretNamespace() string {
	if r.spec.DefaultSecretNamespace == "" {
		return r.target.Namespace
	}

	return r.spec.DefaultSecretNamespace
}
