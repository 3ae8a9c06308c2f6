package manager

import (
	"errors"
	"fmt"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// checkReachable tells in one line why the API server cannot be used.
func checkReachable(config *rest.Config) error {
	config = rest.CopyConfig(config)
	config.Timeout = askTimeout

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

// RoleName is the name of the ClusterRole with all that the controllers of a domain may do.
func RoleName(domain Domain) string {
	return "ks-controller-manager-" + string(domain)
}
