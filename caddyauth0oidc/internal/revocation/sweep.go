package revocation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"
)

// sweepEvery is how seldom what does not count any more is looked for.
const sweepEvery = 10 * time.Minute

func (l *Ledger) sweepIsDue() bool {
	now := l.config.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Sub(l.swept) >= sweepEvery
}

// sweep forgets the marks that are past, and deletes own segments and whole logs that
// have no others. Nobody needs what it could not delete.
func (l *Ledger) sweep(ctx context.Context) error {
	now := l.config.Now()
	l.mu.Lock()
	l.swept = now
	l.mu.Unlock()
	l.index.drop(now)
	if err := l.sweepOwn(ctx, now); err != nil {
		return err
	}
	names, err := l.listHeads(ctx, true)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := l.sweepLog(ctx, name, now); err != nil {
			return err
		}
	}
	return nil
}

// sweepOwn deletes the segments that the head did not tell of at the last sweep already:
// those who have read an older head look for them.
func (l *Ledger) sweepOwn(ctx context.Context, now time.Time) error {
	l.mu.Lock()
	l.begin(now)
	l.own.expire(now.Unix())
	own := l.own
	name, from, to := own.name, own.deleted, own.condemned
	l.mu.Unlock()
	for ; from < to; from++ {
		if err := l.delete(ctx, segmentName(name, from)); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	own.deleted, own.condemned = from, own.headFirst
	return nil
}

// sweepLog deletes a log that is past. It may be one that others delete, too. The head
// goes last, so that somebody goes on if this one cannot.
func (l *Ledger) sweepLog(ctx context.Context, name string, now time.Time) error {
	value, err := l.load(ctx, headName(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := decodeHead(headName(name), value)
	if err != nil || h.until >= now.Add(-clockMargin).Unix() {
		return nil // reading tells of the error
	}
	folder := path.Join(logsFolder, name)
	segments, err := l.config.Store.List(ctx, path.Join(l.config.Path, folder), false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("listing %s: %w", folder, err)
	}
	for _, key := range segments { // not every storage deletes what is below a folder
		if err := l.delete(ctx, path.Join(folder, path.Base(key))); err != nil {
			return err
		}
	}
	if err := l.delete(ctx, folder); err != nil {
		return err
	}
	return l.delete(ctx, headName(name))
}

func (l *Ledger) delete(ctx context.Context, name string) error {
	err := l.config.Store.Delete(ctx, path.Join(l.config.Path, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting %s: %w", name, err)
	}
	return nil
}
