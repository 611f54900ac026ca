package upstream

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

func TestLineShowsTheTextOfItsClaim(t *testing.T) {
	t.Parallel()
	user := childUser()
	user.Extra = json.RawMessage(`{"https://acme.com/roles":["admin","a,b"],"app_metadata":{"plan":"gold","a.b":{"c":"dotted"},"n":null},
		"level":12345678901234567890,"off":false,"address":{"b":1,"a":"<x>"},"blank":"  ","evil":"x\r\nX-Auth0-Role: admin","connection":"forged","empty":""}`)
	for claim, want := range map[string]string{
		"id": user.UserID, "org_name": "acme", "email_verified": "false", "child_user_id": "563b|x",
		"connection": "acme-child", `"connection"`: "acme-child", `"sub"`: user.UserID,
		"https://acme.com/roles": "admin,a%2Cb", `"https://acme.com/roles".0`: "admin",
		"app_metadata.plan": "gold", `app_metadata."a.b".c`: "dotted",
		"level": "12345678901234567890", "off": "false", "address": `{"a":"<x>","b":1}`,
		"identities": `[{"provider":"auth0-oidc"}]`, "identities.0.provider": "auth0-oidc",
		"evil": "x\ufffd\ufffdX-Auth0-Role: admin",
		"gone": "", "app_metadata.n": "", "blank": "", "empty": "", "sub.x": "",
	} {
		h := http.Header{"X-Shown": {"left by somebody"}}
		applied(planOf(t, Config{Preset: PresetNone, Lines: []Line{{Header: "X-Shown", Claim: claim}}}), h, user, Facts{Expires: expires})
		wanted := http.Header{}
		if want != "" {
			wanted["X-Shown"] = []string{want}
		}
		if !reflect.DeepEqual(h, wanted) {
			t.Errorf("%s: got %q, want %q", claim, h, want)
		}
	}
}

func TestHDR_22_ListsAreShownAsTheOperatorChose(t *testing.T) {
	t.Parallel()
	user := &profile.Profile{UserID: "auth0|a", Extra: json.RawMessage(`{"a":["x,admin","100%",1,true],"b":[],"c":[{"d":"<x>"}],"e":"x,y","f":["a\r\nb"],"g":[""],"h":{}}`)}
	for _, test := range []struct{ claim, comma, json string }{
		{"a", "x%2Cadmin,100%25,1,true", `["x,admin","100%",1,true]`},
		{"b", "", ""},
		{"c", `[{"d":"<x>"}]`, `[{"d":"<x>"}]`},
		{"e", "x,y", "x,y"},
		{"f", "a\ufffd\ufffdb", `["a\r\nb"]`},
		{"g", "", `[""]`},
		{"h", "{}", "{}"},
		{"gone", "", ""},
	} {
		for lists, want := range map[string]string{"": test.comma, ListsComma: test.comma, ListsJSON: test.json} {
			h := http.Header{}
			applied(planOf(t, Config{Preset: PresetNone, Lists: lists, Lines: []Line{{Header: "X-Shown", Claim: test.claim}}}), h, user, Facts{})
			if got := h.Get("X-Shown"); got != want || len(h) > 0 != (want != "") {
				t.Errorf("lists %q shows %s as %q, want %q", lists, test.claim, got, want)
			}
		}
	}
	if _, err := NewPlan(Config{Lists: "semicolon"}); err == nil {
		t.Error("an unknown form was accepted")
	}
}

// The way without decoding must not answer otherwise than the one with it.
func TestFieldsReadAsTheClaimsOfTheirName(t *testing.T) {
	t.Parallel()
	for _, user := range []*profile.Profile{childUser(), {UserID: "samlp|acme|a,b"}, {UserID: "m@clients", EmailVerified: "true"}} {
		claims := []string{"id", "sub", "org_name"}
		for _, one := range auth0 {
			claims = append(claims, one.path)
		}
		for _, claim := range claims {
			h := http.Header{}
			applied(planOf(t, Config{Preset: PresetNone, Lines: []Line{{Header: "X-Shown", Claim: claim}}}), h, user, Facts{})
			value, _ := user.Claim(claim)
			if want := profile.Text(value); h.Get("X-Shown") != want {
				t.Errorf("%s of %s: got %q, want %q", claim, user.UserID, h.Get("X-Shown"), want)
			}
		}
	}
}

