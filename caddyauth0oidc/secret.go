package caddyauth0oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"
)

const (
	secretSize    = 32               // random bytes
	secretTimeout = 30 * time.Second // for all that one reading does

	secretUnlockTimeout = 5 * time.Second

	// secretAge is how old the newest secret gets before there is a newer one.
	secretAge = 30 * 24 * time.Hour

	// secretSettle is how long a secret is known before it is used, so that every
	// instance on the storage has read it by then.
	secretSettle = 24 * time.Hour

	// secretLeast is how many secrets the file keeps whatever their age, so that
	// a clock that is years ahead does not take them from the others.
	secretLeast = 3
)

// secretKind is what secrets are for, which decides where they are kept and what
// is lost with them.
type secretKind struct {
	path string        // in Caddy's storage
	kept time.Duration // how long the file remembers one that is not in use any more
	make func(random io.Reader) ([]byte, error)

	renounced string // what a deletion of the file does, for "delete it to ..."
	replaced  string // what to log when all secrets are others
	lost      string // what to log when some are gone
}

// secretFile is the content of a kind's file.
type secretFile struct {
	Secrets []storedSecret `json:"secrets"`
}

type storedSecret struct {
	Created time.Time `json:"created"`
	Secret  string    `json:"secret"` // base64 of 32 random bytes
}

// seals is from when on the secret is used, unless it is the first one.
func (s storedSecret) seals() time.Time { return s.Created.Add(secretSettle) }

// secretStore is the file of a kind's secrets in Caddy's storage.
type secretStore struct {
	secretKind
	storage storage
	random  io.Reader
}

// file names the file among those of all storages.
func (s secretStore) file() string { return fmt.Sprintf("%T %p %s", s.storage, s.storage, s.path) }

// load gives the secrets, the oldest first, after making one if there is no file.
// An error beside secrets is a complaint about them.
func (s secretStore) load(ctx context.Context, now time.Time) ([]storedSecret, error) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	known, err := s.read(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.add(ctx, now, true)
	case err != nil:
		return nil, err
	}
	return known, s.checkDate(known, now)
}

// rotate gives the secrets, the oldest first, after adding one if the newest is
// too old. An error beside secrets says why none was added. A file that is gone
// may be on a volume that is not there now, so it is not begun anew.
func (s secretStore) rotate(ctx context.Context, now time.Time) ([]storedSecret, error) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	known, err := s.read(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w; restore it, or reload with --force to %s", err, s.renounced)
	case err != nil:
		return nil, err
	case !isDue(known, now):
		return known, s.checkDate(known, now)
	}
	replaced, err := s.add(ctx, now, false)
	if err != nil {
		return known, err
	}
	return replaced, nil
}

func isDue(known []storedSecret, now time.Time) bool {
	return !now.Before(known[len(known)-1].Created.Add(secretAge))
}

// checkDate complains of a secret that another clock made too far ahead: it is
// as good as any, but holds the next one up.
func (s secretStore) checkDate(known []storedSecret, now time.Time) error {
	newest := known[len(known)-1].Created
	if !newest.After(now.Add(secretSettle)) {
		return nil
	}
	return fmt.Errorf("the newest secret of %s in Caddy's storage is dated %s, which is to come; there is no newer one until %s after that; look at the clocks of the instances, or delete the file to %s",
		s.path, newest.Format(time.RFC3339), secretAge, s.renounced)
}

// add makes a secret under a lock, unless another instance was quicker. Only the
// first one may be added to no file. What counts is what the storage says
// afterwards, even if the lock was lost and two instances wrote.
func (s secretStore) add(ctx context.Context, now time.Time, first bool) ([]storedSecret, error) {
	if err := s.storage.Lock(ctx, s.path); err != nil {
		return nil, fmt.Errorf("locking Caddy's storage to make a secret: %w", err)
	}
	defer s.unlock(ctx)
	known, err := s.read(ctx)
	switch {
	case first && errors.Is(err, fs.ErrNotExist):
		if err := s.checkGone(ctx); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case !isDue(known, now):
		return known, nil
	}
	made, err := s.create(now)
	if err != nil {
		return nil, err
	}
	if err := s.write(ctx, s.forget(append(known, made), now)); err != nil {
		return nil, err
	}
	return s.read(ctx)
}

// checkGone complains of a file that is in its folder although it cannot be loaded: a new
// one in its place would end what the others have made.
func (s secretStore) checkGone(ctx context.Context) error {
	listed, err := lists(ctx, s.storage, s.path)
	if err == nil && listed {
		err = fmt.Errorf("%s in Caddy's storage is there, and cannot be read; restore it, or delete it to %s", s.path, s.renounced)
	}
	return err
}

// unlock is tried even if there is no time left. It may fail: a lock that nobody
// keeps fresh expires by itself.
func (s secretStore) unlock(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), secretUnlockTimeout)
	defer cancel()
	_ = s.storage.Unlock(ctx, s.path)
}

func (s secretStore) create(now time.Time) (storedSecret, error) {
	made, err := s.make(s.random)
	if err != nil {
		return storedSecret{}, fmt.Errorf("making a secret: %w", err)
	}
	return storedSecret{Created: now.UTC().Truncate(time.Second), Secret: base64.StdEncoding.EncodeToString(made)}, nil
}

// forget leaves out what has not been in use for longer than the kind is kept.
func (s secretStore) forget(secrets []storedSecret, now time.Time) []storedSecret {
	for len(secrets) > secretLeast && now.After(secrets[1].seals().Add(s.kept)) {
		secrets = secrets[1:]
	}
	return secrets
}

func (s secretStore) write(ctx context.Context, secrets []storedSecret) error {
	content, err := json.Marshal(secretFile{Secrets: secrets})
	if err != nil {
		return fmt.Errorf("writing the secrets: %w", err)
	}
	if err := s.storage.Store(ctx, s.path, content); err != nil {
		return fmt.Errorf("keeping the secrets in Caddy's storage: %w", err)
	}
	return nil
}

func (s secretStore) read(ctx context.Context) ([]storedSecret, error) {
	content, err := s.storage.Load(ctx, s.path)
	if err != nil {
		return nil, fmt.Errorf("reading %s in Caddy's storage: %w", s.path, err)
	}
	secrets, err := decodeSecrets(content)
	if err != nil {
		return nil, fmt.Errorf("%s in Caddy's storage is damaged, %w; restore it, or delete it to %s", s.path, err, s.renounced)
	}
	return secrets, nil
}

// decodeSecrets reads the file's content and gives the secrets, the oldest
// first. Its errors show nothing of the content.
func decodeSecrets(content []byte) ([]storedSecret, error) {
	var file secretFile
	if json.Unmarshal(content, &file) != nil {
		return nil, errors.New("it is not JSON with dates and secrets")
	}
	if len(file.Secrets) == 0 {
		return nil, errors.New("it has no secret")
	}
	for i, s := range file.Secrets {
		decoded, err := base64.StdEncoding.Strict().DecodeString(s.Secret)
		if err != nil || len(decoded) != secretSize || len(s.Secret) != base64.StdEncoding.EncodedLen(secretSize) {
			return nil, fmt.Errorf("its secret %d is not %d bytes in base64", i+1, secretSize)
		}
		created := s.Created.UTC()
		if created.IsZero() || created.Year() < 1 || created.Year() > 9999 { // JSON writes no others
			return nil, fmt.Errorf("its secret %d has no date", i+1)
		}
		file.Secrets[i].Created = created
	}
	slices.SortStableFunc(file.Secrets, func(a, b storedSecret) int { return a.Created.Compare(b.Created) })
	return file.Secrets, nil
}
