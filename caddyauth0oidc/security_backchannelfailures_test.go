package caddyauth0oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
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

// faultyStore is a storage of which some keys cannot be used for now.
type faultyStore struct {
	memoryStore
	mu      sync.Mutex
	failing string // what is in the name of the key, after the operation
}

var errDisk = errors.New("the disk is broken")

func (s *faultyStore) fail(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = what
}

func (s *faultyStore) judge(operation, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != "" && strings.Contains(operation+" "+key, s.failing) {
		return errDisk
	}
	return nil
}

func (s *faultyStore) Store(ctx context.Context, key string, value []byte) error {
	return errors.Join(s.judge("store", key), s.memoryStore.Store(ctx, key, value))
}

func (s *faultyStore) Load(ctx context.Context, key string) ([]byte, error) {
	if err := s.judge("load", key); err != nil {
		return nil, err
	}
	return s.memoryStore.Load(ctx, key)
}

// breakable has the ledger keep its marks in a storage that can fail.
func (l *ledger) breakable() *faultyStore {
	s := new(faultyStore)
	l.markBook = revocation.New(revocation.Config{Store: s, Path: "marks", Random: rand.Reader, Now: l.time})
	return s
}

// BCL-18: a token that the storage does not take is to be sent again, and counts as new
// then. Here the session is over all the same.
func TestBCL_18_AFailingStorageIsNoFalse200(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]string{
		"the mark": "store marks/heads", "the bell": "store marks/bell", "the reading for a replay": "load marks/bell",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := backchannelWorld(t)
			store := w.handler().ledger.breakable()
			b, sid := w.signedInBrowser(w.pair.User)
			form := url.Values{"logout_token": {w.pair.Master.LogoutToken(w.pair.App.ClientID, w.pair.MasterUserID(w.pair.User), sid)}}.Encode()
			store.fail(failing)
			for range 2 {
				response, body := w.postLogout(backchannelPath, form, nil)
				if w.judgeLogoutAnswer(response, body); response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") != "5" || w.alive(b) {
					t.Errorf("%d %v", response.StatusCode, response.Header)
				}
			}
			store.fail("")
			for _, want := range []int{http.StatusOK, http.StatusBadRequest} {
				response, body := w.postLogout(backchannelPath, form, nil)
				if w.judgeLogoutAnswer(response, body); response.StatusCode != want {
					t.Errorf("sent again: %d, want %d", response.StatusCode, want)
				}
			}
			if logs := w.logs(); !strings.Contains(logs, `"code":"storage_unavailable"`) || strings.Count(logs, "reading or writing which sessions were ended") != 1 {
				t.Error("the log does not say so")
			}
		})
	}
}

// BCL-18: a token that failed at one of two places is to be sent again, too.
func TestBCL_18_AFailureForOneOfTwoClientsIsNoFalse200(t *testing.T) {
	t.Parallel()
	const child = "connection acme-child {\nchild {\ndomain CHILD_TENANT\nclient_id CHILD_APPLICATION\nbackchannel_logout on\n}\n}\n"
	w := newWorld(t, withSite("@a not path /b/*\n@b path /b/*\nroute {\nauth0_oidc @a {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\n"+child+
		"}\nauth0_oidc @b {\ndomain DOMAIN\nclient_id other-client\nclient_secret x\n"+child+"}\nreverse_proxy UPSTREAM\n}"))
	b, _ := w.signedInBrowser(w.pair.User)
	other := handlerWith(t, w, "other-client").ledger
	store := other.breakable()
	store.fail("store")
	token := w.pair.Child.LogoutToken(w.pair.ChildApp.ClientID, w.pair.User.ID, "x")
	ended := func() bool {
		return other.Revoked([16]byte{}, "", w.pair.MasterUserID(w.pair.User), w.clock.Now())
	}
	if status := w.sendLogout(token); status != http.StatusServiceUnavailable || w.alive(b) || !ended() {
		t.Errorf("%d", status)
	}
	store.fail("")
	if status := w.sendLogout(token); status != http.StatusOK {
		t.Errorf("sent again: %d", status)
	}
	if n := other.ended[causeBackchannel].Load(); n != 2 {
		t.Errorf("counted %d times", n)
	}
}

// handlerWith gives the world's handler with another client.
func handlerWith(t *testing.T, w *world, clientID string) (found *Handler) {
	t.Helper()
	pool.Range(func(_, value any) bool {
		if s := value.(*shared); s.tenant.Issuer() == w.pair.Master.Issuer() && strings.HasSuffix(s.key, clientID) {
			found = s.all()[0]
		}
		return found == nil
	})
	if found == nil {
		t.Fatal("no such client")
	}
	return found
}

// Marks are kept for as long as the longest session of those who share them can last.
func TestLogoutsOutliveWhatTheyEnd(t *testing.T) {
	t.Parallel()
	const site = "auth0_oidc /b/* {\nSETTINGS\n}\n@a not path /b/*\nauth0_oidc @a {\nSETTINGS\nsession {\nidle 2000h\nabsolute 2000h\n}\n}\nreverse_proxy UPSTREAM"
	w := newWorld(t, withSite(site))
	b, _ := w.signedInBrowser(w.pair.User)
	cookies := cookieHeader(w, b)
	if status := w.sendLogout(w.tampered(w.pair.MasterUserID(w.pair.User), "", lacking("sid"))); status != http.StatusOK {
		t.Fatalf("%d", status)
	}
	for range 4 {
		w.clock.advance(499 * time.Hour)
		if w.handler().ledger.pollNow(t); w.accepts(cookies) {
			t.Fatal("the session came to life again")
		}
	}
}

// So are those of users for as long as their access tokens.
func TestLogoutsOfUsersOutliveTheirAccessTokens(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]func(*world) string{
		"the master's": func(w *world) string { return w.tampered(w.pair.MasterUserID(w.pair.User), "", lacking("sid")) },
		"the child's":  func(w *world) string { return w.pair.Child.LogoutToken(w.pair.ChildApp.ClientID, w.pair.User.ID, "x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAPIWorld(t, withSite(siteOf(backchannelSite+bearerSetting)))
			w.pair.Master.Configure(func(s *auth0sim.Settings) { s.AccessTokenLifetime = longestToken })
			token, _ := w.userToken("openid read:reports")
			if w.statusOfToken(token) != http.StatusOK {
				t.Fatal("the token is refused")
			}
			if status := w.sendLogout(sent(w)); status != http.StatusOK {
				t.Fatalf("%d", status)
			}
			for range 3 {
				if w.handler().ledger.pollNow(t); w.statusOfToken(token) != http.StatusUnauthorized {
					t.Fatal("the token passes")
				}
				w.clock.advance(9 * 24 * time.Hour)
			}
		})
	}
}

func (w *world) statusOfToken(token string) int {
	response, _ := w.call("/x", token)
	return response.StatusCode
}