// CVE-CAD-09: what comes of a line's text is not expanded again, whatever it says.
func TestCVE_CAD_09_TextOfALineIsExpandedOnce(t *testing.T) {
	t.Parallel()
	results := map[string]string{
		"{a}/{b}": "{http.request.cookie.S}", "{line}": "a\r\nX-Auth0-Role: admin", "{spaces}": " x ", "{none}": "", "{blank}": "  ", "{text}": "Zoë",
	}
	var asked []string
	expand := func(text string) string {
		asked = append(asked, text)
		return results[text]
	}
	var lines []Line
	for i, text := range []string{"{a}/{b}", "{line}", "{spaces}", "{none}", "{blank}", "{text}"} {
		lines = append(lines, Line{Header: "X-" + strconv.Itoa(i), Value: text})
	}
	p := planOf(t, Config{Preset: PresetNone, Encoding: EncodingPercent, Lines: append(lines, Line{Header: "X-User", Claim: "id"})})
	h := http.Header{"X-3": {"forged"}, "X-4": {"forged"}}
	p.Apply(h, make([]string, p.Len()), childUser(), Facts{}, expand)
	want := http.Header{
		"X-0": {"{http.request.cookie.S}"}, "X-1": {"a%EF%BF%BD%EF%BF%BDX-Auth0-Role: admin"}, "X-2": {"x"}, "X-5": {"Zo%C3%AB"},
		"X-User": {childUser().UserID},
	}
	if !reflect.DeepEqual(h, want) || !p.Expands() || len(asked) != 6 {
		t.Errorf("got %v, asked for %q", h, asked)
	}
	if planOf(t, Config{}).Expands() {
		t.Error("a plan without such a line wants to expand")
	}
}

func TestLinesStandBesideThePreset(t *testing.T) {
	t.Parallel()
	user := &profile.Profile{UserID: "auth0|a", Email: "a@example.com", Extra: json.RawMessage(`{"plan":"gold"}`)}
	lines := []Line{{Header: "remote_user", Claim: "id"}, {Header: "X-Auth0-Plan", Claim: "plan"}, {Header: "X-Email", Claim: "email"}, {Header: "X-Mail", Claim: "email"}}
	for preset, want := range map[string]http.Header{
		PresetAuth0: {
			"X-Auth0-User-Id": {"auth0|a"}, "X-Auth0-Email": {"a@example.com"}, "X-Auth0-Strategy": {"auth0"},
			"Remote_user": {"auth0|a"}, "X-Auth0-Plan": {"gold"}, "X-Email": {"a@example.com"}, "X-Mail": {"a@example.com"},
		},
		PresetNone: {
			"Remote_user": {"auth0|a"}, "X-Auth0-Plan": {"gold"}, "X-Email": {"a@example.com"}, "X-Mail": {"a@example.com"},
		},
	} {
		h := http.Header{}
		if applied(planOf(t, Config{Preset: preset, Lines: lines}), h, user, Facts{}); !reflect.DeepEqual(h, want) {
			t.Errorf("%s: got %v, want %v", preset, h, want)
		}
	}
}

func TestHDR_06_PrefixIsOursUnderEveryPreset(t *testing.T) {
	t.Parallel()
	r := &http.Request{Header: http.Header{"X-Auth0-User-Id": {"forged"}, "x_auth0.anything": {"forged"}, "X~User": {"forged"}, "X-Users": {"theirs"}}}
	planOf(t, Config{Preset: PresetNone, Lines: linesOf("X-User")}).Strip(r)
	if want := (http.Header{"X-Users": {"theirs"}}); !reflect.DeepEqual(r.Header, want) {
		t.Errorf("left %v", r.Header)
	}
}

func TestSeveralClaimsAreDecodedOnce(t *testing.T) {
	user := childUser()
	user.Extra = json.RawMessage(`{"a":"1","b":"2","c":{"d":"3"},"e":"4"}`)
	cost := func(claims ...string) float64 {
		var lines []Line
		for i, claim := range claims {
			lines = append(lines, Line{Header: "X-" + strconv.Itoa(i), Claim: claim})
		}
		p, h := planOf(t, Config{Preset: PresetNone, Lines: lines}), http.Header{}
		values := make([]string, p.Len())
		p.Apply(h, values, user, Facts{}, nil)
		return testing.AllocsPerRun(100, func() { p.Apply(h, values, user, Facts{}, nil) })
	}
	if one, four := cost("a"), cost("a", "b", "c.d", "e"); one == 0 || four > one {
		t.Errorf("%v allocations for one claim, %v for four", one, four)
	}
}

