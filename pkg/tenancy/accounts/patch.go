package accounts

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
)

// Patch is what changes on a user, gathered into one merge patch under its resourceVersion: a user is either as it was
// or as it should be, and nothing that its type does not know is lost.
type Patch struct {
	user        *iamv1beta1.User
	metadata    map[string]any
	annotations map[string]any
	spec        map[string]any
	status      map[string]any
}

// NewPatch returns a patch that changes nothing.
func NewPatch(user *iamv1beta1.User) *Patch {
	return &Patch{
		user: user, metadata: map[string]any{}, annotations: map[string]any{},
		spec: map[string]any{}, status: map[string]any{},
	}
}

// SetPassword puts a hash in the place of the password in plain.
func (p *Patch) SetPassword(hash string, now time.Time) {
	p.spec["password"] = hash
	p.annotations[iamv1beta1.LastPasswordChangeAnnotation] = now.UTC().Format(time.RFC3339)

	if _, isAsked := p.user.Annotations[iamv1beta1.UninitializedAnnotation]; isAsked && !isFirst(p.user) {
		p.annotations[iamv1beta1.UninitializedAnnotation] = nil
	}
}

// DropLeaks removes the annotations that hold a password in plain.
func (p *Patch) DropLeaks() {
	for _, key := range Leaks(p.user) {
		p.annotations[key] = nil
	}
}

// AddFinalizer adds a finalizer, unless it is there or the user is being deleted.
func (p *Patch) AddFinalizer(name string) {
	if p.user.DeletionTimestamp.IsZero() && !slices.Contains(p.user.Finalizers, name) {
		p.metadata["finalizers"] = append(slices.Clone(p.user.Finalizers), name)
	}
}

// RemoveFinalizer takes a finalizer off, if it is there.
func (p *Patch) RemoveFinalizer(name string) {
	isIt := func(finalizer string) bool { return finalizer == name }
	if slices.ContainsFunc(p.user.Finalizers, isIt) {
		p.metadata["finalizers"] = slices.DeleteFunc(slices.Clone(p.user.Finalizers), isIt)
	}
}

// SetStatus changes the fields of the status that differ.
func (p *Patch) SetStatus(next iamv1beta1.UserStatus) {
	was := p.user.Status

	if next.State != nil && (was.State == nil || *was.State != *next.State) {
		p.status["state"] = *next.State
	}

	if was.Reason != next.Reason {
		p.status["reason"] = next.Reason
	}

	if next.Reason == "" && was.Reason != "" {
		p.status["reason"] = nil
	}

	if !was.LastTransitionTime.Equal(next.LastTransitionTime) {
		p.status["lastTransitionTime"] = next.LastTransitionTime
	}

	if !was.LastLoginTime.Equal(next.LastLoginTime) {
		p.status["lastLoginTime"] = next.LastLoginTime
	}
}

// SetGroups changes the groups of the user and the record of those that bindings gave.
func (p *Patch) SetGroups(membership Membership) {
	if !slices.Equal(p.user.Spec.Groups, membership.Groups) {
		p.spec["groups"] = membership.Groups
	}

	was, recorded := p.user.Annotations[BoundGroupsAnnotation]

	switch record := membership.record(); {
	case record == "" && recorded:
		p.annotations[BoundGroupsAnnotation] = nil
	case record != was:
		p.annotations[BoundGroupsAnnotation] = record
	}
}

// JSON returns the merge patch, nil where nothing changes.
func (p *Patch) JSON() ([]byte, error) {
	parts := map[string]any{}

	if len(p.annotations) > 0 {
		p.metadata["annotations"] = p.annotations
	}

	for name, part := range map[string]map[string]any{"metadata": p.metadata, "spec": p.spec, "status": p.status} {
		if len(part) > 0 {
			parts[name] = part
		}
	}

	if len(parts) == 0 {
		return nil, nil
	}

	p.metadata["resourceVersion"] = p.user.ResourceVersion
	parts["metadata"] = p.metadata

	patch, err := json.Marshal(parts)
	if err != nil {
		return nil, fmt.Errorf("encode the patch of a user: %w", err)
	}

	return patch, nil
}
