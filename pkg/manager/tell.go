package manager

import (
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
)

// tell puts a row on the board, and tells of a transition: in the log always, and by an event when somebody may
// want to look. A process that comes to stand as it should writes nothing, so that a restart leaves no trace.
func (k *keeper) tell(row Row) {
	before, after := k.process.board.put(row)
	if before.sameStory(after) || !after.State.Settled() {
		return
	}

	klog.Background().Info("Controller is "+string(after.State), "controller", after.Name, "domain", after.Domain,
		"reason", after.Reason, "message", after.Message)

	k.announce(after)
}

// announce makes an event of a transition from one settled state to another. Where a controller stood before it
// was last told about is kept apart from the board, which also shows what passes.
func (k *keeper) announce(row Row) {
	last := k.told
	k.told = row

	// At the start of a process nobody was told of anything, and all is taken to have been well.
	wasWell := last.State == "" || last.State.well()
	if row.State.well() && wasWell || last.State == row.State && last.Reason == row.Reason {
		return
	}

	kind := corev1.EventTypeNormal
	if !row.State.well() {
		kind = corev1.EventTypeWarning
	}

	message := row.Message
	if message == "" {
		message = "the controller works"
	}

	k.process.recorder(k.process.config.Name).Eventf(k.process.lease(row.Domain), nil,
		kind, "Controller"+string(row.State), "Supervise", "%s: %s: %s", row.Name, row.Reason, shorten(message))
}

// lease is what the events are about: it is where people look who wonder why a domain stands still.
func (p *process) lease(domain Domain) *coordinationv1.Lease {
	lease := &coordinationv1.Lease{}
	lease.Namespace, lease.Name = p.config.LeaderElection.Namespace, LeaseName(domain)

	return lease
}

// shorten keeps a note within what the API server accepts of one.
func shorten(text string) string {
	const longest = 900

	if len(text) <= longest {
		return text
	}

	return strings.ToValidUTF8(text[:longest], "") + "..."
}