// A session that comes again is not decoded again, and what is left is text: that
// of a list is made anew.
func TestRememberedClaimsCostTheirText(t *testing.T) {
	user, h := childUser(), http.Header{}
	user.Extra = json.RawMessage(`{"app_metadata":{"plan":"gold"},"https://acme.com/roles":["a","b"]}`)
	user.Remember()
	p := planOf(t, Config{Preset: PresetNone, Lines: []Line{{Header: "X-Plan", Claim: "app_metadata.plan"}, {Header: "X-Roles", Claim: "https://acme.com/roles"}}})
	values := make([]string, p.Len())
	if n := testing.AllocsPerRun(100, func() { p.Apply(h, values, user, Facts{}, nil) }); n > 2 {
		t.Errorf("%v allocations, want 2", n)
	}
	if want := (http.Header{"X-Plan": {"gold"}, "X-Roles": {"a,b"}}); !reflect.DeepEqual(h, want) {
		t.Errorf("got %v", h)
	}
}

// twelveLines are those of an operator who knows what the application reads.
func twelveLines() []Line {
	return []Line{
		{Header: "X-User-Id", Claim: "id"}, {Header: "Remote-User", Claim: "email"}, {Header: "Remote-Name", Claim: "name"}, {Header: "Remote-Email", Claim: "email"},
		{Header: "X-Nickname", Claim: "nickname"}, {Header: "X-Given-Name", Claim: "given_name"}, {Header: "X-Family-Name", Claim: "family_name"},
		{Header: "X-Email-Verified", Claim: "email_verified"}, {Header: "X-Organization", Claim: "org_name"}, {Header: "X-Connection", Claim: "connection"},
		{Header: "X-Child-User", Claim: "child_user"}, {Header: "X-Child-User-Id", Claim: "child_user_id"},
	}
}

// The preset's two are the texts of the time and of the identities.
func TestSettingHeadersAllocatesNextToNothing(t *testing.T) {
	for name, test := range map[string]struct {
		config Config
		most   float64
	}{
		"the preset":                  {Config{}, 2},
		"twelve lines":                {Config{Preset: PresetNone, Lines: twelveLines()}, 0},
		"the preset and twelve lines": {Config{Lines: twelveLines()}, 2},
	} {
		p, user, h := planOf(t, test.config), childUser(), http.Header{}
		values := make([]string, p.Len())
		p.Apply(h, values, user, Facts{Expires: expires}, nil)
		if n := testing.AllocsPerRun(100, func() { p.Apply(h, values, user, Facts{Expires: expires}, nil) }); n > test.most {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	for _, bm := range []struct {
		name   string
		config Config
	}{
		{"the preset", Config{}},
		{"twelve lines", Config{Preset: PresetNone, Lines: twelveLines()}},
		{"the preset and twelve lines", Config{Lines: twelveLines()}},
		{"two of other claims", Config{Preset: PresetNone, Lines: []Line{{Header: "X-Roles", Claim: "https://acme.com/roles"}, {Header: "X-Plan", Claim: "app_metadata.plan"}}}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			p, user, h := planOf(b, bm.config), childUser(), http.Header{}
			b.ReportAllocs()
			for b.Loop() {
				clear(h)
				p.Apply(h, make([]string, p.Len()), user, Facts{Expires: expires}, nil)
			}
		})
	}
}

// Whatever names are accepted: to CGI no two of them are the same, and none is
// one that a client could send.
func FuzzLines(f *testing.F) {
	f.Add("X-User", "Remote_User", "none")
	f.Add("X-Auth0-Plan", "x_auth0_plan", "auth0")
	f.Add("x-auth0", "OIDC_CLAIM_sub", "")
	f.Add("Remote_User", "X-Forwarded-User", "oauth2_proxy")
	f.Fuzz(func(t *testing.T, first, second, preset string) {
		p, err := NewPlan(Config{Preset: preset, Profile: true, Lines: linesOf(first, second)})
		if err != nil {
			return
		}
		h := http.Header{}
		applied(p, h, verifiedUser(), Facts{Expires: expires})
		seen := map[string]bool{}
		for name := range h {
			if variable := cgi(name); seen[variable] {
				t.Errorf("two headers are %s", variable)
			}
			seen[cgi(name)] = true
		}
		if r := (&http.Request{Header: h}); len(h) != p.Len() {
			t.Errorf("%d headers are set of %d", len(h), p.Len())
		} else if p.Strip(r); len(r.Header) != 0 {
			t.Errorf("a client can send %v", r.Header)
		}
	})
}
