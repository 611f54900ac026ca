package process

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// asParent makes this program a parent that waits to be killed.
const asParent = "BENCH_PROCESS_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(asParent) == "" {
		os.Exit(m.Run())
	}
	// The child inherits the standard output, and keeps it open while it lives.
	p, err := Start(nil, os.Stdout, "/bin/sh", "-c", "echo runs; exec sleep 60")
	if err != nil {
		os.Exit(1)
	}
	<-p.Ended()
}

func TestProgramEndsWithAParentThatIsKilled(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	parent := exec.Command(self)
	parent.Env, parent.Stdout = []string{asParent + "=1"}, write
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = parent.Process.Kill()
		_ = parent.Wait() // a signal ends it
	})
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	if err := read.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	told := make([]byte, 5)
	if _, err := read.Read(told); err != nil || string(told) != "runs\n" {
		t.Fatalf("the child says %q, %v", told, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The end comes when neither of them has the pipe open any more.
	if _, err := read.Read(told); err == nil || os.IsTimeout(err) {
		t.Errorf("the child lives on: %v", err)
	}
}
