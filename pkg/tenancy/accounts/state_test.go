package accounts_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// try is a login, so many seconds before noon.
func try(before int, kind string, success bool) iamv1beta1.LoginRecord {
	return iamv1beta1.LoginRecord{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: *ago(before)},
		Spec:       iamv1beta1.LoginRecordSpec{Type: kind, Success: success},
	}
}

func wrong(before int) iamv1beta1.LoginRecord { return try(before, "Password", false) }
func right(before int) iamv1beta1.LoginRecord { return try(before, "Password", true) }

func ago(seconds int) *metav1.Time {
	return &metav1.Time{Time: noon().Add(-time.Duration(seconds) * time.Second)}
}

func status(state iamv1beta1.UserState, reason string, changed *metav1.Time) iamv1beta1.UserStatus {
	return iamv1beta1.UserStatus{State: &state, Reason: reason, LastTransitionTime: changed}
}

// strict locks for ten minutes after three wrong passwords.
func strict() accounts.Settings {
	settings := accounts.DefaultSettings()
	settings.MaxTries = 3

	return settings
}

func TestJudge(t *testing.T) {
	t.Parallel()

	const (
		active, disabled, locked = iamv1beta1.UserActive, iamv1beta1.UserDisabled, iamv1beta1.UserAuthLimitExceeded
		noReason, hour           = "", 3600
	)

	now := ago(0)
	three := []iamv1beta1.LoginRecord{wrong(30), wrong(20), wrong(10)}

	tests := map[string]struct {
		password string
		provider string
		was      iamv1beta1.UserStatus
		records  []iamv1beta1.LoginRecord
		same     []string
		off      bool

		state   iamv1beta1.UserState
		reason  string // its beginning
		changed *metav1.Time
		login   *metav1.Time
		again   time.Duration
	}{
		"new":                         {password: sample, state: active, changed: now},
		"new without a password":      {state: disabled, reason: "PasswordNotSet: ", changed: now},
		"new from a provider":         {provider: "ldap", state: active, changed: now},
		"gets a password":             {password: sample, was: status(disabled, "PasswordNotSet: x", ago(hour)), state: active, changed: now},
		"still has none":              {was: status(disabled, "PasswordNotSet: x", ago(hour)), state: disabled, reason: "PasswordNotSet: ", changed: ago(hour)},
		"loses it":                    {was: status(active, "", ago(hour)), state: disabled, reason: "PasswordNotSet: ", changed: now},
		"disabled by hand":            {password: sample, was: status(disabled, "left us", ago(hour)), state: disabled, reason: "left us", changed: ago(hour)},
		"disabled without a word":     {password: sample, was: status(disabled, "", ago(hour)), state: disabled, changed: ago(hour)},
		"disabled by hand, from ldap": {provider: "ldap", was: status(disabled, "", ago(hour)), state: disabled, changed: ago(hour)},
		"unknown state":               {password: sample, was: status("Sleepy", "z", ago(hour)), state: active, changed: now},
		"shares an address":           {password: sample, was: status(active, "", ago(hour)), same: []string{"d", "c", "b", "a"}, state: active, reason: "DuplicateEmail: spec.email is also that of a, b, c and 1 more;", changed: ago(hour)},
		"no longer":                   {password: sample, was: status(active, "DuplicateEmail: x", ago(hour)), state: active, changed: ago(hour)},

		"two wrong":                 {password: sample, was: status(active, "", ago(hour)), records: three[:2], state: active, changed: ago(hour)},
		"three wrong":               {password: sample, was: status(active, "", ago(hour)), records: three, state: locked, reason: "TooManyFailedLogins: 3", changed: now, again: 10 * time.Minute},
		"three wrong, no limit":     {password: sample, was: status(active, "", ago(hour)), records: three, off: true, state: active, changed: ago(hour)},
		"a right one between":       {password: sample, was: status(active, "", ago(hour)), records: append([]iamv1beta1.LoginRecord{right(20)}, three...), state: active, changed: ago(hour), login: ago(20)},
		"a token between":           {password: sample, was: status(active, "", ago(hour)), records: append([]iamv1beta1.LoginRecord{try(15, "Token", true)}, three...), state: locked, reason: "TooMany", changed: now, login: ago(15), again: 10 * time.Minute},
		"wrong tokens":              {password: sample, was: status(active, "", ago(hour)), records: []iamv1beta1.LoginRecord{try(3, "Token", false), try(2, "OAuth", false), wrong(1)}, state: active, changed: ago(hour)},
		"one out of the window":     {password: sample, was: status(active, "", ago(hour)), records: []iamv1beta1.LoginRecord{wrong(600), wrong(20), wrong(10)}, state: active, changed: ago(hour)},
		"one before the change":     {password: sample, was: status(active, "", ago(25)), records: three, state: active, changed: ago(25)},
		"new, with wrong ones":      {password: sample, records: three, state: locked, reason: "TooMany", changed: now, again: 10 * time.Minute},
		"locked":                    {password: sample, was: status(locked, "x", ago(60)), records: three, state: locked, reason: "TooMany", changed: ago(60), again: 9 * time.Minute},
		"locked, the window over":   {password: sample, was: status(locked, "x", ago(600)), state: active, changed: now},
		"locked, the records gone":  {password: sample, was: status(locked, "x", ago(60)), state: locked, reason: "TooMany", changed: ago(60), again: 9 * time.Minute},
		"locked since ever":         {password: sample, was: status(locked, "x", nil), state: locked, reason: "TooMany", changed: now, again: 10 * time.Minute},
		"locked since tomorrow":     {password: sample, was: status(locked, "x", ago(-24*hour)), state: locked, reason: "TooMany", changed: now, again: 10 * time.Minute},
		"locked, no limit any more": {password: sample, was: status(locked, "x", ago(60)), off: true, state: active, changed: now},
		"locked, then right":        {password: sample, was: status(locked, "x", ago(60)), records: append([]iamv1beta1.LoginRecord{right(5)}, three...), state: active, changed: now, login: ago(5)},
		"locked, password gone":     {was: status(locked, "x", ago(60)), records: three, state: disabled, reason: "PasswordNotSet: ", changed: now},
		"unlocked by hand":          {password: sample, was: status(active, "", ago(5)), records: three, state: active, changed: ago(5)},
		"changed tomorrow":          {password: sample, was: status(active, "", ago(-24*hour)), records: three, state: locked, reason: "TooMany", changed: now, again: 10 * time.Minute},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			subject := user(test.password, nil)
			subject.Status = test.was

			if test.provider != "" {
				subject.Labels = map[string]string{iamv1beta1.IdentityProviderLabel: test.provider}
			}

			settings := strict()
			if test.off {
				settings.MaxTries = 0
			}

			got := settings.Judge(accounts.Account{
				User: subject, Records: test.records, SameEmail: test.same, Now: noon(),
			})

			if !strings.HasPrefix(got.Status.Reason, test.reason) ||
				test.reason == noReason && got.Status.Reason != "" {
				t.Errorf("reason %q, want %q", got.Status.Reason, test.reason)
			}

			want := status(test.state, got.Status.Reason, test.changed)
			want.LastLoginTime = test.login

			if diff := cmp.Diff(want, got.Status); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}

			if again := got.Again; test.again == 0 && !again.IsZero() ||
				test.again > 0 && again.Sub(noon()) != test.again {
				t.Errorf("again at %s, want after %s", again, test.again)
			}
		})
	}
}

