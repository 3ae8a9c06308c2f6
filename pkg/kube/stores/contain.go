package stores

import (
	"fmt"
	"runtime/debug"

	"k8s.io/klog/v2"
)

// contain runs a function of a user's and recovers from its panic. It runs in a
// goroutine of the store, where a panic would end the process for everybody. The
// panic is logged with its stack and handed on.
func contain(where string, onPanic func(where string, cause any), do func()) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}

		klog.Background().Error(fmt.Errorf("panic: %v", cause), "Recovered from a panic",
			"where", where, "stack", string(debug.Stack()))

		if onPanic != nil {
			onPanic(where, cause)
		}
	}()

	do()
}
