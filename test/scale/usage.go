package scale

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ks-core/ks-controller-manager/test/scale/report"
)

const (
	kibibyte = 1024

	// clockTicks is how often a second the kernel counts the CPU time of a process for /proc; the same on every
	// Linux that Go knows.
	clockTicks = 100

	samplePeriod = 250 * time.Millisecond
)

// usageOf reads what a process has used until now from the kernel.
func usageOf(pid int) (report.Process, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return report.Process{}, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}

	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return report.Process{}, fmt.Errorf("reading the times of process %d: %w", pid, err)
	}

	seconds, err := cpuSeconds(stat)
	if err != nil {
		return report.Process{}, fmt.Errorf("reading the times of process %d: %w", pid, err)
	}

	return report.Process{
		CPUSeconds: seconds, Resident: memoryLine(status, "VmRSS"), ResidentPeak: memoryLine(status, "VmHWM"),
		Anonymous: memoryLine(status, "RssAnon"),
	}, nil
}

// memoryLine returns the bytes in a line of /proc/<pid>/status, zero where there is none.
func memoryLine(status []byte, name string) int64 {
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == name+":" { // the name, the number, kB
			kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)

			return kilobytes * kibibyte
		}
	}

	return 0
}

// cpuSeconds adds the times in user and kernel mode, the 14th and 15th field of /proc/<pid>/stat. The second is a name
// in parentheses that may hold anything.
func cpuSeconds(stat []byte) (float64, error) {
	const user, system = 14 - 3, 15 - 3

	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) <= system {
		return 0, fmt.Errorf("too few fields in %q", stat)
	}

	ticks := 0

	for _, field := range []string{fields[user], fields[system]} {
		part, err := strconv.Atoi(field)
		if err != nil {
			return 0, fmt.Errorf("a time in %q: %w", stat, err)
		}

		ticks += part
	}

	return float64(ticks) / clockTicks, nil
}

// steadyMemory is the median of the resident memory of a process over a time.
func steadyMemory(ctx context.Context, pid int, during time.Duration) (int64, error) {
	ticker := time.NewTicker(samplePeriod)
	defer ticker.Stop()

	end := time.NewTimer(during)
	defer end.Stop()

	var samples []int64

	for {
		used, err := usageOf(pid)
		if err != nil {
			return 0, err
		}

		samples = append(samples, used.Resident)

		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-ticker.C:
		case <-end.C:
			slices.Sort(samples)

			return samples[len(samples)/2], nil
		}
	}
}
