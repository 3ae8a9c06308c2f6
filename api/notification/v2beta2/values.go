package v2beta2

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
)

// Number is a whole number of the contract, which bounds none of them: what makes no sense is reported where it is
// used. It has room for every number that the schema lets pass, for one object that cannot be decoded keeps a client
// from all of its kind.
//
// +kubebuilder:validation:XValidation:rule="self - self == 0",message="must be a whole number"
type Number int64

// Duration is a length of time as Go writes it: 90s, 1h30m. It stays as it is written until it is used, so that one
// that cannot be read is the trouble of its object alone.
type Duration string

// Parse reads the duration; an empty one is zero.
func (d Duration) Parse() (time.Duration, error) {
	if d == "" {
		return 0, nil
	}

	length, err := time.ParseDuration(string(d))
	if err != nil {
		return 0, fmt.Errorf("%q is no duration: write one such as 90s or 1h30m", string(d))
	}

	return length, nil
}

// Time is a point in time as RFC 3339 writes it: 2006-01-02T15:04:05Z, or with an offset such as +08:00. It stays as
// it is written until it is used, so that one that cannot be read is the trouble of its object alone.
//
// +kubebuilder:validation:Format=date-time
type Time string

// Parse reads the time; an empty one is the zero time.
func (t Time) Parse() (time.Time, error) {
	if t == "" {
		return time.Time{}, nil
	}

	point, err := time.Parse(time.RFC3339, string(t))
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time: write one such as 2006-01-02T15:04:05Z", string(t))
	}

	return point, nil
}

// PodPart is a part of a pod in the form that the API of Kubernetes gives it, whatever the version of the cluster
// has there. It is checked when a pod is made of it, and the trouble is then told in the conditions.
//
// +kubebuilder:pruning:PreserveUnknownFields
// +kubebuilder:ac:generate=false
type PodPart struct {
	// Raw holds it as JSON.
	runtime.RawExtension `json:"-"`
}
