package cluster

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// unlimited turns client-go's own rate limit off: the API server's priority and fairness decides.
const unlimited = -1

// makeAdmin makes the configuration that Config and Kubeconfig give out.
func (c *Cluster) makeAdmin(context.Context) error {
	admin, err := c.User("admin", "system:masters")
	if err != nil {
		return err
	}

	c.admin = admin

	return writeKubeconfig(c.Kubeconfig(), admin, certificateOf(admin))
}

// User returns the configuration of a user with a client certificate of its own.
func (c *Cluster) User(name string, groups ...string) (*rest.Config, error) {
	c.users.Lock()
	defer c.users.Unlock()

	user, err := c.plane.AddUser(envtest.User{Name: name, Groups: groups}, &rest.Config{QPS: unlimited})
	if err != nil {
		return nil, fmt.Errorf("making a client certificate for %s: %w", name, err)
	}

	return user.Config(), nil
}

// ServiceAccountConfig returns the configuration of a service account that exists, with a token that is
// valid for an hour.
func (c *Cluster) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	token, err := c.requestToken(ctx, namespace, name)
	if err != nil {
		return nil, err
	}

	config := rest.AnonymousClientConfig(c.admin)
	config.QPS = unlimited
	config.BearerToken = token.Status.Token

	return config, nil
}

// requestToken asks the API server for a token, as the kubelet does for a pod.
func (c *Cluster) requestToken(
	ctx context.Context, namespace, name string,
) (*authenticationv1.TokenRequest, error) {
	clients, err := kubernetes.NewForConfig(c.admin)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}

	seconds := int64(tokenLifetime.Seconds())
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds},
	}

	token, err := clients.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("requesting a token of service account %s/%s: %w", namespace, name, err)
	}

	return token, nil
}

func certificateOf(config *rest.Config) *clientcmdapi.AuthInfo {
	return &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
}

// writeKubeconfig writes a file, readable by its owner only, with the server of config and these credentials.
func writeKubeconfig(path string, config *rest.Config, credentials *clientcmdapi.AuthInfo) error {
	const name = "local"

	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos[name] = credentials
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	file.CurrentContext = name

	if err := clientcmd.WriteToFile(*file, path); err != nil {
		return fmt.Errorf("writing kubeconfig %s: %w", path, err)
	}

	return nil
}
