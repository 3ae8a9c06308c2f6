package aggregation

import (
	"encoding/json"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Annotation on a role notes which of its rules were added. It is there on every role that names
// templates, or ever did.
const Annotation = "tenant.kubesphere.io/aggregated-rules"

// note is what the annotation says.
type note struct {
	// Rules were added, and are not among the author's own.
	Rules []rbacv1.PolicyRule `json:"rules,omitempty"`

	// Awaited are the templates that were missing when the role was first looked at: KubeSphere may have added
	// their rules before.
	Awaited []string `json:"awaited,omitempty"`
}

// parseNote says false where there is no note, or none that can be read: what somebody has broken is written anew.
func parseNote(annotations map[string]string) (note, bool) {
	text, found := annotations[Annotation]
	if !found {
		return note{}, false
	}

	var parsed note
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		return note{}, false
	}

	return parsed, true
}

func (n note) String() (string, error) {
	text, err := json.Marshal(n)
	if err != nil {
		return "", fmt.Errorf("note the added rules: %w", err)
	}

	return string(text), nil
}
