package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

// rendering is what became of one version of an object.
type rendering struct {
	uid     types.UID
	version string
	file    rulefiles.File
	refusal *rulefiles.Refusal
}

// Round makes the evaluator have what the objects say, as far as it is not so already, and tells how it went.
func (a *Agent) Round(ctx context.Context) error {
	a.health.alive()

	started := time.Now()

	if err := a.begin(ctx); err != nil {
		return err
	}

	wanted, refusals := a.wanted()
	err := a.load(ctx, wanted)

	if isRefusal(err) {
		err = a.settle(ctx, wanted, err)
		wanted, refusals = a.wanted()
	}

	if ctx.Err() != nil && a.known {
		// An end in the middle leaves no files behind that were only tried.
		return errors.Join(err, a.folder.write(a.good))
	}

	report := a.report(wanted, refusals, err)
	a.metrics.observe(report, err, time.Since(started))

	return errors.Join(err, a.reporter.Tell(ctx, report))
}

// begin is done once: what an earlier process knew is taken up.
func (a *Agent) begin(ctx context.Context) error {
	if a.begun {
		return nil
	}

	last, err := a.reporter.Last(ctx)
	if err != nil { // Without it, what the evaluator has refused is found out again.
		logr.FromContextOrDiscard(ctx).Error(err, "Starting without the report of the process before")
	}

	for _, refusal := range last.Refused {
		if refusal.Digest != "" {
			a.quarantine[refusal.Digest] = refusal
		}
	}

	if err := a.folder.tidy(); err != nil {
		return err
	}

	// What lies in the folder is known to be good if it is what the evaluator shows. One that does not answer yet
	// shows nothing.
	found, err := a.folder.read()
	if err != nil {
		return err
	}

	if version, err := a.evaluator.loaded(ctx); err == nil && found.Len() > 0 && version == found.Version() {
		a.trust(found)
	}

	a.found, a.begun = found, true

	return nil
}

// wanted is the set that the objects make, without those that are refused. Of these the version before stays, if
// there is one that was good.
func (a *Agent) wanted() (rulefiles.Set, []rulefiles.Refusal) {
	a.render()

	var (
		files    []rulefiles.File
		refusals []rulefiles.Refusal
		held     = map[string]rulefiles.Refusal{}
	)

	for _, object := range slices.SortedFunc(maps.Keys(a.rendered), compare) {
		file, refusal := a.rendered[object].file, a.rendered[object].refusal

		if refused, quarantined := a.quarantine[file.Digest]; quarantined && refusal == nil {
			held[file.Digest], refusal = refused, &refused
		}

		if refusal == nil {
			files = append(files, file)

			continue
		}

		before, kept := a.before(object, file)
		if kept {
			files = append(files, before)
		}

		told := *refusal
		told.Kept = kept
		refusals = append(refusals, told)
	}

	a.quarantine = held

	return rulefiles.NewSet(files...), refusals
}

func compare(a, b rulefiles.Object) int { return strings.Compare(a.String(), b.String()) }

// before is the last good version of an object's file, other than the one that is refused.
func (a *Agent) before(object rulefiles.Object, refused rulefiles.File) (rulefiles.File, bool) {
	name, err := rulefiles.FileName(object)
	if err != nil || !a.known {
		return rulefiles.File{}, false
	}

	file, found := a.good.File(name)
	if !found || file.Digest == refused.Digest {
		return rulefiles.File{}, false
	}

	return file.Of(object), true
}

// render makes the files of what has changed.
func (a *Agent) render() {
	current := make(map[rulefiles.Object]rendering, len(a.rendered))

	for _, rule := range a.source.Rules() {
		object := rulefiles.Object{Namespace: rule.Namespace, Name: rule.Name}

		known, found := a.rendered[object]
		if found && known.uid == rule.UID && known.version == rule.ResourceVersion && rule.ResourceVersion != "" {
			current[object] = known

			continue
		}

		fresh := rendering{uid: rule.UID, version: rule.ResourceVersion}

		file, err := rulefiles.Render(rule, a.options.Dialect)
		if !errors.As(err, &fresh.refusal) {
			fresh.file = file
		}

		current[object] = fresh
	}

	a.rendered = current
}

// load makes the evaluator have a set. It is not reloaded where it shows the set and the folder holds it.
func (a *Agent) load(ctx context.Context, set rulefiles.Set) error {
	shown, err := a.evaluator.loaded(ctx)
	if err != nil {
		return errors.Join(err, a.await(set))
	}

	holds, err := a.folder.holds(set)
	if err != nil {
		return err
	}

	if holds && shown == set.Version() {
		a.trust(set)

		return nil
	}

	logr.FromContextOrDiscard(ctx).V(1).Info("Loading rules", "version", set.Version(), "objects", set.Len())

	return a.try(ctx, set)
}

// await is for an evaluator that does not answer. It must find files when it starts, or its alerts begin anew. Where
// there are some that are known to be good, they stay until it can be asked about others.
func (a *Agent) await(set rulefiles.Set) error {
	if a.known {
		return a.folder.write(a.good)
	}

	return a.folder.write(set)
}

// try has the evaluator read a set. If it shows the set then, that is the last good one, whatever else it says.
func (a *Agent) try(ctx context.Context, set rulefiles.Set) error {
	err := a.attempt(ctx, set)

	if isRefusal(err) && a.taken(ctx, set) {
		logr.FromContextOrDiscard(ctx).Info("The evaluator has taken the rules and refuses something else; "+
			"see its log", "answer", err.Error())
		a.trust(set)

		return nil
	}

	return err
}

// attempt writes a set, reloads the evaluator and looks whether it has the set. If so it is the last good one.
func (a *Agent) attempt(ctx context.Context, set rulefiles.Set) error {
	a.health.alive()

	if err := a.folder.write(set); err != nil {
		return err
	}

	err := a.evaluator.reload(ctx)
	a.metrics.reloaded(err)

	if err == nil {
		err = a.evaluator.confirm(ctx, set.Version())
	}

	if err == nil {
		a.trust(set)
	}

	return err
}

// trust remembers a set that the evaluator has shown.
func (a *Agent) trust(set rulefiles.Set) {
	a.good, a.known = set, true
	a.health.ready.Store(true)
}

// taken tells whether rules have been loaded although the evaluator says no: Prometheus answers for all of its
// configuration, and takes all files of rules or none. Thanos Ruler may take some, and show the marker.
func (a *Agent) taken(ctx context.Context, set rulefiles.Set) bool {
	shown, err := a.evaluator.loaded(ctx)

	return err == nil && shown == set.Version() && a.options.Dialect == rulefiles.Prometheus
}

// report sums a round up.
func (a *Agent) report(wanted rulefiles.Set, refusals []rulefiles.Refusal, err error) rulefiles.Report {
	report := rulefiles.Report{Wanted: wanted.Version(), Refused: refusals}

	if a.known {
		report.Loaded, report.Objects = a.good.Version(), a.good.Len()
		report.Groups, report.Rules = a.good.Count()
	}

	if err != nil {
		report.Problem = err.Error()
	}

	return report
}
