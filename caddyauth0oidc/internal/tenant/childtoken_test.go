package tenant

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

func TestChildTokenIsOfTheUserTheIssuerAndTheApplication(t *testing.T) {
	t.Parallel()
	network := auth0sim.NewNetwork()
	sim := network.Tenant("child.auth0.test")
	child, err := New(Config{Issuer: sim.Issuer(), Transport: network})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	for name, test := range map[string]struct {
		change func(header, claims map[string]any)
		client string
		reason string
	}{
		"genuine":                    {client: "app"},
		"of long ago":                {change: func(_, c map[string]any) { c["iat"] = now - 30000 }, client: "app"},
		"for any application":        {change: func(_, c map[string]any) { c["aud"] = "other" }},
		"one of several audiences":   {change: func(_, c map[string]any) { c["aud"] = []string{"x", "app"} }, client: "app"},
		"an access token":            {change: func(h, _ map[string]any) { h["typ"] = "at+jwt" }, client: "app"},
		"another issuer":             {change: func(_, c map[string]any) { c["iss"] = "https://child.auth0.test" }, client: "app", reason: "issuer"},
		"another user":               {change: func(_, c map[string]any) { c["sub"] = "auth0|2" }, client: "app", reason: "subject"},
		"no user":                    {change: func(_, c map[string]any) { delete(c, "sub") }, client: "app", reason: "subject"},
		"another application":        {change: func(_, c map[string]any) { c["aud"] = "other" }, client: "app", reason: "audience"},
		"issued to another":          {change: func(_, c map[string]any) { c["azp"] = "other" }, client: "app", reason: "azp"},
		"ended":                      {change: func(_, c map[string]any) { c["exp"] = now - 1 }, client: "app", reason: "expired"},
		"without end":                {change: func(_, c map[string]any) { delete(c, "exp") }, client: "app", reason: "expired"},
		"not yet valid":              {change: func(_, c map[string]any) { c["nbf"] = now + 3600 }, client: "app", reason: "not_before"},
		"of the future":              {change: func(_, c map[string]any) { c["iat"] = now + 3600 }, client: "app", reason: "issued_at"},
		"a logout token":             {change: func(_, c map[string]any) { c["events"] = map[string]any{} }, client: "app", reason: "token_type"},
		"bound to a key":             {change: func(_, c map[string]any) { c["cnf"] = map[string]any{} }, client: "app", reason: "bound"},
		"TOK-07: symmetric":          {change: func(h, _ map[string]any) { h["alg"] = "HS256" }, client: "app", reason: "algorithm"},
		"TOK-07: unsigned":           {change: func(h, _ map[string]any) { h["alg"] = "none" }, client: "app", reason: "malformed"},
		"CVE-LIB-11: another Sub":    {change: func(_, c map[string]any) { c["SUB"] = "auth0|2" }, client: "app", reason: "duplicate_claim"},
		"of another type altogether": {change: func(h, _ map[string]any) { h["typ"] = "logout+jwt" }, client: "app", reason: "token_type"},
	} {
		header := map[string]any{"typ": "JWT"}
		claims := map[string]any{"iss": sim.Issuer(), "sub": "auth0|1", "aud": "app", "iat": now, "exp": now + 3600, "email": "a@b.test"}
		if test.change != nil {
			test.change(header, claims)
		}
		token, err := child.VerifyChildToken(t.Context(), sim.SignJWT(header, claims), "auth0|1", test.client)
		var refused *InvalidTokenError
		switch {
		case test.reason == "" && (err != nil || token.Claims["email"] != "a@b.test" || token.Expiry.Unix() != now+3600):
			t.Errorf("%s: %+v, %v", name, token, err)
		case test.reason != "" && (!errors.As(err, &refused) || refused.Reason != test.reason):
			t.Errorf("%s: %v, want %s", name, err, test.reason)
		}
	}
	genuine := sim.SignJWT(nil, map[string]any{"iss": sim.Issuer(), "sub": "", "exp": now + 60})
	if _, err := child.VerifyChildToken(t.Context(), genuine, "", ""); err == nil {
		t.Error("a token of nobody was accepted for nobody")
	}
}

func TestUnverifiedTellsJWTsFromOpaqueTokens(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE4MDAwMDAwMDB9.c2ln" // exp 1800000000
	for raw, want := range map[string]struct {
		isJWT bool
		end   int64
	}{
		jwt:                                   {true, 1_800_000_000},
		"eyJhbGciOiJSUzI1NiJ9.bm90IEpTT04.c2": {true, 0},
		"eyJhbGciOiJkaXIifQ..iv.text.tag":     {false, 0},
		"opaque":                              {false, 0},
		"a.b.c":                               {false, 0},
		"e30.e30.x":                           {false, 0},
		strings.Repeat("a", maxToken+1):       {false, 0},
	} {
		isJWT, end := Unverified(raw)
		if isJWT != want.isJWT || want.end == 0 && !end.IsZero() || want.end != 0 && end.Unix() != want.end {
			t.Errorf("%.40s: %v, %s", raw, isJWT, end)
		}
	}
}

func FuzzUnverified(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE4MDAwMDAwMDB9.c2ln")
	f.Fuzz(func(t *testing.T, raw string) {
		if isJWT, end := Unverified(raw); !isJWT && !end.IsZero() {
			t.Errorf("%q is no JWT and ends at %s", raw, end)
		}
	})
}
