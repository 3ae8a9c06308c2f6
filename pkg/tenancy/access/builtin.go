package access

import (
	"encoding/json"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	iamv1alpha2 "github.com/ks-core/ks-controller-manager/api/iam/v1alpha2"
	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/roles"
)

// Scope says where a built-in role belongs.
type Scope string

// The scopes, by the kind of the role.
const (
	ScopeNamespace Scope = "Role"
	ScopeWorkspace Scope = "WorkspaceRole"
)

// Definition is a role for all namespaces or all workspaces, as an administrator wrote it into a RoleBase or a
// BuiltinRole.
type Definition struct {
	Scope       Scope
	Name        string
	Labels      map[string]string
	Annotations map[string]string
	Content     iamv1beta1.RoleContent

	// Selector selects the namespaces or workspaces.
	Selector labels.Selector

	// Custom lets the definition count in place of a role of ours with the same name.
	Custom bool
}

// embedded is what counts of the role in a RoleBase or BuiltinRole.
type embedded struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	iamv1beta1.RoleContent
}

// ReadBuiltinRole reads a BuiltinRole. The error names the field and the remedy. Roles of other scopes than
// namespaces and workspaces are nil: there is one of each, which needs no definition.
func ReadBuiltinRole(role *iamv1beta1.BuiltinRole) (*Definition, error) {
	definition, err := read(role.Role)
	if err != nil || definition == nil {
		return nil, err
	}

	if role.TargetSelector != nil {
		definition.Selector, err = metav1.LabelSelectorAsSelector(role.TargetSelector)
		if err != nil {
			return nil, field.Invalid(field.NewPath("targetSelector"), role.TargetSelector,
				err.Error()+"; write a valid label selector")
		}
	}

	definition.Custom = role.Annotations[tenantv1beta1.CustomAnnotation] == "true"

	return definition, nil
}

// ReadRoleBase reads the role of a RoleBase as ReadBuiltinRole does. Templates, from which 3.x made further roles
// of each namespace, are nil: their permissions are part of the roles that aggregate them.
func ReadRoleBase(annotations map[string]string, role runtime.RawExtension) (*Definition, error) {
	definition, err := read(role)
	if err != nil || definition == nil || definition.Labels[iamv1beta1.RoleTemplateLabel] != "" {
		return nil, err
	}

	definition.Custom = annotations[tenantv1beta1.CustomAnnotation] == "true"

	return definition, nil
}

func read(raw runtime.RawExtension) (*Definition, error) {
	path := field.NewPath("role")

	var role embedded
	if err := json.Unmarshal(raw.Raw, &role); err != nil {
		return nil, field.Invalid(path, "", fmt.Sprintf("is no role: %v; write a whole Role or WorkspaceRole", err))
	}

	if role.Name == "" {
		return nil, field.Required(path.Child("metadata", "name"), "the name that the role is to have")
	}

	scope := Scope(role.Kind)
	if scope != ScopeNamespace && scope != ScopeWorkspace {
		if !slices.Contains([]string{"GlobalRole", "ClusterRole"}, role.Kind) {
			return nil, field.NotSupported(path.Child("kind"), role.Kind, []Scope{ScopeNamespace, ScopeWorkspace})
		}

		return nil, nil //nolint:nilnil // no definition, and nothing wrong
	}

	return &Definition{
		Scope: scope, Name: role.Name, Labels: role.Labels, Annotations: role.Annotations, Content: role.RoleContent,
		Selector: labels.Everything(),
	}, nil
}

// Role is a role that some namespaces or workspaces get. It is made by NewRole.
type Role struct {
	Name     string
	Rules    []rbacv1.PolicyRule
	Selector labels.Selector

	// The digests of what is made of it, which are the same in ten thousand namespaces.
	nativeDigest, iamDigest string
}

// NewRole makes a role for those whom the selector selects.
func NewRole(name string, rules []rbacv1.PolicyRule, selector labels.Selector) Role {
	role := Role{Name: name, Rules: rules, Selector: selector}
	role.nativeDigest = digest(nativeLabels(role), rules, nil, nil)
	role.iamDigest = digest(iamLabels(), rules, nil, nil)

	return role
}

// Roles returns the roles of a scope: ours, those that administrators defined under other names, and those they
// defined to take the place of ours. groups are the API groups that the cluster serves.
func Roles(scope Scope, groups []string, definitions []Definition) []Role {
	byName := map[string]Role{}
	builtin := roles.NamespaceRoles

	if scope == ScopeWorkspace {
		builtin = roles.WorkspaceRoles
	}

	for _, role := range builtin(groups) {
		byName[role.Name] = NewRole(role.Name, role.Rules, labels.Everything())
	}

	for _, definition := range definitions {
		if _, ours := byName[definition.Name]; definition.Scope != scope || ours && !definition.Custom {
			continue
		}

		rules := definition.Content.Rules
		if scope == ScopeNamespace {
			rules = roles.Confine(rules, groups)
		}

		byName[definition.Name] = NewRole(definition.Name, rules, definition.Selector)
	}

	sorted := make([]Role, 0, len(byName))
	for _, role := range byName {
		sorted = append(sorted, role)
	}

	slices.SortFunc(sorted, func(a, b Role) int { return compareNames(a.Name, b.Name) })

	return sorted
}

// Definitions reads all definitions there are. What cannot be read is left out here; the controller of those kinds
// says so on the object.
func Definitions(builtinRoles []iamv1beta1.BuiltinRole, roleBases []iamv1alpha2.RoleBase) []Definition {
	var definitions []Definition

	for i := range roleBases {
		if found, err := ReadRoleBase(roleBases[i].Annotations, roleBases[i].Role); err == nil && found != nil {
			definitions = append(definitions, *found)
		}
	}

	for i := range builtinRoles {
		if found, err := ReadBuiltinRole(&builtinRoles[i]); err == nil && found != nil {
			definitions = append(definitions, *found)
		}
	}

	return definitions
}
