// Package ports tells whether a local port is free, and who has it when it is not.
package ports

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// listening is the state of a listening socket in /proc/net/tcp.
const listening = "0A"

// TakenError says that another process has a port.
type TakenError struct {
	Port int
	// Use is what the port was wanted for.
	Use string
	// Holder is the process that has it, such as "etcd (pid 42)"; empty when that cannot be told.
	Holder string
}

// Error names the port, its use and its holder.
func (e *TakenError) Error() string {
	holder := e.Holder
	if holder == "" {
		holder = "another process"
	}

	return fmt.Sprintf("port %d, wanted for %s, is taken by %s", e.Port, e.Use, holder)
}

// Address is the loopback address with this port.
func Address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// Check returns a *TakenError when the port cannot be listened on.
func Check(ctx context.Context, port int, use string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", Address(port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return &TakenError{Port: port, Use: use, Holder: holder(port)}
	}

	if err != nil {
		return fmt.Errorf("port %d, wanted for %s: %w", port, use, err)
	}

	if err := listener.Close(); err != nil {
		return fmt.Errorf("closing port %d: %w", port, err)
	}

	return nil
}

// holder finds the process that listens on the port through /proc, as far as we may look.
func holder(port int) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		content, err := os.ReadFile(table)
		if err != nil {
			continue
		}

		for _, inode := range listeners(content, port) {
			if process := owner(inode); process != "" {
				return process
			}
		}
	}

	return ""
}

// listeners returns the inodes of the sockets of a /proc/net/tcp table that listen on the port.
func listeners(table []byte, port int) []string {
	var inodes []string

	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != listening {
			continue
		}

		if strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
			inodes = append(inodes, fields[9])
		}
	}

	return inodes
}

// owner finds the process that has a socket open.
func owner(inode string) string {
	descriptors, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}

	for _, descriptor := range descriptors {
		if target, err := os.Readlink(descriptor); err != nil || target != "socket:["+inode+"]" {
			continue
		}

		folder := filepath.Dir(filepath.Dir(descriptor))

		name, err := os.ReadFile(filepath.Join(folder, "comm"))
		if err != nil {
			return ""
		}

		return fmt.Sprintf("%s (pid %s)", bytes.TrimSpace(name), filepath.Base(folder))
	}

	return ""
}
