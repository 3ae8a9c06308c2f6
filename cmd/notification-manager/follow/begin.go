package follow

import (
	"context"
	"fmt"
	"runtime/debug"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/target"
)

// begin makes the engine, and has it work once it knows all that it goes by: what waits for a receiver that it does not
// know would be given up.
func (f *Follower) begin(ctx context.Context) error {
	f.dirty.take() // all of it is looked at here
	f.remember()

	manager, why := f.manager()
	if why != "" { // it has just gone
		f.dirty.add(item{kind: KindManager})
		f.wait(why)

		return f.start(ctx)
	}

	view := f.build(manager, nil) //nolint:contextcheck // lookups have that of sources
	f.view.Store(view)
	f.resolve(view, f.allReceivers())

	made, err := f.options.Service.Open(manager)
	if err != nil {
		return err
	}

	f.engine = made

	for _, one := range f.firstEdits(view) {
		err := one(ctx)

		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // told to stop
		case err != nil:
			return fmt.Errorf("preparing the engine: %w", err)
		}
	}

	f.report(ctx, view)
	f.options.Service.Begin()
	f.wait("")
	klog.FromContext(ctx).Info("Takes alerts", "manager", manager.Name, "receivers", len(f.known),
		"cluster", view.Cluster)

	return nil
}

// remember keeps all objects as they are, to tell what changes of them later.
func (f *Follower) remember() {
	for _, one := range f.Configs() {
		f.last[item{kind: KindConfig, name: one.Name}] = one
	}

	for _, one := range list[notificationv2beta2.NotificationPolicy](f.watches, KindPolicy) {
		f.last[item{kind: KindPolicy, name: one.Name}] = one
	}

	for _, one := range list[notificationv2beta2.Router](f.watches, KindRouter) {
		f.last[item{kind: KindRouter, name: one.Name}] = one
	}

	for _, one := range list[notificationv2beta2.Silence](f.watches, KindSilence) {
		f.last[item{kind: KindSilence, name: one.Name}] = one
	}

	for _, one := range list[notificationv2beta2.InhibitRule](f.watches, KindInhibitRule) {
		f.last[item{kind: KindInhibitRule, name: one.Name}] = one
	}
}

// edit is one change of the engine.
type edit func(ctx context.Context) error

// firstEdits are all that the engine begins with.
func (f *Follower) firstEdits(view *View) []edit {
	edits := []edit{f.settings(view), f.putHistory(view)}

	for name := range f.known {
		edits = append(edits, f.putReceiver(name))
	}

	edits = append(edits, f.rest(view)...)

	if guard := f.guard(view); guard != nil {
		edits = append(edits, guard)
	}

	return edits
}

// allReceivers are the names of all Receivers.
func (f *Follower) allReceivers() []string {
	all := f.Receivers()
	names := make([]string, 0, len(all))

	for _, one := range all {
		names = append(names, one.Name)
	}

	return names
}

// resolve works out Receivers, several at once. Those that are gone are left as they are.
func (f *Follower) resolve(view *View, names []string) {
	older := f.older(view)

	var group errgroup.Group

	group.SetLimit(abreast)

	for _, name := range names {
		object := f.Receiver(name)
		if object == nil {
			continue
		}

		group.Go(func() error {
			made := &known{object: object, older: older[name]}
			made.result = resolved(view, object, made.older)
			f.replace(name, made)

			return nil
		})
	}

	_ = group.Wait()
}

// resolved is what a Receiver comes to. An object that a defect of the program cannot cope with has no targets, and
// every other one is told of as ever.
func resolved(
	view *View, object *notificationv2beta2.Receiver, older int,
) (result resolve.Result) {
	defer func() {
		if cause := recover(); cause != nil {
			klog.Background().Error(nil, "A Receiver cannot be resolved, by a defect of the program",
				"receiver", object.Name, "stack", string(debug.Stack()))

			result = resolve.Result{
				Receiver: &target.Receiver{Route: &routing.Receiver{Name: object.Name, UID: string(object.UID)}},
				Findings: []resolve.Finding{{
					Kind: resolve.KindReceiver, Name: object.Name, Reason: resolve.Invalid, Breaks: true,
					Message: "cannot be used, by a defect of the program; please report it",
				}},
			}
		}
	}()

	return view.Platform.Receiver(object, older)
}

// replace keeps what a Receiver came to, and what that depends on.
func (f *Follower) replace(name string, made *known) {
	f.mutex.Lock()
	defer f.mutex.Unlock()

	if before := f.known[name]; before != nil {
		for _, ref := range before.result.References {
			delete(f.dependents[ref], name)

			if len(f.dependents[ref]) == 0 {
				delete(f.dependents, ref)
			}
		}
	}

	if made == nil {
		delete(f.known, name)

		return
	}

	f.known[name] = made

	for _, ref := range made.result.References {
		if f.dependents[ref] == nil {
			f.dependents[ref] = map[string]struct{}{}
		}

		f.dependents[ref][name] = struct{}{}
	}
}

// older counts for each Receiver of a tenant how many are older. Only policies ask.
func (f *Follower) older(view *View) map[string]int {
	if len(view.Input.Policies) == 0 {
		return nil
	}

	return olderOf(view, f.Receivers())
}

func (f *Follower) settings(view *View) edit {
	made, findings := settingsOf(&view.Manager.Spec, view.Cluster)
	view.Findings = append(view.Findings, findings...)
	made.Limits = view.Platform.Limits()

	if f.options.Resolver != nil {
		made.Routing.Resolve = f.options.Resolver(view.Manager)
	}

	return func(ctx context.Context) error { return f.engine.Configure(ctx, made) }
}

func (f *Follower) putHistory(view *View) edit {
	f.history = view.Platform.History()
	targets := f.history.Receiver.Targets

	if len(targets) == 0 {
		targets = nil
	}

	return func(ctx context.Context) error { return f.engine.PutHistory(ctx, targets) }
}

func (f *Follower) putReceiver(name string) edit {
	made := f.known[name].result.Receiver

	return func(ctx context.Context) error { return f.engine.PutReceiver(ctx, made) }
}

// rest are the edits of all objects but the Receivers.
func (f *Follower) rest(view *View) []edit {
	var edits []edit

	for _, one := range list[notificationv2beta2.Router](f.watches, KindRouter) {
		edits = append(edits, f.put(view, item{kind: KindRouter, name: one.Name}))
	}

	for _, one := range list[notificationv2beta2.Silence](f.watches, KindSilence) {
		edits = append(edits, f.put(view, item{kind: KindSilence, name: one.Name}))
	}

	for _, one := range list[notificationv2beta2.InhibitRule](f.watches, KindInhibitRule) {
		edits = append(edits, f.put(view, item{kind: KindInhibitRule, name: one.Name}))
	}

	return edits
}

// uses are all Secrets and ConfigMaps that something refers to.
func (f *Follower) uses() map[resolve.Reference]struct{} {
	used := map[resolve.Reference]struct{}{}

	for _, ref := range f.viewUses {
		used[ref] = struct{}{}
	}

	for _, ref := range f.history.References {
		used[ref] = struct{}{}
	}

	for ref := range f.dependents {
		used[ref] = struct{}{}
	}

	return used
}
