package upstream

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestHDR_54_NamesToStripAreRemovedInAnySpelling(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		strip   []string
		removed []string
		stay    []string
	}{
		{nil, nil, []string{"Remote-User", "X-Forwarded-User", "Sm_user"}},
		{[]string{"X-User", "SM_USER"}, []string{"X-User", "x_user", "X.User", "Sm-User", "SM~USER"}, []string{"X-Users", "Sm-Users", "Remote-User"}},
		{[]string{"X-Acme-*", "OIDC_CLAIM_*"}, []string{"X-Acme-", "x_acme_role", "Oidc-Claim-Sub", "OIDC_CLAIM_email"}, []string{"X-Acme", "Oidc-Claims"}},
		{
			[]string{Known, "X-User"},
			[]string{
				"X-User", "Remote-User", "Remote_User", "X-Remote-User", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups",
				"X-Webauth-User", "Sm_user", "SMUSER", "OIDC_CLAIM_sub", "Oidc-Access-Token", "X-Auth-Request-Email",
			},
			[]string{"X-Forwarded-For", "X-Forwarded-Proto", "Remote-Users", "Authorization", "Cookie", "X-Remote", "Smart", "Oidc"},
		},
	} {
		r, want := &http.Request{Header: http.Header{}}, http.Header{}
		for _, name := range test.removed {
			r.Header[name] = []string{"forged"}
		}
		for _, name := range test.stay {
			r.Header[name], want[name] = []string{"theirs"}, []string{"theirs"}
		}
		if planOf(t, Config{Strip: test.strip}).Strip(r); !reflect.DeepEqual(r.Header, want) {
			t.Errorf("strip %q left %v, want %v", test.strip, r.Header, want)
		}
	}
}

func TestHDR_54_StrippedHeadersAreSetByTheirLines(t *testing.T) {
	t.Parallel()
	p := planOf(t, Config{Preset: PresetRemoteUser, Strip: []string{Known}, Lines: linesOf("Smuser")})
	h := http.Header{"Smuser": {"forged"}, "Sm_user": {"forged"}}
	p.Strip(&http.Request{Header: h})
	applied(p, h, verifiedUser(), Facts{})
	if len(h) != p.Len() || p.Len() != 5 || h.Get("Smuser") != verifiedUser().UserID {
		t.Errorf("%d headers: %v", p.Len(), h)
	}
}

func TestHDR_09_NothingThatHTTPNeedsIsStripped(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"":                              "it must consist of letters",
		"*":                             "write it like X-Remote-*",
		"X*":                            "write it like X-Remote-*",
		"X-Rem*te-*":                    "write it like X-Remote-*",
		"-*":                            "write it like X-Remote-*",
		"X-*":                           "it would remove X-Amzn-Trace-Id",
		"X-Forwarded-*":                 "it would remove X-Forwarded-By from every request: write a longer beginning",
		"Sec_*":                         "belong to browsers",
		"Sec-Other-*":                   "belong to browsers",
		"Cookie":                        "belongs to HTTP",
		"x_forwarded_for":               "belongs to HTTP or to the proxy",
		"Known":                         "",
		strings.Repeat("a", 101) + "-*": "write at most 100",
	} {
		_, err := NewPlan(Config{Strip: []string{pattern}})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", pattern, err, want)
		}
	}
	for _, one := range known {
		if err := checkPattern(one); err != nil {
			t.Errorf("%s: %v", one, err)
		}
	}
}

// Whatever is stripped, the request keeps what it needs.
func FuzzStripPatterns(f *testing.F) {
	f.Add("X-Remote-*")
	f.Add("sm_user")
	f.Add("known")
	f.Fuzz(func(t *testing.T, pattern string) {
		p, err := NewPlan(Config{Strip: []string{pattern}})
		if err != nil {
			return
		}
		r := &http.Request{Header: http.Header{}}
		for _, name := range standard {
			r.Header[name] = []string{"1"}
		}
		if p.Strip(r); len(r.Header) != len(standard) {
			t.Errorf("%q leaves %d headers of %d", pattern, len(r.Header), len(standard))
		}
	})
}
