package caddyauth0oidc

import "testing"

// HDR-54: the headers of other proxies show the session's user, and nobody else
// whatever a client sends, signed in and signed out.
func TestHDR_54_PresetsShowTheUserUnderTheNamesOfTheirFamily(t *testing.T) {
	t.Parallel()
	for preset, names := range map[string]struct{ user, name, email, groups, other string }{
		"remote_user":  {"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Remote~User"},
		"oauth2_proxy": {"X-Forwarded-User", "X-Forwarded-Preferred-Username", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Auth-Request-User"},
		"grafana":      {"X-WEBAUTH-USER", "X-WEBAUTH-NAME", "X-WEBAUTH-EMAIL", "X-WEBAUTH-GROUPS", "X-WEBAUTH-ROLE"},
	} {
		t.Run(preset, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings("unauthenticated pass\nheaders {\npreset "+preset+"\ngroups \"https://acme.test/roles\"\n}"))
			w.pair.Master.CustomClaims = map[string]any{
				"https://acme.test/roles": []string{"editors", "a,b"}, "preferred_username": "Zoë", "name": "Zoë", "email_verified": true,
			}
			b := w.browser()
			w.signIn(b, "/auth/login?return_to=/home", w.pair.User)
			w.app.take()
			forged := map[string]string{
				names.user: "evil", names.name: "evil", names.email: "evil", names.groups: "evil", names.other: "evil",
				"X-Auth0-User-Id": "evil", "Connection": "close, " + names.user,
			}
			signedIn := map[string]string{
				names.user: w.pair.MasterUserID(w.pair.User), names.name: "Zoë", names.email: "user-in-child@mail.com",
				names.groups: "editors,a%2Cb", "X-Auth0-User-Id": "",
			}
			signedOut := map[string]string{names.user: "", names.name: "", names.email: "", names.groups: "", names.other: "", "X-Auth0-User-Id": ""}
			for visitor, want := range map[*heldBrowser]map[string]string{b: signedIn, w.browser(): signedOut} {
				w.send(visitor, "GET", "/x", forged)
				for _, r := range w.app.take() {
					assertSeen(t, r, want)
				}
			}
		})
	}
}

// HDR-28: an address that nobody verified is withheld where no header says so,
// and arrives where the operator wrote a line for it.
func TestHDR_28_UnverifiedEmailArrivesOnlyByALine(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{"": "", "\nRemote-Email email": "user-in-child@mail.com"} {
		w := newWorld(t, withSettings("headers {\npreset remote_user"+settings+"\n}"))
		w.pair.Master.CustomClaims = map[string]any{"email_verified": false}
		w.signIn(w.browser(), "/home", w.pair.User)
		for _, r := range w.app.take() {
			assertSeen(t, r, map[string]string{"Remote-User": w.pair.MasterUserID(w.pair.User), "Remote-Email": want})
		}
	}
}

// HDR-54: names that the preset does not set, and that an application may believe.
func TestHDR_54_HeadersToStripNeverPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGlobal("servers {\nexpected_underscore_headers Sm_* Oidc_*\n}"),
		withSettings("unauthenticated pass\nheaders {\nstrip known X-Acme-* X-Employee\n}"))
	b := w.browser()
	w.signIn(b, "/auth/login", w.pair.User)
	w.app.take()
	forged, want := map[string]string{"X-Theirs": "theirs"}, map[string]string{"X-Theirs": "theirs"}
	for _, name := range []string{
		"Remote-User", "X-Remote-User", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-WEBAUTH-USER",
		"SM_USER", "OIDC_CLAIM_sub", "X-Acme-Role", "X-Employee",
	} {
		forged[name], want[name] = "evil", ""
	}
	for _, visitor := range []*heldBrowser{b, w.browser()} {
		w.send(visitor, "GET", "/x", forged)
		for _, r := range w.app.take() {
			assertSeen(t, r, want)
		}
	}
}

// HDR-20, HDR-21, HDR-22, HDR-24: what a claim says arrives in the operator's
// encoding and locks nobody out.
func TestHDR_21_ValuesArriveInTheChosenEncoding(t *testing.T) {
	t.Parallel()
	secret := "{env.AUTH0_CLIENT_SECRET}"
	for encoding, want := range map[string]map[string]string{
		"utf8":      {"X-Auth0-Name": "Zoë 100%", "X-Auth0-Nickname": secret, "X-Roles": "a%2Cb,ö", "X-Odd": "a\ufffd\ufffdX: b"},
		"percent":   {"X-Auth0-Name": "Zo%C3%AB 100%25", "X-Auth0-Nickname": secret, "X-Roles": "a%252Cb,%C3%B6", "X-Odd": "a%EF%BF%BD%EF%BF%BDX: b"},
		"rfc2047":   {"X-Auth0-Name": "=?utf-8?b?Wm/DqyAxMDAl?=", "X-Auth0-Nickname": secret, "X-Roles": "=?utf-8?b?YSUyQ2Isw7Y=?=", "X-Odd": "=?utf-8?b?Ye+/ve+/vVg6IGI=?="},
		"base64url": {"X-Auth0-Name": "Wm_DqyAxMDAl", "X-Auth0-Nickname": "e2Vudi5BVVRIMF9DTElFTlRfU0VDUkVUfQ", "X-Roles": "YSUyQ2Isw7Y", "X-Odd": "Ye-_ve-_vVg6IGI"},
	} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withSettings("headers {\nencoding "+encoding+"\nX-Roles \"https://acme.test/roles\"\nX-Odd \"https://acme.test/odd\"\n}"))
			w.pair.Master.CustomClaims = map[string]any{
				"name": "Zoë 100%", "nickname": secret, "https://acme.test/roles": []string{"a,b", "ö"}, "https://acme.test/odd": " a\r\nX: b",
			}
			if page := w.signIn(w.browser(), "/home", w.pair.User); page.Status != 200 {
				t.Fatalf("the user is locked out: %d", page.Status)
			}
			for _, r := range w.app.take() {
				assertSeen(t, r, want)
			}
		})
	}
}

func TestHDR_22_ListsArriveAsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("headers {\npreset remote_user\ngroups \"https://acme.test/roles\"\nlists json\n}"))
	w.pair.Master.CustomClaims = map[string]any{"https://acme.test/roles": []string{"a,b", `"c"`, "ö"}}
	w.signIn(w.browser(), "/home", w.pair.User)
	for _, r := range w.app.take() {
		assertSeen(t, r, map[string]string{"Remote-Groups": `["a,b","\"c\"","ö"]`})
	}
}
