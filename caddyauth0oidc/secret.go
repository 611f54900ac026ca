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

	"github.com/caddyserver/certmagic"
)

// secretPath is where the secrets are kept that nobody configured.
const secretPath = "auth0_oidc/secrets.json"

const (
	secretSize    = 32               // random bytes
	secretTimeout = 30 * time.Second // for all that one reading does

	secretUnlockTimeout = 5 * time.Second

	// secretAge is how old the newest secret gets before there is a newer one.
	secretAge = 30 * 24 * time.Hour

	// secretSettle is how long a secret is known before it seals, so that every
	// instance on the storage has read it by then.
	secretSettle = 24 * time.Hour

	// secretKept is how long the file remembers a secret that no longer seals:
	// no browser keeps a cookie longer (RFC 6265bis, section 5.5).
	secretKept = 400 * 24 * time.Hour

	// secretLeast is how many secrets the file keeps whatever their age, so that
	// a clock that is years ahead does not take them from the others.
	secretLeast = 3
)

// secretFile is the content of secretPath.
type secretFile struct {
	Secrets []storedSecret `json:"secrets"`
}

type storedSecret struct {
	Created time.Time `json:"created"`
	Secret  string    `json:"secret"` // base64 of 32 random bytes; this text is what seals
}

// seals is from when on the secret seals, unless it is the first one.
func (s storedSecret) seals() time.Time { return s.Created.Add(secretSettle) }

// secretStore is the file of secrets in Caddy's storage.
type secretStore struct {
	storage certmagic.Storage
	random  io.Reader
}

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
	return known, checkDate(known, now)
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
		return nil, fmt.Errorf("%w; restore it, or reload with --force to sign everybody out and start with a new secret", err)
	case err != nil:
		return nil, err
	case !isDue(known, now):
		return known, checkDate(known, now)
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
func checkDate(known []storedSecret, now time.Time) error {
	newest := known[len(known)-1].Created
	if !newest.After(now.Add(secretSettle)) {
		return nil
	}
	return fmt.Errorf("the newest secret of %s in Caddy's storage is dated %s, which is to come; there is no newer one until %s after that; look at the clocks of the instances, or delete the file to sign everybody out",
		secretPath, newest.Format(time.RFC3339), secretAge)
}

// add makes a secret under a lock, unless another instance was quicker. Only the
// first one may be added to no file. What counts is what the storage says
// afterwards, even if the lock was lost and two instances wrote.
func (s secretStore) add(ctx context.Context, now time.Time, first bool) ([]storedSecret, error) {
	if err := s.storage.Lock(ctx, secretPath); err != nil {
		return nil, fmt.Errorf("locking Caddy's storage to make a secret: %w", err)
	}
	defer s.unlock(ctx)
	known, err := s.read(ctx)
	switch {
	case first && errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !isDue(known, now):
		return known, nil
	}
	made, err := s.make(now)
	if err != nil {
		return nil, err
	}
	if err := s.write(ctx, forget(append(known, made), now)); err != nil {
		return nil, err
	}
	return s.read(ctx)
}

// unlock is tried even if there is no time left. It may fail: a lock that nobody
// keeps fresh expires by itself.
func (s secretStore) unlock(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), secretUnlockTimeout)
	defer cancel()
	_ = s.storage.Unlock(ctx, secretPath)
}

func (s secretStore) make(now time.Time) (storedSecret, error) {
	random := make([]byte, secretSize)
	if _, err := io.ReadFull(s.random, random); err != nil {
		return storedSecret{}, fmt.Errorf("making a secret: %w", err)
	}
	return storedSecret{Created: now.UTC().Truncate(time.Second), Secret: base64.StdEncoding.EncodeToString(random)}, nil
}

// forget leaves out what stopped sealing too long ago to be in any browser.
func forget(secrets []storedSecret, now time.Time) []storedSecret {
	for len(secrets) > secretLeast && now.After(secrets[1].seals().Add(secretKept)) {
		secrets = secrets[1:]
	}
	return secrets
}

func (s secretStore) write(ctx context.Context, secrets []storedSecret) error {
	content, err := json.Marshal(secretFile{Secrets: secrets})
	if err != nil {
		return fmt.Errorf("writing the secrets: %w", err)
	}
	if err := s.storage.Store(ctx, secretPath, content); err != nil {
		return fmt.Errorf("keeping the secrets in Caddy's storage: %w", err)
	}
	return nil
}

func (s secretStore) read(ctx context.Context) ([]storedSecret, error) {
	content, err := s.storage.Load(ctx, secretPath)
	if err != nil {
		return nil, fmt.Errorf("reading %s in Caddy's storage: %w", secretPath, err)
	}
	secrets, err := decodeSecrets(content)
	if err != nil {
		return nil, fmt.Errorf("%s in Caddy's storage is damaged, %w; restore it, or delete it to sign everybody out and start with a new secret", secretPath, err)
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
