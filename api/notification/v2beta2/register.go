package v2beta2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of the notification kinds.
const GroupName = "notification.kubesphere.io"

// SchemeGroupVersion is the group and version of the kinds in this package.
var SchemeGroupVersion = schema.GroupVersion{Group: GroupName, Version: "v2beta2"}

// AddToScheme makes the kinds of this package known to a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion,
		&NotificationManager{}, &NotificationManagerList{},
		&Config{}, &ConfigList{},
		&Receiver{}, &ReceiverList{},
		&Router{}, &RouterList{},
		&Silence{}, &SilenceList{},
		&InhibitRule{}, &InhibitRuleList{},
		&NotificationPolicy{}, &NotificationPolicyList{},
	)
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)

	return nil
}
