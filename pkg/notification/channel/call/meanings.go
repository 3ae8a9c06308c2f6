package call

import (
	"slices"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
)

// Meanings are the codes of a provider by what they mean.
type Meanings map[channel.Class][]int

// Of is what a code means. One that is not known is Transient: it is tried again rather than lost.
func (m Meanings) Of(code int) channel.Class {
	for class, codes := range m {
		if slices.Contains(codes, code) {
			return class
		}
	}

	return channel.Transient
}
