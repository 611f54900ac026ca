package caddyauth0oidc

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

const (
	assertionHeader   = "X-Auth0-Assertion"
	assertionSettings = "unauthenticated pass\nassertion {\naudience https://legacy.test\n}\n"
)

// asserted is what the application reads of an assertion.
type asserted struct {
	jwt.Claims
	Email    string `json:"email"`
	Verified *bool  `json:"email_verified"`
}

// publishedAt gives the keys that the site publishes.
func (w *world) publishedAt(path string) (set jose.JSONWebKeySet, text string) {
	w.t.Helper()
	response, body := w.send(w.browser(), "GET", path, nil)
	if err := json.Unmarshal([]byte(body), &set); err != nil || response.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %d %v\n%s", path, response.StatusCode, err, body)
	}
	return set, body
}

var errNotSigned = errors.New("no published key has signed it")

// believe verifies an assertion as an application does.
func (w *world) believe(set jose.JSONWebKeySet, text, issuer, audience string) (asserted, error) {
	var claims asserted
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return claims, err
	}
	keys := set.Key(token.Headers[0].KeyID)
	if len(keys) != 1 || token.Claims(keys[0], &claims) != nil {
		return claims, errNotSigned
	}
	return claims, claims.ValidateWithLeeway(jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{audience}, Time: w.clock.Now()}, 0)
}

// assertionOf opens a page and gives what the application got.
func (w *world) assertionOf(b *heldBrowser, path string) string {
	w.t.Helper()
	w.app.take()
	w.open(b, path)
	seen := w.app.take()
	if len(seen) != 1 || len(seen[0].header[assertionHeader]) != 1 {
		w.t.Fatalf("%d requests, the last with the assertions %q", len(seen), seen[len(seen)-1].header[assertionHeader])
	}
	return seen[0].header.Get(assertionHeader)
}

func TestHDR_46_ApplicationVerifiesWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(assertionSettings))
	b := w.browser()
	w.signIn(b, "/auth/login?return_to=/home", w.pair.User)
	text := w.assertionOf(b, "/home")
	set, _ := w.publishedAt("/auth/jwks.json")
	claims, err := w.believe(set, text, w.base, "https://legacy.test")
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != w.pair.MasterUserID(w.pair.User) || claims.Email != w.pair.User.Email || claims.Verified == nil || claims.ID == "" || claims.NotBefore != nil {
		t.Errorf("the claims are %+v", claims)
	}
	if _, err := w.believe(set, text, w.base, "https://other.test"); !errors.Is(err, jwt.ErrInvalidAudience) {
		t.Errorf("another audience: %v", err)
	}
	if _, err := w.believe(set, text, "https://evil.test", "https://legacy.test"); !errors.Is(err, jwt.ErrInvalidIssuer) {
		t.Errorf("another issuer: %v", err)
	}
	w.clock.advance(time.Minute + time.Second)
	if _, err := w.believe(set, text, w.base, "https://legacy.test"); !errors.Is(err, jwt.ErrExpired) {
		t.Errorf("after its end: %v", err)
	}
	if next, err := w.believe(set, w.assertionOf(b, "/home"), w.base, "https://legacy.test"); err != nil || next.ID == claims.ID {
		t.Errorf("the next one: %v, %+v", err, next)
	}
	if kept := takeSecretsOf(t, w); strings.Contains(w.logs(), kept[0].Secret) {
		t.Error("INV-04: the key is in the log")
	}
	for line := range strings.Lines(w.logs()) { // reverse_proxy logs the headers it sends, when it debugs
		if strings.Contains(line, text) && !strings.Contains(line, `"logger":"http.handlers.reverse_proxy"`) {
			t.Errorf("INV-04: the assertion is in the log: %s", line)
		}
	}
}

// HDR-46, HDR-01 to HDR-06: whatever a client sends under the header's name does
// not arrive, with or without a session, and on error routes.
func TestHDR_46_ForgedAssertionsNeverPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal("servers {\nexpected_underscore_headers Signed_*\nexpected_dot_headers Signed.*\n}\n"+globalTenant), withSite(`auth0_oidc {
unauthenticated pass
assertion {
header Signed-User
audience https://legacy.test
}
}
error /fails 500
reverse_proxy UPSTREAM
handle_errors {
auth0_oidc {
unauthenticated pass
assertion {
header Signed-User
audience https://legacy.test
}
}
reverse_proxy UPSTREAM
}`))
	b := w.browser()
	w.signIn(b, "/auth/login?return_to=/home", w.pair.User)
	w.app.take()
	set, _ := w.publishedAt("/auth/jwks.json")
	for _, name := range []string{"Signed-User", "signed-user", "SIGNED_USER", "Signed_User", "signed.user", "Signed~User"} {
		for _, path := range []string{"/home", "/fails"} {
			for visitor, signedIn := range map[*heldBrowser]bool{b: true, w.browser(): false} {
				w.send(visitor, "GET", path, map[string]string{name: "evil", "Connection": "Signed-User, " + name})
				seen := w.app.take()
				if len(seen) != 1 {
					t.Fatalf("%d requests", len(seen))
				}
				if !signedIn {
					assertSeen(t, seen[0], map[string]string{"Signed-User": ""})
				} else if _, err := w.believe(set, seen[0].header.Get("Signed-User"), w.base, "https://legacy.test"); err != nil {
					t.Errorf("%s %s: %v", name, path, err)
				} else {
					assertSeen(t, seen[0], map[string]string{"Signed-User": seen[0].header.Get("Signed-User")})
				}
			}
		}
	}
}

