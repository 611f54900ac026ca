package upstream

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestClientHeaderOfOurFamilyIsRemoved(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		headers []string
	}{
		{"HDR-01 as it is", []string{"X-Auth0-User-Id", "X-Auth0-Email", "X-Auth0-Profile"}},
		{"HDR-02 case", []string{"x-auth0-user-id", "X-AUTH0-USER-ID", "x-aUTH0-uSER-iD"}},
		{"HDR-03 CVE-OP-09 CVE-CAD-02 CVE-CAD-05 underscores", []string{"X_Auth0_User_Id", "x_auth0-user_ID", "X-Auth0_User-Id", "X_Auth0_Role"}},
		{"HDR-04 CVE-CAD-03 CVE-CAD-05 dots", []string{"X.Auth0.Role", "X-Auth0.User-Id"}},
		{"HDR-05 CVE-CAD-04 other token characters", []string{"X~Auth0!User+Id", "X#Auth0$User%Id", "X&Auth0'User*Id", "X^Auth0`User|Id"}},
		{"HDR-06 anything under the prefix", []string{"X-Auth0-User-Id-2", "X-Auth0-", "X-Auth0-Whatever"}},
		{"CVE-CAD-01 claim that the session lacks", []string{"X-Auth0-Role"}},
		{"HDR-54 CVE-GW-03 named headers in any spelling", []string{"Remote-User", "Remote_User", "remote.user", "REMOTE~USER"}},
	}
	p := planOf(t, Config{Lines: linesOf("remote_user")})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, name := range test.headers {
				r := &http.Request{Header: http.Header{name: {"admin", "user"}, "Accept": {"*/*"}}}
				p.Strip(r)
				if want := (http.Header{"Accept": {"*/*"}}); !reflect.DeepEqual(r.Header, want) {
					t.Errorf("%s: left %v", name, r.Header)
				}
			}
		})
	}
}

func TestHDR_06_OtherHeadersAreUntouched(t *testing.T) {
	t.Parallel()
	h := http.Header{
		"Xx-Auth0-User-Id": {"a"}, "X-Auth0": {"b"}, "X-Auth-0-User-Id": {"c"}, "X-Autho-User-Id": {"d"}, "Auth0-User-Id": {"e"},
		"Remote-User-Id": {"f"}, "X-Remote-User": {"g"}, "Remoteuser": {"h"}, "Cookie": {"a=1; b=\"2\""}, "Authorization": {"Basic eA=="},
		"Connection": {"keep-alive,  Upgrade", "Te"}, "Trailer": {"X-Other"}, "X-Forwarded-For": {"10.0.0.1"}, "": {"i"},
	}
	want := h.Clone()
	planOf(t, Config{Lines: linesOf("Remote-User")}).Strip(&http.Request{Header: h})
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got  %v\nwant %v", h, want)
	}
}

func TestHDR_10_ConnectionCannotNameOurHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		sent, kept []string
	}{
		{"HDR-10 alone", []string{"X-Auth0-User-Id"}, nil},
		{"CVE-GW-01 after close", []string{"close, X-Auth0-User-Id"}, []string{"close"}},
		{"CVE-GW-01 in another spelling", []string{"x-auth0-user-id,\tX_AUTH0_EMAIL ,keep-alive"}, []string{"keep-alive"}},
		{"CVE-GW-01 over several lines", []string{"X-Auth0-Email", "close", ",X-Auth0-Name,"}, []string{"close"}},
		{"CVE-GW-02 with an upgrade", []string{"Upgrade, X-Auth0-User-Id"}, []string{"Upgrade"}},
		{"HDR-12 other headers of trust", []string{"Cookie, authorization, Forwarded, X-Forwarded-For, x_forwarded_user, Foo"}, []string{"Foo"}},
		{"HDR-10 named header", []string{"remote-user, a, b"}, []string{"a, b"}},
		{"order is kept", []string{"a, X-Auth0-A, b", "c"}, []string{"a, b", "c"}},
		{"nothing of ours", []string{" a ,b", "", "close"}, []string{" a ,b", "", "close"}},
	}
	p := planOf(t, Config{Lines: linesOf("Remote-User")})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, header := range []string{"Connection", "Proxy-Connection"} {
				r := &http.Request{Header: http.Header{header: test.sent}}
				p.Strip(r)
				got, found := r.Header[header]
				if !slices.Equal(got, test.kept) || found != (test.kept != nil) {
					t.Errorf("%s: got %q, want %q", header, got, test.kept)
				}
			}
		})
	}
}

func TestHDR_13_AnnouncedTrailerOfOursDropsTheTrailers(t *testing.T) {
	t.Parallel()
	p := planOf(t, Config{})
	for _, name := range []string{"X-Auth0-User-Id", "X_auth0.user-Id"} {
		parsed := &http.Request{Header: http.Header{}, Trailer: http.Header{"X-Other": nil, name: nil}}
		p.Strip(parsed)
		unparsed := &http.Request{Header: http.Header{"Trailer": {"X-Other, " + name}}}
		p.Strip(unparsed)
		if parsed.Trailer != nil || len(unparsed.Header) != 0 {
			t.Errorf("%s: left %v and %v", name, parsed.Trailer, unparsed.Header)
		}
	}
}

