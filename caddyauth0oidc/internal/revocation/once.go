package revocation

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Once tells whether the logout token with this id (the claim jti) was not seen before, by
// any instance, and remembers it until the time given. With an error nobody knows, and the
// token is not remembered, so that its sender may try again. Of concurrent calls for one
// token on one instance exactly one is the first; two instances that take the same token
// within the time of a write may both be.
func (l *Ledger) Once(ctx context.Context, tokenID string, until time.Time) (first bool, err error) {
	r := record{kind: byTokenID, key: keyOf(byTokenID, tokenID, ""), until: until.Unix()}
	if l.seen(r.key) {
		return false, nil
	}
	release, err := l.claim(ctx, r.key)
	if err != nil {
		return false, l.failed(err)
	}
	defer release()
	// What a damaged log hides is a token that comes again; not to end sessions were worse.
	if err := l.reading.wait(ctx); err != nil && !errors.Is(err, ErrDamaged) {
		return false, l.failed(err)
	}
	if l.seen(r.key) {
		return false, nil
	}
	if err := l.remember(ctx, r); err != nil {
		return false, l.failed(err)
	}
	return true, nil
}

func (l *Ledger) seen(k key) bool {
	known, ok := l.index.find(byTokenID, k)
	return ok && known.until >= l.config.Now().Unix()
}

// claim waits until nobody else is about to remember the token.
func (l *Ledger) claim(ctx context.Context, k key) (release func(), err error) {
	mine := make(chan struct{})
	for {
		theirs := l.claimOrFind(k, mine)
		if theirs == mine {
			return func() { l.release(k, mine) }, nil
		}
		select {
		case <-theirs:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the same logout token: %w", ctx.Err())
		}
	}
}

func (l *Ledger) claimOrFind(k key, mine chan struct{}) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if theirs, ok := l.tokens[k]; ok {
		return theirs
	}
	l.tokens[k] = mine
	return mine
}

func (l *Ledger) release(k key, mine chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tokens, k)
	close(mine)
}

// remember stores the record before the memory has it, and takes it back if it cannot.
func (l *Ledger) remember(ctx context.Context, r record) error {
	own, n := l.appendOne(r)
	if err := l.writing.wait(ctx); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		own.void(n)
		return err
	}
	l.index.add(r)
	return nil
}

func (l *Ledger) appendOne(r record) (own *log, n uint64) {
	now := l.config.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin(now)
	n = l.own.total
	l.own.append([]record{r})
	return l.own, n
}
