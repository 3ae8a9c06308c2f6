package accounts

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
)

const (
	// SystemNamespace is where KubeSphere 4.x keeps the kubeconfigs and service accounts of users.
	SystemNamespace = "kubesphere-system"

	// ControlsNamespace is where KubeSphere 3.x keeps the kubeconfigs of users.
	ControlsNamespace = "kubesphere-controls-system"

	serviceAccountPrefix = "kubesphere.users."
)

// KubeconfigName is the name of the ConfigMap (3.x) or Secret (4.x) with the kubeconfig of a user.
func KubeconfigName(user string) string { return "kubeconfig-" + user }

// ServiceAccountName is the name of the service account that stands for a user in 4.x.
func ServiceAccountName(user string) string { return serviceAccountPrefix + user }

// Holder is somebody who holds roles through bindings: a user or a group.
type Holder struct {
	// Kind is User or Group.
	Kind string
	Name string
}

// UserHolder is a user.
func UserHolder(name string) Holder { return Holder{Kind: rbacv1.UserKind, Name: name} }

// GroupHolder is a group.
func GroupHolder(name string) Holder { return Holder{Kind: rbacv1.GroupKind, Name: name} }

// Key is what bindings of the holder are found by.
func (h Holder) Key() string { return h.Kind + "/" + h.Name }

// Label is the label by which bindings name such holders.
func (h Holder) Label() string {
	if h.Kind == rbacv1.GroupKind {
		return iamv1beta1.GroupLabel
	}

	return iamv1beta1.UserLabel
}

// holderOf returns who a subject stands for. The service account that 4.x made for a user is that user.
func holderOf(subject rbacv1.Subject) (Holder, bool) {
	switch subject.Kind {
	case rbacv1.UserKind, rbacv1.GroupKind:
		return Holder{Kind: subject.Kind, Name: subject.Name}, subject.Name != ""
	case rbacv1.ServiceAccountKind:
		name, isUser := strings.CutPrefix(subject.Name, serviceAccountPrefix)

		return UserHolder(name), isUser && name != "" && subject.Namespace == SystemNamespace
	}

	return Holder{}, false
}

// HolderKeys returns the keys of all that a binding names by its labels or its subjects, sorted.
func HolderKeys(labels map[string]string, subjects []rbacv1.Subject) []string {
	var keys []string

	for _, holder := range []Holder{
		UserHolder(labels[iamv1beta1.UserLabel]), GroupHolder(labels[iamv1beta1.GroupLabel]),
	} {
		if holder.Name != "" {
			keys = append(keys, holder.Key())
		}
	}

	for _, subject := range subjects {
		if holder, isHolder := holderOf(subject); isHolder {
			keys = append(keys, holder.Key())
		}
	}

	slices.Sort(keys)

	return slices.Compact(keys)
}

// Cut is how a binding stops to name a holder.
type Cut struct {
	// Delete is set where nobody else is named.
	Delete bool

	// Subjects are the others.
	Subjects []rbacv1.Subject

	// DropLabel is the label that goes with the holder, if it is there.
	DropLabel string
}

// CutFrom decides how a binding that names the holder stops to. What others hold through it they keep.
func (h Holder) CutFrom(labels map[string]string, subjects []rbacv1.Subject) Cut {
	isHolder := func(subject rbacv1.Subject) bool {
		holder, found := holderOf(subject)

		return found && holder == h
	}

	cut := Cut{Subjects: slices.DeleteFunc(slices.Clone(subjects), isHolder)}
	cut.Delete = len(cut.Subjects) == 0

	if labels[h.Label()] == h.Name {
		cut.DropLabel = h.Label()
	}

	return cut
}

// Patch is the cut as a merge patch of a binding that others are named in too.
func (c Cut) Patch(resourceVersion string) ([]byte, error) {
	metadata := map[string]any{"resourceVersion": resourceVersion}
	if c.DropLabel != "" {
		metadata["labels"] = map[string]any{c.DropLabel: nil}
	}

	patch, err := json.Marshal(map[string]any{"metadata": metadata, "subjects": c.Subjects})
	if err != nil {
		return nil, fmt.Errorf("encode the patch of a binding: %w", err)
	}

	return patch, nil
}

// WithoutUser is the merge patch that takes a user off a GroupBinding, nil where nobody else is in it.
func WithoutUser(binding *iamv1beta1.GroupBinding, user string) ([]byte, error) {
	others := slices.DeleteFunc(slices.Clone(binding.Users), func(name string) bool { return name == user })
	if len(others) == 0 {
		return nil, nil
	}

	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": binding.ResourceVersion}, "users": others,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the patch of a GroupBinding: %w", err)
	}

	return patch, nil
}
