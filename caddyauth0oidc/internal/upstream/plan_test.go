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

// linesOf gives each of the headers the claim id.
func linesOf(headers ...string) []Line {
	var lines []Line
	for _, name := range headers {
		lines = append(lines, Line{Header: name, Claim: "id"})
	}
	return lines
}

func TestCVE_GW_03_PrefixIsBroughtIntoCanonicalForm(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"": "X-Auth0-User-Id", "X-Auth0-": "X-Auth0-User-Id", "x-auth0-": "X-Auth0-User-Id",
		"ACME-": "Acme-User-Id", "X-Auth-": "X-Auth-User-Id", "X-Forwarded-User-": "X-Forwarded-User-User-Id",
	} {
		if got := planOf(t, Config{Prefix: prefix}).headers[0].key; got != want {
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
		{"Sec-", `Sec-Ch-Ua from every request`},
		{"sec-Session-", `Sec- belong to browsers: write a prefix of your own such as "X-Auth0-"`},
		{"Alt-", `Alt-Svc from every request`},
		{"Client-", `Client-Ip from every request`},
		{"X-Method-", `X-Method-Override from every request`},
		{strings.Repeat("a", 80) + "-", `it has 81 bytes: write at most 80`},
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
		"Sec-User", "sec_fetch_user", "SEC-Fetch-Site", "Sec-", "X-Purpose", "x_moz", "Alt-Svc", "Proxy-Authenticate", "Destination",
		"depth", "X-Method-Override", "X-Host", "Client-Ip", "client_ip", "X-Real-Ip", "X-Request-Id", "x_request_id",
		strings.Repeat("a", 101), "", "Remote User", "Remote:User", "Zoë", "Remote-User\r\n", "7up", "-User",
	} {
		if _, err := NewPlan(Config{Lines: linesOf("Remote-User", name)}); err == nil || !strings.Contains(err.Error(), "write a name") {
			t.Errorf("%q: got %v", name, err)
		}
	}
	planOf(t, Config{Lines: linesOf("remote_user", "X-Forwarded-User", "X-Forwarded-Email", "X-WEBAUTH-USER", "OIDC_CLAIM_sub")})
}

// A name is protected as a whole: what a protected one begins with, and what begins
// with one, is free.
func TestHDR_09_NamesBesideProtectedOnesAreFree(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"X-Request", "X-Real", "X-Re", "X-Client", "Content", "Proxy-Auth", "If", "Sec", "A", strings.Repeat("a", 100),
		"X-Request-Ids", "X-Real-Ip-User", "Hostname", "Cookies", "Dating", "Destinations", "Secret-User", "X-Sec-User",
	} {
		planOf(t, Config{Lines: linesOf(name)})
	}
}

func TestLongestPrefixMakesNamesThatLinesMayHave(t *testing.T) {
	t.Parallel()
	for _, h := range planOf(t, Config{Prefix: strings.Repeat("a", 79) + "-", Profile: true}).headers {
		if err := checkName(h.key); err != nil {
			t.Errorf("%s: %v", h.key, err)
		}
	}
}

func TestHDR_09_NoTwoClaimsShareAHeader(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config Config
		want   string
	}{
		{"twice", Config{Lines: linesOf("X-User", "Remote-User", "X-User")}, "keep one of the two"},
		{"in another case", Config{Lines: linesOf("X-User", "x-USER")}, "another line sets X-User"},
		{"to CGI the same", Config{Preset: PresetNone, Lines: linesOf("X-User", "X_User")}, "another line sets X-User"},
		{"of the preset", Config{Lines: linesOf("X-Auth0-Email")}, "X-Auth0-Email is among"},
		{"of the preset, in another spelling", Config{Preset: PresetAuth0, Prefix: "Acme-", Lines: linesOf("acme_user_ID")}, "Acme-User-Id is among"},
		{"of the whole profile", Config{Preset: PresetNone, Profile: true, Lines: linesOf("X-Auth0-Profile")}, "leave the line out"},
		{"no claim", Config{Lines: []Line{{Header: "X-User"}}}, "write the name of one"},
		{"a blank claim", Config{Lines: []Line{{Header: "X-User", Claim: " \t"}}}, "write the name of one"},
		{"a claim after a space", Config{Lines: []Line{{Header: "X-User", Claim: " email"}}}, `the claim " email" has spaces or line ends around it: write "email"`},
		{"a claim before a line end", Config{Lines: []Line{{Header: "X-User", Claim: "email\n"}}}, `write "email"`},
		{"a claim in Windows lines", Config{Lines: []Line{{Header: "X-User", Claim: "app_metadata.plan\r\n"}}}, `write "app_metadata.plan"`},
		{"a claim and a value", Config{Lines: []Line{{Header: "X-User", Claim: "id", Value: "{x}"}}}, "write one of the two"},
		{"values under one name", Config{Lines: []Line{{Header: "X-User", Value: "{x}"}, {Header: "x_user", Value: "{y}"}}}, "another line sets X-User"},
		{"a value under a protected name", Config{Lines: []Line{{Header: "Cookie", Value: "{x}"}}}, "Cookie belongs to HTTP"},
		{"no such preset", Config{Preset: "kerberos"}, "write one of auth0, remote_user, oauth2_proxy, grafana, none"},
		{"all at once", Config{Lines: linesOf("Host", "X-Auth0-Name")}, "X-Auth0-Name is among"},
	}
	for _, test := range tests {
		if p, err := NewPlan(test.config); p != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
	planOf(t, Config{Lines: linesOf("X-Auth0-Plan", "X-Auth0-Profile", "X-Auth0", "X-Auth0-User")})
	planOf(t, Config{Preset: PresetNone, Lines: linesOf("X-Auth0-User-Id", "X-Auth0-Email", "Acme-Name")})
}

func TestLenIsWhatAConfigurationCanSet(t *testing.T) {
	t.Parallel()
	for want, config := range map[int]Config{
		0:  {Preset: PresetNone},
		2:  {Preset: PresetNone, Profile: true, Lines: linesOf("X-User")},
		19: {},
		22: {Profile: true, Lines: linesOf("X-User", "Remote-User")},
	} {
		if got := planOf(t, config).Len(); got != want {
			t.Errorf("%+v: got %d, want %d", config, got, want)
		}
	}
}
