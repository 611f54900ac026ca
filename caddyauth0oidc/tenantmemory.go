package caddyauth0oidc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"slices"
	"sync"

	"go.uber.org/zap"
)

// tenantPath is the folder of what tenants said last in Caddy's storage.
const tenantPath = "auth0_oidc/tenants/"

// keeping is what a handler gives for the memory of its tenants.
type keeping struct {
	ctx     context.Context // of the configuration
	storage storage
	logger  *zap.Logger
}

// tenantMemory keeps the discovery document and the keys of a tenant in Caddy's storage,
// that of the newest configuration: a reload may bring another one.
type tenantMemory struct {
	folder string

	mu   sync.Mutex
	from []*keeping // one for each handler, the newest last
}

// newTenantMemory gives the memory of an issuer. Directives that trust other certificate
// authorities keep what they were told apart: one must not be the way to another's keys.
func newTenantMemory(issuer string, by passage) *tenantMemory {
	sum := sha256.Sum256([]byte(issuer + "\x00" + by.trust))
	return &tenantMemory{folder: tenantPath + hex.EncodeToString(sum[:16]) + "/"}
}

func (m *tenantMemory) join(k *keeping) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.from = append(m.from, k)
}

// leave is called once for each join.
func (m *tenantMemory) leave(k *keeping) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.from, k); i >= 0 {
		m.from = slices.Delete(m.from, i, i+1)
	}
}

// newest is of a configuration that has not ended, if there is one.
func (m *tenantMemory) newest() *keeping {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range slices.Backward(m.from) {
		if k.ctx.Err() == nil {
			return k
		}
	}
	if len(m.from) == 0 {
		return nil
	}
	return m.from[len(m.from)-1]
}

// Load reads one of the files.
func (m *tenantMemory) Load(ctx context.Context, name string) ([]byte, error) {
	k := m.newest()
	if k == nil {
		return nil, fs.ErrNotExist
	}
	return k.storage.Load(ctx, m.folder+name)
}

// Store replaces one of the files.
func (m *tenantMemory) Store(ctx context.Context, name string, content []byte) error {
	k := m.newest()
	if k == nil {
		return context.Canceled
	}
	return k.storage.Store(ctx, m.folder+name, content)
}

func (m *tenantMemory) warn(err error) {
	if k := m.newest(); k != nil {
		k.logger.Warn("what the tenant says is kept in Caddy's storage for times when it is away; that failed now, and costs nothing until then",
			zap.String("folder", m.folder), zap.Error(err))
	}
}
