package guard

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	minQuarantine = time.Second
	maxQuarantine = 5 * time.Minute

	// maxText is how many bytes of a panic's text are kept.
	maxText = 200
)

// quarantine is where objects stand whose last run panicked. One that is deleted
// between two lives of the controller is never run again, so objects also leave
// when their time has long been over.
type quarantine struct {
	recent recent[cell]
}

// cell holds one object.
type cell struct {
	since time.Time // The last panic.
	delay time.Duration
	text  string
}

func newQuarantine() quarantine {
	return quarantine{recent: newRecent[cell](2 * maxQuarantine)}
}

// add shuts an object in, for twice as long as the last time.
func (q *quarantine) add(object types.NamespacedName, text string, now time.Time) {
	last, _ := q.recent.get(object, now)
	delay := min(max(2*last.delay, minQuarantine), maxQuarantine)

	q.recent.put(object, cell{since: now, delay: delay, text: firstLine(text)}, now)
}

// remaining returns how long the object has to wait. One that has waited stays
// in here until a run ends without a panic.
func (q *quarantine) remaining(object types.NamespacedName, now time.Time) time.Duration {
	held, found := q.recent.get(object, now)
	if !found {
		return 0
	}

	return max(held.since.Add(held.delay).Sub(now), 0)
}

// firstLine returns what of a text fits on the status page. It is a copy: a
// piece of a long text would hold on to all of it.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	line = strings.ToValidUTF8(line[:min(len(line), maxText)], "")

	return strings.Clone(strings.TrimSpace(line))
}
