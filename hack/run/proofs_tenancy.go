package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/ks-core/ks-controller-manager/test/cluster"
)

const (
	workspaceGroup = "tenant.kubesphere.io"
	workspaceLabel = "kubesphere.io/workspace"
)

// managersRuleTheirOwn asks, as each manager of a workspace that is ready, what that user may do.
func managersRuleTheirOwn(ctx context.Context, c *cluster.Cluster) error {
	templates, err := list(ctx, c.Config(), tenancyResource("workspacetemplates"))
	if err != nil {
		return err
	}

	managers := managersOf(templates)
	if len(managers) == 0 {
		return errors.New("there is no WorkspaceTemplate that is ready and names a manager")
	}

	var errs []error
	for _, manager := range slices.Compact(slices.Sorted(maps.Values(managers))) {
		errs = append(errs, rulesOnly(ctx, c, manager, managers))
	}

	return errors.Join(errs...)
}

// managersOf maps the names of the workspaces that are ready to their managers.
func managersOf(templates []unstructured.Unstructured) map[string]string {
	managers := map[string]string{}

	for i := range templates {
		template := &templates[i]

		manager, _, _ := unstructured.NestedString(template.Object, "spec", "template", "spec", "manager")
		if manager != "" && rowOf(sample{}, template).ready == string(metav1.ConditionTrue) {
			managers[template.GetName()] = manager
		}
	}

	return managers
}

// rulesOnly asks as the manager about each workspace, and about one that is not there.
func rulesOnly(ctx context.Context, c *cluster.Cluster, manager string, managers map[string]string) error {
	user, err := c.User(manager)
	if err != nil {
		return err
	}

	clients, err := kubernetes.NewForConfig(user)
	if err != nil {
		return fmt.Errorf("making a client for %s: %w", manager, err)
	}

	var errs []error

	for _, g := range grantsOf(manager, managers) {
		errs = append(errs, g.check(ctx, clients, manager))
	}

	return errors.Join(errs...)
}

// grant says what a user may, or may not, do with a workspace.
type grant struct {
	verb      string
	workspace string
	allowed   bool
}

// grantsOf is what a manager must and must not be allowed, given the managers of all workspaces.
func grantsOf(manager string, managers map[string]string) []grant {
	var grants []grant

	for _, workspace := range append(slices.Sorted(maps.Keys(managers)), "somebody-elses") {
		own := managers[workspace] == manager

		grants = append(grants,
			grant{verb: "get", workspace: workspace, allowed: own},
			grant{verb: "update", workspace: workspace, allowed: own},
			grant{verb: "delete", workspace: workspace, allowed: false},
		)
	}

	return grants
}

// check is "kubectl auth can-i <verb> workspace/<name>", asked as the user itself.
func (g grant) check(ctx context.Context, clients kubernetes.Interface, user string) error {
	review := &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Group: workspaceGroup, Resource: "workspaces", Verb: g.verb, Name: g.workspace,
			},
		},
	}

	answer, err := clients.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("asking whether %s may %s workspace %s: %w", user, g.verb, g.workspace, err)
	}

	if answer.Status.Allowed == g.allowed {
		return nil
	}

	may := map[bool]string{true: "may", false: "may not"}

	return fmt.Errorf("user %s %s %s workspace %s", user, may[answer.Status.Allowed], g.verb, g.workspace)
}

// workspacesCountNamespaces compares what each workspace says with the namespaces there are.
func workspacesCountNamespaces(ctx context.Context, c *cluster.Cluster) error {
	workspaces, err := list(ctx, c.Config(), tenancyResource("workspaces"))
	if err != nil {
		return err
	}

	namespaces, err := list(ctx, c.Config(), schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	if err != nil {
		return err
	}

	return compareCounts(workspaces, namespaces)
}

func compareCounts(workspaces, namespaces []unstructured.Unstructured) error {
	members := map[string]int64{}

	for i := range namespaces {
		if workspace := namespaces[i].GetLabels()[workspaceLabel]; workspace != "" {
			members[workspace]++
		}
	}

	var (
		errs    []error
		counted int64
	)

	for i := range workspaces {
		name := workspaces[i].GetName()

		count, _, _ := unstructured.NestedInt64(workspaces[i].Object, "status", "namespaceCount")
		if count != members[name] {
			errs = append(errs, fmt.Errorf("workspace %s counts %d namespaces of %d", name, count, members[name]))
		}

		counted += members[name]
	}

	if counted == 0 {
		errs = append(errs, errors.New("there is no workspace with a namespace"))
	}

	return errors.Join(errs...)
}

func tenancyResource(name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: workspaceGroup, Version: "v1beta1", Resource: name}
}

func list(
	ctx context.Context, config *rest.Config, resource schema.GroupVersionResource,
) ([]unstructured.Unstructured, error) {
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}

	found, err := objects.Resource(resource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}

	return found.Items, nil
}
