package app

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"k8s.io/klog/v2"
)

// logged keeps all that the tests of this package log, as closely as can be asked for.
type logged struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *logged) Write(text []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()

	return l.text.Write(text)
}

// TestMain has no test log a credential.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		kept := &logged{}

		flags := flag.NewFlagSet("klog", flag.ContinueOnError)
		klog.InitFlags(flags)

		if err := flags.Parse([]string{"-v=4", "-logtostderr=false", "-stderrthreshold=FATAL"}); err != nil {
			fmt.Fprintln(os.Stderr, err)

			return 1
		}

		klog.SetOutput(kept)

		code := m.Run()

		klog.Flush()

		kept.mutex.Lock()
		defer kept.mutex.Unlock()

		switch text := kept.text.String(); {
		case strings.Contains(text, marker):
			fmt.Fprintln(os.Stderr, "a credential was logged:\n"+text)

			return 1
		case code != 0:
			fmt.Fprintln(os.Stderr, text)
		case flag.Lookup("test.run").Value.String() == "" && !strings.Contains(text, "Takes alerts"):
			fmt.Fprintln(os.Stderr, "nothing was logged, so that nothing was looked at")

			return 1
		}

		return code
	}())
}
