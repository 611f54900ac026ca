package peers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	processes "github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/process"
)

// process is a program that runs until it is stopped.
type process struct {
	cmd     *exec.Cmd
	ended   chan struct{} // closed when it is over
	err     error         // how it ended
	asked   chan struct{} // closed when it is to end
	askOnce sync.Once
}

// endLimit is how long a program may take to end before it is killed.
const endLimit = 10 * time.Second

var (
	errEndedEarly = errors.New("the program ended by itself; its log says why")
	errKilled     = errors.New("the program had to be killed")
	errStopped    = errors.New("the program was ended before it listened")
)

// startProcess starts a program that ends with the context, or with this program, at
// the latest.
func startProcess(ctx context.Context, cmd *exec.Cmd) (*process, error) {
	processes.EndWithParent(cmd)
	cmd.WaitDelay = endLimit // for children that keep the log open
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the program: %w", err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{}), asked: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	go p.supervise(ctx)
	return p, nil
}

// supervise ends the program when it is asked to or the context is over.
func (p *process) supervise(ctx context.Context) {
	select {
	case <-p.ended:
		return
	case <-p.asked:
	case <-ctx.Done():
		p.ask()
	}
	// An error means that it has ended meanwhile.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	limit := time.NewTimer(endLimit)
	defer limit.Stop()
	select {
	case <-p.ended:
	case <-limit.C:
		for _, pid := range p.family() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func (p *process) ask() { p.askOnce.Do(func() { close(p.asked) }) }

// stop ends the program and waits for its end; it may be called again. A program
// that has ended unasked is an error.
func (p *process) stop() error {
	select {
	case <-p.ended:
	default:
		p.ask()
		<-p.ended
	}
	select {
	case <-p.asked:
	default:
		return fmt.Errorf("%w (%s)", errEndedEarly, p.cmd.ProcessState)
	}
	if errors.Is(p.err, exec.ErrWaitDelay) {
		return errKilled
	}
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL {
		return errKilled
	}
	return nil
}

// awaitListener returns nil when somebody listens at the address, and an error when
// the program is over, whoever ended it.
func (p *process) awaitListener(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ticker.C:
		case <-p.ended:
			return cmp.Or(p.stop(), errStopped)
		case <-ctx.Done():
			return fmt.Errorf("waiting for its listener: %w", err)
		}
	}
}

// family gives the program and all that it started and these started, as far as
// they run now.
func (p *process) family() []int {
	parents := parentsOfProcesses()
	root := p.cmd.Process.Pid
	if _, runs := parents[root]; !runs {
		return nil
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		for pid, parent := range parents {
			if parent == all[i] {
				all = append(all, pid)
			}
		}
	}
	slices.Sort(all)
	return all
}

// parentsOfProcesses gives the parent of every process of this machine. One that
// ends in between is left out.
func parentsOfProcesses() map[int]int {
	parents := map[int]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is a good one
	for _, name := range files {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// The name of the program, in parentheses, may hold anything (proc(5)).
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil || len(fields) < 2 || string(fields[0]) == "Z" {
			continue
		}
		if parent, err := strconv.Atoi(string(fields[1])); err == nil {
			parents[pid] = parent
		}
	}
	return parents
}

// reserveAddress finds a free port and keeps it from everybody but a program that
// is told of it: Linux lets two sockets have one address if both set SO_REUSEADDR,
// as servers do, and only one of them listens.
func reserveAddress() (address string, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, fmt.Errorf("reserving a port: %w", err)
	}
	release = func() { _ = syscall.Close(fd) }
	err = errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
	)
	bound, nameErr := syscall.Getsockname(fd)
	if err = errors.Join(err, nameErr); err != nil {
		release()
		return "", nil, fmt.Errorf("reserving a port: %w", err)
	}
	port := bound.(*syscall.SockaddrInet4).Port
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), release, nil
}
