package tenants

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

// SidecarURL is where the sidecar of the contract answers.
const SidecarURL = "http://localhost:19094/api/v2/tenant"

// Sidecar asks a sidecar, which knows all tenants.
func Sidecar(client *http.Client, address string) Ask {
	return func(ctx context.Context, cluster, namespace string, _ []string) ([]string, error) {
		query := url.Values{"cluster": {cluster}, "namespace": {namespace}}

		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"?"+query.Encode(), http.NoBody)
		if err != nil {
			return nil, fmt.Errorf("ask the sidecar for tenants: %w", err)
		}

		answer, err := client.Do(request)
		if err != nil {
			return nil, fmt.Errorf("ask the sidecar for tenants: %w", err)
		}
		defer answer.Body.Close()

		switch answer.StatusCode {
		case http.StatusOK:
		case http.StatusNotFound: // it knows of none
			return nil, nil
		default:
			return nil, fmt.Errorf("ask the sidecar for tenants: it answers %s", answer.Status)
		}

		const most = 16 << 20

		var found []string
		if err := json.NewDecoder(io.LimitReader(answer.Body, most)).Decode(&found); err != nil {
			return nil, fmt.Errorf("ask the sidecar for tenants: its answer is no list of names: %w", err)
		}

		return found, nil
	}
}

// reviewAbreast is how many tenants are asked about at once.
const reviewAbreast = 8

// Review asks the API server which tenants have a right in a namespace: to receive its notifications, as KubeSphere
// 3.x has it, or to see its pods, as 4.2 does. It knows of no other cluster.
func Review(
	client authorizationclient.SubjectAccessReviewInterface, own func() string,
) func(since42 bool) Ask {
	return func(since42 bool) Ask {
		right := authorizationv1.ResourceAttributes{
			Verb: "get", Group: "notification.kubesphere.io", Resource: "receivenotification",
		}
		if since42 {
			right = authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"}
		}

		return func(ctx context.Context, cluster, namespace string, among []string) ([]string, error) {
			if cluster != own() {
				return nil, nil
			}

			return review(ctx, client, right, namespace, among)
		}
	}
}

func review(
	ctx context.Context, client authorizationclient.SubjectAccessReviewInterface,
	right authorizationv1.ResourceAttributes, namespace string, among []string,
) ([]string, error) {
	right.Namespace = namespace
	may := make([]bool, len(among))

	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(reviewAbreast)

	for i, tenant := range among {
		group.Go(func() error {
			said, err := client.Create(ctx, &authorizationv1.SubjectAccessReview{
				Spec: authorizationv1.SubjectAccessReviewSpec{User: tenant, ResourceAttributes: &right},
			}, metav1.CreateOptions{})
			if err != nil {
				return fmt.Errorf("ask whether %s may see namespace %s: %w", tenant, namespace, err)
			}

			may[i] = said.Status.Allowed

			return nil
		})
	}

	if err := group.Wait(); err != nil {
		return nil, err
	}

	var found []string

	for i, tenant := range among {
		if may[i] {
			found = append(found, tenant)
		}
	}

	return found, nil
}
