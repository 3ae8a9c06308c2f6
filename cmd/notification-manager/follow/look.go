package follow

import (
	"context"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/observe"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// concerned is what changes concern.
type concerned struct {
	// all says that the settings are others, and with them every Receiver.
	all bool
	// platform and tenants say that Configs, or policies for all tenants, are others.
	configs, policies bool
	history           bool
	receivers         map[string]struct{}
	simple            []item
}

// look takes what has changed, and puts what it concerns into the engine.
func (f *Follower) look(ctx context.Context) {
	items := f.dirty.take()

	found := concerned{receivers: map[string]struct{}{}}
	for one := range items {
		f.concern(ctx, one, &found)
	}

	view := f.renew(&found) //nolint:contextcheck // lookups have that of sources

	edits := f.edits(view, &found)
	if len(edits) == 0 {
		return
	}

	if err := apply(ctx, edits); err != nil {
		if ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Cannot tell the engine what has changed")
		}

		return
	}

	now := f.options.Clock()
	for _, since := range items {
		f.options.Metrics.Edited(now.Sub(since))
	}

	f.report(ctx, view)
}

// concern notes what one change concerns.
func (f *Follower) concern(ctx context.Context, one item, found *concerned) {
	switch one.kind {
	case KindManager:
		found.all = found.all || f.anotherManager()
	case kindCluster:
		found.all = found.all || f.anotherCluster(ctx)
	case kindSweep:
		f.sources.keep(f.uses())
	case kindSecret, kindConfigMap:
		f.concernReference(resolve.Reference{Kind: string(one.kind), Namespace: one.namespace, Name: one.name}, found)
	case KindConfig:
		f.concernConfig(one, found)
	case KindPolicy:
		found.policies = found.policies || f.another(one, orNil(get[notificationv2beta2.NotificationPolicy](
			f.watches, KindPolicy, one.name)))
	case KindReceiver:
		f.concernReceiver(one, found)
	case KindRouter:
		f.concernSimple(one, orNil(get[notificationv2beta2.Router](f.watches, KindRouter, one.name)), found)
	case KindSilence:
		f.concernSimple(one, orNil(get[notificationv2beta2.Silence](f.watches, KindSilence, one.name)), found)
	case KindInhibitRule:
		f.concernSimple(one, orNil(get[notificationv2beta2.InhibitRule](f.watches, KindInhibitRule, one.name)), found)
	}
}

// orNil is nil where a pointer is.
func orNil[T any, P interface {
	*T
	metav1.Object
}](of P) metav1.Object {
	if of == nil {
		return nil
	}

	return of
}

// another tells whether an object says something else than when it was looked at last, and keeps it.
func (f *Follower) another(of item, now metav1.Object) bool {
	before := f.last[of]

	if now == nil {
		delete(f.last, of)
	} else {
		f.last[of] = now
	}

	return !same(before, now)
}

func (f *Follower) concernSimple(one item, now metav1.Object, found *concerned) {
	if f.another(one, now) {
		found.simple = append(found.simple, one)
	}
}

func (f *Follower) concernReceiver(one item, found *concerned) {
	now := f.Receiver(one.name)
	before := f.known[one.name]

	if before == nil || now == nil || !same(before.object, now) {
		found.receivers[one.name] = struct{}{}
	}
}

// concernConfig notes the Receivers that may use a Config: as it was, and as it is.
func (f *Follower) concernConfig(one item, found *concerned) {
	before, _ := f.last[one].(*notificationv2beta2.Config)
	now := f.Config(one.name)

	if !f.another(one, orNil(now)) {
		return
	}

	found.configs = true
	view := f.View()

	f.concernReference(resolve.Reference{Kind: resolve.KindConfig, Name: one.name}, found)

	for _, version := range []*notificationv2beta2.Config{before, now} {
		if version == nil {
			continue
		}

		if ref, some := view.Platform.ReferenceOf(version); some {
			f.concernReference(ref, found)
		}
	}
}

// concernReference notes who depends on something.
func (f *Follower) concernReference(ref resolve.Reference, found *concerned) {
	if slices.Contains(f.viewUses, ref) {
		found.all = true
	}

	if slices.Contains(f.history.References, ref) {
		found.history = true
	}

	for name := range f.dependents[ref] {
		found.receivers[name] = struct{}{}
	}
}

// anotherManager tells whether the NotificationManager says something else that is of interest here. One that is gone
// leaves what it has said in force: nobody wants to lose alerts by it.
func (f *Follower) anotherManager() bool {
	now, why := f.manager()
	before := f.View().Manager

	return why == "" && (now.UID != before.UID || now.Name != before.Name ||
		!equality.Semantic.DeepEqual(said(now), said(before)))
}

// said is what a NotificationManager says but for its pods.
func said(by *notificationv2beta2.NotificationManager) notificationv2beta2.NotificationManagerSpec {
	spec := by.Spec
	spec.ManagerPod, spec.ManagerPodRules =
		notificationv2beta2.ManagerPod{Sidecars: spec.Sidecars}, notificationv2beta2.ManagerPodRules{}

	return spec
}

