package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

const (
	oldSecret = "an old secret of at least thirty-two bytes"
	newSecret = "a new secret of at least thirty-two bytes!"
)

func (w *world) isSignedIn(b *heldBrowser) bool {
	w.t.Helper()
	response, _ := w.send(b, "GET", "/x", map[string]string{"Accept": "application/json"})
	return response.StatusCode == http.StatusOK
}

// CK-07, ASVS-10: idle and absolute limits, and the moment at which they end.
func TestSessionEndsAtItsLimits(t *testing.T) {
	t.Parallel()
	const settings = "session {\nidle 1h\nabsolute 3h\n}"
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, withSettings(settings))
		b := w.browser()
		w.signIn(b, "/home", w.pair.User)
		w.clock.advance(59 * time.Minute)
		if !w.isSignedIn(b) {
			t.Error("ended before the idle limit")
		}
		w.clock.advance(61 * time.Minute)
		if w.isSignedIn(b) {
			t.Error("alive after the idle limit")
		}
	})
	t.Run("absolute", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, withSettings(settings))
		b := w.browser()
		w.signIn(b, "/home", w.pair.User)
		for range 5 {
			w.clock.advance(30 * time.Minute)
			if !w.isSignedIn(b) {
				t.Fatal("ended while it was used")
			}
		}
		w.clock.advance(31 * time.Minute)
		if w.isSignedIn(b) {
			t.Error("alive after the absolute limit")
		}
	})
	t.Run("CVE-SDK-15 session_expiry of the tenant", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, withSettings(settings))
		w.pair.Master.SessionExpiry = 10 * time.Minute
		b := w.browser()
		w.signIn(b, "/home", w.pair.User)
		w.clock.advance(9 * time.Minute)
		if !w.isSignedIn(b) {
			t.Error("ended early")
		}
		w.clock.advance(time.Minute)
		if w.isSignedIn(b) {
			t.Error("alive after the tenant's limit")
		}
	})
}

// OIDC-16, CK-07: with max_age a session lasts no longer than Auth0's knowledge of the
// user, and the login after it makes the master tenant ask the child again.
func TestSessionEndsWithMaxAge(t *testing.T) {
	t.Parallel()
	const settings = "max_age 2h\nsession {\nidle 10h\nabsolute 20h\n}"
	w := newWorld(t, withSettings(settings))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for range 2 {
		w.clock.advance(59 * time.Minute)
		if !w.isSignedIn(b) {
			t.Fatal("ended early")
		}
	}
	w.clock.advance(2 * time.Minute)
	if w.isSignedIn(b) {
		t.Error("alive after max_age")
	}
	location, _ := url.Parse(w.step(b, w.base+"/home").Header.Get("Location"))
	if got := location.Query().Get("max_age"); got != "7140" {
		t.Errorf("the login asks for max_age=%s, want a minute less than 2h", got)
	}
	if page := w.open(b, "/home"); page.Status != http.StatusOK || !w.isSignedIn(b) { // the child has a session still
		t.Errorf("the login after it: %d %s", page.Status, page.URL)
	}
}

// Today's configuration decides: a session that does not say when the user proved who
// they are ends when max_age is added.
func TestMaxAgeEndsSessionsFromBeforeIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.load(worldSetup{base: w.base, settings: "max_age 8h"})
	if w.isSignedIn(b) {
		t.Error("alive")
	}
	if page := w.open(b, "/home"); len(page.Forms) == 0 && page.URL.Path != "/home" {
		t.Errorf("no new login but %d %s", page.Status, page.URL)
	}
}

