package follow

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// clusterName is the name of the cluster where the NotificationManager names none: that of the annotation on the
// namespace of KubeSphere, that of KubeSphere's configuration, or "default". What the process may not read says
// nothing; an API server that does not answer is an error.
func clusterName(ctx context.Context, client kubernetes.Interface) (string, error) {
	namespace, err := client.CoreV1().Namespaces().Get(ctx, notificationv2beta2.ClusterNamespace, metav1.GetOptions{})

	switch {
	case err == nil && namespace.Annotations[notificationv2beta2.ClusterNameAnnotation] != "":
		return namespace.Annotations[notificationv2beta2.ClusterNameAnnotation], nil
	case err != nil && !says(err):
		return "", err
	}

	configuration, err := client.CoreV1().ConfigMaps(notificationv2beta2.ClusterNamespace).
		Get(ctx, notificationv2beta2.ClusterConfigMap, metav1.GetOptions{})

	switch {
	case err == nil:
		return configuredName(configuration.Data[notificationv2beta2.ClusterConfigMapKey]), nil
	case says(err):
		return notificationv2beta2.DefaultCluster, nil
	default:
		return "", err
	}
}

// says tells an answer of the API server from a lack of one.
func says(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsForbidden(err)
}

// configuredName is the name in KubeSphere's configuration.
func configuredName(text string) string {
	var configuration struct {
		Multicluster struct {
			ClusterName string `json:"clusterName"`
		} `json:"multicluster"`
	}

	if err := yaml.Unmarshal([]byte(text), &configuration); err != nil || configuration.Multicluster.ClusterName == "" {
		return notificationv2beta2.DefaultCluster
	}

	return configuration.Multicluster.ClusterName
}
