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