func TestHDR_46_KeysArePublicAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("assertion {\naudience https://legacy.test\n}"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.clock.advance(3 * time.Hour) // the cookie would be written again
	for what, visitor := range map[string]*heldBrowser{"signed in": b, "signed out": w.browser()} {
		for _, method := range []string{"GET", "HEAD"} {
			response, body := w.send(visitor, method, "/auth/jwks.json?x=1", nil)
			header := response.Header
			if response.StatusCode != http.StatusOK || header.Get("Content-Type") != "application/jwk-set+json" || (method == "HEAD") != (body == "") ||
				header.Get("Cache-Control") != "public, max-age=300" || header["Set-Cookie"] != nil || header["Vary"] != nil {
				t.Errorf("%s, %s: %d %v %q", what, method, response.StatusCode, header, body)
			}
			if strings.Contains(body, `"d"`) || strings.Contains(body, takeSecretsOf(t, w)[0].Secret) {
				t.Errorf("a private key is published: %s", body)
			}
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
			if response, _ := w.send(visitor, method, "/auth/jwks.json", nil); response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s, %s: %d %v", what, method, response.StatusCode, response.Header)
			}
		}
	}
}

// Without the setting the path is the application's.
func TestNoKeysArePublishedWithoutAnAssertion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if response, _ := w.send(w.browser(), "GET", "/auth/jwks.json", nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", response.StatusCode)
	}
}

// CVE-GW-08, CVE-GW-09, INV-09: an assertion is used again by its own session at its
// own directive and address, until half of it is over.
func TestCVE_GW_08_09_AssertionsAreOfOneSessionAndOneDirective(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), atAddress(":443"), withSite(`auth0_oidc /a/* {
assertion {
audience a
}
}
auth0_oidc /b/* {
assertion {
audience b
}
}
reverse_proxy UPSTREAM`))
	ann, bob := w.browser(), w.browser()
	w.signIn(ann, "/a/", w.pair.User)
	w.signIn(bob, "/a/", w.pair.Accented)
	set, text := w.publishedAt("/auth/jwks.json")
	if len(set.Keys) != 1 || strings.Contains(text, `"d"`) {
		t.Fatalf("the directives publish %s", text)
	}
	first := make(map[string]string)
	for _, after := range []time.Duration{0, 29 * time.Second, time.Second} {
		w.clock.advance(after)
		for b, user := range map[*heldBrowser]string{ann: w.pair.MasterUserID(w.pair.User), bob: w.pair.MasterUserID(w.pair.Accented)} {
			for _, audience := range []string{"a", "b"} {
				text, name := w.assertionOf(b, "/"+audience+"/"), user+audience
				claims, err := w.believe(set, text, w.base, audience)
				if err != nil || claims.Subject != user {
					t.Errorf("%s got %+v, %v", name, claims, err)
				}
				switch again := first[name] == text; {
				case first[name] == "":
					first[name] = text
				case again != (after != time.Second):
					t.Errorf("%s after %s: the same one is %t", name, after, again)
				}
			}
		}
	}
}

// The issuer is the address at which the browser is, and no other one's assertion.
func TestAssertionNamesTheSiteThatMadeIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(assertionSettings+"base_url https://app.example.test https://other.example.test\nsession {\ncookie {\ndomain example.test\n}\n}"),
		atAddress("https://app.example.test, https://other.example.test"))
	b := w.browser()
	w.signIn(b, "/auth/login?return_to=/home", w.pair.User)
	w.network.Handle("other.example.test", w.server)
	set, _ := w.publishedAt("/auth/jwks.json")
	for range 2 {
		for _, base := range []string{"https://app.example.test", "https://other.example.test"} {
			w.base = base
			if claims, err := w.believe(set, w.assertionOf(b, "/home"), base, "https://legacy.test"); err != nil {
				t.Errorf("at %s: %v, %+v", base, err, claims)
			}
		}
	}
}

func TestHDR_46_AssertionEndsWithTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("session {\nidle 2m\nabsolute 2m\n}\nassertion {\nttl 1m\naudience app\n}"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	end := w.clock.Now().Add(2 * time.Minute)
	set, _ := w.publishedAt("/auth/jwks.json")
	for range 11 {
		w.clock.advance(10 * time.Second)
		claims, err := w.believe(set, w.assertionOf(b, "/home"), w.base, "app")
		if left := claims.Expiry.Time().Sub(w.clock.Now()); err != nil || claims.Expiry.Time().After(end) || left > time.Minute || left < 25*time.Second && !claims.Expiry.Time().After(end.Add(-2*time.Second)) {
			t.Errorf("%v: %s left of the assertion, %s of the session", err, left, end.Sub(w.clock.Now()))
		}
	}
}

