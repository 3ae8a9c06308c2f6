package alerting_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ks-core/ks-controller-manager/pkg/alerting"
)

func TestAge(t *testing.T) {
	made := func(name string, second int64) *metav1.ObjectMeta {
		meta := &metav1.ObjectMeta{Name: name}
		if second > 0 {
			meta.CreationTimestamp = metav1.NewTime(time.Unix(second, 0))
		}

		return meta
	}

	groups := []*metav1.ObjectMeta{made("a-new", 0), made("late", 9), made("b", 5), made("a", 5)}
	slices.SortFunc(groups, func(a, b *metav1.ObjectMeta) int { return alerting.Age(a, b) })

	names := make([]string, 0, len(groups))
	for _, group := range groups {
		names = append(names, group.Name)
	}

	if diff := cmp.Diff([]string{"a", "b", "late", "a-new"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestCounts(t *testing.T) {
	enabled := map[string]string{"alerting.kubesphere.io/enable": "true"}
	now := metav1.Now()

	for name, test := range map[string]struct {
		group metav1.ObjectMeta
		want  bool
	}{
		"enabled":       {metav1.ObjectMeta{Labels: enabled}, true},
		"not enabled":   {metav1.ObjectMeta{}, false},
		"being deleted": {metav1.ObjectMeta{Labels: enabled, DeletionTimestamp: &now}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := alerting.Counts(&test.group); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
