package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/report"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/server"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
	"github.com/ks-core/ks-controller-manager/pkg/notification/store"
)

// service is the engine with its store. They are made once a NotificationManager says what they are to be like.
type service struct {
	options  *Options
	folder   string
	observer engine.Observer

	begun  chan struct{}
	memory atomic.Bool
	volume atomic.Bool
	at     atomic.Pointer[engine.Engine]

	// The following are made by Open, before begun is closed.
	engine *engine.Engine
	store  *store.Store
}

func newService(options *Options, folder string, observer engine.Observer) *service {
	return &service{options: options, folder: folder, observer: observer, begun: make(chan struct{})}
}

// Open makes the engine.
func (s *service) Open( //nolint:ireturn // whom the follower tells
	manager *notificationv2beta2.NotificationManager,
) (follow.Engine, error) {
	forgetful := follow.InMemory(&manager.Spec)

	opened, aside, err := store.Open(storeFile(s.folder), time.Now(), store.Options{
		MaxBytes: int(s.options.StoreMaxBytes), Forgetful: forgetful,
	})
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}

	if aside != "" {
		klog.Background().Error(nil, "The store was broken and is set aside; what had not arrived is in it",
			"file", aside)
	}

	s.memory.Store(forgetful)
	s.volume.Store(s.options.onVolume(&manager.Spec))
	s.store = opened
	s.engine = engine.New(engine.Options{
		Store: opened, Clock: clock.RealClock{}, Random: rand.Float64, Abreast: s.options.Abreast,
		Pending: follow.PendingOf(&manager.Spec), Grace: s.options.Grace, Observer: s.observer,
	})

	return s.engine, nil
}

// onVolume tells whether the folder of the store outlives the pod: by the claim that the NotificationManager asks for,
// or by a volume of its own there. What is started by hand has a folder as any other.
func (o *Options) onVolume(spec *notificationv2beta2.NotificationManagerSpec) bool {
	if o.Data == "" || o.Pod == "" {
		return o.Data != ""
	}

	if spec.Delivery != nil && spec.Delivery.Storage != nil && spec.Delivery.Storage.VolumeClaimTemplate != nil {
		return true
	}

	return slices.ContainsFunc(spec.VolumeMounts, func(part notificationv2beta2.PodPart) bool {
		var mount corev1.VolumeMount

		return json.Unmarshal(part.Raw, &mount) == nil && filepath.Clean(mount.MountPath) == filepath.Clean(o.Data)
	})
}

// Begin has the engine work, and alerts be taken.
func (s *service) Begin() {
	s.at.Store(s.engine)
	close(s.begun)
}

// run has the engine work from Begin on, unless waiting ends before, and until delivering ends.
func (s *service) run(waiting, delivering context.Context) error {
	select {
	case <-s.begun:
	case <-waiting.Done():
		// It may have been made and not begun: nothing was taken then.
		select {
		case <-s.begun:
		default:
			return nil
		}
	}

	err := s.engine.Run(delivering)
	s.at.Store(nil)

	if err == nil && delivering.Err() == nil {
		err = errors.New("the engine has ended by itself")
	}

	return errors.Join(err, s.store.Close())
}

// working is the engine while it works; nil else.
func (s *service) working() server.Engine { //nolint:ireturn // nil while there is none
	if at := s.at.Load(); at != nil {
		return at
	}

	return nil
}

// ingest gives alerts of our own to the engine.
func (s *service) ingest(ctx context.Context, alerts []alert.Alert) error {
	at := s.at.Load()
	if at == nil {
		return engine.ErrStopped
	}

	return at.Ingest(ctx, alerts)
}

// durable says whether what is acknowledged outlives the pod.
func (s *service) durable() report.Durable {
	switch {
	case s.memory.Load():
		return report.Durable{Reason: "Memory", Message: "spec.delivery.ackPolicy is Memory: alerts are acknowledged " +
			"before they are on disk"}
	case !s.volume.Load():
		return report.Durable{Reason: "NoVolume", Message: "what is acknowledged is lost with the pod: ask for a " +
			"volume in spec.delivery.storage"}
	default:
		return report.Durable{Yes: true, Reason: "OnVolume", Message: "what is acknowledged is on a volume"}
	}
}
