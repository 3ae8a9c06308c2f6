package engine

import (
	"strings"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
)

// line names one channel of a receiver: its alerts are grouped for themselves, for each channel chooses its own. The
// names of objects have no slash.
func line(receiver string, kind channel.Type) string {
	return receiver + "/" + string(kind)
}

// unline takes the name of a line apart.
func unline(name string) (receiver string, kind channel.Type) {
	receiver, text, _ := strings.Cut(name, "/")

	return receiver, channel.Type(text)
}