// The cookie is written again after a tenth of the idle time and not before,
// and such an answer stays out of shared caches, whatever the application says.
func TestCVE_SDK_07_RenewalIsRareAndPrivate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("session {\nidle 10h\nabsolute 20h\n}"))
	w.app.answer = func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Cache-Control", "public, s-maxage=31536000")
		rw.Header().Set("CDN-Cache-Control", "public")
		rw.Header().Set("Surrogate-Control", "max-age=1000")
		_, _ = rw.Write([]byte("page"))
	}
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	first := sessionCookie(w, b)
	w.clock.advance(59 * time.Minute)
	response, _ := w.send(b, "GET", "/x", nil)
	if len(response.Header.Values("Set-Cookie")) != 0 || response.Header.Get("Cache-Control") != "private" {
		t.Errorf("before a tenth of the idle time: %v", response.Header)
	}
	w.clock.advance(2 * time.Minute)
	if response, _ = w.send(b, "GET", "/x", map[string]string{"Sec-Purpose": "prefetch"}); len(response.Header.Values("Set-Cookie")) != 0 {
		t.Error("NAV-07: a prefetch renews the session")
	}
	response, _ = w.send(b, "GET", "/x", nil)
	if got := response.Header.Values("Cache-Control"); len(got) != 1 || got[0] != "private, no-store" || response.Header.Get("Cdn-Cache-Control") != "" || response.Header.Get("Surrogate-Control") != "" {
		t.Errorf("CACHE-02: %v", response.Header)
	}
	cookie := response.Header.Get("Set-Cookie")
	for _, attribute := range []string{"__Host-auth0_session=", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax", "; Max-Age=3"} {
		if !strings.Contains(cookie, attribute) {
			t.Errorf("%q lacks %s", cookie, attribute)
		}
	}
	if second := sessionCookie(w, b); second == first || !w.isSignedIn(b) {
		t.Error("the renewed cookie is not a session")
	}
}

// CVE-SDK-06, CVE-ENV-08, LSN-06: a cookie that is damaged, forged or of
// another key is no session: a page leads to the login, everything else to 401.
func TestLSN_06_DamagedCookiesAreNoSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	genuine := sessionCookie(w, b)
	w.app.take()
	values := []string{"", "x", strings.Repeat("x", 100_000), "k.9." + genuine[6:], genuine[:len(genuine)-1], genuine + "A", strings.ToUpper(genuine)}
	for i := 0; i < len(genuine); i += 37 {
		values = append(values, genuine[:i], genuine[:i]+"~"+genuine[i+1:])
	}
	for _, value := range values {
		for accept, want := range map[string]int{"text/html": http.StatusFound, "application/json": http.StatusUnauthorized} {
			r, _ := http.NewRequest("GET", w.base+"/x", nil)
			r.Header.Set("Cookie", "__Host-auth0_session="+value)
			r.Header.Set("Accept", accept)
			response, err := w.network.RoundTrip(r)
			if err != nil || response.StatusCode != want {
				t.Fatalf("%.40q: %v %v", value, response, err)
			}
		}
	}
	if len(w.app.take()) != 0 {
		t.Error("the application was reached")
	}
}

// CVE-SDK-16, CK-03: what was sealed for one use is nothing in another.
func TestPendingLoginIsNoSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.step(b, w.base+"/home")
	for _, c := range b.Cookies(w.base) {
		r, _ := http.NewRequest("GET", w.base+"/x", nil)
		r.Header.Set("Cookie", "__Host-auth0_session="+c.Value)
		if response, err := w.network.RoundTrip(r); err != nil || response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%v %v", response, err)
		}
	}
}

// CK-18: a secret is replaced without signing anybody out; when the old one
// goes, its sessions end with a new login and not with an error.
func TestSecretsAreReplacedOneAfterAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("secret \""+oldSecret+"\""))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	setup := worldSetup{base: w.base}
	setup.settings = "secret \"" + newSecret + "\" \"" + oldSecret + "\""
	if w.load(setup); !w.isSignedIn(b) {
		t.Error("a session of the older secret is not read")
	}
	setup.settings = "secret \"" + newSecret + "\""
	if w.load(setup); w.isSignedIn(b) {
		t.Error("a session of a secret that is gone is read")
	}
	if page := w.open(b, "/home"); page.Status != http.StatusOK || page.URL.String() != w.base+"/home" {
		t.Errorf("the new login ends at %d %s", page.Status, page.URL)
	}
}

// Without a configured secret one is made and kept in Caddy's storage.
func TestSecretIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kept := filepath.Join(w.folder, "auth0_oidc", "secrets.json") // as the README says
	first, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.load(worldSetup{base: w.base})
	if !w.isSignedIn(b) {
		t.Error("the session did not survive a reload")
	}
	if second, _ := os.ReadFile(kept); string(second) != string(first) {
		t.Error("the secret was made again")
	}
	if strings.Contains(w.logs(), string(first[40:70])) {
		t.Error("INV-04: the secret is in the log")
	}
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
	w.load(worldSetup{base: w.base})
	if w.isSignedIn(b) {
		t.Error("the session survived a reload after the secret was deleted")
	}
	if page := w.open(b, "/home"); page.Status != http.StatusOK || !w.isSignedIn(b) { // the child has a session still
		t.Error("no login with the new secret")
	}
}

