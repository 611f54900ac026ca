package revocation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// lookEvery is every how many polls the heads are looked at although the bell did not
// ring: a storage may lose or restore keys, or show the bell before the head.
const lookEvery = 12

// listTries bounds how often a folder is listed in which files come and go meanwhile.
const listTries = 5

// reader is how far the logs of others were read.
type reader struct {
	began    bool
	bell     []byte // nil for none
	complete bool   // all that the bell rang for was read
	idle     int    // polls since the heads were looked at
	logs     map[string]*foreign
}

// foreign is the log of another instance.
type foreign struct {
	seen    []byte              // the head as it was when all was read
	until   int64               // when all of it is past
	read    uint64              // records before it were read, or are missing
	missing map[uint64]struct{} // segments that could not be read
}

// read is one run of all who want to know what others have written.
func (l *Ledger) read(ctx context.Context) error {
	bell, err := l.load(ctx, bellName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r := &l.reader
	r.idle++
	// That there is no bell is no proof that the storage was read: some say so of any key while they are down.
	if r.began && r.complete && r.idle < lookEvery && bell != nil && bytes.Equal(bell, r.bell) {
		l.wasRead()
		return nil
	}
	err = l.look(ctx, bell == nil, r.idle >= lookEvery)
	r.complete = err == nil
	if err == nil || errors.Is(err, ErrDamaged) {
		r.began, r.bell, r.idle = true, bell, 0
	}
	if err == nil {
		l.wasRead()
	}
	return err
}

func (l *Ledger) wasRead() {
	now := l.config.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.polled = now
}

// look goes through all heads. An error that is ErrDamaged did not keep it from any
// other log than those it names.
func (l *Ledger) look(ctx context.Context, silent, thorough bool) error {
	names, err := l.listHeads(ctx, silent)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	own, damages := l.ownName(), []error{err}
	for _, name := range names {
		if name == own {
			continue
		}
		err := l.readLog(ctx, name)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
		damages = append(damages, err)
	}
	damages = append(damages, l.missed(names))
	if err := l.checkOwn(ctx, own, names, thorough); err != nil {
		return err
	}
	return errors.Join(damages...)
}

func (l *Ledger) ownName() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.own.name
}

// listHeads gives the names of the logs. A file storage gives fs.ErrNotExist for a folder
// in which a file went away meanwhile, as the temporary ones do that it writes first; so
// that error says that there are none only if there is no bell; then the next poll looks again.
func (l *Ledger) listHeads(ctx context.Context, silent bool) (names []string, err error) {
	var keys []string
	for range listTries {
		keys, err = l.config.Store.List(ctx, path.Join(l.config.Path, headsFolder), false)
		if silent || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && silent:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s is lost", ErrDamaged, headsFolder)
	case err != nil:
		return nil, fmt.Errorf("listing %s: %w", headsFolder, err)
	}
	for _, k := range keys {
		if name := path.Base(k); isLogName(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// missed notices the logs that were there, and still would count. They are read from
// their begin if they come again.
func (l *Ledger) missed(names []string) error {
	now := l.config.Now()
	var damages []error
	for name, f := range l.reader.logs {
		if slices.Contains(names, name) {
			continue
		}
		delete(l.reader.logs, name)
		if f.until >= now.Unix() {
			damages = append(damages, fmt.Errorf("%w: %s is lost", ErrDamaged, headName(name)))
		}
	}
	return errors.Join(damages...)
}

// checkOwn has the own log written again if the storage has lost or changed it: the head,
// or, when thorough, one of the segments, another one each time.
func (l *Ledger) checkOwn(ctx context.Context, name string, names []string, thorough bool) error {
	expected, changes := l.ownHead()
	if expected == nil {
		return nil
	}
	found, err := l.load(ctx, headName(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	intact := slices.Contains(names, name) && bytes.Equal(found, expected)
	if intact && thorough {
		if intact, err = l.checkOwnSegment(ctx, name); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !intact && l.own.name == name && l.own.changes == changes && l.own.saved == changes {
		l.own.writeAgain()
	}
	return nil
}

// ownHead gives nil if it is just being written, or never was.
func (l *Ledger) ownHead() (expected []byte, changes uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.own.changes != l.own.saved {
		return nil, 0
	}
	return l.own.head, l.own.changes
}

func (l *Ledger) checkOwnSegment(ctx context.Context, name string) (intact bool, err error) {
	n, records, ok := l.nextChecked()
	if !ok {
		return true, nil
	}
	value, err := l.load(ctx, segmentName(name, n))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	found, err := decodeSegment(segmentName(name, n), value)
	return err == nil && len(found) >= records, nil
}

// nextChecked goes round the segments that were written.
func (l *Ledger) nextChecked() (n uint64, records int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.own
	if own.flushed <= own.first*segmentRecords {
		return 0, 0, false
	}
	own.checked++
	n = own.first + own.checked%((own.flushed-1)/segmentRecords-own.first+1)
	return n, int(min(segmentRecords, own.flushed-n*segmentRecords)), true
}

func (l *Ledger) load(ctx context.Context, name string) ([]byte, error) {
	value, err := l.config.Store.Load(ctx, path.Join(l.config.Path, name))
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", name, err)
	}
	return value, nil
}
