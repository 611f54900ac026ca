package policy

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// OIDC-15: what is asked for must be in the verified claims, as it was asked for.
func TestOIDC_15_ContextsAreJudgedByACRAndAMR(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, asked, claims string
		met                 bool
	}{
		{"nothing is asked", "", ``, true},
		{"no claims at all", "mfa", ``, false},
		{"acr is the policy", "mfa", `{"acr":"` + MultiFactor + `"}`, true},
		{"the URI asks for the same", MultiFactor, `{"amr":["mfa"]}`, true},
		{"amr among others", "mfa", `{"amr":["pwd","mfa"]}`, true},
		{"another method", "mfa", `{"amr":["pwd"]}`, false},
		{"amr of other values", "mfa", `{"amr":[{"mfa":true},["mfa"],1,null]}`, false},
		{"amr as text", "mfa", `{"amr":"mfa"}`, false},
		{"amr as an object", "mfa", `{"amr":{"mfa":true}}`, false},
		{"amr in capitals", "mfa", `{"amr":["MFA"]}`, false},
		{"acr is only the short word", "mfa", `{"acr":"mfa"}`, false},
		{"acr as a list", "gold", `{"acr":["gold"]}`, false},
		{"acr empty", "gold", `{"acr":""}`, false},
		{"one of two", "silver gold", `{"acr":"gold"}`, true},
		{"one of two is a second factor", "gold mfa", `{"acr":"silver","amr":["mfa"]}`, true},
		{"amr says nothing of another value", "gold", `{"amr":["mfa","gold"]}`, false},
		{"a part of it", "gold", `{"acr":"golden"}`, false},
		{"both in one text", "silver gold", `{"acr":"silver gold"}`, false},
		{"deeper in the claims", "mfa", `{"user_metadata":{"acr":"` + MultiFactor + `","amr":["mfa"]}}`, false},
		{"damaged claims", "mfa", `{"amr":["mfa"`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			contexts, err := NewContexts(strings.Fields(test.asked))
			if err != nil {
				t.Fatal(err)
			}
			p := &profile.Profile{Extra: json.RawMessage(test.claims)}
			for range 2 { // decoded each time, and remembered
				if err := contexts.Judge(p); test.met != (err == nil) || err != nil && !errors.Is(err, ErrContext) {
					t.Errorf("got %v", err)
				}
				p.Remember()
			}
		})
	}
}

func TestContextsTravelInURLsAndHeaders(t *testing.T) {
	t.Parallel()
	got, err := NewContexts([]string{"mfa", "urn:example:gold", strings.Repeat("a", 200)})
	if want := []string{MultiFactor, "urn:example:gold", strings.Repeat("a", 200)}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q %v", got, err)
	}
	for _, value := range []string{"", "a b", `a"b`, `a\b`, "a\n", "a\x00", "gold\u00e9", strings.Repeat("a", 201)} {
		if _, err := NewContexts([]string{"mfa", value}); !errors.Is(err, errContext) {
			t.Errorf("%q: got %v", value, err)
		}
	}
}

// Judging is done for every request.
func TestJudgingARememberedSessionAllocatesNothing(t *testing.T) {
	contexts, err := NewContexts([]string{"mfa"})
	if err != nil {
		t.Fatal(err)
	}
	for name, contexts := range map[string]Contexts{"asked": contexts, "not asked": nil} {
		p := &profile.Profile{Extra: json.RawMessage(`{"acr":"silver","amr":["pwd","mfa"],"groups":["a","b"]}`)}
		p.Remember()
		if n := testing.AllocsPerRun(100, func() { _ = contexts.Judge(p) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
