// Package controllers holds the table of every controller of this project. It is the only package that
// names more than one domain.
package controllers

import (
	"slices"

	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/notification"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// Catalog returns every controller, domain by domain.
func Catalog() manager.Catalog {
	return slices.Concat(
		tenancy.Descriptors(),
		notification.Descriptors(),
		alerting.Descriptors(),
	)
}
