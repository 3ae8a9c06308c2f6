package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/test/cluster"
)

// boot starts the control plane, and installs what the manager needs while it warms up.
func (s *session) boot(ctx context.Context) error {
	_, err := cluster.Start(ctx, cluster.Options{
		Assets:            s.options.assets,
		Dir:               s.options.dir,
		APIServerPort:     s.options.portOf(apiServerPort),
		EtcdPort:          s.options.portOf(etcdPort),
		EtcdPeerPort:      s.options.portOf(etcdPeerPort),
		ControllerManager: true,
		Meanwhile:         s.install,
		Logf:              func(format string, args ...any) { s.say.printf(format+"\n", args...) },
	})

	return err
}

// install makes a client, applies the CRDs and the roles, and waits until the API server serves the CRDs.
func (s *session) install(ctx context.Context, started *cluster.Cluster) error {
	s.cluster = started

	scheme := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("registering the kinds of CRDs: %w", err)
	}

	var err error

	s.client, err = client.New(started.Config(), client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}

	if err := s.apply(ctx, "run"); err != nil {
		return err
	}

	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, s.options.timeout, true, s.crdsServed)
}

func (s *session) apply(ctx context.Context, folder string) error {
	_, err := s.cluster.Kubectl(ctx, "apply", "--server-side", "-k", filepath.Join(s.options.config, folder))

	return err
}

// crdsServed also lists each kind once. The API server makes the cache of a kind when it is first asked for, and
// puts off watches by a second until that is done: the manager should not be the first to ask.
func (s *session) crdsServed(ctx context.Context) (bool, error) {
	crds := &apiextensionsv1.CustomResourceDefinitionList{}
	if err := s.client.List(ctx, crds); err != nil {
		return false, err
	}

	for i := range crds.Items {
		crd := &crds.Items[i]
		if !established(crd) {
			return false, nil
		}

		kind := schema.GroupVersionKind{
			Group: crd.Spec.Group, Version: crd.Status.StoredVersions[0], Kind: crd.Spec.Names.ListKind,
		}

		objects := &metav1.PartialObjectMetadataList{}
		objects.SetGroupVersionKind(kind)

		if err := s.client.List(ctx, objects, client.Limit(1)); err != nil {
			return false, fmt.Errorf("listing the first %s: %w", kind.Kind, err)
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
