package cluster

import (
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestUntilRenewal(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

	for _, test := range []struct {
		name string
		left time.Duration
		want time.Duration
	}{
		{name: "an hour left", left: time.Hour, want: 30 * time.Minute},
		{name: "less granted", left: 10 * time.Minute, want: 5 * time.Minute},
		{name: "expired", left: -time.Minute, want: tokenRetry},
	} {
		t.Run(test.name, func(t *testing.T) {
			status := authenticationv1.TokenRequestStatus{ExpirationTimestamp: metav1.NewTime(now.Add(test.left))}
			if got := untilRenewal(status, now); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
