package manager

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// probeTimeout bounds each question asked of the API server before anything starts.
const probeTimeout = 10 * time.Second

// probeConcurrency bounds how many questions are asked at the same time.
const probeConcurrency = 8

// checkReachable tells in one line why the API server cannot be used.
func checkReachable(config *rest.Config) error {
	config = rest.CopyConfig(config)
	config.Timeout = probeTimeout

	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client for the API server at %s: %w", config.Host, err)
	}

	_, err = clients.Discovery().ServerVersion()
	if err == nil {
		return nil
	}

	if apierrors.IsUnauthorized(err) {
		return fmt.Errorf("the API server at %s does not accept the credentials: %w", config.Host, err)
	}

	// The URL of the request would only repeat what is said already.
	if request, isRequest := errors.AsType[*url.Error](err); isRequest {
		err = request.Err
	}

	return fmt.Errorf("cannot reach the API server at %s: %w", config.Host, err)
}

// missingKinds returns the kinds a controller cannot run without and the API server does not serve.
func missingKinds(mapper meta.RESTMapper, descriptor Descriptor) ([]string, error) {
	var missing []string

	for _, kind := range descriptor.Requires {
		_, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if meta.IsNoMatchError(err) {
			missing = append(missing, kind.String())

			continue
		}

		if err != nil {
			return nil, fmt.Errorf("ask the API server for %s: %w", kind, err)
		}
	}

	return missing, nil
}

// checkPermissions reports every right to list and watch that the controllers need and the process lacks.
func checkPermissions(ctx context.Context, clients kubernetes.Interface, catalog Catalog) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()

	denied := make([]string, 0)

	for _, descriptor := range catalog {
		missing, err := deniedReads(ctx, clients, descriptor)
		if err != nil {
			return err
		}

		for _, right := range missing {
			denied = append(denied, fmt.Sprintf("controller %s may not %s (bind ClusterRole %s)",
				descriptor.Name, right, RoleName(descriptor.Domain)))
		}
	}

	if len(denied) == 0 {
		return nil
	}

	return fmt.Errorf("%s lacks permissions: %s", whoAmI(ctx, clients), strings.Join(denied, "; "))
}

// RoleName is the name of the ClusterRole with all that the controllers of a domain may do.
func RoleName(domain Domain) string {
	return "ks-controller-manager-" + string(domain)
}

// deniedReads asks for all reads of a controller at once, since each answer takes a round trip.
func deniedReads(ctx context.Context, clients kubernetes.Interface, descriptor Descriptor) ([]string, error) {
	verbs := readVerbs()
	denied := make([]string, len(descriptor.Caches)*len(verbs))

	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(probeConcurrency)

	for i, cached := range descriptor.Caches {
		for j, verb := range verbs {
			group.Go(func() error {
				allowed, err := mayRead(ctx, clients, cached, verb)
				if err == nil && !allowed {
					denied[i*len(verbs)+j] = fmt.Sprintf("%s %s.%s", verb, cached.Resource, cached.Kind.Group)
				}

				return err
			})
		}
	}

	if err := group.Wait(); err != nil {
		return nil, err
	}

	return slices.DeleteFunc(denied, func(right string) bool { return right == "" }), nil
}

func mayRead(ctx context.Context, clients kubernetes.Interface, cached Cached, verb string) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: verb, Group: cached.Kind.Group, Version: cached.Kind.Version, Resource: cached.Resource,
		},
	}}

	answer, err := clients.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask whether this process may %s %s: %w", verb, cached.Resource, err)
	}

	return answer.Status.Allowed, nil
}

// whoAmI names the account of the process for an error message.
func whoAmI(ctx context.Context, clients kubernetes.Interface) string {
	review := &authenticationv1.SelfSubjectReview{}

	answer, err := clients.AuthenticationV1().SelfSubjectReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil || answer.Status.UserInfo.Username == "" {
		return "this account"
	}

	return answer.Status.UserInfo.Username
}
