package policy

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

func TestLinkedAccountPassesByTheIdentityOfAConfiguredConnection(t *testing.T) {
	t.Parallel()
	allowed := Connections{{Name: "acme-child", Strategy: StrategyAuto}, {Name: "partners", Strategy: StrategyOIDC}}
	const child = `{"connection":"acme-child","user_id":"acme-child|auth0|1","provider":"auth0-oidc","isSocial":true}`
	for name, test := range map[string]struct {
		userID, identities string
		passes             bool
	}{
		"primary":                      {"auth0-oidc|acme-child|auth0|1", ``, true},
		"linked":                       {"auth0|9", `[{"connection":"db","user_id":"9","provider":"auth0"},` + child + `]`, true},
		"linked at the other":          {"auth0|9", `[{"connection":"partners","user_id":"partners|x","provider":"oidc"}]`, true},
		"the seed's sample":            {"auth0|9", `[{"connection":"acme-child","user_id":"your-conn|auth0|1","provider":"auth0-oidc"}]`, true},
		"no identities":                {"auth0|9", ``, false},
		"an empty list":                {"auth0|9", `[]`, false},
		"identities that are none":     {"auth0|9", `[1,"x",null,{}]`, false},
		"no JSON":                      {"auth0|9", `[`, false},
		"another connection":           {"auth0|9", `[{"connection":"other","user_id":"acme-child|auth0|1","provider":"auth0-oidc"}]`, false},
		"another strategy":             {"auth0|9", `[{"connection":"acme-child","user_id":"acme-child|auth0|1","provider":"samlp"}]`, false},
		"the strategy of another":      {"auth0|9", `[{"connection":"partners","user_id":"partners|x","provider":"auth0-oidc"}]`, false},
		"a provider with a bar":        {"auth0|9", `[{"connection":"acme-child","user_id":"x","provider":"auth0-oidc|acme-child"}]`, false},
		"no user id":                   {"auth0|9", `[{"connection":"acme-child","user_id":"","provider":"auth0-oidc"}]`, false},
		"no child":                     {"auth0|9", `[{"connection":"acme-child","user_id":"acme-child|","provider":"auth0-oidc"}]`, false},
		"a connection of another case": {"auth0|9", `[{"connection":"Acme-Child","user_id":"acme-child|auth0|1","provider":"auth0-oidc"}]`, false},
		"what claims to be inside":     {"auth0|9", `[{"connection":"db","user_id":"9","provider":"auth0","profileData":` + child + `}]`, false},
	} {
		p := &profile.Profile{UserID: test.userID, Identities: json.RawMessage(test.identities)}
		err := allowed.JudgeLinked(p, UserIDs{})
		if (err == nil) != test.passes {
			t.Errorf("%s: %v", name, err)
		}
		var mismatch *ConnectionError
		if err != nil && !errors.As(err, &mismatch) {
			t.Errorf("%s: the error is %T", name, err)
		}
	}
}

func TestUsualUserIsJudgedWithoutAllocating(t *testing.T) {
	allowed := Connections{{Name: "acme-child", Strategy: StrategyAuto}}
	p := &profile.Profile{
		UserID:     "auth0-oidc|acme-child|auth0|1",
		Identities: json.RawMessage(`[{"connection":"acme-child","user_id":"acme-child|auth0|1","provider":"auth0-oidc"}]`),
	}
	if n := testing.AllocsPerRun(100, func() {
		if allowed.JudgeLinked(p, UserIDs{}) != nil {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzJudgeLinked(f *testing.F) {
	f.Add("auth0|9", `[{"connection":"acme-child","user_id":"acme-child|auth0|1","provider":"auth0-oidc"}]`)
	f.Add("auth0|9", `[{"connection":1}]`)
	f.Fuzz(func(t *testing.T, userID, identities string) {
		none := Connections{{Name: "no-identity-has-it", Strategy: StrategyOIDC}}
		p := &profile.Profile{UserID: userID, Identities: json.RawMessage(identities)}
		if none.JudgeLinked(p, UserIDs{}) == nil && !json.Valid([]byte(identities)) && none.Judge(userID) != nil {
			t.Error("passed by what is no JSON")
		}
	})
}
