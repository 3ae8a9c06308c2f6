// Package aggregate makes roles of their templates: the first step of every controller of roles.
package aggregate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube/definitions"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/aggregation"
)

// Aggregator writes into roles what their templates permit.
type Aggregator struct {
	client client.Client
	live   client.Reader
}

// New makes an Aggregator. The controller caches its roles and RoleTemplates, has the Watches and Indexes of this
// package, and may patch its roles.
func New(dependencies manager.Dependencies) *Aggregator {
	return &Aggregator{client: dependencies.Client, live: dependencies.Live}
}

// Run brings the rules of a role, as it was read from the cache, to its own and those of its templates. Where that
// takes a write, role is afterwards what the API server answered. The caller goes on with role and reports what was
// found.
func (a *Aggregator) Run(ctx context.Context, role client.Object) (Findings, error) {
	written, isRole := read(role)
	if !isRole {
		return Findings{}, fmt.Errorf("aggregate a %T: it is no role", role)
	}

	sources, err := a.gather(ctx, role, written)
	if err != nil {
		return Findings{}, err
	}

	result, err := aggregation.Aggregate(written, sources)
	if err != nil {
		return Findings{}, fmt.Errorf("aggregate role %s: %w", role.GetName(), err)
	}

	findings := Findings{missing: result.Missing, problems: result.Problems}
	if !result.Changed {
		return findings, nil
	}

	if len(result.Missing) > 0 && result.Loses {
		going, err := a.templatesGo(ctx)
		if going || err != nil {
			return findings, err
		}
	}

	return findings, a.write(ctx, role, written, result)
}

// templatesGo tells whether templates are missing because their definition is going, as when a chart is uninstalled.
// Nobody means by that to take everybody's permissions.
func (a *Aggregator) templatesGo(ctx context.Context) (bool, error) {
	templates := schema.GroupResource{Group: iamv1beta1.GroupName, Resource: "roletemplates"}

	going, err := definitions.Going(ctx, a.live, templates)
	if err != nil {
		return false, fmt.Errorf("take rules of templates away: %w", err)
	}

	return going, nil
}

// gather reads what the role asks to be made of, as far as it is there.
func (a *Aggregator) gather(
	ctx context.Context, role client.Object, written aggregation.Role,
) (aggregation.Sources, error) {
	wanted := aggregation.WantedBy(written)

	templates, err := a.templates(ctx, wanted)
	if err != nil {
		return aggregation.Sources{}, err
	}

	roles, err := a.roles(ctx, role, wanted.Roles)

	return aggregation.Sources{Templates: templates, Roles: roles}, err
}

func (a *Aggregator) templates(
	ctx context.Context, wanted aggregation.Wanted,
) (map[string][]rbacv1.PolicyRule, error) {
	found := map[string][]rbacv1.PolicyRule{}

	if wanted.Selector != nil {
		selected := &iamv1beta1.RoleTemplateList{}
		if err := a.client.List(ctx, selected, client.MatchingLabelsSelector{Selector: wanted.Selector}); err != nil {
			return nil, fmt.Errorf("list the role templates that are selected: %w", err)
		}

		for i := range selected.Items {
			found[selected.Items[i].Name] = selected.Items[i].Spec.Rules
		}
	}

	for _, name := range wanted.Templates {
		if _, known := found[name]; known {
			continue
		}

		template := &iamv1beta1.RoleTemplate{}

		err := a.client.Get(ctx, client.ObjectKey{Name: name}, template)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("read RoleTemplate %s: %w", name, err)
		}

		if err == nil {
			found[name] = template.Spec.Rules
		}
	}

	return found, nil
}

// roles reads the roles that serve as templates, and those that they name in turn.
func (a *Aggregator) roles(
	ctx context.Context, like client.Object, names []string,
) (map[string]aggregation.Role, error) {
	found := map[string]aggregation.Role{}
	asked := map[string]bool{}

	for open := slices.Clone(names); len(open) > 0; open = open[1:] {
		name := open[0]
		if asked[name] || name == like.GetName() {
			continue
		}

		asked[name] = true

		next, err := a.role(ctx, like, name)
		if err != nil {
			return nil, err
		}

		if next != nil {
			found[name] = *next
			open = append(open, aggregation.WantedBy(*next).Roles...)
		}
	}

	return found, nil
}

// role returns nil where there is none.
func (a *Aggregator) role(ctx context.Context, like client.Object, name string) (*aggregation.Role, error) {
	into := empty(like)
	key := client.ObjectKey{Namespace: like.GetNamespace(), Name: name}

	err := a.client.Get(ctx, key, into)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // Absence is an answer.
	}

	if err != nil {
		return nil, fmt.Errorf("read the role %s that serves as a template: %w", key, err)
	}

	role, _ := read(into)

	return &role, nil
}

// write sends nothing but the rules and the note on them.
func (a *Aggregator) write(
	ctx context.Context, role client.Object, written aggregation.Role, result aggregation.Result,
) error {
	content := map[string]any{"metadata": map[string]any{
		"resourceVersion": role.GetResourceVersion(),
		"annotations":     map[string]any{aggregation.Annotation: result.Note},
	}}

	if !aggregation.Same(written.Rules, result.Rules) {
		// Not null, for KubeSphere's definitions require a list.
		content["rules"] = append([]rbacv1.PolicyRule{}, result.Rules...)
	}

	patch, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encode the rules of role %s: %w", role.GetName(), err)
	}

	if err := a.client.Patch(ctx, role, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("write the rules of role %s: %w", role.GetName(), err)
	}

	return nil
}
