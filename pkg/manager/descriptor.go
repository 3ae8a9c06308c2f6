// Package manager runs a list of controllers in one process. What a controller is, is told by a
// [Descriptor]; whether it runs is decided by the command line, its feature gate, the kinds the cluster
// knows and the rights of the process, in this order. The package knows no domain.
package manager

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/component-base/featuregate"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Domain is one of the areas that the controllers serve. All controllers of a domain share a role.
type Domain string

// The domains, in the order they are shown.
const (
	Tenancy      Domain = "tenancy"
	Notification Domain = "notification"
	Logging      Domain = "logging"
	Alerting     Domain = "alerting"
	Edge         Domain = "edge"
)

// Domains lists all domains in the order they are shown.
func Domains() []Domain {
	return []Domain{Tenancy, Notification, Logging, Alerting, Edge}
}

// Descriptor is all there is to know of a controller before it runs. The help of --controllers, the
// feature gates, the role, the status page and the reference pages are made from it and from nothing else.
type Descriptor struct {
	// Name is in kebab-case. It is never given to another controller, not even after this one is gone.
	Name string

	// Aliases are the names that KubeSphere 3.x and 4.x gave to what this controller does. None is ever
	// taken away.
	Aliases []string

	// Domain is the area the controller belongs to.
	Domain Domain

	// Summary says in one sentence what the controller does for its users.
	Summary string

	// Gate is the feature gate that switches the controller.
	Gate featuregate.Feature

	// Requires lists the custom kinds without which the controller cannot run.
	Requires []schema.GroupVersionKind

	// Optional lists foreign custom kinds that the controller uses when they are there.
	Optional []schema.GroupVersionKind

	// Caches lists what the controller reads. Reading anything else is an error, never a new cache.
	Caches []Cached

	// Writes lists what the controller may change, beyond listing and watching what it caches.
	Writes []rbacv1.PolicyRule

	// AddToScheme makes the controller's kinds known.
	AddToScheme []func(*runtime.Scheme) error

	// New makes the controller. It must not call the API server.
	New func(Dependencies) (*Controller, error)
}

// Cached is a kind that a controller keeps in memory, and how much of each object.
type Cached struct {
	// Kind is the kind as the API server serves it.
	Kind schema.GroupVersionKind

	// Resource is its name in URLs and roles, in plural.
	Resource string

	// Depth says how much of each object is kept.
	Depth Depth

	// Labels restricts the cache to the objects it selects. Nil: all.
	Labels labels.Selector
}

// Depth says how much of an object a cache keeps.
type Depth string

const (
	// Full keeps the object. Of managedFields it keeps only this manager's own entries.
	Full Depth = "full"

	// MetadataOnly keeps the object's metadata, for kinds of which only identity and labels count.
	MetadataOnly Depth = "metadata"
)

// Dependencies are what a controller may use of the process it runs in.
type Dependencies struct {
	// Client reads from the caches named in the descriptor and writes to the API server.
	Client client.Client

	// Recorder tells of transitions.
	Recorder events.EventRecorder

	// Clock is the only source of the current time.
	Clock clock.PassiveClock
}

// Controller is a reconciler and what wakes it.
type Controller struct {
	// Reconciler brings one object to what it should be.
	Reconciler reconcile.Reconciler

	// Watches say which events wake it. Every kind must be among the descriptor's Caches.
	Watches []Watch

	// Indexes make lookups from one kind to another cheap.
	Indexes []Index

	// Concurrency is the number of objects reconciled at the same time. Zero: one.
	Concurrency int
}

// Watch wakes a controller when an object of a kind changes.
type Watch struct {
	// Object is an empty object of the kind; a PartialObjectMetadata for kinds cached as metadata.
	Object client.Object

	// Handler turns an event into requests. It never calls the API server.
	Handler handler.EventHandler

	// Predicates must all let an event pass.
	Predicates []predicate.Predicate
}

// Index makes the objects of a kind findable by a value computed from each.
type Index struct {
	// Object is an empty object of the kind.
	Object client.Object

	// Field names the index in client.MatchingFields.
	Field string

	// Value computes the values an object is found by.
	Value client.IndexerFunc
}

// MetadataOf returns an empty object for watching and reading a kind's metadata alone.
func MetadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)

	return object
}
