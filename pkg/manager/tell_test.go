package manager

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	clocktesting "k8s.io/utils/clock/testing"
)

// listener takes the place of what writes events.
type listener struct {
	events.EventBroadcaster

	heard []string
	about []runtime.Object
	from  []string
}

// NewRecorder implements events.EventBroadcaster.
func (l *listener) NewRecorder(_ *runtime.Scheme, from string) events.EventRecorderLogger {
	l.from = append(l.from, from)

	return l
}

// Eventf implements events.EventRecorder.
//
//nolint:revive // the interface has so many arguments
func (l *listener) Eventf(about, _ runtime.Object, kind, reason, _, note string, arguments ...any) {
	l.heard = append(l.heard, kind+" "+reason+" "+fmt.Sprintf(note, arguments...))
	l.about = append(l.about, about)
}

// WithLogger implements events.EventRecorderLogger.
func (l *listener) WithLogger(klog.Logger) events.EventRecorderLogger { return l }

// teller returns a keeper that can tell of its controller, and nothing else, and who listens.
func teller() (*keeper, *listener) {
	listening := &listener{}
	clock := clocktesting.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	process := &process{
		config:      Config{Name: "the-binary", LeaderElection: LeaderElection{Namespace: "the-namespace"}},
		broadcaster: listening, board: newBoard(clock),
	}

	return &keeper{process: process, descriptor: Descriptor{Name: "one", Domain: Edge}}, listening
}

func TestTell(t *testing.T) {
	t.Parallel()

	starting := Row{State: Starting, Reason: ReasonCachesSyncing}
	standby := Row{State: Standby, Reason: ReasonNotLeader, Message: "held by another"}
	running := Row{State: Running, Reason: ReasonRunning}
	leaving := Row{State: Running, Reason: ReasonCRDTerminating, Message: "it goes"}
	missing := Row{State: Waiting, Reason: ReasonCRDMissing, Message: "no things"}
	missingMore := Row{State: Waiting, Reason: ReasonCRDMissing, Message: "no things, no others"}
	forbidden := Row{State: Waiting, Reason: ReasonForbidden, Message: "it may not list things"}
	denied := Row{State: Degraded, Reason: ReasonForbidden, Message: "it may not patch things"}
	failed := Row{State: Failed, Reason: ReasonBackOff, Message: "100% broken: %s"}

	const (
		isMissing = "Warning ControllerWaiting one: CRDMissing: no things"
		isRunning = "Normal ControllerRunning one: Running: the controller works"
	)

	tests := map[string]struct {
		rows []Row
		want []string
	}{
		"a start that finds all well leaves no trace":   {[]Row{starting, running}, nil},
		"nor does one to a standby":                     {[]Row{starting, standby, starting, running}, nil},
		"nor one while a definition goes":               {[]Row{starting, leaving, running}, nil},
		"a start that finds something missing does":     {[]Row{starting, missing}, []string{isMissing}},
		"it is told once":                               {[]Row{missing, missing, missing}, []string{isMissing}},
		"also when it has come to the same once more":   {[]Row{missing, starting, missing}, []string{isMissing}},
		"another message of the same reason is no news": {[]Row{missing, missingMore, missing}, []string{isMissing}},
		"another reason is": {
			[]Row{missing, forbidden},
			[]string{isMissing, "Warning ControllerWaiting one: Forbidden: it may not list things"},
		},
		"so is the same reason of another state": {
			[]Row{forbidden, denied}, []string{
				"Warning ControllerWaiting one: Forbidden: it may not list things",
				"Warning ControllerDegraded one: Forbidden: it may not patch things",
			},
		},
		"what is well again is told too":          {[]Row{missing, running}, []string{isMissing, isRunning}},
		"also after it has started in between":    {[]Row{missing, starting, running}, []string{isMissing, isRunning}},
		"and only once":                           {[]Row{missing, running, leaving, running, standby}, []string{isMissing, isRunning}},
		"well again may also be standing by":      {[]Row{missing, standby}, []string{isMissing, "Normal ControllerStandby one: NotLeader: held by another"}},
		"each turn for the worse is told":         {[]Row{running, missing, running, missing}, []string{isMissing, isRunning, isMissing}},
		"what a message holds is not interpreted": {[]Row{failed}, []string{"Warning ControllerFailed one: BackOff: 100% broken: %s"}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			telling, listening := teller()

			for _, row := range test.rows {
				row.Name, row.Domain = "one", Edge
				telling.tell(row)
			}

			if diff := cmp.Diff(test.want, listening.heard); diff != "" {
				t.Errorf("the events (-want +got):\n%s", diff)
			}

			last := test.rows[len(test.rows)-1]
			if rows := telling.process.board.snapshot(); len(rows) != 1 || !rows[0].sameStory(last) {
				t.Errorf("the board shows %+v", rows)
			}
		})
	}
}

// The events are about the Lease of the domain, where people look who wonder why it stands still.
func TestTellAbout(t *testing.T) {
	t.Parallel()

	telling, listening := teller()
	telling.tell(Row{Name: "one", Domain: Edge, State: Failed, Reason: ReasonBackOff})

	lease := &coordinationv1.Lease{}
	lease.Namespace, lease.Name = "the-namespace", "ks-controller-manager-edge"

	if diff := cmp.Diff([]runtime.Object{lease}, listening.about); diff != "" {
		t.Errorf("what they are about (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff([]string{"the-binary"}, listening.from); diff != "" {
		t.Errorf("who tells (-want +got):\n%s", diff)
	}
}

// longestNote is what the API server accepts.
const longestNote = 1024

func TestShorten(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		text      string
		shortened bool
	}{
		"nothing":                          {"", false},
		"a sentence":                       {"It works.", false},
		"as long as it may be":             {strings.Repeat("x", 900), false},
		"a little longer":                  {strings.Repeat("x", 901), true},
		"long":                             {strings.Repeat("words ", 1000), true},
		"cut within a character":           {"x" + strings.Repeat("é", 1000), true},
		"cut within a character of a word": {"xx" + strings.Repeat("€", 1000), true},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := shorten(test.text)

			begin, isShortened := strings.CutSuffix(got, "...")
			if isShortened != test.shortened || !strings.HasPrefix(test.text, begin) {
				t.Errorf("shorten(%q) = %q", test.text, got)
			}

			if len(got) > longestNote || !utf8.ValidString(got) {
				t.Errorf("shorten(%q) is no note: %q", test.text, got)
			}
		})
	}
}
