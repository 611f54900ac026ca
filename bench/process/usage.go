package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the time on the processors that the processes have used since they began,
// threads that have ended included.
func CPU(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		// The clock that clock_getcpuclockid(3) makes of a process id: exact to the
		// scheduler's nanoseconds, where /proc/PID/stat counts hundredths of a second
		// and /proc/PID/task forgets the threads that have ended.
		const schedulerClock = 2
		var t unix.Timespec
		if err := unix.ClockGettime(int32(^pid)<<3|schedulerClock, &t); err != nil { // #nosec G115 -- process ids fit
			return 0, fmt.Errorf("reading the processor time of process %d: %w", pid, err)
		}
		sum += time.Duration(t.Nano())
	}
	return sum, nil
}

// Memory is what processes hold in memory, in bytes. Pages that several of them
// share count for each.
type Memory struct {
	Resident uint64 `json:"resident"` // now
	Peak     uint64 `json:"peak"`     // since the processes began
}

// MemoryOf adds up the memory of the processes.
func MemoryOf(pids []int) (Memory, error) {
	var sum Memory
	for _, pid := range pids {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return Memory{}, fmt.Errorf("reading the memory of process %d: %w", pid, err)
		}
		one, err := parseStatus(status)
		if err != nil {
			return Memory{}, fmt.Errorf("reading the memory of process %d: %w", pid, err)
		}
		sum.Resident += one.Resident
		sum.Peak += one.Peak
	}
	return sum, nil
}

var errFormat = errors.New("the file has another form than Linux gives it")

// parseStatus reads /proc/PID/status, proc_pid_status(5).
func parseStatus(status []byte) (Memory, error) {
	var m Memory
	found := 0
	for line := range bytes.Lines(status) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		var to *uint64
		switch string(name) {
		case "VmRSS":
			to = &m.Resident
		case "VmHWM":
			to = &m.Peak
		default:
			continue
		}
		number, ok := bytes.CutSuffix(bytes.TrimSpace(value), []byte(" kB"))
		kilobytes, err := strconv.ParseUint(string(number), 10, 54)
		if !ok || err != nil {
			return Memory{}, errFormat
		}
		*to = kilobytes << 10
		found++
	}
	if found != 2 {
		return Memory{}, errFormat
	}
	return m, nil
}

// Busy is the time that all processors together have worked since the machine
// began, for whomever.
func Busy() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("reading the processors' time: %w", err)
	}
	return parseStat(stat)
}

// parseStat reads the first line of /proc/stat, proc_stat(5): user, nice, system,
// idle, iowait, irq, softirq and steal, in hundredths of a second. The guests' time
// that follows is part of the first two.
func parseStat(stat []byte) (time.Duration, error) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 9 || string(fields[0]) != "cpu" {
		return 0, errFormat
	}
	var ticks uint64
	for i, field := range fields[1:9] {
		n, err := strconv.ParseUint(string(field), 10, 40)
		if err != nil {
			return 0, errFormat
		}
		if idle := i == 3 || i == 4; !idle {
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// Processor is the model of the machine's processors.
func Processor() (string, error) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", fmt.Errorf("reading the processor's model: %w", err)
	}
	return parseModel(info), nil
}

// parseModel reads /proc/cpuinfo, which has no model on some architectures.
func parseModel(info []byte) string {
	for line := range bytes.Lines(info) {
		if name, value, _ := bytes.Cut(line, []byte(":")); string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return "unknown processor"
}
