package upstream

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

func childUser() *profile.Profile {
	return &profile.Profile{
		UserID: "auth0-oidc|acme-child|auth0|563b|x",
		Name:   "Zoë", Nickname: "zoe", GivenName: "Zoë", FamilyName: "Oðin",
		Email: "zoe@example.com", EmailVerified: "false", Picture: "https://example.com/a.png",
		UpdatedAt: "2015-11-05T18:10:17.813Z", CreatedAt: "2015-11-05T18:09:49.575Z", ClientID: "MAPP",
		Identities: json.RawMessage(`[{"provider":"auth0-oidc"}]`), OrgID: "org_1", OrgName: "acme",
		Extra: json.RawMessage(`{"https://acme.com/roles":["admin"]}`),
	}
}

// applied makes the array of values, as the caller does for each request.
func applied(p *Plan, h http.Header, user *profile.Profile, facts Facts) {
	p.Apply(h, make([]string, p.Len()), user, facts, nil)
}

var expires = time.Date(2026, 3, 1, 12, 30, 0, 5, time.FixedZone("CET", 3600))

func TestProfileBecomesTheHeadersOfThePreset(t *testing.T) {
	t.Parallel()
	h := http.Header{"Accept": {"*/*"}}
	applied(planOf(t, Config{}), h, childUser(), Facts{Expires: expires})
	want := http.Header{
		"Accept":                   {"*/*"},
		"X-Auth0-User-Id":          {"auth0-oidc|acme-child|auth0|563b|x"},
		"X-Auth0-Name":             {"Zoë"},
		"X-Auth0-Nickname":         {"zoe"},
		"X-Auth0-Given-Name":       {"Zoë"},
		"X-Auth0-Family-Name":      {"Oðin"},
		"X-Auth0-Email":            {"zoe@example.com"},
		"X-Auth0-Email-Verified":   {"false"},
		"X-Auth0-Picture":          {"https://example.com/a.png"},
		"X-Auth0-Updated-At":       {"2015-11-05T18:10:17.813Z"},
		"X-Auth0-Created-At":       {"2015-11-05T18:09:49.575Z"},
		"X-Auth0-Client-Id":        {"MAPP"},
		"X-Auth0-Identities":       {`[{"provider":"auth0-oidc"}]`},
		"X-Auth0-Strategy":         {"auth0-oidc"},
		"X-Auth0-Connection":       {"acme-child"},
		"X-Auth0-Child-User":       {"auth0|563b|x"},
		"X-Auth0-Child-Connection": {"auth0"},
		"X-Auth0-Child-User-Id":    {"563b|x"},
		"X-Auth0-Org-Id":           {"org_1"},
		"X-Auth0-Session-Expires":  {"2026-03-01T11:30:00Z"},
	}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got  %v\nwant %v", h, want)
	}
}

func TestHDR_08_HeaderWithoutAValueIsAbsent(t *testing.T) {
	t.Parallel()
	h := http.Header{"X-Auth0-Email": {"left@example.com"}, "X-Auth0-Org-Id": {"left"}}
	applied(planOf(t, Config{}), h, &profile.Profile{UserID: "auth0|a", Name: "   "}, Facts{})
	want := http.Header{"X-Auth0-User-Id": {"auth0|a"}, "X-Auth0-Strategy": {"auth0"}}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got %v, want %v", h, want)
	}
}

func TestWholeProfileIsOneHeaderOnRequest(t *testing.T) {
	t.Parallel()
	h, user := http.Header{}, childUser()
	p := planOf(t, Config{Prefix: "acme-", Profile: true})
	applied(p, h, user, Facts{})
	decoded, err := base64.RawURLEncoding.DecodeString(h.Get("Acme-Profile"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(user)
	if err != nil || string(decoded) != string(want) || !strings.Contains(string(want), `"https://acme.com/roles":["admin"]`) {
		t.Errorf("got %s, want %s (%v)", decoded, want, err)
	}
	user.Extra = json.RawMessage(`{`)
	if applied(p, h, user, Facts{}); h["Acme-Profile"] != nil {
		t.Errorf("a damaged profile was sent: %q", h["Acme-Profile"])
	}
}

func TestCVE_CAD_09_PlaceholderInAClaimStaysText(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	applied(planOf(t, Config{}), h, &profile.Profile{UserID: "auth0|{env.AUTH0_CLIENT_SECRET}", Name: "{file./etc/passwd}"}, Facts{})
	if h.Get("X-Auth0-User-Id") != "auth0|{env.AUTH0_CLIENT_SECRET}" || h.Get("X-Auth0-Name") != "{file./etc/passwd}" {
		t.Errorf("got %v", h)
	}
}

// Caddy's request_header directive replaces text inside the slices of values
// and appends to them.
func TestHeadersEditedInPlaceReachNobodyElse(t *testing.T) {
	t.Parallel()
	p, user, mine, theirs := planOf(t, Config{}), childUser(), http.Header{}, http.Header{}
	applied(p, mine, user, Facts{})
	applied(p, theirs, user, Facts{})
	want := theirs.Clone()
	for name := range mine {
		mine[name][0] = "edited"
		mine[name] = append(mine[name], "appended")
	}
	if !reflect.DeepEqual(theirs, want) || !reflect.DeepEqual(user, childUser()) {
		t.Errorf("got %v, want %v", theirs, want)
	}
	for name, values := range mine {
		if !reflect.DeepEqual(values, []string{"edited", "appended"}) {
			t.Errorf("%s: an append to another header made it %q", name, values)
		}
	}
}

func TestHDR_53_ApplyingTwiceLeavesOneLineEach(t *testing.T) {
	t.Parallel()
	p, h := planOf(t, Config{}), http.Header{}
	applied(p, h, childUser(), Facts{Expires: expires})
	applied(p, h, &profile.Profile{UserID: "auth0|other"}, Facts{})
	want := http.Header{"X-Auth0-User-Id": {"auth0|other"}, "X-Auth0-Strategy": {"auth0"}}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got %v, want %v", h, want)
	}
}
