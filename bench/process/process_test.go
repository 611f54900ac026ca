package process

import (
	"bytes"
	"errors"
	"expvar"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStatusOfAProcessGivesItsMemory(t *testing.T) {
	t.Parallel()
	status := "Name:\tcaddy\nVmPeak:\t 1912344 kB\nVmHWM:\t   66052 kB\nVmRSS:\t   63980 kB\nRssAnon:\t   20000 kB\n"
	got, err := parseStatus([]byte(status))
	if want := (Memory{Resident: 63980 << 10, Peak: 66052 << 10}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, damaged := range []string{
		"", "Name:\tkthreadd\n", strings.Replace(status, "63980 kB", "63980", 1), strings.Replace(status, "63980", "-1", 1),
	} {
		if _, err := parseStatus([]byte(damaged)); !errors.Is(err, errFormat) {
			t.Errorf("%q: got %v", damaged, err)
		}
	}
}

func TestStatOfTheMachineGivesWhatTheProcessorsWorked(t *testing.T) {
	t.Parallel()
	got, err := parseStat([]byte("cpu  1000 20 300 99999 5555 7 60 5 400 3\ncpu0 1 2 3 4 5 6 7 8 9 10\n"))
	if want := (1000 + 20 + 300 + 7 + 60 + 5) * 10 * time.Millisecond; err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, damaged := range []string{"", "cpu 1 2 3\n", "cpu0 1 2 3 4 5 6 7 8\n", "cpu 1 2 3 4 5 6 7 -8\n"} {
		if _, err := parseStat([]byte(damaged)); !errors.Is(err, errFormat) {
			t.Errorf("%q: got %v", damaged, err)
		}
	}
}

func TestProcessorTimeAgreesWithTheKernelsOtherCount(t *testing.T) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	before := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	got, err := CPU([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if difference := got - before; difference.Abs() > time.Second {
		t.Errorf("got %v, want about %v", got, before)
	}
	busy, err := Busy()
	if err != nil || busy <= 0 {
		t.Errorf("the machine was busy for %v, %v", busy, err)
	}
	memory, err := MemoryOf([]int{os.Getpid(), os.Getpid()})
	if err != nil || memory.Resident < 1<<20 || memory.Peak < memory.Resident {
		t.Errorf("memory %+v, %v", memory, err)
	}
}

func TestStoppedProcessIsOver(t *testing.T) {
	t.Parallel()
	var output bytes.Buffer
	p, err := Start([]string{"GREETING=hello"}, &output, "/bin/sh", "-c", `echo "$GREETING"; exec cat /dev/zero >/dev/null`)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Ended():
		t.Fatal("it ended by itself")
	default:
	}
	p.Stop()
	p.Stop()
	if _, err := CPU([]int{p.PID()}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("the clock of a process that is over: %v", err)
	}
	if got := output.String(); got != "" && got != "hello\n" {
		t.Errorf("it wrote %q", got)
	}
}

func TestHeapIsReadFromExportedVariables(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(expvar.Handler())
	defer server.Close()
	heap, err := HeapOf(t.Context(), server.Client(), server.URL)
	if err != nil || heap.Objects < 100 || heap.Bytes < heap.Objects {
		t.Errorf("got %+v, %v", heap, err)
	}
}
