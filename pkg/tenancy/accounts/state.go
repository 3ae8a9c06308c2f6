package accounts

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
)

// noPassword begins the reason of a user that is disabled for want of a password, and of no other.
const noPassword = "PasswordNotSet"

// passwordLogin is the type of the records of logins by password.
const passwordLogin = "Password"

// Account is all that decides over the state of a user.
type Account struct {
	User *iamv1beta1.User

	// Records are the login records of the user, in any order.
	Records []iamv1beta1.LoginRecord

	// SameEmail are the names of other users with the same address.
	SameEmail []string

	Now time.Time
}

// Verdict is what becomes of a user.
type Verdict struct {
	Status iamv1beta1.UserStatus

	// Again is when to look again without being woken. Zero: never.
	Again time.Time
}

// Judge decides whether a user may log in. A user that an administrator has disabled stays so, with the
// administrator's reason, until an administrator enables it.
func (s Settings) Judge(account Account) Verdict {
	was := account.User.Status
	now := metav1.NewTime(account.Now.Truncate(time.Second))

	next := *was.DeepCopy()
	next.LastLoginTime = lastLogin(account)

	state, reason, again := s.state(account)
	if was.State == nil || *was.State != state || isUnset(was.LastTransitionTime, account.Now) {
		next.State, next.LastTransitionTime = &state, &now
	}

	next.Reason = reason

	return Verdict{Status: next, Again: again}
}

func (s Settings) state(account Account) (iamv1beta1.UserState, string, time.Time) {
	user := account.User

	if isDisabled(user.Status) && !lacksPassword(user.Status) {
		return iamv1beta1.UserDisabled, user.Status.Reason, time.Time{}
	}

	if user.Spec.Password == "" && user.Labels[iamv1beta1.IdentityProviderLabel] == "" {
		return iamv1beta1.UserDisabled, noPassword + ": nobody can log in as this user until spec.password is set, " +
			"or the label " + iamv1beta1.IdentityProviderLabel + " names the provider that it comes from", time.Time{}
	}

	if until := s.lockedUntil(account); until.After(account.Now) {
		return iamv1beta1.UserAuthLimitExceeded, fmt.Sprintf("TooManyFailedLogins: %d wrong passwords within %s; "+
			"the lock ends by itself after %s", s.MaxTries, s.TriesWindow, s.TriesWindow), until
	}

	return iamv1beta1.UserActive, emailReason(account.SameEmail), time.Time{}
}

func isDisabled(status iamv1beta1.UserStatus) bool {
	return status.State != nil && *status.State == iamv1beta1.UserDisabled
}

func lacksPassword(status iamv1beta1.UserStatus) bool {
	return isDisabled(status) && strings.HasPrefix(status.Reason, noPassword)
}

// isUnset tells of a time that no decision can rest on: one that is missing, or lies ahead, as after a restore or
// where a clock was wrong. A lock would last for as long.
func isUnset(at *metav1.Time, now time.Time) bool { return at.IsZero() || at.After(now) }

// lockedUntil is when the lock for failed logins ends; the past where there is none.
func (s Settings) lockedUntil(account Account) time.Time {
	if !s.limitsTries() {
		return time.Time{}
	}

	status := account.User.Status
	isLocked := status.State != nil && *status.State == iamv1beta1.UserAuthLimitExceeded

	if isLocked && isUnset(status.LastTransitionTime, account.Now) {
		return account.Now.Truncate(time.Second).Add(s.TriesWindow)
	}

	if isLocked && !hasSucceeded(account, status.LastTransitionTime.Time) {
		return status.LastTransitionTime.Add(s.TriesWindow)
	}

	if s.failures(account) < s.MaxTries {
		return time.Time{}
	}

	return account.Now.Truncate(time.Second).Add(s.TriesWindow)
}

// failures counts the wrong passwords that still count: those within the window, after the last right one, and after
// the last change of state, for whoever unlocks a user gives it all its tries anew.
func (s Settings) failures(account Account) int {
	since := account.Now.Add(-s.TriesWindow)

	if changed := account.User.Status.LastTransitionTime; !isUnset(changed, account.Now) && changed.After(since) {
		since = changed.Time
	}

	for i := range account.Records {
		if record := &account.Records[i]; isRight(record) && record.CreationTimestamp.After(since) {
			since = record.CreationTimestamp.Time
		}
	}

	count := 0

	for i := range account.Records {
		record := &account.Records[i]
		if isPassword(record) && !record.Spec.Success && record.CreationTimestamp.After(since) {
			count++
		}
	}

	return count
}

// hasSucceeded tells whether the user has given the right password after a time.
func hasSucceeded(account Account, after time.Time) bool {
	for i := range account.Records {
		if record := &account.Records[i]; isRight(record) && record.CreationTimestamp.After(after) {
			return true
		}
	}

	return false
}

func isPassword(record *iamv1beta1.LoginRecord) bool { return record.Spec.Type == passwordLogin }

func isRight(record *iamv1beta1.LoginRecord) bool { return isPassword(record) && record.Spec.Success }

// lastLogin is when the user last got in. It outlives the record that told of it.
func lastLogin(account Account) *metav1.Time {
	last := account.User.Status.LastLoginTime.DeepCopy()

	for i := range account.Records {
		record := &account.Records[i]
		if record.Spec.Success && !record.CreationTimestamp.IsZero() &&
			(last == nil || record.CreationTimestamp.After(last.Time)) {
			last = record.CreationTimestamp.DeepCopy()
		}
	}

	return last
}

// PausedStatus is the status of a user that is on hold. The reason of one that is disabled stays: it says by whom.
func PausedStatus(was iamv1beta1.UserStatus) iamv1beta1.UserStatus {
	next := *was.DeepCopy()
	if !isDisabled(was) {
		next.Reason = "Paused"
	}

	return next
}

// DeletingStatus is the status of a user that waits for what names it to go.
func DeletingStatus(was iamv1beta1.UserStatus, awaited string) iamv1beta1.UserStatus {
	next := *was.DeepCopy()
	next.Reason = "Deleting: waiting for these to go: " + awaited

	return next
}
