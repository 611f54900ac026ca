package session

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCookieNames(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		base, domain         string
		secure               bool
		session, transaction string
	}{
		"https":          {"auth0_session", "", true, "__Host-auth0_session", "__Host-auth0_txn_"},
		"plain http":     {"auth0_session", "", false, "auth0_session", "auth0_txn_"},
		"domain":         {"auth0_session", "example.com", true, "auth0_session", "auth0_txn_"},
		"own name":       {"portal", "", true, "__Host-portal", "__Host-portal_txn_"},
		"suffix only":    {"_session", "", false, "_session", "_txn_"},
		"like a pending": {"portal_txn_recent", "", false, "portal_txn_recent", "portal_txn_recent_txn_"},
	} {
		c, err := NewCookies(tc.base, tc.secure, tc.domain, 0)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if n := c.Names(); n.Session != tc.session || n.Transaction != tc.transaction {
			t.Errorf("%s: got %+v", what, n)
		}
		if c.Session.SameSite != http.SameSiteLaxMode || c.Transaction.SameSite != http.SameSiteLaxMode {
			t.Errorf("%s: SameSite is not Lax", what)
		}
	}
}

func TestUnusableCookieSettingsAreRefused(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		base, domain string
		secure       bool
		sameSite     http.SameSite
	}{
		"no name":                   {"", "", true, 0},
		"long name":                 {strings.Repeat("x", 65), "", true, 0},
		"name with a dot":           {"auth0.session", "", true, 0},
		"name with a separator":     {"auth0;session", "", true, 0},
		"name with a line break":    {"auth0\r\nX", "", true, 0},
		"name that is not ASCII":    {"aüth", "", true, 0},
		"prefix in the name":        {"__Host-auth0", "", true, 0},
		"name of tokens":            {"auth0_session-t", "", true, 0},
		"prefix in another case":    {"__SECURE-auth0", "", true, 0},
		"domain that is none":       {"auth0_session", "exa mple;com", true, 0},
		"SameSite=None without TLS": {"auth0_session", "", false, http.SameSiteNoneMode},
	} {
		if _, err := NewCookies(tc.base, tc.secure, tc.domain, tc.sameSite); !errors.Is(err, ErrCookie) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func TestLongestNameStillFitsWhatBrowsersStore(t *testing.T) {
	t.Parallel()
	c, err := NewCookies(strings.Repeat("x", maxBaseName), true, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	k, want := newTestKeyring(t), largeSession(t, 9_000)
	// The browser of these tests fails on a cookie of more than 4096 bytes.
	if got, ok := readSession(k, signIn(t, k, c.Session, want).lines(), c.Session.Name); !ok || got.ID != want.ID {
		t.Error("the session was not read back")
	}
}

func TestLaterDecisionAboutACookieReplacesTheEarlierOne(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	h := http.Header{"Set-Cookie": {"theme=dark"}}
	ClearSession(h, c, nil)
	if err := k.WriteSession(h, c, typicalSession(t), time.Hour, nil, roomy); err != nil {
		t.Fatal(err)
	}
	if lines := h["Set-Cookie"]; len(lines) != 2 || lines[0] != "theme=dark" || !strings.Contains(lines[1], "Max-Age=3600") {
		t.Errorf("got %q", lines)
	}
}
