package caddyauth0oidc

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/caddyserver/certmagic"
)

// secretPath is where the secret is kept that nobody configured.
const secretPath = "auth0_oidc/secrets.json"

// secretFile is the content of secretPath. The first secret seals.
type secretFile struct {
	Secrets []storedSecret `json:"secrets"`
}

type storedSecret struct {
	Created time.Time `json:"created"`
	Secret  string    `json:"secret"` // base64 of 32 random bytes
}

// storedSecrets reads the secrets of Caddy's storage, and makes the first one
// under a lock, so that instances that start together agree on it.
func storedSecrets(ctx context.Context, storage certmagic.Storage) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	secrets, err := readSecrets(ctx, storage)
	if !errors.Is(err, fs.ErrNotExist) {
		return secrets, err
	}
	if err := storage.Lock(ctx, secretPath); err != nil {
		return nil, fmt.Errorf("locking Caddy's storage to make a secret: %w", err)
	}
	defer storage.Unlock(context.WithoutCancel(ctx), secretPath) //nolint:errcheck // the lock expires by itself
	secrets, err = readSecrets(ctx, storage)
	if !errors.Is(err, fs.ErrNotExist) {
		return secrets, err
	}
	return makeSecret(ctx, storage)
}

func makeSecret(ctx context.Context, storage certmagic.Storage) ([]string, error) {
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("making a secret: %w", err)
	}
	made := storedSecret{Created: time.Now().UTC().Truncate(time.Second), Secret: base64.StdEncoding.EncodeToString(random)}
	content, err := json.Marshal(secretFile{Secrets: []storedSecret{made}})
	if err != nil {
		return nil, fmt.Errorf("writing the secret: %w", err)
	}
	if err := storage.Store(ctx, secretPath, content); err != nil {
		return nil, fmt.Errorf("keeping the secret in Caddy's storage: %w", err)
	}
	return []string{made.Secret}, nil
}

func readSecrets(ctx context.Context, storage certmagic.Storage) ([]string, error) {
	content, err := storage.Load(ctx, secretPath)
	if err != nil {
		return nil, fmt.Errorf("reading %s in Caddy's storage: %w", secretPath, err)
	}
	var file secretFile
	if err := json.Unmarshal(content, &file); err != nil || len(file.Secrets) == 0 {
		return nil, fmt.Errorf("%s in Caddy's storage is damaged; restore it, or delete it to sign everybody out and start with a new secret", secretPath)
	}
	var secrets []string
	for _, s := range file.Secrets {
		secrets = append(secrets, s.Secret)
	}
	return secrets, nil
}
