package caddyauth0oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// CVE-LIB-12, DOS-05: a flood of tokens with the right names and unknown keys costs one
// request for keys in 30 seconds, leaves nothing behind, and hinders nobody.
func TestDOS_05_FloodOfUnknownKeysCostsOneRequest(t *testing.T) {
	t.Parallel()
	w := backchannelWorld(t)
	b, sid := w.signedInBrowser(w.pair.User)
	w.clock.advance(31 * time.Second)
	before, remembered := w.pair.Master.Calls("/.well-known/jwks.json"), w.handler().shared.remembered()
	flood := func(n int) {
		for i := range n {
			token := w.tampered("auth0|x", fmt.Sprint("sid", i), func(header, _ map[string]any) { header["kid"] = opaqueText(20) + fmt.Sprint(i) })
			if status := w.sendLogout(token); status != http.StatusBadRequest {
				t.Fatalf("%d. token: %d", i+1, status)
			}
		}
	}
	flood(200)
	if status := w.sendLogout(w.pair.Master.LogoutToken(w.pair.App.ClientID, w.pair.MasterUserID(w.pair.User), sid)); status != http.StatusOK || w.alive(b) {
		t.Errorf("the genuine one: %d", status)
	}
	flood(50)
	if n := w.pair.Master.Calls("/.well-known/jwks.json") - before; n != 1 {
		t.Errorf("%d requests for keys", n)
	}
	if n := w.handler().shared.remembered(); n != remembered {
		t.Errorf("%d things are remembered, %d before", n, remembered)
	}
}

// CVE-LIB-13: an empty set of keys takes away none of those that are known, and a token
// that cannot be judged is to be sent again.
func TestCVE_LIB_13_EmptyKeySetLeavesLogoutsAlone(t *testing.T) {
	t.Parallel()
	w := backchannelWorld(t)
	b, sid := w.signedInBrowser(w.pair.User)
	w.clock.advance(31 * time.Second)
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.TamperKeys = func(set *jose.JSONWebKeySet) { set.Keys = nil } })
	unknown := w.tampered("auth0|x", sid, func(header, _ map[string]any) { header["kid"] = "unknown" })
	if status := w.sendLogout(unknown); status != http.StatusServiceUnavailable || !w.alive(b) {
		t.Errorf("with an unknown key: %d", status)
	}
	if status := w.sendLogout(w.pair.Master.LogoutToken(w.pair.App.ClientID, w.pair.MasterUserID(w.pair.User), sid)); status != http.StatusOK || w.alive(b) {
		t.Errorf("with a known key: %d", status)
	}
}

// BCL-18: without the keys nothing is known, and nothing is said to be done.
func TestBCL_18_NoKeysIsNoFalse200(t *testing.T) {
	t.Parallel()
	w := backchannelWorld(t)
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/jwks.json") {
				http.Error(rw, "down", http.StatusBadGateway)
			}
			return strings.HasSuffix(r.URL.Path, "/jwks.json")
		}
	})
	token := w.pair.Master.LogoutToken(w.pair.App.ClientID, "auth0|x", "y")
	if status := w.sendLogout(token); status != http.StatusServiceUnavailable {
		t.Errorf("%d", status)
	}
	w.pair.Master.Configure(func(s *auth0sim.Settings) { s.Intercept = nil })
	w.clock.advance(30 * time.Second)
	if status := w.sendLogout(token); status != http.StatusOK {
		t.Errorf("sent again: %d", status)
	}
}

// stubKeeper is a storage that may fail.
type stubKeeper struct {
	revoke, once error
	marks        int
	seen         map[string]bool
}

func (k *stubKeeper) Revoke(_ context.Context, marks ...revocation.Mark) error {
	k.marks += len(marks)
	return k.revoke
}

func (k *stubKeeper) Once(_ context.Context, id string, _ time.Time) (bool, error) {
	if k.once != nil {
		return false, k.once
	}
	first := !k.seen[id]
	k.seen[id] = true
	return first, nil
}

// BCL-18: a token that could not be kept is to be sent again, and counts as new then; one
// that failed at one of two places too.
func TestBCL_18_AFailingStorageIsNoFalse200(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is broken")
	token := &tenant.LogoutToken{Issuer: "i", TokenID: "t", UsableUntil: time.Now()}
	one, two := &stubKeeper{seen: make(map[string]bool)}, &stubKeeper{seen: make(map[string]bool)}
	marks := map[marksKeeper][]revocation.Mark{one: make([]revocation.Mark, 1), two: make([]revocation.Mark, 2)}
	for _, step := range []struct {
		fail func()
		want int
	}{
		{func() { one.revoke = broken }, 503},
		{func() { one.revoke, two.revoke = nil, broken }, 503},
		{func() { two.revoke, one.once = nil, broken }, 503},
		{func() { one.once = nil }, 200},
		{func() {}, 400},
	} {
		step.fail()
		status, refused := http.StatusOK, keepLogout(t.Context(), one, token, marks)
		if refused != nil {
			status = refused.status
		}
		if status != step.want || status == 503 && (!errors.Is(refused.cause, broken) || refused.retryAfter < time.Second) {
			t.Errorf("%+v, want %d", refused, step.want)
		}
	}
	if one.marks != 5 || two.marks != 10 {
		t.Errorf("%d and %d marks", one.marks, two.marks)
	}
}

// Marks are kept for as long as the longest session of those who share them can last.
func TestMarksOutliveTheLongestSessionOfAllDirectives(t *testing.T) {
	t.Parallel()
	const site = "auth0_oidc /b/* {\nSETTINGS\n}\n@a not path /b/*\nauth0_oidc @a {\nSETTINGS\nsession {\nidle 10m\nabsolute 1000h\n}\n}\nreverse_proxy UPSTREAM"
	w := newWorld(t, withSite(site))
	h := w.handler()
	if until := lastUntil(everyHandler(h))[h.ledger]; until.Before(w.clock.Now().Add(1000 * time.Hour)) {
		t.Errorf("until %s", until)
	}
}
