// Package tenant answers what one Auth0 tenant says and how we talk to it: its discovery document, its signing keys, the
// authorize URL and pushed requests, the authentication of our client, the code exchange, refreshes and revocations, the
// verification of its ID tokens, access tokens and logout tokens, and its logout URLs.
package tenant

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultTimeout = 5 * time.Second

	// A discovery document is served for ever once it is known, but asked for again in the background after this time.
	metadataFresh = 10 * time.Minute
)

// Config says which tenant is meant and how it is reached.
type Config struct {
	// Issuer is the issuer identifier, compared byte for byte, for example "https://acme.eu.auth0.com/".
	Issuer string
	// Egress is the way to the tenant.
	Egress Egress
	// Transport carries the requests; nil means NewTransport(Egress).
	Transport http.RoundTripper
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Random is where the ids of client assertions and the random parts of waits come from; nil means crypto/rand.
	Random io.Reader
	// Memory keeps the last good discovery document and key set, for processes that begin while the tenant is away; nil for none.
	Memory Memory
	// Warn, unless nil, is told the first of a row of failures of the Memory. Nothing in it is secret.
	Warn func(error)
	// Observer watches the calls; nil for none.
	Observer Observer
}

// Tenant is one Auth0 tenant. It is safe for concurrent use, and meant to be shared by everything that talks to the same issuer.
type Tenant struct {
	issuer    string
	transport http.RoundTripper
	timeout   time.Duration
	now       func() time.Time
	random    io.Reader
	memory    Memory
	warn      func(error)
	life      *background
	observer  Observer

	metadata *recall[*Metadata]
	keys     *keySet

	// throttledUntil is the Unix time in nanoseconds until which the token endpoint asked to be left alone. Strangers can have
	// requests pushed, so that endpoint has a time of its own, and so has that of revocation, which nobody waits for.
	throttledUntil, pushThrottledUntil, revocationThrottledUntil atomic.Int64

	// worked has the Secret that was accepted last, by client id, where there is a choice.
	worked sync.Map
}

// New makes a Tenant without talking to it. It refuses an issuer that is not an https URL, or a plain http one of a loopback host.
func New(c Config) (*Tenant, error) {
	if err := CheckIssuer(c.Issuer); err != nil {
		return nil, err
	}
	t := &Tenant{issuer: c.Issuer, transport: c.Transport, timeout: c.Egress.Timeout, now: c.Now, random: c.Random, memory: c.Memory, warn: c.Warn, observer: c.Observer, life: newBackground()}
	if t.transport == nil {
		t.transport = NewTransport(c.Egress)
	}
	if t.timeout <= 0 {
		t.timeout = defaultTimeout
	}
	if t.now == nil {
		t.now = time.Now
	}
	if t.random == nil {
		t.random = rand.Reader
	}
	t.metadata = &recall[*Metadata]{
		ask: t.discover, parse: func(body []byte) (*Metadata, error) { return parseMetadata(body, t.issuer) },
		doing: discovering, life: t.life, now: t.now, random: t.random, timeout: t.timeout, follow: t.follow,
		shelf: t.shelfOf("discovery.json"), fresh: metadataFresh,
	}
	t.keys = newKeySet(t)
	return t, nil
}

func (t *Tenant) shelfOf(name string) *shelf {
	if t.memory == nil {
		return nil
	}
	return &shelf{memory: t.memory, name: name, issuer: t.issuer, warn: t.warn}
}

// Close ends what goes on in the background, for which it waits, and lets idle connections to the tenant go. Discovery and keys
// cannot be asked for afterwards.
func (t *Tenant) Close() {
	t.life.end()
	if c, ok := t.transport.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Issuer returns the issuer identifier, byte for byte as it was configured.
func (t *Tenant) Issuer() string { return t.issuer }

const redacted = "[redacted]"

// Secret is a client secret or a token. Whatever prints, formats or marshals it shows that there is one, but not which;
// a conversion to string reveals it.
type Secret string

// String hides the secret.
func (s Secret) String() string { return redacted }

// Format hides the secret from every verb, those included that do not ask for a String method.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText hides the secret, in JSON too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
