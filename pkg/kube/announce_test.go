package kube_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/kube"
)

// notes is an events.EventRecorder that writes down what it is told.
type notes []string

// Eventf implements events.EventRecorder.
//
//nolint:revive // Its arguments are not ours to choose.
func (n *notes) Eventf(_, _ runtime.Object, kind, reason, action, note string, args ...any) {
	*n = append(*n, kind+" "+reason+" "+action+": "+fmt.Sprintf(note, args...))
}

func TestAnnounce(t *testing.T) {
	t.Parallel()

	ready := func(status metav1.ConditionStatus, reason string) []metav1.Condition {
		return []metav1.Condition{
			{Type: kube.ConditionStalled, Status: metav1.ConditionFalse, Reason: "Other"},
			{Type: kube.ConditionReady, Status: status, Reason: reason, Message: "before"},
		}
	}

	cases := map[string]struct {
		before []metav1.Condition
		report kube.Report
		want   notes
	}{
		"first ready":     {nil, kube.Report{State: kube.StateReady, Message: "All there."}, nil},
		"ready again":     {ready("False", "Failed"), kube.Report{State: kube.StateReady, Message: "All there."}, notes{"Normal Ready Reconcile: All there."}},
		"first failed":    {nil, kube.Report{State: kube.StateFailed, Message: "no quota"}, notes{"Warning Failed Reconcile: no quota"}},
		"first, no words": {nil, kube.Report{State: kube.StateProgressing}, notes{"Normal Progressing Reconcile: Progressing"}},
		"still ready":     {ready("True", "Ready"), kube.Report{State: kube.StateReady, Message: "other words"}, nil},
		"another reason":  {ready("True", "Ready"), kube.Report{State: kube.StateReady, Reason: "Better"}, notes{"Normal Better Reconcile: Better"}},
		"failed":          {ready("True", "Ready"), kube.Report{State: kube.StateFailed, Message: "no quota"}, notes{"Warning Failed Reconcile: no quota"}},
		"still failed":    {ready("False", "Failed"), kube.Report{State: kube.StateFailed, Message: "no quota"}, nil},
		"stalled":         {ready("False", "Failed"), kube.Report{State: kube.StateStalled, Reason: "Invalid", Message: "size"}, notes{"Warning Invalid Reconcile: size"}},
		"paused":          {ready("True", "Ready"), kube.Report{State: kube.StatePaused}, notes{"Normal Paused Reconcile: Paused"}},
		"still paused":    {ready("Unknown", "Paused"), kube.Report{State: kube.StatePaused, Reason: "Ignored"}, nil},
		"percent signs":   {ready("False", "Failed"), kube.Report{State: kube.StateReady, Message: "100% of %s"}, notes{"Normal Ready Reconcile: 100% of %s"}},
		"long":            {ready("False", "Failed"), kube.Report{State: kube.StateReady, Message: strings.Repeat("a", 2000)}, notes{"Normal Ready Reconcile: " + strings.Repeat("a", 1021) + "..."}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var got notes

			kube.Announce(&got, &tenantv1beta1.Workspace{}, tc.before, tc.report)

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}
