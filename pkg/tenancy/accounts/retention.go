package accounts

import (
	"slices"
	"strings"
	"time"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
)

// Outdated picks the login records of one user that may go, the oldest first, and says when the next will be too old;
// never is the zero time. What may still lock a user is kept in any case.
func (s Settings) Outdated(records []iamv1beta1.LoginRecord, now time.Time) ([]iamv1beta1.LoginRecord, time.Time) {
	sorted := slices.SortedFunc(slices.Values(records), byAge)
	outdated := max(0, len(sorted)-s.keptEntries(len(sorted)))

	period := s.keptPeriod()
	if period <= 0 {
		return sorted[:outdated], time.Time{}
	}

	for outdated < len(sorted) {
		until := sorted[outdated].CreationTimestamp.Add(period)
		if until.After(now) {
			return sorted[:outdated], until
		}

		outdated++
	}

	return sorted, time.Time{}
}

// byAge puts the oldest first. Which of two in the same second is older, their names decide.
func byAge(a, b iamv1beta1.LoginRecord) int {
	if order := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); order != 0 {
		return order
	}

	return strings.Compare(a.Name, b.Name)
}

// keptEntries is how many of a number of records are kept.
func (s Settings) keptEntries(number int) int {
	if s.MaximumEntries <= 0 {
		return number
	}

	if s.limitsTries() {
		return max(s.MaximumEntries, s.MaxTries)
	}

	return s.MaximumEntries
}

func (s Settings) keptPeriod() time.Duration {
	if s.RetentionPeriod > 0 && s.limitsTries() {
		return max(s.RetentionPeriod, s.TriesWindow)
	}

	return s.RetentionPeriod
}
