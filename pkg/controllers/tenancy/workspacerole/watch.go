package workspacerole

import (
	"context"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/aggregate"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/tenancy/platform"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/access"
)

// watches wake a role by itself, by what was made of it, by its templates, and by all that its workspace's roles
// depend on: whoever may write roles gets them named one by one.
func watches(reader client.Reader) []manager.Watch {
	find := finder{reader}
	native := handler.EnqueueRequestsFromMapFunc(roleOfNative)
	inWorkspace := handler.EnqueueRequestsFromMapFunc(find.inWorkspaceOf)

	own := []manager.Watch{
		{Object: &iamv1beta1.WorkspaceRole{}, Handler: &handler.EnqueueRequestForObject{}},
		{Object: &iamv1beta1.WorkspaceRole{}, Handler: inWorkspace, Predicates: []predicate.Predicate{comesOrGoes()}},
		{Object: &iamv1beta1.WorkspaceRoleBinding{}, Handler: inWorkspace},
		{
			Object: &tenantv1beta1.Workspace{}, Handler: handler.EnqueueRequestsFromMapFunc(find.inWorkspace),
			Predicates: []predicate.Predicate{comesOrGoes()},
		},
		{Object: &rbacv1.ClusterRole{}, Handler: native},
		{Object: &rbacv1.ClusterRoleBinding{}, Handler: native},
	}

	own = append(own, platform.Watches(handler.EnqueueRequestsFromMapFunc(find.everywhere))...)

	return append(own, aggregate.Watches(reader, &iamv1beta1.WorkspaceRole{})...)
}

func indexes() []manager.Index {
	return append(aggregate.Indexes(&iamv1beta1.WorkspaceRole{}), []manager.Index{
		platform.IndexByWorkspace(&iamv1beta1.WorkspaceRole{}),
		platform.IndexByWorkspace(&iamv1beta1.WorkspaceRoleBinding{}),
	}...)
}

// comesOrGoes lets only the news pass that there is one more or one less.
func comesOrGoes() predicate.Predicate {
	return predicate.LabelChangedPredicate{}
}

// roleOfNative reads the role from the name of what was made of it: not every name can be a label.
func roleOfNative(_ context.Context, native client.Object) []reconcile.Request {
	name, isOurs := strings.CutPrefix(native.GetName(), access.WorkspaceRoleName(""))
	if !isOurs {
		return nil
	}

	return []reconcile.Request{request(strings.TrimSuffix(name, ":self"))}
}

func request(role string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: role}}
}

// finder looks up in the caches whom an event concerns.
type finder struct{ reader client.Reader }

func (f finder) inWorkspace(ctx context.Context, workspace client.Object) []reconcile.Request {
	return f.list(ctx, client.MatchingFields{platform.ByWorkspace: workspace.GetName()})
}

func (f finder) inWorkspaceOf(ctx context.Context, object client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, name := range platform.WorkspaceOf(object) {
		requests = append(requests, f.list(ctx, client.MatchingFields{platform.ByWorkspace: name})...)
	}

	return requests
}

func (f finder) everywhere(ctx context.Context, _ client.Object) []reconcile.Request {
	return f.list(ctx)
}

func (f finder) list(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	roles := &iamv1beta1.WorkspaceRoleList{}
	if err := f.reader.List(ctx, roles, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		// It is in memory: only a controller that is being stopped fails here.
		klog.FromContext(ctx).V(1).Info("Cannot look up workspace roles", "reason", err.Error())

		return nil
	}

	requests := make([]reconcile.Request, 0, len(roles.Items))
	for i := range roles.Items {
		requests = append(requests, request(roles.Items[i].Name))
	}

	return requests
}
