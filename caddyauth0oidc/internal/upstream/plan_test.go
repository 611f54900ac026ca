package upstream

import (
	"strings"
	"testing"
)

func planOf(t testing.TB, c Config) *Plan {
	t.Helper()
	p, err := NewPlan(c)
	if err != nil {
		t.Fatalf("NewPlan: %v", err)
	}
	return p
}

func TestCVE_GW_03_PrefixIsBroughtIntoCanonicalForm(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"": "X-Auth0-User-Id", "X-Auth0-": "X-Auth0-User-Id", "x-auth0-": "X-Auth0-User-Id",
		"ACME-": "Acme-User-Id", "X-Auth-": "X-Auth-User-Id", "X-Forwarded-User-": "X-Forwarded-User-User-Id",
	} {
		if got := planOf(t, Config{Prefix: prefix}).keys[atUserID]; got != want {
			t.Errorf("%q: got %q, want %q", prefix, got, want)
		}
	}
}

func TestCVE_GW_03_DangerousPrefixIsRefusedWithWhatToWrite(t *testing.T) {
	t.Parallel()
	tests := []struct{ prefix, advice string }{
		{"X-Auth0", `write "X-Auth0-"`},
		{"X_Auth0_", `write "X-Auth0-"`},
		{"x.auth0", `write "X-Auth0-"`},
		{" X-Auth0-", `write "X-Auth0-"`},
		{"9-lives-", `write "Lives-"`},
		{"X-Zoë-", `write "X-Zo-"`},
		{"X-Auth0-\r\nEvil-", `write "X-Auth0-Evil-"`},
		{"-", `write "X-Auth0-"`},
		{"---", `write "X-Auth0-"`},
		{"X-", `X-Amzn-Trace-Id from every request`},
		{"x-forwarded-", `X-Forwarded-By from every request`},
		{"Content-", `Content-Encoding from every request`},
		{"Sec-Fetch-", `Sec-Fetch-Mode from every request`},
		{"User-", `User-Agent from every request`},
		{"Proxy-", `such as "X-Auth0-"`},
	}
	for _, test := range tests {
		_, err := NewPlan(Config{Prefix: test.prefix})
		if err == nil || !strings.Contains(err.Error(), test.advice) {
			t.Errorf("%q: got %v, want %s", test.prefix, err, test.advice)
		}
	}
}

func TestAdvisedPrefixIsItselfAllowed(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"X_Auth0_", "x.auth0", "9-lives-", "-", "", "éé", "a\x00b", "--a1--"} {
		if err := checkPrefix(repaired(prefix)); err != nil {
			t.Errorf("%q: advice %q: %v", prefix, repaired(prefix), err)
		}
	}
}

func TestHDR_09_ProtectedNameIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Host", "Content-Length", "Transfer-Encoding", "Connection", "Cookie", "authorization", "Upgrade", "TE", "Trailer",
		"Proxy", "X-Forwarded-For", "x_forwarded_for", "X-FORWARDED-PROTO", "Keep-Alive", "User-Agent",
		"", "Remote User", "Remote:User", "Zoë", "Remote-User\r\n", "7up", "-User",
	} {
		if _, err := NewPlan(Config{Names: []string{"Remote-User", name}}); err == nil || !strings.Contains(err.Error(), "write a name") {
			t.Errorf("%q: got %v", name, err)
		}
	}
	planOf(t, Config{Names: []string{"Remote-User", "remote_user", "X-Forwarded-User", "X-Forwarded-Email", "X-WEBAUTH-USER", "OIDC_CLAIM_sub"}})
}
