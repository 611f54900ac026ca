package caddyauth0oidc

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

var ownPost = map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

// revocations gives the refresh tokens that the master was asked to revoke.
func (w *world) revocations() func() []string {
	var mu sync.Mutex
	var tokens []string
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/oauth/revoke" {
				body, _ := io.ReadAll(r.Body)
				form, _ := url.ParseQuery(string(body))
				mu.Lock()
				tokens = append(tokens, form.Get("token"))
				mu.Unlock()
				r.Body = io.NopCloser(strings.NewReader(string(body)))
			}
			return false
		}
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(tokens)
	}
}

// browserTokens opens the cookie of the tokens that the browser has.
func (w *world) browserTokens(b *heldBrowser) (session.Session, *session.Tokens) {
	w.t.Helper()
	h, lines := w.handler(), []string{cookieHeader(w, b)}
	name := h.cookiesOf(origin{scheme: "https"}).Session.Name
	var s session.Session
	if !h.keys.Load().ReadSession(&s, lines, name) {
		w.t.Fatal("there is no session")
	}
	tokens, _ := h.keys.Load().ReadTokens(&s, lines, name)
	return s, tokens
}

// RIL-08: what is revoked is the newest refresh token, and it alone: the one in the cookie
// of a browser that lost an answer was exchanged for it.
func TestRIL_08_LogoutRevokesTheNewestRefreshToken(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(w *world) *world{
		"refreshed here":      func(w *world) *world { return w },
		"refreshed elsewhere": func(w *world) *world { return w.instance(refreshOn) },
		"the storage has lost it": func(w *world) *world {
			f := w.handler().refresher
			f.storage = &certmagic.FileStorage{Path: w.t.TempDir()}
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := signedInToRefresh(t)
			s, spent := w.browserTokens(b)
			w.due()
			if statuses := w.together(1, cookieHeader(w, b)); statuses[http.StatusOK] != 1 {
				t.Fatal(statuses)
			}
			newest := w.handler().refresher.find(s.ID).state.Tokens.Refresh
			w = after(w)
			w.serves()
			asked := w.revocations()
			w.send(b, "POST", "/auth/logout", ownPost)
			if got := asked(); len(got) != 1 || got[0] != newest || newest == spent.Refresh {
				t.Errorf("%d tokens were revoked, the newest among them: %v", len(got), slices.Contains(got, newest))
			}
			if n := w.storedStates(); n != 0 && name != "the storage has lost it" {
				t.Errorf("%d states are left", n)
			}
		})
	}
}

// Directives that share a session have one refresh token, whichever of them refreshes.
func TestRIL_08_DirectivesThatShareASessionRevokeOnce(t *testing.T) {
	t.Parallel()
	w := newRefreshWorld(t, withSettings(""), withSite("@main not path /b/*\nauth0_oidc /b/* {\nSETTINGS\n}\nauth0_oidc @main {\nSETTINGS\n"+refreshOn+"\n}\nreverse_proxy UPSTREAM"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.app.take()
	w.due()
	w.together(1, cookieHeader(w, b))
	asked := w.revocations()
	w.send(b, "POST", "/auth/logout", ownPost)
	if got := asked(); len(got) != 1 {
		t.Errorf("%d tokens were revoked", len(got))
	}
	if logs := w.logs(); !strings.Contains(logs, `"sessions":1`) {
		t.Error("the log has another number of sessions")
	}
}

// hungStorage answers nobody before it is released, whatever the context says.
type hungStorage struct {
	certmagic.Storage
	released chan struct{}
}

func (s hungStorage) Load(context.Context, string) ([]byte, error) {
	<-s.released
	return nil, fs.ErrNotExist
}

func (s hungStorage) Delete(context.Context, string) error {
	<-s.released
	return nil
}

// RIL-08, CVE-SDK-13: nobody waits for a storage that hangs, and the token that is known is
// revoked.
func TestRIL_08_LogoutWhileTheStorageHangs(t *testing.T) {
	t.Parallel()
	w, b := signedInToRefresh(t)
	_, known := w.browserTokens(b)
	hung, storage := hungStorage{released: make(chan struct{})}, newSharedStorage("hung")
	t.Cleanup(func() { close(hung.released) })
	storage.join(&storageUser{w.handler(), t.Context(), hung})
	w.handler().refresher.storage = storage
	asked, began := w.revocations(), time.Now()
	response, _ := w.send(b, "POST", "/auth/logout", ownPost)
	if took := time.Since(began); took > logoutPatience+time.Second {
		t.Errorf("it took %s", took)
	}
	if got := asked(); response.StatusCode != http.StatusSeeOther || len(got) != 1 || got[0] != known.Refresh {
		t.Errorf("%d, %d tokens were revoked", response.StatusCode, len(got))
	}
}
