package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
)

const (
	// reviewPeriod is the pause between two questions whether somebody may do something.
	reviewPeriod = 5 * time.Millisecond

	fieldOwner = client.FieldOwner("scale")
)

// changeBuiltinRole changes what viewers may do in all namespaces: two roles in each are written.
func changeBuiltinRole(ctx context.Context, writer client.Client, size Size, round int) error {
	if !hosts("namespace") {
		return changeManagers(ctx, writer, size, round)
	}

	rule := rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"pods", "configmaps"}, Verbs: []string{"get", "list", "watch"},
	}
	if round%2 == 0 {
		rule.Resources = rule.Resources[:1]
	}

	role := &iamv1beta1.Role{}
	role.SetGroupVersionKind(iamv1beta1.SchemeGroupVersion.WithKind("Role"))
	role.Name = viewer
	role.Rules = []rbacv1.PolicyRule{rule}

	raw, err := json.Marshal(role)
	if err != nil {
		return fmt.Errorf("encode a role: %w", err)
	}

	builtin := &iamv1beta1.BuiltinRole{ObjectMeta: metav1.ObjectMeta{
		Name: "scale-viewer", Annotations: map[string]string{tenantv1beta1.CustomAnnotation: "true"},
	}}
	builtin.Role = runtime.RawExtension{Raw: raw}

	if round == 0 {
		return writer.Create(ctx, builtin)
	}

	patch, err := json.Marshal(map[string]any{"role": role})
	if err != nil {
		return fmt.Errorf("encode a role: %w", err)
	}

	return writer.Patch(ctx, builtin, client.RawPatch(types.MergePatchType, patch), fieldOwner)
}

// changeManagers gives each workspace another manager.
func changeManagers(ctx context.Context, writer client.Client, size Size, round int) error {
	var errs []error
	for i := range size.Workspaces {
		errs = append(errs, setManager(ctx, writer, i, userName((round+i)%size.Users)))
	}

	return errors.Join(errs...)
}

func setManager(ctx context.Context, writer client.Client, workspace int, user string) error {
	template := &tenantv1beta1.WorkspaceTemplate{ObjectMeta: metav1.ObjectMeta{Name: workspaceName(workspace)}}
	patch := fmt.Appendf(nil, `{"spec":{"template":{"spec":{"manager":%q}}}}`, user)

	return writer.Patch(ctx, template, client.RawPatch(types.MergePatchType, patch), fieldOwner)
}

// guest is a user that has nothing before the edit.
func guest(edit string, number int) string { return fmt.Sprintf("guest-%s-%d", edit, number) }

// prepareManager hands a workspace over; effective when its new manager may change it.
func prepareManager(_ context.Context, admin client.WithWatch, size Size, number int) (Prepared, error) {
	workspace, user := number%size.Workspaces, guest("manager", number)

	return Prepared{
		Make: func(ctx context.Context) error { return setManager(ctx, admin, workspace, user) },
		Await: func(ctx context.Context) error {
			return awaitRight(ctx, admin, user, &authorizationv1.ResourceAttributes{
				Group: tenantv1beta1.GroupName, Resource: "workspaces", Verb: "update", Name: workspaceName(workspace),
			})
		},
	}, nil
}

// awaitRight asks until a user may do something.
func awaitRight(
	ctx context.Context, admin client.Client, user string, right *authorizationv1.ResourceAttributes,
) error {
	return wait.PollUntilContextCancel(ctx, reviewPeriod, true, func(ctx context.Context) (bool, error) {
		review := &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: right},
		}

		err := admin.Create(ctx, review)

		return review.Status.Allowed, err
	})
}

// prepareProject makes a namespace in a workspace; effective when the administrator of the workspace may work in it.
func prepareProject(ctx context.Context, admin client.WithWatch, size Size, number int) (Prepared, error) {
	if !hosts("namespace") {
		return prepareManager(ctx, admin, size, number)
	}

	made := namespace(size.Namespaces+number, size)

	return Prepared{
		Make: func(ctx context.Context) error { return admin.Create(ctx, made, fieldOwner) },
		Await: func(ctx context.Context) error {
			return awaitRight(ctx, admin, "system:serviceaccount:"+robotNamespace+":"+robotName,
				&authorizationv1.ResourceAttributes{Resource: "pods", Verb: "create", Namespace: made.GetName()})
		},
	}, nil
}

// prepareMember makes a user a viewer of a workspace; effective when the user may look into all of its namespaces,
// which is as many native bindings as the workspace has namespaces.
func prepareMember(ctx context.Context, admin client.WithWatch, size Size, number int) (Prepared, error) {
	if !hosts("namespace") {
		return prepareManager(ctx, admin, size, number)
	}

	workspace, user := number%size.Workspaces, guest("member", number)
	native := "kubesphere:workspacerole:" + roleName(workspace, viewer)

	seen := &rbacv1.RoleBindingList{}
	if err := admin.List(ctx, seen, client.MatchingFields{"metadata.name": native}); err != nil {
		return Prepared{}, err
	}

	events, err := admin.Watch(ctx, &rbacv1.RoleBindingList{}, client.MatchingFields{"metadata.name": native},
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: seen.ResourceVersion}})
	if err != nil {
		return Prepared{}, err
	}

	return Prepared{
		Make: func(ctx context.Context) error { return addViewer(ctx, admin, workspace, user) },
		Await: func(ctx context.Context) error {
			if err := awaitSubject(ctx, events, namespacesOf(workspace, size), user); err != nil {
				return err
			}

			return awaitRight(ctx, admin, user, &authorizationv1.ResourceAttributes{
				Resource: "pods", Verb: "list", Namespace: namespacesOf(workspace, size)[0],
			})
		},
		Close: events.Stop,
	}, nil
}

// addViewer makes a user the last of the viewers: those of earlier edits go, so that the bindings do not grow.
func addViewer(ctx context.Context, admin client.Client, workspace int, user string) error {
	binding := binding(workspace, viewer, person(userName(0)), person(user))

	patch, err := json.Marshal(map[string]any{"subjects": binding.Subjects})
	if err != nil {
		return fmt.Errorf("encode subjects: %w", err)
	}

	return admin.Patch(ctx, binding, client.RawPatch(types.MergePatchType, patch), fieldOwner)
}

// awaitSubject waits until the bindings of all namespaces have a subject.
func awaitSubject(ctx context.Context, events watch.Interface, namespaces []string, user string) error {
	missing := map[string]bool{}
	for _, namespace := range namespaces {
		missing[namespace] = true
	}

	for len(missing) > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d namespaces have no binding for %s: %w",
				len(missing), len(namespaces), user, context.Cause(ctx))
		case event, open := <-events.ResultChan():
			if !open {
				return errors.New("the watch of bindings has ended")
			}

			binding, isBinding := event.Object.(*rbacv1.RoleBinding)
			if isBinding && names(binding, user) {
				delete(missing, binding.Namespace)
			}
		}
	}

	return nil
}

func names(binding *rbacv1.RoleBinding, user string) bool {
	return slices.ContainsFunc(binding.Subjects, func(subject rbacv1.Subject) bool { return subject.Name == user })
}
