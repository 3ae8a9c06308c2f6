// Package notification lists the controllers of the domain.
package notification

import (
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/alertmanager"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/notificationconfig"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/notificationmanager"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification/settings"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Descriptors returns the controllers of the domain. Where things are put is the same for all of them.
func Descriptors() manager.Catalog {
	shared := settings.Default()

	return manager.Catalog{
		notificationmanager.Descriptor(shared),
		notificationconfig.Descriptor(shared),
		alertmanager.Descriptor(shared),
	}
}