func TestHDR_53_StrippingTwiceIsTheSame(t *testing.T) {
	t.Parallel()
	p := planOf(t, Config{})
	r := &http.Request{Header: http.Header{"X-Auth0-A": {"a"}, "Connection": {"X-Auth0-A, close"}, "B": {"b"}}}
	p.Strip(r)
	once := r.Header.Clone()
	p.Strip(r)
	if !reflect.DeepEqual(r.Header, once) {
		t.Errorf("got %v, want %v", r.Header, once)
	}
}

func usualRequest() *http.Request {
	return &http.Request{Header: http.Header{
		"Accept": {"text/html"}, "Accept-Encoding": {"gzip"}, "Accept-Language": {"de"}, "Connection": {"keep-alive, Upgrade"},
		"Cookie": {"__Host-auth0_session=x; a=b"}, "Referer": {"https://app.example.com/"}, "User-Agent": {"Mozilla/5.0"},
		"X-Forwarded-For": {"10.0.0.1"},
	}}
}

func TestStrippingAnInnocentRequestAllocatesNothing(t *testing.T) {
	p, r := planOf(t, Config{Lines: linesOf("Remote-User", "Remote-Email")}), browserRequest()
	if n := testing.AllocsPerRun(100, func() { p.Strip(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// cgi is the mapping of CGI (RFC 3875 section 4.1.18) as the most lenient
// servers do it.
func cgi(name string) string {
	mapped := []byte(name)
	for i, c := range mapped {
		switch {
		case 'a' <= c && c <= 'z':
			mapped[i] = c - 'a' + 'A'
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		default:
			mapped[i] = '_'
		}
	}
	return "HTTP_" + string(mapped)
}

func FuzzOwned(f *testing.F) {
	for _, seed := range []string{"X-Auth0-User-Id", "x_AUTH0.email", "X~Auth0!User+Id", "REMOTE_user", "X-Auth0", "Accept", "Xx-Auth0-Name", "é-Auth0-Name"} {
		f.Add(seed)
	}
	p := planOf(f, Config{Lines: linesOf("Remote-User")})
	f.Fuzz(func(t *testing.T, name string) {
		if name == "Connection" || name == "Proxy-Connection" || name == "Trailer" {
			t.Skip()
		}
		ours := strings.HasPrefix(cgi(name), cgi("X-Auth0-")) || cgi(name) == cgi("Remote-User")
		for _, h := range p.headers {
			if cgi(name) == cgi(h.key) && !ours {
				t.Fatalf("%q collides with %q", name, h.key)
			}
		}
		r := &http.Request{Header: http.Header{name: {"forged"}}}
		p.Strip(r)
		if _, left := r.Header[name]; left == ours {
			t.Errorf("%q is ours: %v, left in place: %v", name, ours, left)
		}
	})
}

func FuzzConnection(f *testing.F) {
	f.Add("close, X-Auth0-User-Id", "Upgrade")
	f.Add("x_auth0_a ,,\t", "Cookie,X-Forwarded-For")
	f.Add("keep-alive", " a , b ")
	p := planOf(f, Config{})
	f.Fuzz(func(t *testing.T, first, second string) {
		r := &http.Request{Header: http.Header{"Connection": {first, second}}, Trailer: http.Header{}}
		for token := range strings.SplitSeq(second, ",") {
			r.Trailer[strings.TrimSpace(token)] = nil
		}
		announced := slices.Collect(maps.Keys(r.Trailer))
		p.Strip(r)
		if got, want := r.Trailer == nil, slices.ContainsFunc(announced, p.owns); got != want {
			t.Errorf("trailers %q dropped: %v", announced, got)
		}
		before, after := tokensOf([]string{first, second}), tokensOf(r.Header["Connection"])
		if want := slices.DeleteFunc(before, p.guards); !slices.Equal(after, want) {
			t.Errorf("got %q, want %q", after, want)
		}
	})
}

// tokensOf reads a list the way that net/http and Caddy do.
func tokensOf(values []string) []string {
	var tokens []string
	for _, value := range values {
		for token := range strings.SplitSeq(value, ",") {
			if token = strings.TrimFunc(token, func(r rune) bool { return r <= ' ' }); token != "" {
				tokens = append(tokens, token)
			}
		}
	}
	return tokens
}

// browserRequest is what a browser sends behind a few proxies.
func browserRequest() *http.Request {
	r := usualRequest()
	for _, name := range []string{
		"Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User",
		"Upgrade-Insecure-Requests", "Cache-Control", "Priority", "Dnt", "If-None-Match", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Via",
	} {
		r.Header[name] = []string{"x"}
	}
	return r
}

func BenchmarkStrip(b *testing.B) {
	for _, bm := range []struct {
		name   string
		config Config
		r      *http.Request
	}{
		{"8 headers", Config{}, usualRequest()},
		{"24 headers", Config{}, browserRequest()},
		{"24 headers and twelve lines", Config{Lines: twelveLines()}, browserRequest()},
	} {
		b.Run(bm.name, func(b *testing.B) {
			p := planOf(b, bm.config)
			b.ReportAllocs()
			for b.Loop() {
				p.Strip(bm.r)
			}
		})
	}
}
