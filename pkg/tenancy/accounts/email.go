package accounts

import (
	"fmt"
	"slices"
	"strings"
)

// EmailKey is what users with the same address have in common. Empty where there is none.
func EmailKey(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// emailReason tells of other users with the same address, which is no reason to lock anybody out.
func emailReason(others []string) string {
	if len(others) == 0 {
		return ""
	}

	return "DuplicateEmail: spec.email is also that of " + Names(others) + "; give each user an address of its own"
}

// Names lists names for people: a few of them, sorted, and the number of the others.
func Names(names []string) string {
	const few = 3

	sorted := slices.Sorted(slices.Values(names))
	if len(sorted) <= few {
		return strings.Join(sorted, ", ")
	}

	return fmt.Sprintf("%s and %d more", strings.Join(sorted[:few], ", "), len(sorted)-few)
}
