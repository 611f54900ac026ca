package tenant

import (
	"net/url"
	"strings"
	"testing"
)

func TestIssuerOfADomain(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{
		"acme.eu.auth0.com":              "https://acme.eu.auth0.com/",
		"acme.eu.auth0.com/":             "https://acme.eu.auth0.com/",
		"https://acme.eu.auth0.com":      "https://acme.eu.auth0.com/",
		"https://acme.eu.auth0.com/":     "https://acme.eu.auth0.com/",
		" acme.eu.auth0.com\n":           "https://acme.eu.auth0.com/",
		"HTTPS://Acme.EU.Auth0.com":      "https://acme.eu.auth0.com/",
		"https://acme.eu.auth0.com:443/": "https://acme.eu.auth0.com/",
		"login.example.com:8443":         "https://login.example.com:8443/",
		"http://acme.localhost:9001":     "http://acme.localhost:9001/",
		"http://localhost:80":            "http://localhost/",
		"http://127.0.0.1:9001/":         "http://127.0.0.1:9001/",
		"http://[::1]:9001":              "http://[::1]:9001/",
		"acme.localhost":                 "https://acme.localhost/",
		"https://sim:8443":               "https://sim:8443/",
		"xn--bcher-kva.example":          "https://xn--bcher-kva.example/",
	} {
		if got, err := IssuerOf(domain); err != nil || got != want {
			t.Errorf("IssuerOf(%q) = %q, %v; want %q", domain, got, err, want)
		}
	}
}

func TestIssuerOfSaysWhatToWriteInstead(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{
		"":                                 "empty",
		"https://":                         "empty",
		"acme":                             "acme.eu.auth0.com",
		"acme.eu.auth0.com/oauth":          "path",
		`acme.eu.auth0.com\x`:              "path",
		"https://u:pw@acme.eu.auth0.com":   "user name",
		"acme.eu.auth0.com?x=1":            "query",
		"acme.eu.auth0.com#x":              "fragment",
		"acme.eu.auth0.com b.example.com":  "space",
		"http://acme.eu.auth0.com":         "https://acme.eu.auth0.com",
		"http://localhost.example.com":     "https://",
		"ftp://acme.eu.auth0.com":          "only the host",
		"{env.AUTH0_DOMAIN}":               "not a host name",
		"bücher.example":                   "xn--",
		"acme..auth0.com":                  "not a host name",
		"acme.eu.auth0.com.":               "not a host name",
		"acme.eu.auth0.com:":               "not a host name",
		"acme.eu.auth0.com:0":              "not a host name",
		"acme.eu.auth0.com:99999":          "not a host name",
		"-acme.example":                    "not a host name",
		strings.Repeat("a", 64) + ".ex":    "not a host name",
		strings.Repeat("a.", 150) + "auth": "not a host name",
	} {
		got, err := IssuerOf(domain)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("IssuerOf(%q) = %q, %v; want an error with %q", domain, got, err, want)
			continue
		}
		if strings.Contains(err.Error(), "pw") {
			t.Errorf("the error %q contains the password", err)
		}
	}
}

func TestNewRefusesAnIssuerThatIsNone(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{
		"", "acme.eu.auth0.com", "https://", "http://acme.eu.auth0.com/", "http://localhost.evil.example/", "ftp://localhost/",
		"https://user@acme.eu.auth0.com/", "https://acme.eu.auth0.com/?", "https://acme.eu.auth0.com/?a=b", "https://acme.eu.auth0.com/#",
		"https://acme.eu.auth0.com/ ", "https://acme.eu.auth0.com/\n", "https:acme", "http://128.0.0.1/", "http://[::2]/",
		"https://acme.example:/path", "https://acme.example:99999/path", "https://acme.example;x/path", "https://b\u00fccher.example/path",
		"https://acme.example/p\u00e4th", "https://acme.example/%zz",
	} {
		if _, err := New(Config{Issuer: issuer}); err == nil {
			t.Errorf("the issuer %q was accepted", issuer)
		}
	}
	for _, issuer := range []string{
		"https://acme.eu.auth0.com/", "https://acme.example/path", "https://acme.example:8443/path/", "https://ACME.example/%2F", "http://localhost:1/", "http://a.b.localhost/", "http://127.8.8.8/", "http://[::1]:80/",
	} {
		got, err := New(Config{Issuer: issuer})
		if err != nil || got.Issuer() != issuer {
			t.Errorf("the issuer %q was refused or changed: %v", issuer, err)
		}
	}
}

func FuzzIssuerOf(f *testing.F) {
	for _, seed := range []string{
		"acme.eu.auth0.com", "https://acme.eu.auth0.com/", "http://acme.localhost:9001", "http://[::1]:1", "a@b", "a?b", "a b", "%2f", "[::1%25lo]", "http://localhost:80:80",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, domain string) {
		issuer, err := IssuerOf(domain)
		if err != nil {
			return
		}
		if _, err := New(Config{Issuer: issuer}); err != nil {
			t.Errorf("IssuerOf(%q) = %q, which New refuses: %v", domain, issuer, err)
		}
		if again, err := IssuerOf(issuer); err != nil || again != issuer {
			t.Errorf("IssuerOf(%q) = %q, whose own issuer is %q, %v", domain, issuer, again, err)
		}
		u, err := url.Parse(issuer)
		if err != nil || u.Path != "/" || u.User != nil || u.RawQuery != "" || (u.Scheme != "https" && !isLoopback(u.Hostname())) {
			t.Errorf("IssuerOf(%q) = %q", domain, issuer)
		}
	})
}
