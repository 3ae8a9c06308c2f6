package manager

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"github.com/ks-core/ks-controller-manager/pkg/kube/stores"
	"github.com/ks-core/ks-controller-manager/pkg/manager/original"
)

// originals looks out for KubeSphere's own manager. One that holds the Lease of tenancy is told by that; one that
// runs without would write beside ours, and is told by its Deployment.
type originals struct {
	namespace string
	stores    *stores.Stores
	clock     clock.WithTicker
	changed   func()
	denied    chan error

	mutex   sync.Mutex
	known   bool
	running *original.Finding
}

func newOriginals(namespace string, stores *stores.Stores, clock clock.WithTicker, changed func()) *originals {
	return &originals{namespace: namespace, stores: stores, clock: clock, changed: changed, denied: make(chan error, 1)}
}

// unelected says who runs without a Lease, and whether that is known yet.
func (o *originals) unelected() (string, bool) {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	if o.running == nil || o.running.Elects {
		return "", o.known
	}

	return o.running.Message(), true
}

// hint names KubeSphere's own manager to whoever wonders who holds the Lease.
func (o *originals) hint() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	if o.running == nil {
		return ""
	}

	return o.running.Message()
}

// lookAgain is how often a process tries that may not see the Deployment.
const lookAgain = 5 * time.Minute

// run looks out until the context ends. Where the Deployment may not be seen, that is said once, and nothing is
// held back for it.
func (o *originals) run(ctx context.Context) error {
	for said := false; ; said = true {
		err := o.watch(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop
		}

		if !apierrors.IsForbidden(err) {
			return err
		}

		if !said {
			klog.FromContext(ctx).Info("Cannot see whether KubeSphere's own manager runs", "reason", err.Error())
		}

		o.learn(nil)

		select {
		case <-ctx.Done():
			return nil
		case <-o.clock.After(lookAgain):
		}
	}
}

func (o *originals) watch(ctx context.Context) error {
	onFailure := func(_ stores.Spec, err error) {
		if apierrors.IsForbidden(err) {
			select {
			case o.denied <- err:
			default: // one is enough
			}
		}
	}

	view, err := o.stores.Open(ctx, stores.User{Name: "originals", OnFailure: onFailure}, stores.Spec{
		Kind: appsv1.SchemeGroupVersion.WithKind("Deployment"), Resource: "deployments", Depth: Full,
		Namespace: o.namespace, Name: original.Name,
	})
	if err != nil {
		return fmt.Errorf("look out for KubeSphere's own manager: %w", err)
	}
	defer view.Release()

	handling, err := view.Handle(&appsv1.Deployment{}, toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { o.note(obj) },
		UpdateFunc: func(_, obj any) { o.note(obj) },
		DeleteFunc: func(any) { o.learn(nil) },
	})
	if err != nil {
		return fmt.Errorf("look out for KubeSphere's own manager: %w", err)
	}

	return errors.Join(o.follow(ctx, handling), handling.Stop())
}

// follow waits for the end of the context or of the right to see the Deployment.
func (o *originals) follow(ctx context.Context, handling *stores.Handling) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()

	synced := make(chan error, 1)

	go func() { synced <- handling.WaitForSync(waiting) }()

	for {
		select {
		case err := <-synced:
			if err == nil {
				o.settle()
			}

			synced = nil
		case err := <-o.denied:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

func (o *originals) note(obj any) {
	deployment, isDeployment := obj.(*appsv1.Deployment)
	if !isDeployment {
		return
	}

	if finding, found := original.Find(deployment); found {
		o.learn(&finding)
	} else {
		o.learn(nil)
	}
}

// learn keeps what was found, and says when that changes.
func (o *originals) learn(finding *original.Finding) {
	o.mutex.Lock()

	changed := !o.known || (finding == nil) != (o.running == nil) || finding != nil && *finding != *o.running
	o.running = finding
	o.known = true

	o.mutex.Unlock()

	if !changed {
		return
	}

	if finding != nil {
		klog.Background().Info("KubeSphere's own manager is running", "deployment", finding.Name,
			"image", finding.Image, "elects", finding.Elects, "replicas", finding.Replicas)
	}

	o.changed()
}

// settle notes that there is no such Deployment, where none was found.
func (o *originals) settle() {
	o.mutex.Lock()
	known := o.known
	o.mutex.Unlock()

	if !known {
		o.learn(nil)
	}
}
