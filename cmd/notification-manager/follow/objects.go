package follow

import (
	"cmp"
	"context"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/klog/v2"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/alert"
	"github.com/ks-core/ks-controller-manager/pkg/notification/inhibition"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence/schedule"
)

// put is the edit that an object of one of the simple kinds makes: it is put, or taken out where it is gone, switched
// off, or cannot be used. What was there before does not stay then: after a restart it would not be there either.
//
// One that a defect of the program cannot cope with is taken out too: every other one counts as ever.
func (f *Follower) put(view *View, of item) (made edit) {
	defer func() {
		if cause := recover(); cause != nil {
			klog.Background().Error(nil, "An object cannot be used, by a defect of the program",
				"kind", of.kind, "name", of.name, "stack", string(debug.Stack()))

			f.broken[of] = resolve.Finding{
				Kind: string(of.kind), Name: of.name, Reason: resolve.Invalid, Breaks: true,
				Message: "cannot be used, by a defect of the program; please report it",
			}
			made = f.remove(of)
		}
	}()

	switch of.kind {
	case KindRouter:
		return f.putRouter(of)
	case KindSilence:
		return f.putSilence(view, of)
	default:
		return f.putInhibitRule(of)
	}
}

// remove is the edit that takes an object out.
func (f *Follower) remove(of item) edit {
	switch of.kind {
	case KindRouter:
		return func(ctx context.Context) error { return f.engine.DeleteRouter(ctx, of.name) }
	case KindSilence:
		return func(ctx context.Context) error { return f.engine.DeleteSilence(ctx, of.name) }
	default:
		return func(ctx context.Context) error { return f.engine.DeleteInhibitRule(ctx, of.name) }
	}
}

func (f *Follower) putRouter(of item) edit {
	object := get[notificationv2beta2.Router](f.watches, KindRouter, of.name)
	if object != nil {
		made, problems := routing.RouterOf(object)
		if f.judge(of, problems) {
			return func(ctx context.Context) error { return f.engine.PutRouter(ctx, made) }
		}
	}

	return f.remove(of)
}

func (f *Follower) putSilence(view *View, of item) edit {
	object := get[notificationv2beta2.Silence](f.watches, KindSilence, of.name)
	if object != nil {
		made, problems := silence.Compile(object, view.Ownership, zoneOf(&view.Manager.Spec))
		if f.judge(of, problems) {
			return func(ctx context.Context) error { return f.engine.PutSilence(ctx, made) }
		}
	}

	return f.remove(of)
}

func (f *Follower) putInhibitRule(of item) edit {
	object := get[notificationv2beta2.InhibitRule](f.watches, KindInhibitRule, of.name)
	if object != nil {
		made, problems := inhibition.Compile(object)
		if f.judge(of, problems) && made != nil {
			return func(ctx context.Context) error { return f.engine.PutInhibitRule(ctx, made) }
		}
	}

	return f.remove(of)
}

// judge notes what is wrong with an object, and tells whether it can be used.
func (f *Follower) judge(of item, problems field.ErrorList) bool {
	delete(f.broken, of)

	if len(problems) == 0 {
		return true
	}

	f.broken[of] = resolve.Finding{
		Kind: string(of.kind), Name: of.name, Field: problems[0].Field, Reason: resolve.Invalid,
		Message: problems[0].ErrorBody(), Breaks: true,
	}

	return false
}

// zoneOf is the zone of schedules that name none; one that does not exist is a finding of the platform's already.
func zoneOf(spec *notificationv2beta2.NotificationManagerSpec) *time.Location {
	if spec.Template == nil || spec.Template.TimeZone == "" {
		return time.UTC
	}

	zone, err := schedule.LoadZone(spec.Template.TimeZone)
	if err != nil {
		return time.UTC
	}

	return zone
}

// guard is the edit that leads the alert of the watchdog to whom it is for; nil where it does that already.
func (f *Follower) guard(view *View) edit {
	names := f.guards(view)
	if slices.Equal(names, f.guarding) {
		return nil
	}

	f.guarding = names

	if names == nil {
		return func(ctx context.Context) error { return f.engine.DeleteRouter(ctx, MissingRouter) }
	}

	made, _ := routing.RouterOf(&notificationv2beta2.Router{
		ObjectMeta: metav1.ObjectMeta{Name: MissingRouter},
		Spec: notificationv2beta2.RouterSpec{
			AlertSelector: &notificationv2beta2.LabelSelector{MatchLabels: map[string]string{
				alert.Name: MissingAlert, alert.Type: MissingType,
			}},
			Receivers: notificationv2beta2.ReceiverSelector{Name: names},
		},
	})

	return func(ctx context.Context) error { return f.engine.PutRouter(ctx, made) }
}

// guards are the receivers that are told when alerts are missing, sorted; nil where nothing is watched for.
func (f *Follower) guards(view *View) []string {
	if view.Watchdog == nil {
		return nil
	}

	if named := view.Manager.Spec.Watchdog.Receivers; len(named) > 0 {
		return slices.Sorted(slices.Values(named))
	}

	names := []string{}

	for name, one := range f.known {
		if one.result.Receiver.Route.Owner.Kind == selector.Global {
			names = append(names, name)
		}
	}

	slices.Sort(names)

	return names
}

// olderOf counts for each Receiver of a tenant how many of that tenant's are older.
func olderOf(view *View, all []*notificationv2beta2.Receiver) map[string]int {
	tenants := map[string][]*notificationv2beta2.Receiver{}

	for _, one := range all {
		if owner := view.Ownership.Of(one.Labels); owner.Kind == selector.Tenant {
			tenants[owner.Tenant] = append(tenants[owner.Tenant], one)
		}
	}

	counts := make(map[string]int, len(all))

	for _, of := range tenants {
		slices.SortFunc(of, func(a, b *notificationv2beta2.Receiver) int {
			return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
		})

		for i, one := range of {
			counts[one.Name] = i
		}
	}

	return counts
}

// same tells whether two versions of an object say the same: its status, which changes often, is of no interest.
func same(a, b metav1.Object) bool {
	return a != nil && b != nil && a.GetUID() == b.GetUID() && a.GetGeneration() == b.GetGeneration() &&
		a.GetGeneration() != 0 && maps.Equal(a.GetLabels(), b.GetLabels())
}
