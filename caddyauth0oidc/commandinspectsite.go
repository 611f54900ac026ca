package caddyauth0oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// inspectedSite is what a directive of the configuration needs to open a cookie.
type inspectedSite struct {
	name    string   // its first host
	hosts   []string // all of them
	handler *Handler
}

// configuredDirectives finds the directives in a configuration, with the hosts that their routes match.
func configuredDirectives(config []byte) ([]inspectedSite, error) {
	found, err := placedIn(config)
	if err != nil {
		return nil, err
	}
	var sites []inspectedSite
	for _, p := range found {
		h, err := p.settings()
		if err != nil {
			return nil, err
		}
		sites = append(sites, inspectedSite{name: p.name(), hosts: p.place.Hosts, handler: h})
	}
	return sites, nil
}

// called tells whether the site is the one of --site.
func (s inspectedSite) called(name string) bool {
	return name == s.name || slices.ContainsFunc(s.hosts, func(host string) bool { return strings.EqualFold(host, name) })
}

// reduced is the handler with the settings alone that a cookie depends on, resolved as when a server starts. What the others
// refer to need not be readable for whoever inspects.
func (s inspectedSite) reduced() (*Handler, error) {
	h := &Handler{
		Domain: s.handler.Domain, Issuer: s.handler.Issuer, ClientID: s.handler.ClientID, Secrets: slices.Clone(s.handler.Secrets),
		Session: s.handler.Session, MaxAge: s.handler.MaxAge,
	}
	if err := h.resolve(); err != nil {
		return nil, err
	}
	h.fillFromEnvironment()
	h.fillDefaults()
	if h.issuer() == "" || h.ClientID == "" {
		return nil, errors.New("domain or client_id is missing, or comes from the environment of the server: set it here, too")
	}
	return h, nil
}

// opener is what opens the cookies of a directive.
type opener struct {
	site    string
	ring    *session.Keyring
	keys    []string // what the keyring's secrets are, such as current
	cookies []session.Cookies
	limits  session.Limits
}

// secretsFound are secrets in the order in which a keyring takes them, with what each of them is.
type secretsFound struct {
	secrets, are []string
}

func (h *Handler) opener(site string, found secretsFound) (*opener, error) {
	o := &opener{site: site, keys: found.are, limits: session.Limits{
		Idle: time.Duration(h.Session.Idle), Absolute: time.Duration(h.Session.Absolute), MaxAge: time.Duration(h.MaxAge),
	}}
	var err error
	o.ring, err = keyringOf(found.secrets, func(secrets []string) (*session.Keyring, error) {
		return session.NewKeyring(secrets, h.issuer(), h.ClientID)
	})
	if err != nil {
		return nil, err
	}
	if err := h.newCookies(); err != nil {
		return nil, fmt.Errorf("the name of the cookie: %w", err)
	}
	o.cookies = []session.Cookies{h.secureCookies, h.plainCookies}
	return o, nil
}

// secretsWritten are secrets as the setting has them.
func secretsWritten(secrets []string) secretsFound {
	are := make([]string, len(secrets))
	for i := range secrets {
		are[i] = "older"
	}
	are[0] = "current"
	return secretsFound{secrets, are}
}

// stored are the secrets of Caddy's storage: the one that seals now, newer ones that will, and all older ones.
func stored(known []storedSecret, now time.Time) secretsFound {
	const ever = 200 * 365 * 24 * time.Hour
	found := secretsFound{secrets: openers(known, now, ever)}
	sealing := slices.IndexFunc(known, func(s storedSecret) bool { return s.Secret == found.secrets[0] })
	for _, secret := range found.secrets {
		is := "older"
		switch at := slices.IndexFunc(known, func(s storedSecret) bool { return s.Secret == secret }); {
		case at == sealing:
			is = "current"
		case at > sealing:
			is = "newer"
		}
		found.are = append(found.are, is)
	}
	return found
}

// secretsIn reads a file with one secret in each line, the current one first, or a copy of the file in Caddy's storage.
func secretsIn(text string, now time.Time) (secretsFound, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		known, err := decodeSecrets([]byte(text))
		if err != nil {
			return secretsFound{}, err
		}
		return stored(known, now), nil
	}
	var secrets []string
	for line := range strings.Lines(text) {
		if secret := trimmed(line); secret != "" {
			secrets = append(secrets, secret)
		}
	}
	if len(secrets) == 0 {
		return secretsFound{}, errors.New("it is empty")
	}
	return secretsWritten(secrets), nil
}

// storedSecrets reads those of the storage that a configuration names, and changes nothing there.
func storedSecrets(ctx context.Context, config []byte, now time.Time) (secretsFound, error) {
	within, cancel := caddy.NewContext(caddy.Context{Context: ctx})
	defer cancel()
	var named struct {
		StorageRaw json.RawMessage `json:"storage,omitempty" caddy:"namespace=caddy.storage inline_key=module"`
	}
	if err := json.Unmarshal(config, &named); err != nil {
		return secretsFound{}, fmt.Errorf("reading the configuration's storage: %w", err)
	}
	var from certmagic.Storage = caddy.DefaultStorage
	if named.StorageRaw != nil {
		loaded, err := within.LoadModule(&named, "StorageRaw")
		if err != nil {
			return secretsFound{}, fmt.Errorf("opening Caddy's storage: %w", err)
		}
		converter, ok := loaded.(caddy.StorageConverter)
		if !ok {
			return secretsFound{}, errors.New("opening Caddy's storage: it is of no kind that keeps secrets")
		}
		if from, err = converter.CertMagicStorage(); err != nil {
			return secretsFound{}, fmt.Errorf("opening Caddy's storage: %w", err)
		}
	}
	limited, stop := context.WithTimeout(within, secretTimeout)
	defer stop()
	known, err := secretStore{secretKind: sealing, storage: from}.read(limited)
	if errors.Is(err, fs.ErrNotExist) {
		return secretsFound{}, fmt.Errorf("there is no %s in Caddy's storage as this user sees it: run this as the user that Caddy runs as, or give a copy with --secret-file", secretPath)
	}
	if err != nil {
		return secretsFound{}, err
	}
	return stored(known, now), nil
}

// readLimited reads a file of limited size.
func readLimited(path string, most int64) (text []byte, open bool, err error) {
	f, err := os.Open(path) // #nosec G304 -- the operator names it
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil {
		open = info.Mode().Perm()&othersRead != 0
	}
	if text, err = io.ReadAll(io.LimitReader(f, most+1)); err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return text, open, err
}
