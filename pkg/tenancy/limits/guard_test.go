package limits_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	tenantv1beta1 "github.com/ks-core/ks-controller-manager/api/tenant/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/limits"
)

func TestFull(t *testing.T) {
	t.Parallel()

	saying := func(mode tenantv1beta1.Mode, full ...string) tenantv1beta1.WorkspacePolicy {
		made := policy("p", "", 1)
		made.Spec.Mode, made.Status.FullWorkspaces = mode, full

		return made
	}

	ending := saying(tenantv1beta1.ModeEnforce, "ending")
	ending.DeletionTimestamp = new(metav1.Unix(1, 0))

	tests := map[string]struct {
		policies []tenantv1beta1.WorkspacePolicy
		want     []string
	}{
		"no policy": {nil, nil},
		"none full": {[]tenantv1beta1.WorkspacePolicy{saying(tenantv1beta1.ModeEnforce)}, nil},
		"each once, sorted": {[]tenantv1beta1.WorkspacePolicy{
			saying(tenantv1beta1.ModeEnforce, "b", "c"), saying("", "a", "c"),
		}, []string{"a", "b", "c"}},
		"not in force": {[]tenantv1beta1.WorkspacePolicy{
			saying(tenantv1beta1.ModeDryRun, "dry"), ending, saying(tenantv1beta1.ModeEnforce, "a"),
		}, []string{"a"}},
		// One such name, and the API server would refuse the binding with all others.
		"no value of a label": {[]tenantv1beta1.WorkspacePolicy{
			saying(tenantv1beta1.ModeEnforce, strings.Repeat("x", 64), "a"),
		}, []string{"a"}},
	}

	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(test.want, limits.Full(test.policies)); diff != "" {
				t.Errorf("full (-want +got):\n%s", diff)
			}
		})
	}
}

// What is not named is selected all the same.
func TestBinding(t *testing.T) {
	t.Parallel()

	many := make([]string, 501)
	for i := range many {
		many[i] = fmt.Sprint("w", i)
	}

	if none := limits.Binding(nil); none != nil {
		t.Errorf("without a full workspace there is %+v", none)
	}

	for operator, full := range map[metav1.LabelSelectorOperator][]string{
		metav1.LabelSelectorOpIn: many[:500], metav1.LabelSelectorOpExists: many,
	} {
		selector := limits.Binding(full).Spec.MatchResources.ObjectSelector

		found := selector.MatchExpressions[0]
		if *found.Key != tenantv1beta1.WorkspaceLabel || *found.Operator != operator {
			t.Errorf("%d are selected by %s %s", len(full), *found.Key, *found.Operator)
		}

		var want []string
		if operator == metav1.LabelSelectorOpIn {
			want = full
		}

		if diff := cmp.Diff(want, found.Values); diff != "" {
			t.Errorf("%d are named as (-want +got):\n%s", len(full), diff)
		}
	}
}
