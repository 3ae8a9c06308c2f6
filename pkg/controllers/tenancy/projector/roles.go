package projector

import (
	"context"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/aggregate"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/projection"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/roles"
)

// roleProjector decides for the kinds of roles.
type roleProjector struct {
	*Reconciler

	aggregator *aggregate.Aggregator
}

func newRole(of kind, dependencies manager.Dependencies) (*manager.Controller, error) {
	reconciler, err := newReconciler(of, dependencies)
	if err != nil {
		return nil, err
	}

	projector := &roleProjector{Reconciler: reconciler, aggregator: aggregate.New(dependencies)}
	reconciler.decide = projector.decideRole

	return &manager.Controller{
		Reconciler: reconciler,
		Watches:    projector.watches(),
		Indexes:    append(aggregate.Indexes(of.source), wildIndexes(of)...),
	}, nil
}

// decideRole makes the role of its templates, and the native role of that.
func (r *roleProjector) decideRole(ctx context.Context, source client.Object) (decision, error) {
	findings, err := r.aggregator.Run(ctx, source)
	if err != nil {
		return decision{}, err
	}

	native, err := r.native(ctx, source)
	if err != nil {
		return decision{}, err
	}

	report := findings.Report()
	report.Conditions = append(report.Conditions, programmed(r.kind.nativeKind+" "+native.GetName()))

	if report.Message == "" {
		report.Message = "The role counts for kubectl."
	}

	return decision{native: native, report: report, stalled: findings.Err()}, nil
}

func (r *roleProjector) native(ctx context.Context, source client.Object) (client.Object, error) {
	content, isRole := aggregate.Content(source)
	if !isRole {
		return nil, fmt.Errorf("project a %T: it is no role", source)
	}

	identity := r.kind.identity(client.ObjectKeyFromObject(source))

	switch {
	case r.kind.isNamespaced:
		groups, err := r.groups(ctx, content.Rules)

		return projection.NewRole(identity, roles.Confine(content.Rules, groups)), err
	case isAdministrators(r.kind.kind, source.GetName()):
		return projection.NewClusterRole(identity, projection.AdminRules(content.Rules)), nil
	default:
		return projection.NewClusterRole(identity, projection.ClusterRules(content.Rules)), nil
	}
}

// isAdministrators tells whether a role is one of those by which KubeSphere means that everything is allowed.
func isAdministrators(kind, name string) bool {
	return kind == kindGlobalRole && name == projection.PlatformAdmin ||
		kind == kindClusterRole && name == projection.ClusterAdmin
}

// apiServiceKind has an object for each group and version that the cluster serves, called <version>.<group>.
func apiServiceKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}
}

// groups returns the API groups that the cluster serves, sorted, where the rules speak of all of them.
func (r *roleProjector) groups(ctx context.Context, rules []rbacv1.PolicyRule) ([]string, error) {
	if !isWild(rules) {
		return nil, nil
	}

	services := &metav1.PartialObjectMetadataList{}
	services.SetGroupVersionKind(apiServiceKind())

	if err := r.client.List(ctx, services, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the APIs of the cluster: %w", err)
	}

	return platform.GroupsOf(services.Items), nil
}

// isWild tells whether rules speak of every API group.
func isWild(rules []rbacv1.PolicyRule) bool {
	return slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool {
		return slices.Contains(rule.APIGroups, rbacv1.APIGroupAll)
	})
}