// A refusing directive takes back what an earlier one asserted, as other headers.
func TestRefusingDirectiveWithdrawsTheAssertion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal(globalTenant), withSite(`auth0_oidc {
assertion {
header Signed-User
audience app
}
}
auth0_oidc {
connection partners
unauthenticated pass
}
reverse_proxy UPSTREAM`))
	w.addPartners()
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for _, r := range w.app.take() {
		assertSeen(t, r, map[string]string{"Signed-User": "", "X-Auth0-User-Id": ""})
	}
}

// What is decoded of a profile may take 128 kB, which its bound of 16 kB does not count.
func TestRememberedAssertionHoldsNoDecodedClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(assertionSettings))
	h := w.handler()
	p := &profile.Profile{UserID: "auth0|1", Extra: json.RawMessage(`{"groups":["a"]}`)}
	p.Remember()
	request := httptest.NewRequest(http.MethodGet, w.base+"/home", nil)
	if text := h.assert(request, p, [16]byte{1}, h.now().Add(time.Hour)); text == "" {
		t.Fatal("there is no assertion")
	}
	remembered := 0
	for i := range h.asserter.made.sets {
		for j := range h.asserter.made.sets[i] {
			if a := h.asserter.made.sets[i][j].Load(); a != nil {
				remembered++
				if whole := a.profile.Forgetful(); !reflect.DeepEqual(a.profile, whole) {
					t.Error("it holds more than the profile")
				}
			}
		}
	}
	if remembered != 1 {
		t.Errorf("%d are remembered", remembered)
	}
}

// A reload keeps the keys, and so does another instance on the storage.
func TestReloadKeepsTheKeysOfAssertions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings(assertionSettings))
	b := w.browser()
	w.signIn(b, "/auth/login?return_to=/home", w.pair.User)
	text := w.assertionOf(b, "/home")
	_, before := w.publishedAt("/auth/jwks.json")
	w.load(worldSetup{base: w.base, settings: "unauthenticated pass\nassertion {\naudience https://other.test\n}\n"})
	set, after := w.publishedAt("/auth/jwks.json")
	if before != after {
		t.Errorf("published before:\n%s\nafter:\n%s", before, after)
	}
	if _, err := w.believe(set, text, w.base, "https://legacy.test"); err != nil {
		t.Error(err)
	}
	if _, err := w.believe(set, w.assertionOf(b, "/home"), w.base, "https://other.test"); err != nil {
		t.Errorf("after the reload: %v", err)
	}
}

// CK-18 for the keys that sign: an application that goes by a copy of the keys as old
// as it may be, which it has from either instance, believes both at every hour around
// a rotation. What nobody needs any more is gone from the set, and from the file.
func TestHDR_46_InstancesReplaceTheKeyUnnoticed(t *testing.T) {
	t.Parallel()
	setup := worldSetup{base: "https://app.example.test", settings: "session {\nidle 480h\nabsolute 2400h\n}\n" + assertionSettings}
	w := newWorld(t, withSettings(setup.settings))
	servers := []*caddyhttp.Server{w.server}
	w.load(setup)
	servers = append(servers, w.server)
	b := w.browser()
	w.signIn(b, "/auth/login?return_to=/home", w.pair.User)
	var signed, counts []string
	for hour := 0; hour < 95*24; hour++ {
		if near := hour%(30*24) > 30*24-4 || hour%(30*24) < 30; !near && hour%24 != 0 {
			w.clock.advance(time.Hour)
			continue
		}
		for i, server := range servers {
			w.network.Handle("app.example.test", servers[1-i])
			copied, _ := w.publishedAt("/auth/jwks.json")
			if (hour+i)%2 == 0 { // the instances check at different times
				for _, h := range directives(server, server.Routes, nil) {
					h.asserter.keys.watcher.check(t.Context())
					h.rotation.watcher.check(t.Context())
				}
			}
			w.clock.advance(jwksFresh)
			w.network.Handle("app.example.test", server)
			text := w.assertionOf(b, "/home")
			if _, err := w.believe(copied, text, w.base, "https://legacy.test"); err != nil {
				t.Fatalf("hour %d: %v", hour, err)
			}
			token, _ := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
			signed = slices.Compact(append(signed, token.Headers[0].KeyID))
			counts = slices.Compact(append(counts, strings.Repeat("k", len(copied.Keys))))
		}
		w.clock.advance(time.Hour - 2*jwksFresh)
	}
	if distinct := len(slices.Compact(slices.Sorted(slices.Values(signed)))); distinct != 4 {
		t.Errorf("%d keys have signed in 95 days", distinct)
	}
	if slices.Max(counts) != "kk" || counts[len(counts)-1] != "k" {
		t.Errorf("keys in the sets: %q", counts)
	}
	if left := takeSecretsOf(t, w); len(left) != 3 {
		t.Errorf("%d keys are in the file", len(left))
	}
}

func takeSecretsOf(t *testing.T, w *world) []storedSecret {
	t.Helper()
	known, err := w.handler().asserter.keys.watcher.store.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return known
}
