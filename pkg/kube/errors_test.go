package kube_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

func TestResult(t *testing.T) {
	t.Parallel()

	var (
		pods     = schema.GroupResource{Resource: "pods"}
		conflict = error(apierrors.NewConflict(pods, "a", errors.New("somebody was faster")))
		missing  = error(apierrors.NewNotFound(pods, "a"))
		stalled  = kube.Stalled("Invalid", errors.New("a negative size"))
		plain    = errors.New("no route to host")
		wrap     = func(err error) error { return fmt.Errorf("doing something: %w", err) }
	)

	const (
		nothing  = "nothing"
		again    = "look again"
		terminal = "terminal"
		retry    = "retry"
	)

	cases := map[string]struct {
		err  error
		want string
	}{
		"nil":                          {nil, nothing},
		"conflict":                     {conflict, again},
		"wrapped conflict":             {wrap(wrap(conflict)), again},
		"two conflicts":                {errors.Join(conflict, wrap(conflict)), again},
		"aggregate of conflicts":       {utilerrors.NewAggregate([]error{conflict, conflict}), again},
		"stalled":                      {stalled, terminal},
		"wrapped stalled":              {wrap(stalled), terminal},
		"stalled over an API error":    {kube.Stalled("Invalid", missing), terminal},
		"stalled without a cause":      {kube.Stalled("Invalid", nil), terminal},
		"conflict, then stalled":       {errors.Join(conflict, stalled), again},
		"stalled, then conflict":       {errors.Join(stalled, conflict), again},
		"another API error":            {missing, retry},
		"plain":                        {plain, retry},
		"conflict, then plain":         {errors.Join(conflict, plain), retry},
		"stalled, then plain":          {errors.Join(stalled, wrap(plain)), retry},
		"plain hidden in an aggregate": {utilerrors.NewAggregate([]error{conflict, wrap(plain)}), retry},
		"deep":                         {wrap(errors.Join(wrap(errors.Join(conflict, plain)), conflict)), retry},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			result, err := kube.Result(tc.err)

			got := retry

			switch {
			case err == nil && result == reconcile.Result{}:
				got = nothing
			case err == nil && result.RequeueAfter > 0:
				got = again
			case errors.Is(err, reconcile.TerminalError(nil)):
				got = terminal
			}

			if got != tc.want {
				t.Errorf("Result(%v) = %+v, %v: %s; want %s", tc.err, result, err, got, tc.want)
			}

			if err != nil && !strings.Contains(err.Error(), tc.err.Error()) {
				t.Errorf("Result lost the error: %v", err)
			}
		})
	}
}

func TestStalledError(t *testing.T) {
	t.Parallel()

	cause := errors.New("a negative size")

	var stalled *kube.StalledError
	if err := fmt.Errorf("checking: %w", kube.Stalled("Invalid", cause)); !errors.As(err, &stalled) {
		t.Fatalf("%v is no StalledError", err)
	}

	if stalled.Reason != "Invalid" || stalled.Error() != cause.Error() || !errors.Is(stalled, cause) {
		t.Errorf("StalledError = %q, %q", stalled.Reason, stalled.Error())
	}

	if got := kube.Stalled("Invalid", nil).Error(); got != "Invalid" {
		t.Errorf("message without a cause = %q; want the reason", got)
	}
}