func TestLastLoginOutlivesItsRecord(t *testing.T) {
	t.Parallel()

	subject := user(sample, nil)
	subject.Status.LastLoginTime = ago(50)

	for name, test := range map[string]struct {
		records []iamv1beta1.LoginRecord
		want    *metav1.Time
	}{
		"no records":  {nil, ago(50)},
		"older ones":  {[]iamv1beta1.LoginRecord{right(90), wrong(10)}, ago(50)},
		"newer ones":  {[]iamv1beta1.LoginRecord{right(20), try(30, "OAuth", true)}, ago(20)},
		"of any kind": {[]iamv1beta1.LoginRecord{right(40), try(30, "OAuth", true)}, ago(30)},
	} {
		got := strict().Judge(accounts.Account{User: subject, Records: test.records, Now: noon()}).Status.LastLoginTime
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// life is a user whom time passes by.
type life struct {
	random  *rand.Rand
	user    *iamv1beta1.User
	now     time.Time
	records []iamv1beta1.LoginRecord
}

func (l *life) judge() accounts.Verdict {
	return strict().Judge(accounts.Account{User: l.user, Records: l.records, Now: l.now})
}

// step lets some time pass, and somebody try to log in.
func (l *life) step() {
	l.now = l.now.Add(time.Duration(l.random.IntN(200)) * time.Second)

	record := iamv1beta1.LoginRecord{ObjectMeta: metav1.ObjectMeta{
		Name: strconv.Itoa(len(l.records)), CreationTimestamp: metav1.NewTime(l.now),
	}}
	record.Spec.Type = []string{"Password", "Password", "Password", "OAuth", "Token"}[l.random.IntN(5)]
	record.Spec.Success = l.random.IntN(6) == 0
	l.records = append(l.records, record)
	l.random.Shuffle(len(l.records), func(i, j int) { l.records[i], l.records[j] = l.records[j], l.records[i] })
}

// check holds a verdict to what is true of any.
func (l *life) check(t *testing.T, was iamv1beta1.UserStatus, got accounts.Verdict) {
	t.Helper()

	isLocked := *got.Status.State == iamv1beta1.UserAuthLimitExceeded

	l.user.Status = got.Status
	if diff := cmp.Diff(got, l.judge()); diff != "" {
		t.Fatalf("a second look changes it (-first +second):\n%s", diff)
	}

	if got.Status.LastTransitionTime.After(l.now) ||
		was.LastLoginTime != nil && got.Status.LastLoginTime.Before(was.LastLoginTime) {
		t.Fatalf("times run backwards: %v, then %v", was, got.Status)
	}

	if isLocked != !got.Again.IsZero() ||
		isLocked && (got.Again.After(l.now.Add(10*time.Minute)) || !got.Again.After(l.now)) {
		t.Fatalf("at %s, %s until %s", l.now, *got.Status.State, got.Again)
	}

	if isLocked && (was.State == nil || *was.State != *got.Status.State) && l.recentFailures() < 3 {
		t.Fatalf("locked after %d failures", l.recentFailures())
	}

	if !isLocked {
		return
	}

	later := *l
	later.now = got.Again

	if state := *later.judge().Status.State; state != iamv1beta1.UserActive {
		t.Fatalf("the lock that is to end at %s leaves the user %s", got.Again, state)
	}
}

func (l *life) recentFailures() int {
	count := 0

	for _, record := range l.records {
		if record.Spec.Type == "Password" && !record.Spec.Success &&
			l.now.Sub(record.CreationTimestamp.Time) < 10*time.Minute {
			count++
		}
	}

	return count
}

func TestStatesOfRandomLives(t *testing.T) {
	t.Parallel()

	locks := 0

	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // no secret
		l := &life{random: random, user: user(sample, nil), now: noon()}

		for range 60 {
			was := l.user.Status
			l.step()
			l.check(t, was, l.judge())

			if *l.user.Status.State == iamv1beta1.UserAuthLimitExceeded {
				locks++
			}

			if l.random.IntN(40) == 0 { // An administrator steps in, and nothing moves until another does.
				l.user.Status = status(iamv1beta1.UserDisabled, "by hand", l.user.Status.LastTransitionTime)
				l.step()

				if got := l.judge().Status; *got.State != iamv1beta1.UserDisabled || got.Reason != "by hand" {
					t.Fatalf("seed %d: disabled by hand, then %v", seed, got)
				}

				l.user.Status = status(iamv1beta1.UserActive, "", l.user.Status.LastTransitionTime)
			}
		}
	}

	if locks == 0 {
		t.Error("nobody was ever locked: the test tells nothing")
	}
}

func TestOutdated(t *testing.T) {
	t.Parallel()

	named := func(name string, before int) iamv1beta1.LoginRecord {
		record := wrong(before)
		record.Name = name

		return record
	}
	records := []iamv1beta1.LoginRecord{named("b", 30), named("d", 10), named("a", 40), named("c", 30)}

	tests := map[string]struct {
		settings accounts.Settings
		want     []string
		next     time.Duration
	}{
		"no limits":                  {accounts.Settings{}, nil, 0},
		"few":                        {accounts.Settings{MaximumEntries: 2}, []string{"a", "b"}, 0},
		"more than there are":        {accounts.Settings{MaximumEntries: 9}, nil, 0},
		"young":                      {accounts.Settings{RetentionPeriod: 30 * time.Second}, []string{"a", "b", "c"}, 20 * time.Second},
		"all are too old":            {accounts.Settings{RetentionPeriod: time.Second}, []string{"a", "b", "c", "d"}, 0},
		"few and young":              {accounts.Settings{RetentionPeriod: 35 * time.Second, MaximumEntries: 1}, []string{"a", "b", "c"}, 25 * time.Second},
		"as many as may lock a user": {accounts.Settings{MaximumEntries: 1, MaxTries: 3, TriesWindow: time.Hour}, []string{"a"}, 0},
		"as long as may lock a user": {accounts.Settings{RetentionPeriod: 1, MaxTries: 3, TriesWindow: 35 * time.Second}, []string{"a"}, 5 * time.Second},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, next := test.settings.Outdated(slices.Clone(records), noon())

			var names []string
			for _, record := range got {
				names = append(names, record.Name)
			}

			if diff := cmp.Diff(test.want, names); diff != "" {
				t.Errorf("outdated (-want +got):\n%s", diff)
			}

			if test.next == 0 && !next.IsZero() || test.next > 0 && next.Sub(noon()) != test.next {
				t.Errorf("the next at %s, want after %s", next, test.next)
			}
		})
	}
}

func TestStatusOfPausedAndDeleted(t *testing.T) {
	t.Parallel()

	active := status(iamv1beta1.UserActive, "", ago(1))
	disabled := status(iamv1beta1.UserDisabled, "by hand", ago(1))

	if got := accounts.PausedStatus(active); got.Reason != "Paused" || *got.State != iamv1beta1.UserActive {
		t.Errorf("paused: %v", got)
	}

	if diff := cmp.Diff(disabled, accounts.PausedStatus(disabled)); diff != "" {
		t.Errorf("paused (-was +is):\n%s", diff)
	}

	if got := accounts.DeletingStatus(active, "x").Reason; got != "Deleting: waiting for these to go: x" {
		t.Errorf("deleting: %s", got)
	}
}
