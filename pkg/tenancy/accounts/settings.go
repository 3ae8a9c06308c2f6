// Package accounts is the engine for users, their login records and their groups: what becomes of a password, whether
// a user may log in, which records may go, who is a member of what, and what has to go with a user. Everything here is
// a pure function of its arguments.
package accounts

import "time"

// Settings are what operators may choose. Zero or less in a field switches off what it limits.
type Settings struct {
	// MaxTries is the number of failed passwords within TriesWindow that locks a user.
	MaxTries int

	// TriesWindow is how long a failed password counts, and how long a lock lasts.
	TriesWindow time.Duration

	// RetentionPeriod is how long login records are kept.
	RetentionPeriod time.Duration

	// MaximumEntries is how many login records of a user are kept.
	MaximumEntries int
}

// DefaultSettings are those of KubeSphere 4.x.
func DefaultSettings() Settings {
	const (
		maxTries       = 10
		maximumEntries = 100
		week           = 7 * 24 * time.Hour
	)

	return Settings{
		MaxTries: maxTries, TriesWindow: 10 * time.Minute, RetentionPeriod: week, MaximumEntries: maximumEntries,
	}
}

// limitsTries tells whether failed passwords lock anybody.
func (s Settings) limitsTries() bool { return s.MaxTries > 0 && s.TriesWindow > 0 }