func (f *Follower) anotherCluster(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookupPatience)
	defer cancel()

	name, err := clusterName(ctx, f.options.Client)
	if err != nil || name == f.cluster {
		return false
	}

	f.cluster = name

	return f.clusterOf(f.View().Manager) != f.View().Cluster
}

// renew makes the view anew as far as something concerns it.
func (f *Follower) renew(found *concerned) *View {
	view := f.View()

	switch {
	case found.all || found.policies:
		manager, why := f.manager()
		if why != "" {
			manager = view.Manager
		}

		tellLate(view.Manager, manager)
		view = f.build(manager, view.Input.Templates)
	case found.configs:
		view = f.withConfigs(view)
	default:
		return view
	}

	f.view.Store(view)

	return view
}

// tellLate says what is in force with the next start alone: how the store is written, and how much may wait.
func tellLate(before, now *notificationv2beta2.NotificationManager) {
	if InMemory(&before.Spec) != InMemory(&now.Spec) || PendingOf(&before.Spec) != PendingOf(&now.Spec) {
		klog.Background().Info("spec.delivery.ackPolicy and maxPending are in force with the next start of the process")
	}
}

// withConfigs is a view with the Configs of now.
func (f *Follower) withConfigs(view *View) *View {
	made := *view
	made.Input.Configs = f.Configs()

	platform, findings := view.Platform.WithConfigs(made.Input.Configs)
	made.Platform = platform
	made.Findings = slices.DeleteFunc(slices.Clone(view.Findings), func(one resolve.Finding) bool {
		return one.Kind == resolve.KindConfig
	})
	made.Findings = append(made.Findings, findings...)

	return &made
}

// edits resolves what is concerned, and gives the changes of the engine.
func (f *Follower) edits(view *View, found *concerned) []edit {
	var edits []edit

	if found.all {
		edits = append(edits, f.settings(view))
	}

	if found.all || found.history || found.configs {
		edits = append(edits, f.putHistory(view))
	}

	f.widen(view, found)

	names := slices.Sorted(maps.Keys(found.receivers))
	f.resolve(view, names)

	for _, name := range names {
		if f.Receiver(name) == nil {
			edits = append(edits, f.deleteReceiver(name))
		} else {
			edits = append(edits, f.putReceiver(name))
		}
	}

	if found.all {
		edits = append(edits, f.rest(view)...)
	} else {
		for _, one := range found.simple {
			edits = append(edits, f.put(view, one))
		}
	}

	if guard := f.guard(view); guard != nil {
		edits = append(edits, guard)
	}

	return edits
}

// widen adds the Receivers that are concerned by what concerns all, or all of tenants; and those whose age among their
// tenant's is another now, where policies ask for it.
func (f *Follower) widen(view *View, found *concerned) {
	if found.all {
		for _, name := range f.allReceivers() {
			found.receivers[name] = struct{}{}
		}

		return
	}

	if found.policies {
		for name, one := range f.known {
			if one.result.Receiver.Route.Owner.Kind == selector.Tenant {
				found.receivers[name] = struct{}{}
			}
		}
	}

	if len(found.receivers) == 0 {
		return
	}

	for name, count := range f.older(view) {
		if one := f.known[name]; one != nil && one.older != count {
			found.receivers[name] = struct{}{}
		}
	}
}

func (f *Follower) deleteReceiver(name string) edit {
	f.replace(name, nil)

	return func(ctx context.Context) error {
		err := f.engine.DeleteReceiver(ctx, name)
		f.options.Forget(name) // what was given up with it has been told by now

		return err
	}
}

// applyAbreast is how many edits wait for the engine at once: it takes all that wait in one turn.
const applyAbreast = 128

// apply puts edits into the engine. None depends on the order of the others, but the settings come first.
func apply(ctx context.Context, edits []edit) error {
	if err := edits[0](ctx); err != nil {
		return err
	}

	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(applyAbreast)

	for _, one := range edits[1:] {
		group.Go(func() error { return one(ctx) })
	}

	return group.Wait()
}

// report shows how receivers fare, and logs what is wrong.
func (f *Follower) report(ctx context.Context, view *View) {
	problems := map[observe.Problem]int{}
	count := func(one resolve.Finding) { problems[observe.Problem{Kind: one.Kind, Reason: string(one.Reason)}]++ }

	for _, one := range view.Findings {
		count(one)
		klog.FromContext(ctx).V(2).Info("Found", "finding", one.String())
	}

	for _, one := range f.broken {
		count(one)
	}

	usable, partly, unusable := 0, 0, 0

	var tenants []string

	for _, one := range f.known {
		if tenant := one.result.Receiver.Tenant; tenant != "" {
			tenants = append(tenants, tenant)
		}

		for _, finding := range one.result.Findings {
			count(finding)
		}

		good := 0

		for i := range one.result.Receiver.Targets {
			if one.result.Receiver.Targets[i].Broken == nil {
				good++
			}
		}

		switch {
		case good == len(one.result.Receiver.Targets):
			usable++
		case good > 0:
			partly++
		default:
			unusable++
		}
	}

	slices.Sort(tenants)
	tenants = slices.Compact(tenants)
	f.tenants.Store(&tenants)

	f.options.Metrics.Resolved(usable, partly, unusable, problems)
}
