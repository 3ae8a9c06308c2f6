package cluster

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// ForTest starts a control plane that ends with the test.
func ForTest(tb testing.TB, options Options) *Cluster {
	tb.Helper()

	if options.Logf == nil {
		options.Logf = tb.Logf
	}

	cluster, err := Start(tb.Context(), options)
	if err != nil {
		tb.Fatalf("no control plane: %v", err)
	}

	tb.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			tb.Errorf("stopping the control plane: %v", err)
		}
	})

	return cluster
}

// Main runs the tests of a package on one control plane, which use is given before the first of them:
//
//	var shared *cluster.Cluster
//
//	func TestMain(m *testing.M) {
//		os.Exit(cluster.Main(m, cluster.Options{}, func(c *cluster.Cluster) { shared = c }))
//	}
func Main(m *testing.M, options Options, use func(*Cluster)) int {
	cluster, err := Start(context.Background(), options)
	if err != nil {
		fmt.Fprintf(os.Stderr, "no control plane: %v\n", err)

		return 1
	}

	use(cluster)

	code := m.Run()

	if err := cluster.Stop(); err != nil {
		fmt.Fprintf(os.Stderr, "stopping the control plane: %v\n", err)

		return max(code, 1)
	}

	return code
}
