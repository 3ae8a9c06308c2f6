package v2beta2

import "math"

// Labels by which a NotificationManager finds its objects, as KubeSphere sets them. The selectors of a
// NotificationManager may name others; these are the ones its installers and its API server use.
const (
	// TypeLabel on a Config, a Receiver or a Silence says whose it is: TypeGlobal, TypeTenant or TypeDefault.
	TypeLabel = "type"

	// TypeGlobal is a Receiver that is told of every alert, or a Silence that counts for everybody.
	TypeGlobal = "global"

	// TypeTenant is an object of the tenant that TenantLabel names.
	TypeTenant = "tenant"

	// TypeDefault is a Config of the platform: global receivers use it, and tenants that have none of their own.
	TypeDefault = "default"

	// TenantLabel on an object of a tenant is the tenant's name. A NotificationManager names the label in
	// spec.receivers.tenantKey; this is what KubeSphere sets it to, and what counts where it is empty.
	TenantLabel = "user"

	// PriorityLabel on a Config is a whole number. Of several Configs that fit, the one with the smallest counts.
	PriorityLabel = "priority"

	// DefaultPriority is the priority of a Config without the label.
	DefaultPriority = math.MaxInt32 - 1

	// AppLabel says which application an object belongs to. Nothing selects objects by it.
	AppLabel = "app"

	// AppName is the value of AppLabel, on objects of users and on the pods of a NotificationManager.
	AppName = "notification-manager"

	// ManagerLabel on what is made for a NotificationManager is the name of that manager; with AppLabel it selects its
	// pods.
	ManagerLabel = "notification-manager"
)

// What KubeSphere's API server keeps credentials and templates in.
const (
	// SecretNamespace is the namespace of the Secrets and ConfigMaps that are made through KubeSphere's API server.
	SecretNamespace = "kubesphere-monitoring-federated"

	// ManagedLabel "true" on a Secret or a ConfigMap there says that it belongs to notification, and goes to the member
	// clusters too.
	ManagedLabel = "notification.kubesphere.io/managed"

	// KubefedManagedLabel "false" on an object keeps KubeFed's hands off it.
	KubefedManagedLabel = "kubefed.io/managed"

	// ReloadAnnotation on a Secret or a ConfigMap is changed to have it sent to the member clusters again.
	ReloadAnnotation = "reloadtimestamp"
)

// Where the name of the cluster is found, which alerts without the label cluster get.
const (
	// ClusterNamespace is the namespace that has ClusterNameAnnotation.
	ClusterNamespace = "kubesphere-system"

	// ClusterNameAnnotation on ClusterNamespace is the name of the cluster.
	ClusterNameAnnotation = "cluster.kubesphere.io/name"

	// ClusterConfigMap in ClusterNamespace has the name of the cluster where the annotation is missing, in
	// ClusterConfigMapKey at multicluster.clusterName.
	ClusterConfigMap = "kubesphere-config"

	// ClusterConfigMapKey is the key in ClusterConfigMap.
	ClusterConfigMapKey = "kubesphere.yaml"

	// DefaultCluster is the name of a cluster that has none.
	DefaultCluster = "default"
)

// Keys that are added to alerts before they are rendered.
const (
	// ReceiverLabel is the label with the name of the Receiver that is told.
	ReceiverLabel = "receiver"

	// AlertTimeAnnotation is the annotation with the time of an alert whose alerttype is metric.
	AlertTimeAnnotation = "alerttime"
)

// Values of spec.sidecars, by which KubeSphere says who knows the tenants of a namespace.
const (
	// TenantSidecar is the key of the sidecar that is asked for tenants.
	TenantSidecar = "tenant"

	// KubeSphereSidecar is the type of the sidecar that needs no container: KubeSphere's own.
	KubeSphereSidecar = "kubesphere"
)

// ConditionDurable on a NotificationManager says whether what it has acknowledged outlives its pods. It stands beside
// the conditions that all kinds have.
const ConditionDurable = "Durable"

// The bounds of the schemas, for who writes what they limit.
const (
	// MaxMessage is the length of the longest message in a status, in characters; a longer one is cut.
	MaxMessage = 1024

	// MaxRejections is the greatest number of entries in the status of a NotificationPolicy.
	MaxRejections = 100

	// MaxUnknownReceivers is the greatest number of names in the status of a Router.
	MaxUnknownReceivers = 100
)

// SchemaRevision is the number of the schemas of this group. It stands in the annotation
// ks.kubesphere.io/schema-revision of each definition, so that a manager can tell one that is older than it needs,
// and grows with each change of a field.
const SchemaRevision = 1
