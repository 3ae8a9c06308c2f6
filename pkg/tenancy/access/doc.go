// Package access decides which roles and bindings a namespace gets because of the workspace it is in. It makes one
// RoleBinding for each workspace role, however many bindings and subjects there are, so that native access costs
// as few objects as it can.
package access