// CK-18: two instances on one storage replace the secret that nobody configured
// every 30 days. A browser that is served by either stays signed in across two
// rotations, and so does one that signs in on the day before a new secret seals.
func TestCK_18_StoredSecretsAreReplacedUnnoticed(t *testing.T) {
	t.Parallel()
	setup := worldSetup{base: "https://app.example.test", settings: "session {\nidle 480h\nabsolute 1920h\n}"}
	w := newWorld(t, withSettings(setup.settings))
	servers := []*caddyhttp.Server{w.server}
	w.load(setup)
	servers = append(servers, w.server)
	kept, err := os.ReadFile(filepath.Join(w.folder, filepath.FromSlash(secretPath)))
	if err != nil {
		t.Fatal(err)
	}
	b, late := w.browser(), w.browser()
	w.signIn(b, "/home", w.pair.User)
	for day := 1; day <= 75; day++ {
		w.clock.advance(24 * time.Hour)
		for _, server := range servers {
			for _, h := range directives(server, server.Routes, nil) {
				h.rotation.watcher.check(t.Context())
			}
		}
		w.network.Handle("app.example.test", servers[day%2])
		if !w.isSignedIn(b) {
			t.Fatalf("signed out on day %d", day)
		}
		if day == 30 {
			w.signIn(late, "/home", w.pair.User)
		}
		if day > 30 && !w.isSignedIn(late) {
			t.Fatalf("the late browser is signed out on day %d", day)
		}
	}
	w.clock.advance(5 * 24 * time.Hour)
	if w.isSignedIn(b) {
		t.Error("the session outlives its absolute limit")
	}
	secrets := takeSecrets(t, &certmagic.FileStorage{Path: w.folder})
	if len(secrets) != 3 || !strings.Contains(string(kept), secrets[0].Secret) {
		t.Errorf("there are %d secrets", len(secrets))
	}
	for _, s := range secrets {
		if strings.Contains(w.logs(), s.Secret) {
			t.Error("INV-04: a secret is in the log")
		}
	}
}

// A profile of some size takes several cookies; one that does not fit fails at
// the login and says which claim is too large.
func TestLargeProfiles(t *testing.T) {
	t.Parallel()
	t.Run("chunks", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.pair.Master.CustomClaims = map[string]any{"https://acme.test/roles": opaqueText(4_000)}
		b := w.browser()
		if page := w.signIn(b, "/home", w.pair.User); page.Status != http.StatusOK || !w.isSignedIn(b) {
			t.Fatalf("%d %s", page.Status, page.Body)
		}
		chunks := 0
		for _, c := range b.Cookies(w.base) {
			if strings.HasPrefix(c.Name, "__Host-auth0_session") {
				chunks++
			}
		}
		if chunks < 2 {
			t.Errorf("%d chunks", chunks)
		}
		for _, r := range w.app.take() {
			if strings.Contains(r.header.Get("Cookie"), "auth0_session") {
				t.Error("INV-03: a chunk reached the application")
			}
		}
		w.pair.Master.Configure(func(s *auth0sim.Settings) { s.CustomClaims = nil })
		if page := w.open(b, "/auth/login?return_to=/home"); page.Status != http.StatusOK || !w.isSignedIn(b) {
			t.Errorf("CVE-SDK-12: after the profile shrank: %d", page.Status)
		}
	})
	t.Run("DOS-08 too large", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.pair.Master.CustomClaims = map[string]any{"https://acme.test/roles": opaqueText(12_000)}
		b := w.browser()
		page := w.signIn(b, "/home", w.pair.User)
		if page.Status != http.StatusBadGateway || !strings.Contains(page.Body, "https://acme.test/roles") || sessionCookie(w, b) != "" {
			t.Errorf("%d %s", page.Status, page.Body)
		}
		if text := opaqueText(40); strings.Contains(page.Body, text) || strings.Contains(w.logs(), text) {
			t.Error("INV-04: the claim's value is on the page or in the log")
		}
	})
}

// Plain http has cookies with names of their own.
func TestPlainHTTPHasPlainCookies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, atBase("http://app.example.test"))
	b := w.browser()
	if page := w.signIn(b, "/home", w.pair.User); page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	for _, c := range b.Cookies(w.base) {
		if !strings.HasPrefix(c.Name, "auth0_") {
			t.Errorf("cookie %s", c.Name)
		}
	}
}
