package rulegroup

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/evaluator"
	"github.com/ks-core/ks-controller-manager/pkg/controllers/alerting/observer"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// Reasons of the condition Healthy.
const (
	reasonEvaluating  = "Evaluating"
	reasonFailing     = "EvaluationFailing"
	reasonNotLoaded   = "NotLoaded"
	reasonUnreachable = "EvaluatorUnreachable"
	reasonNotAsked    = "EvaluatorNotConfigured"
)

// evaluators are the observers of the process, which all groups share. They are made when they are first needed, for
// the settings are not read before.
type evaluators struct {
	settings *Settings

	mutex sync.Mutex
	made  map[alertingv2beta1.Evaluator]*observer.Observer
}

func newEvaluators(settings *Settings) *evaluators {
	return &evaluators{settings: settings, made: map[alertingv2beta1.Evaluator]*observer.Observer{}}
}

// of returns the observer of a group's evaluator, and the flag that would name it where there is none.
func (e *evaluators) of(which alertingv2beta1.Evaluator, clock clock.PassiveClock) (*observer.Observer, string) {
	endpoint, flag := e.settings.ThanosRuler, "--alerting-thanos-ruler-endpoint"
	if which == alertingv2beta1.EvaluatorPrometheus {
		endpoint, flag = e.settings.Prometheus, "--alerting-prometheus-endpoint"
	}

	if endpoint == "" {
		return nil, flag
	}

	e.mutex.Lock()
	defer e.mutex.Unlock()

	if e.made[which] == nil {
		e.made[which] = observer.New(endpoint, clock)
	}

	return e.made[which], flag
}

// observe takes the states of the rules from their evaluator, and says when to look again. States alone are written
// once in a while; whatever else there is to say takes them along.
func (r *Reconciler) observe(
	ctx context.Context, object client.Object, found gathered, decided *outcome,
) time.Duration {
	if decided.rule == nil && !decided.keep {
		decided.observed = true // nothing is evaluated

		return 0
	}

	asked, flag := r.evaluators.of(found.group.Spec.Evaluator, r.clock)
	if asked == nil {
		decided.healthy = &metav1.Condition{
			Type: kube.ConditionHealthy, Status: metav1.ConditionUnknown, Reason: reasonNotAsked,
			Message: "The evaluator is not asked: " + flag + " is not set.",
		}

		return 0
	}

	state, err := asked.State(ctx)
	if err != nil {
		decided.healthy = &metav1.Condition{
			Type: kube.ConditionHealthy, Status: metav1.ConditionUnknown, Reason: reasonUnreachable,
			Message: "The evaluator does not answer; see the log of ks-controller-manager.",
		}

		return lookPeriod
	}

	return r.take(object, found, decided, state)
}

// take puts the states into the outcome, if it is time to.
func (r *Reconciler) take(object client.Object, found gathered, decided *outcome, state evaluator.State) time.Duration {
	group := found.group
	statuses := state.Statuses(group.Level, group.Namespace, group.Name, wantedOf(found, decided))
	before := r.kind.status(object)

	if !reflect.DeepEqual(before.RulesStatus, statuses) {
		since := r.memory.sinceReport(found.key, r.clock.Now())
		if since < lookPeriod && before.ObservedGeneration == object.GetGeneration() {
			decided.keepHealth(before.Conditions)

			return lookPeriod - since
		}
	}

	decided.statuses, decided.observed, decided.healthy = statuses, true, health(statuses)

	return lookPeriod
}

// keepHealth repeats what was said of the rules before.
func (o *outcome) keepHealth(conditions []metav1.Condition) {
	for _, condition := range conditions {
		if condition.Type == kube.ConditionHealthy {
			o.healthy = &condition
		}
	}
}

func wantedOf(found gathered, decided *outcome) []evaluator.Wanted {
	rejected := map[int]bool{}
	for _, index := range positions(decided.result.Rejected) {
		rejected[index] = true
	}

	wanted := make([]evaluator.Wanted, 0, len(found.group.Rules))

	for i, rule := range found.group.Rules {
		one := evaluator.Wanted{Name: rule.Alert, Disabled: rule.Disable, Rejected: rejected[i]}
		if rule.Alert == "" {
			one.Name = rule.Record
		}

		if i < len(decided.result.IDs) {
			one.ID = decided.result.IDs[i]
		}

		wanted = append(wanted, one)
	}

	return wanted
}

func health(statuses []alertingv2beta1.RuleStatus) *metav1.Condition {
	failing, missing := evaluator.Sick(statuses)

	switch {
	case failing != nil:
		return &metav1.Condition{
			Type: kube.ConditionHealthy, Status: metav1.ConditionFalse, Reason: reasonFailing,
			Message: fmt.Sprintf("Rule %s cannot be evaluated: %s", failing.Name, failing.LastError),
		}
	case missing != nil:
		return &metav1.Condition{
			Type: kube.ConditionHealthy, Status: metav1.ConditionFalse, Reason: reasonNotLoaded,
			Message: fmt.Sprintf("The evaluator has not evaluated rule %s yet, or does not have it.", missing.Name),
		}
	default:
		return &metav1.Condition{Type: kube.ConditionHealthy, Status: metav1.ConditionTrue, Reason: reasonEvaluating}
	}
}
