package upstream

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

func verifiedUser() *profile.Profile {
	user := childUser()
	user.EmailVerified = "true"
	user.Extra = json.RawMessage(`{"groups":["a","b"],"https://acme.com/roles":["admin"],"preferred_username":"zoe.o"}`)
	return user
}

func TestPresetsHaveTheNamesOfTheirFamily(t *testing.T) {
	t.Parallel()
	id := verifiedUser().UserID
	for preset, want := range map[string]http.Header{
		PresetRemoteUser: {
			"Remote-User": {id}, "Remote-Name": {"Zoë"}, "Remote-Email": {"zoe@example.com"}, "Remote-Groups": {"a,b"},
		},
		PresetOAuth2Proxy: {
			"X-Forwarded-User": {id}, "X-Forwarded-Email": {"zoe@example.com"}, "X-Forwarded-Groups": {"a,b"},
			"X-Forwarded-Preferred-Username": {"zoe.o"},
		},
		PresetGrafana: {
			"X-Webauth-User": {id}, "X-Webauth-Name": {"Zoë"}, "X-Webauth-Email": {"zoe@example.com"}, "X-Webauth-Groups": {"a,b"},
		},
	} {
		h := http.Header{}
		if applied(planOf(t, Config{Preset: preset}), h, verifiedUser(), Facts{Expires: expires}); !reflect.DeepEqual(h, want) {
			t.Errorf("%s: got %v, want %v", preset, h, want)
		}
	}
}

func TestUserAndGroupsShowTheChosenClaims(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	applied(planOf(t, Config{Preset: PresetRemoteUser, User: "email", Groups: "https://acme.com/roles"}), h, verifiedUser(), Facts{})
	want := http.Header{
		"Remote-User": {"zoe@example.com"}, "Remote-Name": {"Zoë"}, "Remote-Email": {"zoe@example.com"}, "Remote-Groups": {"admin"},
	}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got %v, want %v", h, want)
	}
}

// HDR-29: the nickname is what users may edit, so it is nobody's user name.
func TestHDR_29_NoNicknameStandsInForAPreferredUsername(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	applied(planOf(t, Config{Preset: PresetOAuth2Proxy}), h, childUser(), Facts{})
	if got, ok := h["X-Forwarded-Preferred-Username"]; ok {
		t.Errorf("got %q", got)
	}
}

// No header of these presets says that an address is not verified.
func TestHDR_28_UnverifiedEmailIsShownOnlyByALine(t *testing.T) {
	t.Parallel()
	for _, verified := range []string{"false", ""} {
		user := childUser()
		user.EmailVerified = verified
		for preset, f := range families {
			for _, claim := range []string{"email", `"email"`} {
				h := http.Header{f.email: {"forged@example.com"}, f.user: {"forged@example.com"}}
				applied(planOf(t, Config{Preset: preset, User: claim, Groups: claim}), h, user, Facts{})
				for name, values := range h {
					if strings.Contains(values[0], "@") {
						t.Errorf("%s with user %s shows %s: %q", preset, claim, name, values)
					}
				}
			}
			h := http.Header{}
			applied(planOf(t, Config{Preset: preset, Lines: []Line{{Header: strings.ToUpper(f.email), Claim: "email"}}}), h, user, Facts{})
			if got := h[f.email]; len(got) != 1 || got[0] != user.Email {
				t.Errorf("%s with a line shows %q", preset, got)
			}
			if got := h[f.user]; len(got) != 1 || got[0] != user.UserID {
				t.Errorf("%s with a line shows the user %q", preset, got)
			}
		}
	}
}

func TestHDR_09_NoTwoLinesTakeThePlaceOfOneHeader(t *testing.T) {
	t.Parallel()
	_, err := NewPlan(Config{Preset: PresetRemoteUser, Lines: linesOf("Remote-User", "remote_user")})
	if err == nil || !strings.Contains(err.Error(), "another line sets Remote-User") {
		t.Errorf("got %v", err)
	}
}

func TestChoiceOfClaimsThatAPresetCannotShowIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		config Config
		want   string
	}{
		{Config{User: "email"}, "the preset auth0 has no header for which user or groups"},
		{Config{Preset: PresetNone, Groups: "roles"}, "the preset none has no header"},
		{Config{Preset: PresetGrafana, User: " email"}, `checking user: the claim " email" has spaces`},
		{Config{Preset: PresetGrafana, Groups: " "}, "checking groups: it has no claim"},
	} {
		if _, err := NewPlan(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %s", test.config, err, test.want)
		}
	}
}

// What an application of the family may believe is removed, also where a line
// takes the place of the preset's header, and nothing that proxies need.
func TestHDR_54_WholeFamilyOfThePresetIsTakenFromClients(t *testing.T) {
	t.Parallel()
	for preset, names := range map[string][]string{
		PresetRemoteUser:  {"Remote-User", "remote_groups", "REMOTE.EMAIL", "Remote~Name", "X_Auth0_User_Id"},
		PresetOAuth2Proxy: {"X-Forwarded-User", "x_forwarded_groups", "X.Forwarded.Email", "X-Forwarded-Preferred_Username", "X-Forwarded-Access-Token", "X_Auth_Request_Redirect", "X-Auth0-Name"},
		PresetGrafana:     {"X-WEBAUTH-USER", "x_webauth_role", "X.Webauth~Login", "X-Auth0-Name"},
	} {
		f := families[preset]
		for _, lines := range [][]Line{nil, linesOf(f.user, f.groups)} {
			r := &http.Request{Header: http.Header{
				"X-Forwarded-For": {"::1"}, "X-Forwarded-Proto": {"https"}, "Remote-Users": {"theirs"}, "X-Webauth": {"theirs"}, "Connection": {"close, " + strings.Join(names, ",")},
			}}
			want := r.Header.Clone()
			want["Connection"] = []string{"close"}
			for _, name := range names {
				r.Header[name] = []string{"forged"}
			}
			if planOf(t, Config{Preset: preset, Lines: lines}).Strip(r); !reflect.DeepEqual(r.Header, want) {
				t.Errorf("%s left %v", preset, r.Header)
			}
		}
	}
}
