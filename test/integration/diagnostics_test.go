package integration_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

func clusterRoleBinding(name, role, user string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
	}
}

// answered returns nil when the API server's answer is the wanted one.
func answered(ctx context.Context, review *authorizationv1.SubjectAccessReview, want bool) error {
	if err := admin.Create(ctx, review); err != nil {
		return fmt.Errorf("ask: %w", err)
	}

	if review.Status.Allowed != want {
		return fmt.Errorf("allowed: %t, want %t", review.Status.Allowed, want)
	}

	return nil
}

// Profiles and metrics tell much of a cluster: by default only those see them whom the API server allows to.
func TestDiagnosticsAreForTheAuthorised(t *testing.T) {
	address := freeAddress(t)
	config := managerConfig(t)
	config.Diagnostics = manager.Diagnostics{Address: address}

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)

	go func() { done <- manager.Run(ctx, config) }()

	defer func() {
		cancel()

		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	nobody := token(t, "diagnostics-nobody")
	viewer := token(t, "diagnostics-viewer")
	debugger := token(t, "diagnostics-debugger")

	bindAccount(t, "diagnostics-viewer", "ks-diagnostics-view")
	bindAccount(t, "diagnostics-debugger", "ks-diagnostics-admin")

	tests := []struct {
		method, path, token, body string
		want                      int
	}{
		{http.MethodGet, "/metrics", viewer, "", http.StatusOK},
		{http.MethodGet, "/controllers", viewer, "", http.StatusOK},
		{http.MethodGet, "/debug/pprof/heap", debugger, "", http.StatusOK},
		{http.MethodPut, "/debug/flags/v", debugger, "0", http.StatusOK},
		{http.MethodGet, "/metrics", "", "", http.StatusUnauthorized},
		// The library answers so when the API server cannot make anything of a token.
		{http.MethodGet, "/controllers", "forged", "", http.StatusInternalServerError},
		{http.MethodGet, "/metrics", nobody, "", http.StatusForbidden},
		{http.MethodGet, "/debug/pprof/heap", viewer, "", http.StatusForbidden},
		{http.MethodPut, "/debug/flags/v", viewer, "9", http.StatusForbidden},
	}

	for _, test := range tests {
		eventually(t, fmt.Sprintf("%s %s is answered with %d", test.method, test.path, test.want),
			func(ctx context.Context) error {
				got, err := status(ctx, test.method, "https://"+address+test.path, test.token, test.body)
				if err == nil && got != test.want {
					err = fmt.Errorf("it is answered with %d", got)
				}

				return err
			})
	}
}

func status(ctx context.Context, method, url, token, body string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("make a request: %w", err)
	}

	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}

	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the certificate is self-signed
	}
	defer transport.CloseIdleConnections()

	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask: %w", err)
	}

	return response.StatusCode, errors.Join(response.Body.Close())
}

// token makes a ServiceAccount and returns a token of its.
func token(t *testing.T, name string) string {
	t.Helper()
	create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: accountNamespace, Name: name}})

	config, err := shared.ServiceAccountConfig(t.Context(), accountNamespace, name)
	if err != nil {
		t.Fatal(err)
	}

	return config.BearerToken
}

func bindAccount(t *testing.T, account, role string) {
	t.Helper()

	create(t, clusterRoleBinding("test-"+account, role,
		"system:serviceaccount:"+accountNamespace+":"+account))
}
