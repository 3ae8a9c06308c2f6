// Package manager runs a list of controllers in one process. What a controller is, is told by a
// [Descriptor]; whether it runs is decided by the command line, its feature gate, the kinds the cluster
// knows and the rights of the process, in this order. The package knows no domain.
package manager

import (
	"slices"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/component-base/featuregate"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
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

	// Requires lists the custom kinds without which the controller cannot run. Each is among its Caches.
	Requires []Required

	// Optional lists foreign custom kinds that the controller uses when they are there. Each is among its
	// Caches. When one comes or goes, the controller is made anew; see [Dependencies.Present].
	Optional []schema.GroupVersionKind

	// Caches lists what the controller reads. Reading anything else is an error, never a new cache.
	Caches []Cached

	// Writes lists what the controller may change, beyond listing and watching what it caches.
	Writes []rbacv1.PolicyRule

	// AddToScheme makes the controller's kinds known.
	AddToScheme []func(*runtime.Scheme) error

	// Flags adds what operators may choose of the controller to the command line. May be nil.
	Flags func(*pflag.FlagSet)

	// New makes the controller. It must not call the API server.
	New func(Dependencies) (*Controller, error)
}

// Required is a custom kind that a controller cannot run without.
type Required struct {
	schema.GroupVersionKind

	// Closed keeps the kind out of the roles for people: who may write it may give permissions away, or take them,
	// and who may read it sees what is nobody else's business. Those who need it get it by a role of their own.
	Closed bool

	// Revision is the oldest schema of ours that will do, as the annotation of the definition has it. Zero
	// for foreign kinds: any will do.
	Revision int
}

// Cached is a kind that a controller keeps in memory, and how much of each object.
type Cached = stores.Spec

// Depth says how much of an object is kept.
type Depth = stores.Depth

// The depths; see package stores.
const (
	Full         = stores.Full
	Slim         = stores.Slim
	MetadataOnly = stores.MetadataOnly
	VersionOnly  = stores.VersionOnly
	Digested     = stores.Digested
)

// Digest computes what is kept of an object at depth Digested.
type Digest = stores.Digest

// Dependencies are what a controller may use of the process it runs in.
type Dependencies struct {
	// Client reads from the caches named in the descriptor and writes to the API server.
	Client client.Client

	// Live reads from the API server at every call: for the few decisions that must not rest on a cache.
	Live client.Reader

	// Present tells whether an optional kind is there. The answer stays the same for the life of the
	// controller.
	Present func(schema.GroupVersionKind) bool

	// Secrets reads the Secrets that objects refer to, each version once. Nil unless the descriptor caches
	// Secrets at VersionOnly.
	Secrets *stores.Follower[*corev1.Secret]

	// Digests returns the digests of a kind that the descriptor caches at that depth.
	Digests func(schema.GroupVersionKind) (stores.Digests, error)

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

// RequiredKinds returns the kinds without which the controller cannot run.
func (d Descriptor) RequiredKinds() []schema.GroupVersionKind {
	kinds := make([]schema.GroupVersionKind, 0, len(d.Requires))
	for _, required := range d.Requires {
		kinds = append(kinds, required.GroupVersionKind)
	}

	return kinds
}

// cached returns the first entry of a kind among what the controller caches.
func (d Descriptor) cached(kind schema.GroupVersionKind) (Cached, bool) {
	for _, cached := range d.Caches {
		if cached.Kind == kind {
			return cached, true
		}
	}

	return Cached{}, false
}

// wanted returns how a required or optional kind is asked for.
func (d Descriptor) wanted(kind schema.GroupVersionKind) definitions.Wanted {
	cached, _ := d.cached(kind)

	return definitions.Wanted{Kind: kind, Resource: cached.Resource}
}

// writesStatus tells whether the controller writes the status of a kind as a subresource.
func (d Descriptor) writesStatus(kind schema.GroupVersionKind) bool {
	cached, _ := d.cached(kind)

	return slices.ContainsFunc(d.Writes, func(rule rbacv1.PolicyRule) bool {
		return slices.Contains(rule.APIGroups, kind.Group) && slices.Contains(rule.Resources, cached.Resource+"/status")
	})
}
