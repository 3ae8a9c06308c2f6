package admission

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	admissionregistrationv1 "k8s.io/client-go/applyconfigurations/admissionregistration/v1"
	clientv1 "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"

	"github.com/ks-core/ks-controller-manager/pkg/kube/servingcert"
)

// FieldManager owns the field caBundle, and nothing else, of the configuration.
const FieldManager = "ks-rule-agent/admission"

// Publisher tells the API server whom to trust, in a ValidatingWebhookConfiguration that somebody else has made.
type Publisher struct {
	Configurations clientv1.ValidatingWebhookConfigurationInterface
	Name           string
}

// Publish is a servingcert.Publish. A configuration that is not there needs to be told nothing, and is looked for
// again.
func (p Publisher) Publish(ctx context.Context, bundle []byte) error {
	known, err := p.Configurations.Get(ctx, p.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}

	if err != nil {
		return fmt.Errorf("read ValidatingWebhookConfiguration %s: %w", p.Name, err)
	}

	intent, differs := admissionregistrationv1.ValidatingWebhookConfiguration(p.Name), false

	for _, webhook := range known.Webhooks {
		differs = differs || !servingcert.Same(webhook.ClientConfig.CABundle, bundle)
		intent.WithWebhooks(admissionregistrationv1.ValidatingWebhook().WithName(webhook.Name).WithClientConfig(
			admissionregistrationv1.WebhookClientConfig().WithCABundle(bundle...)))
	}

	if !differs {
		return nil
	}

	_, err = p.Configurations.Apply(ctx, intent, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	if err != nil {
		return fmt.Errorf("write ValidatingWebhookConfiguration %s: %w", p.Name, err)
	}

	return nil
}
