package rulemigration

import (
	"context"
	"fmt"
	"strings"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ks-core/ks-controller-manager/pkg/alerting"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/migration"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
	"github.com/ks-core/ks-controller-manager/pkg/manager"
)

// BlockedAnnotation on a PrometheusRule of KubeSphere 3.3 or 3.4 says why its rules cannot be taken over. The kind is
// of others, so there is no condition to say it in.
const BlockedAnnotation = "alerting.kubesphere.io/migration-blocked"

// The reasons of events.
const (
	reasonMigrated = "Migrated"
	reasonBlocked  = "MigrationBlocked"
)

// lookAgain is how long to wait for what is not watched: the PrometheusRules of groups, which their controller repairs.
const lookAgain = 30 * time.Second

// mover takes away PrometheusRules whose rules are evaluated from elsewhere.
type mover struct {
	settings *Settings
	client   client.Client
	live     client.Reader
	recorder events.EventRecorder
	clock    clock.PassiveClock
}

func newMover(settings *Settings, dependencies manager.Dependencies) mover {
	return mover{
		settings: settings, client: dependencies.Client, live: dependencies.Live,
		recorder: dependencies.Recorder, clock: dependencies.Clock,
	}
}

// move takes a PrometheusRule away when all of its heirs have been in force for long enough, and says otherwise how
// long to wait. What is watched needs no waiting. It is the object as it was read that goes, and no other: whoever has
// changed it meanwhile has it looked at anew.
func (m mover) move(ctx context.Context, old *monitoringv1.PrometheusRule, all heirs) (time.Duration, error) {
	if waiting := all.waiting(); waiting != "" {
		klog.FromContext(ctx).V(1).Info("Rules are not taken over yet", "because", waiting)

		return 0, nil
	}

	longest := migration.Longest(old.Spec.Groups)

	for _, one := range all {
		if wait, err := m.ripens(ctx, one, longest); err != nil || wait > 0 {
			return wait, err
		}
	}

	deleted, err := kube.DeleteUnchanged(ctx, m.client, old)
	if err != nil {
		return 0, fmt.Errorf("take away what was taken over: %w", err)
	}

	if deleted {
		m.recorder.Eventf(old, nil, corev1.EventTypeNormal, reasonMigrated, "Migrate", "%s", taken(all.names()))
	}

	return 0, nil
}

// ripens says how long to wait until the rules of an heir fire as those of before do; zero: they do.
func (m mover) ripens(ctx context.Context, one heir, longest time.Duration) (time.Duration, error) {
	if wait := m.settings.Overlap + longest - m.clock.Since(one.since); wait > 0 {
		return wait, nil
	}

	if one.group == nil {
		return 0, nil
	}

	absent, err := m.absent(ctx, one.group)
	if err != nil || absent != "" {
		klog.FromContext(ctx).V(1).Info("Rules are not taken over yet", "because", absent)

		return lookAgain, err
	}

	return 0, nil
}

// taken says where the rules are now.
func taken(names []string) string {
	const most = 10

	if len(names) == 0 {
		return "It had no rule that is to be evaluated, and was deleted."
	}

	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}

	return "Its rules are now those of " + text + ", and it was deleted."
}

// absent asks the API server itself for what a group says was made of it: a status may be left from a time before the
// cluster was restored, and a cache may lag. Empty: it is there, with as many rules as the group has.
func (m mover) absent(ctx context.Context, group client.Object) (string, error) {
	about := contentOf(group)
	key := client.ObjectKey{
		Namespace: m.settings.Rules.Namespace,
		Name:      rendering.ObjectName(about.level, group.GetNamespace(), group.GetName()),
	}
	rule := &monitoringv1.PrometheusRule{}

	found, err := find(ctx, m.live, key, rule)
	if err != nil {
		return "", fmt.Errorf("look for the new rules: %w", err)
	}

	rules := 0
	for i := range rule.Spec.Groups {
		rules += len(rule.Spec.Groups[i].Rules)
	}

	owner := rendering.Group{Level: about.level, Namespace: group.GetNamespace(), Name: group.GetName()}.Owner()

	switch {
	case !found || !rule.DeletionTimestamp.IsZero():
		return "the PrometheusRule of " + nameOf(group) + " is not there", nil
	case rule.Annotations[alerting.OwnerAnnotation] != owner || rules != about.rules:
		return "the PrometheusRule of " + nameOf(group) + " is not what it should be", nil
	default:
		return "", nil
	}
}

// tell writes on a PrometheusRule why it stays, once for each reason, and what would help.
func (m mover) tell(
	ctx context.Context, old *monitoringv1.PrometheusRule, blocked []string, remedy string,
) error {
	message := summary(blocked, remedy)
	if old.Annotations[BlockedAnnotation] == message {
		return nil
	}

	var value any
	if message != "" {
		value = message
	}

	changes := map[string]any{"annotations": map[string]any{BlockedAnnotation: value}}
	if err := kube.PatchMetadata(ctx, m.client, old, changes); err != nil {
		return fmt.Errorf("say why it stays: %w", err)
	}

	if message != "" {
		m.recorder.Eventf(old, nil, corev1.EventTypeWarning, reasonBlocked, "Migrate", "%s", message)
	}

	return nil
}

// summary is short enough for an event.
func summary(blocked []string, remedy string) string {
	if len(blocked) == 0 {
		return ""
	}

	const longest = 700

	text := strings.ToValidUTF8(blocked[0], "\uFFFD")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "..."
	}

	text = strings.TrimSuffix(text, ".")
	if more := len(blocked) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}

	return text + ". " + remedy
}
