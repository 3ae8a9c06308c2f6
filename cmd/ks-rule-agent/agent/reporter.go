package agent

import (
	"context"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	clientcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

// Name begins the name of what agents make, and is whom fields belong to.
const Name = "ks-rule-agent"

// ConfigMapReporter writes reports into a ConfigMap, on change only.
type ConfigMapReporter struct {
	client          clientcorev1.ConfigMapInterface
	namespace, name string
	told            map[string]string
}

// NewConfigMapReporter returns the reporter of the agent of a name.
func NewConfigMapReporter(client clientcorev1.ConfigMapsGetter, namespace, agent string) *ConfigMapReporter {
	return &ConfigMapReporter{client: client.ConfigMaps(namespace), namespace: namespace, name: Name + "-" + agent}
}

// Last reads the ConfigMap. One that is not there, or that nobody can read any more, says nothing.
func (r *ConfigMapReporter) Last(ctx context.Context) (rulefiles.Report, error) {
	found, err := r.client.Get(ctx, r.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return rulefiles.Report{}, nil
	}

	if err != nil {
		return rulefiles.Report{}, fmt.Errorf("read the report: %w", err)
	}

	r.told = found.Data

	report, err := rulefiles.ParseReport(found.Data)
	if err != nil {
		return rulefiles.Report{}, nil //nolint:nilerr // It is written anew.
	}

	return report, nil
}

// Tell writes the report where it says something new.
func (r *ConfigMapReporter) Tell(ctx context.Context, report rulefiles.Report) error {
	data, err := report.Data()
	if err != nil || maps.Equal(data, r.told) {
		return err
	}

	wanted := corev1apply.ConfigMap(r.name, r.namespace).
		WithLabels(map[string]string{"app.kubernetes.io/managed-by": Name}).
		WithData(data)

	options := metav1.ApplyOptions{FieldManager: Name, Force: true}
	if _, err := r.client.Apply(ctx, wanted, options); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}

	r.told = data

	return nil
}

// Clear deletes the ConfigMap, and returns its name if there was one.
func (r *ConfigMapReporter) Clear(ctx context.Context) (string, error) {
	err := r.client.Delete(ctx, r.name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}

	if err != nil {
		return "", fmt.Errorf("delete the report: %w", err)
	}

	return r.namespace + "/" + r.name, nil
}
