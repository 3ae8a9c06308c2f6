package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// boot starts the control plane and makes an administrator's client for it.
func (s *session) boot(ctx context.Context) error {
	started, err := cluster.Start(ctx, cluster.Options{
		Assets:            s.options.assets,
		Dir:               s.options.dir,
		APIServerPort:     s.options.portOf(apiServerPort),
		EtcdPort:          s.options.portOf(etcdPort),
		EtcdPeerPort:      s.options.portOf(etcdPeerPort),
		ControllerManager: true,
		Logf:              func(format string, args ...any) { s.say.printf(format+"\n", args...) },
	})
	if err != nil {
		return err
	}

	s.cluster = started

	scheme := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("registering the kinds of CRDs: %w", err)
	}

	s.client, err = client.New(started.Config(), client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}

	return nil
}

// install applies the CRDs and the roles, and waits until the API server serves the CRDs.
func (s *session) install(ctx context.Context) error {
	if err := s.apply(ctx, "run"); err != nil {
		return err
	}

	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, s.options.timeout, true, s.crdsEstablished)
}

func (s *session) apply(ctx context.Context, folder string) error {
	_, err := s.cluster.Kubectl(ctx, "apply", "--server-side", "-k", filepath.Join(s.options.config, folder))

	return err
}

func (s *session) crdsEstablished(ctx context.Context) (bool, error) {
	crds := &apiextensionsv1.CustomResourceDefinitionList{}
	if err := s.client.List(ctx, crds); err != nil {
		return false, err
	}

	for i := range crds.Items {
		if !established(&crds.Items[i]) {
			return false, nil
		}
	}

	return true, nil
}

func established(crd *apiextensionsv1.CustomResourceDefinition) bool {
	for _, condition := range crd.Status.Conditions {
		if condition.Type == apiextensionsv1.Established {
			return condition.Status == apiextensionsv1.ConditionTrue
		}
	}

	return false
}
