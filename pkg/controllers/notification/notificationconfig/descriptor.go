// Package notificationconfig looks at what users write of notifications, as the service will, and says in the status of
// each object what comes of it: whose it is, which credentials it uses, how many it tells, when a silence begins and
// ends, and what is wrong where. It sends nothing, and writes nothing but status.
//
// One controller looks after all kinds, for each of them hangs on the others. A request names the kind in the place of
// a namespace, which objects of the cluster have none of.
package notificationconfig

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/settings"
	"github.com/ks-core/ks-controller-manager/pkg/features"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Name of the controller.
const Name = "notification-config"

// The kinds, as requests name them.
const (
	kindManager  = "NotificationManager"
	kindConfig   = "Config"
	kindReceiver = "Receiver"
	kindRouter   = "Router"
	kindSilence  = "Silence"
	kindInhibit  = "InhibitRule"
	kindPolicy   = "NotificationPolicy"
)

// kind is one that the controller looks after.
type kind struct {
	name, resource string
	// closed keeps it out of the roles for people: it holds credentials, or is for administrators alone.
	closed bool
	object func() client.Object
	list   func() client.ObjectList
}

func kinds() []kind {
	return []kind{
		{
			kindManager, "notificationmanagers", true,
			func() client.Object { return &notificationv2beta2.NotificationManager{} },
			func() client.ObjectList { return &notificationv2beta2.NotificationManagerList{} },
		},
		{
			kindConfig, "configs", true,
			func() client.Object { return &notificationv2beta2.Config{} },
			func() client.ObjectList { return &notificationv2beta2.ConfigList{} },
		},
		{
			kindReceiver, "receivers", true,
			func() client.Object { return &notificationv2beta2.Receiver{} },
			func() client.ObjectList { return &notificationv2beta2.ReceiverList{} },
		},
		{
			kindRouter, "routers", false,
			func() client.Object { return &notificationv2beta2.Router{} },
			func() client.ObjectList { return &notificationv2beta2.RouterList{} },
		},
		{
			kindSilence, "silences", false,
			func() client.Object { return &notificationv2beta2.Silence{} },
			func() client.ObjectList { return &notificationv2beta2.SilenceList{} },
		},
		{
			kindInhibit, "inhibitrules", false,
			func() client.Object { return &notificationv2beta2.InhibitRule{} },
			func() client.ObjectList { return &notificationv2beta2.InhibitRuleList{} },
		},
		{
			kindPolicy, "notificationpolicies", true,
			func() client.Object { return &notificationv2beta2.NotificationPolicy{} },
			func() client.ObjectList { return &notificationv2beta2.NotificationPolicyList{} },
		},
	}
}

// Descriptor describes the controller. The settings are read when it runs.
func Descriptor(settings *settings.Settings) manager.Descriptor {
	described := manager.Descriptor{
		Name:   Name,
		Domain: manager.Notification,
		Summary: "Checks Configs, Receivers, Routers, Silences, InhibitRules and NotificationPolicies, and says in " +
			"their status what comes of them.",
		Gate: features.NotificationConfig,
		Caches: []manager.Cached{
			{Kind: secretKind(), Resource: "secrets", Depth: manager.VersionOnly},
			{Kind: configMapKind(), Resource: "configmaps", Depth: manager.Digested, Digest: manager.Digest{
				Name: "version", Metadata: true,
				Of: func(object client.Object) string { return object.GetResourceVersion() },
			}},
		},
		// The few that are named are read.
		Writes: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}},
		},
		AddToScheme: []func(*runtime.Scheme) error{
			notificationv2beta2.AddToScheme, corev1.AddToScheme,
		},
		New: func(dependencies manager.Dependencies) (*manager.Controller, error) {
			versions, err := dependencies.Digests(configMapKind())
			if err != nil {
				return nil, err
			}

			maps := newConfigMaps(versions, dependencies.Live)

			return newController(settings, dependencies, dependencies.Secrets, maps), nil
		},
	}

	for _, one := range kinds() {
		gvk := notificationv2beta2.SchemeGroupVersion.WithKind(one.name)
		described.Requires = append(described.Requires, manager.Required{
			GroupVersionKind: gvk, Revision: notificationv2beta2.SchemaRevision, Closed: one.closed,
		})
		described.Caches = append(described.Caches, manager.Cached{
			Kind: gvk, Resource: one.resource, Depth: manager.Full,
		})
		described.Writes = append(described.Writes, rbacv1.PolicyRule{
			APIGroups: []string{notificationv2beta2.GroupName}, Resources: []string{one.resource + "/status"},
			Verbs: []string{"patch"},
		})
	}

	return described
}

func secretKind() schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind("Secret") }

func configMapKind() schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind("ConfigMap") }
