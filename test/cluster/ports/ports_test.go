package ports

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", Address(0))
	if err != nil {
		t.Fatal(err)
	}

	port := listener.Addr().(*net.TCPAddr).Port

	var taken *TakenError
	if err := Check(t.Context(), port, "etcd"); !errors.As(err, &taken) {
		t.Fatalf("checking a port that is taken: %v", err)
	}

	if _, err := os.Stat("/proc/net/tcp"); err == nil {
		if want := fmt.Sprintf("(pid %d)", os.Getpid()); !strings.Contains(taken.Holder, want) {
			t.Errorf("the holder is %q, want %s", taken.Holder, want)
		}
	}

	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}

	if err := Check(t.Context(), port, "etcd"); err != nil {
		t.Errorf("checking a port that is free: %v", err)
	}
}

func TestTakenErrorWithoutHolder(t *testing.T) {
	err := &TakenError{Port: 12379, Use: "etcd"}
	if got, want := err.Error(), "port 12379, wanted for etcd, is taken by another process"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestListeners(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:403B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:403B 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
`

	if diff := cmp.Diff([]string{"111"}, listeners([]byte(table), 0x403b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
