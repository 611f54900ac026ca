// Package process runs the programs of a comparison and answers what they have
// used. It reads what Linux keeps of processes.
package process

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// patience is how long a program may take to end after it was asked to.
const patience = 5 * time.Second

// Process is a program that runs until it is stopped. It ends with its parent.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// Start runs the program with this environment and no other. What it writes goes
// to output. A terminal's interrupt does not reach it: the parent ends it.
func Start(env []string, output io.Writer, name string, args ...string) (*Process, error) {
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, output, output
	EndWithParent(cmd)
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // a signal ends it
		close(p.ended)
	}()
	return p, nil
}

// EndWithParent makes a program that was not started yet end when this one is over,
// even if it is killed (PR_SET_PDEATHSIG of Linux), and keeps a terminal's interrupt
// from it. Its own children are its own affair.
func EndWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process is over.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Stop asks the process to end, kills it if it does not within five seconds, and
// waits until it is over. It may be called more than once.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails when it is over
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}
