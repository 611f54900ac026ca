package caddyauth0oidc

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/certmagic"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// inStorage gives a configuration with its own storage, in which handlers are loaded.
func inStorage(t *testing.T, folder string) caddy.Context {
	t.Helper()
	config := adaptConfig(t, "{}")
	config.StorageRaw = caddyconfig.JSONModuleObject(map[string]string{"root": folder}, "module", "file_system", nil)
	provisioning.Lock()
	defer provisioning.Unlock()
	base, err := caddy.ProvisionContext(config)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// loadHandler loads a configuration with a handler.
func loadHandler(t *testing.T, base caddy.Context, pairs ...string) (h *Handler, unload func(), err error) {
	t.Helper()
	ctx, cancel := caddy.NewContext(base)
	unload = sync.OnceFunc(cancel)
	t.Cleanup(unload)
	config := adaptJSON(t, append([]string{"secrets", "[]", "domain", `"rotating.eu.auth0.com"`}, pairs...)...)
	module, err := ctx.LoadModuleByID("http.handlers.auth0_oidc", json.RawMessage(config))
	h, _ = module.(*Handler)
	return h, unload, err
}

// watching counts the handlers that have a watcher of the storage.
func watching(base caddy.Context) int {
	found := 0
	storages.Range(func(name, value any) bool {
		if name == storageName(base.Storage()) {
			found, _ = watchers.References(secretStore{secretKind: sealing, storage: value.(*sharedStorage)}.file())
		}
		return true
	})
	return found
}

// To delete the file and to reload ends all sessions, also if the storage and its
// watcher are the same after the reload.
func TestASVS_15_ReloadAfterADeletionEndsAllSessions(t *testing.T) {
	adaptNoEnvironment(t)
	base := inStorage(t, t.TempDir())
	first, unload, err := loadHandler(t, base)
	if err != nil {
		t.Fatal(err)
	}
	cookie, opener := sealOf(t, first), first.keys.Load()
	if !opener.ReadSession(new(session.Session), cookie, sealedName) {
		t.Fatal("its own session is not read")
	}
	for range 2 {
		if err := base.Storage().Delete(t.Context(), "auth0_oidc/secrets.json"); err != nil {
			t.Fatal(err)
		}
		second, unloadSecond, err := loadHandler(t, base)
		if err != nil || watching(base) != 2 {
			t.Fatalf("%d handlers, %v", watching(base), err)
		}
		fresh := sealOf(t, second)
		for _, h := range []*Handler{first, second} {
			if h.keys.Load().ReadSession(new(session.Session), cookie, sealedName) || !h.keys.Load().ReadSession(new(session.Session), fresh, sealedName) {
				t.Error("a handler has other secrets")
			}
		}
		unload()
		first, unload, cookie = second, unloadSecond, fresh
	}
	if unload(); watching(base) != 0 {
		t.Error("the watcher has not ended")
	}
}

// The handler rotates by itself, and stops when its configuration ends or is
// refused: this test would not come to its end otherwise.
func TestHandlerRotatesUntilItsConfigurationEnds(t *testing.T) {
	adaptNoEnvironment(t)
	files := &certmagic.FileStorage{Path: t.TempDir()}
	base := inStorage(t, files.Path)
	seldom := []string{"revocation", `{"poll":"1h"}`}
	synctest.Test(t, func(t *testing.T) {
		first, unloadFirst, err := loadHandler(t, base, seldom...)
		if err != nil {
			t.Fatal(err)
		}
		before := first.keys.Load()
		_, unloadRefused, err := loadHandler(t, base, "revocation", `{"poll":"1h"}`, "session", `{"cookie":{"same_site":"none"}}`, "base_urls", `["http://app.example.com"]`)
		if err == nil {
			t.Error("the refused configuration was loaded")
		}
		unloadRefused()
		time.Sleep(29 * day)
		if first.keys.Load() != before {
			t.Error("the keyring changed early")
		}
		second, unloadSecond, err := loadHandler(t, base, seldom...)
		if err != nil {
			t.Fatal(err)
		}
		unloadFirst()
		time.Sleep(3 * day)
		if n := len(takeSecrets(t, files)); n != 2 || second.keys.Load() == nil || first.keys.Load() != before {
			t.Errorf("%d secrets after 32 days, or the handler that ended still checks", n)
		}
		unloadSecond()
	})
}

// A reload is refused if the secrets are damaged, and not if only a new one
// cannot be made.
func TestHandlerStartsIfASecretIsKnown(t *testing.T) {
	adaptNoEnvironment(t)
	for content, starts := range map[string]bool{
		`{"secrets":[{"created":"2020-03-01T08:00:00Z","secret":"` + testSecret('a') + `"}]}`: true,
		`{"secrets":[{"created":"2120-03-01T08:00:00Z","secret":"` + testSecret('a') + `"}]}`: true,
		`{"secrets":[{"created":"2020-03-01T08:00:00Z","secret":""}]}`:                        false,
	} {
		files := &certmagic.FileStorage{Path: t.TempDir()}
		if err := files.Store(t.Context(), secretPath, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if err := files.Store(t.Context(), "locks", nil); err != nil { // where the folder of the locks would be
			t.Fatal(err)
		}
		base := inStorage(t, files.Path)
		_, unload, err := loadHandler(t, base)
		if (err == nil) != starts || err != nil && strings.Contains(err.Error(), testSecret('a')) {
			t.Errorf("%v", err)
		}
		if unload(); watching(base) != 0 {
			t.Error("the watcher has not ended")
		}
	}
}
