package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// proof shows that a domain does what its samples' conditions claim.
type proof struct {
	domain string
	claim  string
	check  func(context.Context, *cluster.Cluster) error
}

// proofs is the table of all domains.
func proofs() []proof {
	return []proof{
		{
			domain: "tenancy",
			claim:  "a workspace's manager may see and administer it, and no other workspace",
			check:  managersRuleTheirOwn,
		},
	}
}

// proofPatience is how long an effect may take to show: the API server's authoriser learns of a new binding
// a moment after its writer.
const proofPatience = 10 * time.Second

// hold waits until the claim is true, or says why it is not.
func (p proof) hold(ctx context.Context, c *cluster.Cluster) error {
	var last error

	// Each check has the context of the caller: the one that the timeout ends would hide the last reason.
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, proofPatience, true,
		func(context.Context) (bool, error) {
			last = p.check(ctx, c)

			return last == nil, nil
		})
	if err != nil {
		return fmt.Errorf("%s: it does not hold that %s: %w", p.domain, p.claim, last)
	}

	return nil
}

// managersRuleTheirOwn asks, as each manager of a workspace that is ready, what that user may do.
func managersRuleTheirOwn(ctx context.Context, c *cluster.Cluster) error {
	managers, err := managersOfReadyWorkspaces(ctx, c)
	if err != nil {
		return err
	}

	if len(managers) == 0 {
		return errors.New("there is no WorkspaceTemplate that is ready and names a manager")
	}

	var errs []error
	for workspace, manager := range managers {
		errs = append(errs, rulesOnly(ctx, c, manager, workspace, managers))
	}

	return errors.Join(errs...)
}

// managersOfReadyWorkspaces maps the names of the workspaces that are ready to their managers.
func managersOfReadyWorkspaces(ctx context.Context, c *cluster.Cluster) (map[string]string, error) {
	objects, err := dynamic.NewForConfig(c.Config())
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}

	templates, err := objects.Resource(schema.GroupVersionResource{
		Group: workspaceGroup, Version: "v1beta1", Resource: "workspacetemplates",
	}).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}

	managers := map[string]string{}

	for i := range templates.Items {
		template := &templates.Items[i]

		manager, _, _ := unstructured.NestedString(template.Object, "spec", "template", "spec", "manager")
		if manager != "" && rowOf(sample{}, template).ready == string(metav1.ConditionTrue) {
			managers[template.GetName()] = manager
		}
	}

	return managers, nil
}

const workspaceGroup = "tenant.kubesphere.io"

// rulesOnly asks as the manager about the workspace, about those of others, and about one that is not there.
func rulesOnly(
	ctx context.Context, c *cluster.Cluster, manager, workspace string, managers map[string]string,
) error {
	user, err := c.User(manager)
	if err != nil {
		return err
	}

	clients, err := kubernetes.NewForConfig(user)
	if err != nil {
		return fmt.Errorf("making a client for %s: %w", manager, err)
	}

	may := map[string]bool{workspace: true, "somebody-elses": false}
	for other, ruler := range managers {
		may[other] = ruler == manager
	}

	var errs []error

	for name, want := range may {
		for _, verb := range []string{"get", "update"} {
			errs = append(errs, canI(ctx, clients, manager, verb, name, want))
		}
	}

	return errors.Join(errs...)
}

// canI is "kubectl auth can-i <verb> workspace/<name>", asked as the user itself.
func canI(
	ctx context.Context, clients kubernetes.Interface, user, verb, workspace string, want bool,
) error {
	review := &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Group: workspaceGroup, Resource: "workspaces", Verb: verb, Name: workspace,
			},
		},
	}

	answer, err := clients.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("asking whether %s may %s workspace %s: %w", user, verb, workspace, err)
	}

	if answer.Status.Allowed == want {
		return nil
	}

	may := map[bool]string{true: "may", false: "may not"}

	return fmt.Errorf("user %s %s %s workspace %s", user, may[answer.Status.Allowed], verb, workspace)
}
