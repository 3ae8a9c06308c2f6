package follow

import (
	"fmt"
	"math"
	"time"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/engine"
	"github.com/ks-core/ks-controller-manager/pkg/notification/grouping"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
)

// What holds where a NotificationManager says nothing, or nothing that can be used.
const (
	defaultWindow   = time.Minute
	defaultMost     = 100
	defaultInterval = 5 * time.Minute
	defaultRepeat   = 12 * time.Hour
)

// settingsOf are the settings of the engine that a NotificationManager says. What cannot be used is a finding, and the
// default holds in its place.
func settingsOf(
	spec *notificationv2beta2.NotificationManagerSpec, cluster string,
) (engine.Settings, []resolve.Finding) {
	read := reader{}
	made := engine.Settings{Cluster: cluster, Timing: read.timing(spec)}

	switch spec.RoutePolicy {
	case notificationv2beta2.RouteAll, "":
		made.Routing.Policy = routing.All
	case notificationv2beta2.RouteRouterFirst:
		made.Routing.Policy = routing.RouterFirst
	case notificationv2beta2.RouteRouterOnly:
		made.Routing.Policy = routing.RouterOnly
	default:
		read.find("spec.routePolicy", fmt.Sprintf(
			"%q is none of All, RouterFirst and RouterOnly; All holds until it is", spec.RoutePolicy))
	}

	if spec.TenantMatch == notificationv2beta2.TenantMatchRuleLevel {
		made.Routing.Tenants = routing.RuleLevel
	}

	return made, read.findings
}

// reader reads fields and keeps what is wrong with them.
type reader struct {
	findings []resolve.Finding
}

func (r *reader) find(field, message string) {
	r.findings = append(r.findings, resolve.Finding{
		Kind: resolve.KindManager, Field: field, Reason: resolve.Invalid, Message: message,
	})
}

// duration reads one; it may be zero where it may be short.
func (r *reader) duration(
	field string, from notificationv2beta2.Duration, otherwise time.Duration, zero bool,
) time.Duration {
	if from == "" {
		return otherwise
	}

	read, err := from.Parse()
	if err == nil && (read > 0 || read == 0 && zero) {
		return read
	}

	why := "it must be more than nothing"
	if err != nil {
		why = err.Error()
	}

	r.find(field, fmt.Sprintf("is %q: %s; %s holds until it is mended", from, why, otherwise))

	return otherwise
}

// timing is when groups are told.
func (r *reader) timing(spec *notificationv2beta2.NotificationManagerSpec) grouping.Timing {
	timing := grouping.Timing{
		By:     spec.GroupLabels,
		Window: r.duration("spec.batchMaxWait", spec.BatchMaxWait, defaultWindow, true),
		Most:   defaultMost,
		Repeat: defaultRepeat,
	}

	if spec.BatchMaxSize > 0 && spec.BatchMaxSize <= math.MaxInt32 {
		timing.Most = int(spec.BatchMaxSize)
	}

	if spec.Mode == notificationv2beta2.ManagerModeEngine {
		timing.Mode = grouping.Engine
	}

	timing.Interval = max(timing.Window, time.Second)

	if set := spec.Grouping; set != nil {
		timing.Wait = r.duration("spec.grouping.wait", set.Wait, 0, true)
		timing.Interval = r.duration("spec.grouping.interval", set.Interval, defaultInterval, false)
		timing.Repeat = r.duration("spec.grouping.repeat", set.Repeat, defaultRepeat, false)
		timing.Window = timing.Interval
	}

	return timing
}

// defaultPending is how many messages wait at most where the NotificationManager says nothing.
const defaultPending = 100_000

// PendingOf is how many messages may wait.
func PendingOf(spec *notificationv2beta2.NotificationManagerSpec) int {
	if spec.Delivery == nil || spec.Delivery.MaxPending == nil || *spec.Delivery.MaxPending <= 0 {
		return defaultPending
	}

	return int(*spec.Delivery.MaxPending)
}

// InMemory tells whether alerts are acknowledged before they are on disk.
func InMemory(spec *notificationv2beta2.NotificationManagerSpec) bool {
	return spec.Delivery != nil && spec.Delivery.AckPolicy == notificationv2beta2.AckMemory
}

// Settings are what a NotificationManager says of routing and of when groups are told, for who shows it.
func Settings(
	spec *notificationv2beta2.NotificationManagerSpec, cluster string,
) (engine.Settings, []resolve.Finding) {
	return settingsOf(spec, cluster)
}

// Check says what is wrong with the settings of a NotificationManager, its watchdog among them.
func Check(spec *notificationv2beta2.NotificationManagerSpec) []resolve.Finding {
	read := reader{}
	read.watchdog(spec.Watchdog)

	_, findings := settingsOf(spec, "")

	return append(findings, read.findings...)
}
