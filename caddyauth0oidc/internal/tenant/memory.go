package tenant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"
)

// Memory keeps what outlives this process, and may be shared by several. Nothing in it is secret, but whoever writes there can put
// other keys in place of the tenant's.
type Memory interface {
	// Load returns what is kept under the name. The error is an fs.ErrNotExist if nothing is.
	Load(ctx context.Context, name string) ([]byte, error)
	// Store replaces what is kept under the name, in one step: who loads it finds the old content or the new one.
	Store(ctx context.Context, name string, content []byte) error
}

const (
	// patience is how long the tenant's own answer is waited for where a kept one would do.
	patience = time.Second
	// memoryTimeout limits all that is done with the Memory at one time.
	memoryTimeout = 2 * time.Second
	// keptFresh is the age from which on the same content is written again, with its new date.
	keptFresh = time.Hour
	// keptAhead is how far the clock of who wrote it may be ahead of ours.
	keptAhead = time.Hour
	// maxKept limits the content of a file: the largest answer in base64, and what is around it.
	maxKept = 2 * maxBody
)

var (
	errKeptForm    = errors.New("what is kept is no answer of the tenant")
	errKeptIssuer  = errors.New("what is kept is of another issuer")
	errKeptTooMuch = errors.New("what is kept is too large")
	errKeptToCome  = errors.New("what is kept has a date that is to come; look at the clocks of the instances")
	errNothingKept = errors.New("nothing is kept")
)

// kept is an answer as it came, and when.
type kept struct {
	Issuer  string    `json:"issuer"`
	Fetched time.Time `json:"fetched"`
	Body    []byte    `json:"body"`
}

// decodeKept reads the content of a file, whose body is still to be judged.
func decodeKept(content []byte, issuer string) (kept, error) {
	var k kept
	switch {
	case len(content) > maxKept:
		return kept{}, errKeptTooMuch
	case decodeExactly(content, &k) != nil, k.Fetched.IsZero(), len(k.Body) == 0, len(k.Body) > maxBody:
		return kept{}, errKeptForm
	case k.Issuer != issuer:
		return kept{}, errKeptIssuer
	}
	return k, nil
}

// shelf is the place of one answer in the Memory. Instances that share it need no lock: what each of them writes is a whole answer
// of the tenant, so that whichever stays is good, and the next fetch of any puts a later one there.
type shelf struct {
	memory Memory
	name   string
	issuer string
	warn   func(error)

	mu         sync.Mutex
	complained bool
}

// load gives what is kept. Its error is errNothingKept, or has been reported.
func (s *shelf) load(ctx context.Context) (kept, error) {
	k, err := s.read(ctx)
	if err != nil && !errors.Is(err, errNothingKept) {
		s.complain(fmt.Errorf("recalling %s: %w", s.name, err))
	}
	return k, err
}

func (s *shelf) read(ctx context.Context) (k kept, err error) {
	defer recovered(&err)
	content, err := s.memory.Load(ctx, s.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return kept{}, errNothingKept
	case err != nil:
		return kept{}, err
	}
	return decodeKept(content, s.issuer)
}

// keep writes the answer down, unless that is there already, or what another instance got after it.
func (s *shelf) keep(ctx context.Context, k kept) {
	ctx, cancel := context.WithTimeout(ctx, memoryTimeout)
	defer cancel()
	if before, err := s.read(ctx); err == nil && !k.replaces(before) {
		s.recover()
		return
	}
	if err := s.write(ctx, k); err != nil {
		s.complain(fmt.Errorf("keeping %s: %w", s.name, err))
		return
	}
	s.recover()
}

// replaces tells whether a file is worth writing. One that is dated too far ahead would be refused when it is needed.
func (k kept) replaces(before kept) bool {
	switch age := k.Fetched.Sub(before.Fetched); {
	case age < -keptAhead, age >= keptFresh:
		return true
	case age < 0:
		return false
	}
	return !bytes.Equal(k.Body, before.Body)
}

func (s *shelf) write(ctx context.Context, k kept) (err error) {
	defer recovered(&err)
	content, err := json.Marshal(k)
	if err != nil {
		return errKeptForm
	}
	return s.memory.Store(ctx, s.name, content)
}

// complain reports the first of a row of failures: they cost nothing until the tenant is away and this process is new.
func (s *shelf) complain(err error) {
	if errors.Is(err, context.Canceled) { // the tenant was closed
		return
	}
	s.mu.Lock()
	before := s.complained
	s.complained = true
	s.mu.Unlock()
	if !before && s.warn != nil {
		s.warn(err)
	}
}

func (s *shelf) recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complained = false
}

// recovered turns the panic of a Memory into an error: nothing else would catch it in a goroutine of its own.
func recovered(err *error) {
	if recover() != nil {
		*err = errPanic
	}
}
