package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-logr/logr"

	"github.com/ks-core/ks-controller-manager/pkg/alerting/rulefiles"
)

// settle is for a set that the evaluator has refused. The last good one is put back first. Then the files that are
// new are tried in halves on top of it, so that nothing that is loaded is taken away meanwhile, and those that are
// refused alone are put in quarantine until their object changes.
func (a *Agent) settle(ctx context.Context, refused rulefiles.Set, answer error) error {
	logger := logr.FromContextOrDiscard(ctx)
	logger.Info("The evaluator refuses the rules, looking for those at fault", "answer", answer.Error())

	if err := a.restore(ctx, refused); err != nil {
		return err
	}

	base := a.remaining(refused)
	_, suspects := refused.Common(base)

	culprits, err := a.search(ctx, base, suspects, answer)
	if err != nil {
		return err
	}

	for _, culprit := range culprits {
		a.quarantine[culprit.Digest] = rulefiles.Refusal{
			Object: culprit.Object, Reason: rulefiles.ReasonRefused, Digest: culprit.Digest,
			Message: "the evaluator refuses it: " + answer.Error() + "; see the evaluator's log, and change the object",
		}
		logger.Info("Leaving out an object that the evaluator refuses", "object", culprit.Object.String())
	}

	// The last trial may have been a refused one.
	settled, _ := a.wanted()

	return a.load(ctx, settled)
}

// remaining is the last good set, as far as its objects are still wanted.
func (a *Agent) remaining(wanted rulefiles.Set) rulefiles.Set {
	if !a.known {
		return rulefiles.NewSet()
	}

	return rulefiles.NewSet(slices.DeleteFunc(a.good.Files(), func(file rulefiles.File) bool {
		_, still := wanted.File(file.FileName)

		return !still
	})...)
}

// restore puts the last good set back. If that is refused too, no object is to blame. Where no set is known to be good,
// what this process found in the folder may be. Nothing else is put back: an evaluator keeps what it has, and would
// forget it for an empty set.
func (a *Agent) restore(ctx context.Context, wanted rulefiles.Set) error {
	if !a.known {
		if a.found.Len() == 0 || a.found.Version() == wanted.Version() {
			return nil
		}

		if err := a.try(ctx, a.found); !isRefusal(err) {
			return err
		}

		return nil
	}

	// That the evaluator shows it says nothing here: it may never have shown anything else.
	err := a.attempt(ctx, a.remaining(wanted))
	if isRefusal(err) {
		return fmt.Errorf("it is not the rules: what was loaded before is refused now too; check the evaluator's "+
			"configuration and log: %s", err.Error())
	}

	return err
}

// search returns the files that the evaluator refuses on top of a base. Those that its answer names are looked at
// after the others, which are tried together.
func (a *Agent) search(
	ctx context.Context, base rulefiles.Set, suspects []rulefiles.File, answer error,
) ([]rulefiles.File, error) {
	var named, others []rulefiles.File

	for _, file := range suspects {
		if strings.Contains(answer.Error(), file.FileName) {
			named = append(named, file)
		} else {
			others = append(others, file)
		}
	}

	grown, culprits, err := a.grow(ctx, base, others)
	if err != nil {
		return nil, err
	}

	_, more, err := a.grow(ctx, grown, named)
	culprits = append(culprits, more...)

	if err == nil && len(suspects) > 1 && len(culprits) == len(suspects) && !a.known {
		// Nothing at all is taken, and nothing was known to be good: is it the rules?
		if err := a.try(ctx, rulefiles.NewSet()); isRefusal(err) {
			return nil, fmt.Errorf("it is not the rules: the evaluator refuses an empty set too; check its "+
				"configuration and log, and --evaluator: %s", err.Error())
		}
	}

	return culprits, err
}

// grow adds to a set what the evaluator takes of some files, and returns those that it refuses.
func (a *Agent) grow(
	ctx context.Context, base rulefiles.Set, files []rulefiles.File,
) (grown rulefiles.Set, culprits []rulefiles.File, err error) {
	if len(files) == 0 {
		return base, nil, nil
	}

	if err := ctx.Err(); err != nil {
		return base, nil, fmt.Errorf("the search for the object at fault was not finished: %w", err)
	}

	whole := base.With(files...)

	var refused *refusedError

	switch err := a.try(ctx, whole); {
	case err == nil:
		return whole, nil, nil
	case !errors.As(err, &refused):
		return base, nil, err
	case len(files) == 1:
		return base, files, nil
	}

	half := len(files) / 2

	grown, culprits, err = a.grow(ctx, base, files[:half])
	if err != nil {
		return grown, culprits, err
	}

	grown, more, err := a.grow(ctx, grown, files[half:])

	return grown, append(culprits, more...), err
}
