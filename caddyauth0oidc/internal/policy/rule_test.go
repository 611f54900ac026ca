package policy

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

func rule(t testing.TB, claim string, values ...string) Rule {
	t.Helper()
	r, err := NewRule(claim, values)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// member is a user with claims of several types.
func member() *profile.Profile {
	return &profile.Profile{
		UserID: "auth0-oidc|acme-child|auth0|563b", Name: "Zoë Oðin", Email: "zoe@corp.com", EmailVerified: "true",
		Identities: json.RawMessage(`[{"connection":"acme-child","isSocial":true}]`),
		Extra: json.RawMessage(`{
			"https://acme.com/roles": ["staff", "ops-7", "a,b", true, 42, null, ["nested"], {"role": "hidden"}],
			"app_metadata": {"plan": "gold", "seats": 1.50, "on": false, "off": "", "list": [], "map": {}, "one": {"a": 1}, "text": "false"},
			"level": 90071992547409931234, "vip": true, "banned": false, "none": null, "joined": "staff,admin", "stars": "a*b", "tilde": "~x", "slash": "a\\b"
		}`),
	}
}

func TestRuleComparesTheClaimAndNothingElse(t *testing.T) {
	t.Parallel()
	const roles = "https://acme.com/roles"
	tests := []struct {
		line string // claim and values, apart by |
		want bool
	}{
		{"connection|acme-child", true}, {"connection|acme", false}, {"connection|ACME-CHILD", false}, {"connection|acme-child ", false},
		{"connection|other|acme-child", true}, {"strategy|oidc|auth0-oidc", true}, {"child_user_id|563b", true}, {"sub|auth0*", true},
		{"name|Zoë Oðin", true}, {"name|Zoe Odin", false}, {"org_id", false}, {"org_id|*", false}, {"name", true},
		{"email_verified", true}, {"email_verified|true", true}, {"email_verified|false", false},

		{roles + "|staff", true}, {roles + "|admin", false}, {roles + "|a", false}, {roles + "|a,b", true}, {roles + "|b", false},
		{roles + "|staff,ops-7", false}, {roles + "|true", true}, {roles + "|42", true}, {roles + "|nested", false}, {roles + "|hidden", false},
		{roles + "|null", false}, {roles + "|", false}, {roles + "|*null*", false}, {roles + "|*hidden*", false}, {roles + "|*nested*", false},
		{roles + "|ops-*", true}, {roles + "|*-7", true}, {roles + "|o*s*7", true}, {roles + "|ops-*7*7", false}, {roles + "|*", true},
		{roles + "|~ops-[0-9]+", true}, {roles + "|~ops", false}, {roles + "|~[0-9]", false}, {roles + "|~a|ops-7", true}, {roles + "|~op(s-7|x)", true},
		{roles + "|~(?i)STAFF", true}, {roles + "|~.*", true}, {roles, true}, {`"` + roles + `"|staff`, true}, {roles + ".0|staff", true}, {roles + ".7.role|hidden", true},
		{"joined|staff", false}, {"joined|admin", false}, {"joined|*admin", true},

		{"app_metadata.plan|gold", true}, {"app_metadata.seats|1.50", true}, {"app_metadata.seats|1.5", false}, {"app_metadata|gold", false},
		{"app_metadata|*", false}, {"app_metadata", true}, {"app_metadata.on", false}, {"app_metadata.on|false", true}, {"app_metadata.off", false},
		{"app_metadata.list", false}, {"app_metadata.map", false}, {"app_metadata.one", true}, {"app_metadata.list|*", false}, {"app_metadata.text", true},
		{"level|90071992547409931234", true}, {"level|90071992547409930000", false}, {"level|9.0071992547409931234e19", false}, {"level", true},
		{"vip", true}, {"vip|true", true}, {"vip|1", false}, {"banned", false}, {"banned|false", true}, {"none", false}, {"none|*", false}, {"missing|*", false},
		{"identities.0.connection|acme-child", true}, {"identities.0.isSocial", true}, {"identities|acme-child", false}, {"identities", true},

		{`stars|a\*b`, true}, {`name|Zo\*`, false}, {`tilde|\~x`, true}, {`tilde|~x`, false}, {`tilde|~~x`, true}, {`slash|a\\b`, true}, {`slash|*\\*`, true}, {"tilde|*~x", true},
	}
	for _, remembers := range []bool{false, true} {
		p := member()
		if remembers {
			p.Remember()
		}
		for _, test := range tests {
			words := strings.Split(test.line, "|")
			if strings.Contains(test.line, "~") && len(words) > 2 { // the bar is the expression's
				words = []string{words[0], strings.Join(words[1:], "|")}
			}
			if slices.Contains(words[1:], "") {
				if _, err := NewRule(words[0], words[1:]); !errors.Is(err, errEmptyValue) {
					t.Errorf("%s: %v", test.line, err)
				}
				continue
			}
			r := rule(t, words[0], words[1:]...)
			required, denied := Rules{Require: []Rule{r}}.Judge(p), Rules{Deny: []Rule{r}}.Judge(p)
			if (required == nil) != test.want || (denied != nil) != test.want {
				t.Errorf("%s: want %v; required: %v; denied: %v", test.line, test.want, required, denied)
			}
		}
	}
}

func TestAnExpressionIsForTheWholeText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"xops-1", "ops-1x", "ops-1\n", "\nops-1", "ops-1\nops-2", "ops-", "OPS-1", ""} {
		for _, expression := range []string{"ops-[0-9]+", "(?m)ops-[0-9]+", "^ops-[0-9]+$", "(?m)^ops-[0-9]+$", "ops-[0-9]|ops-[0-9]+"} {
			v, err := newValue("~" + expression)
			if err != nil {
				t.Fatal(err)
			}
			if v.matches(text) || !v.matches("ops-12") {
				t.Errorf("%s and %q", expression, text)
			}
		}
	}
}

func TestAllOfRequireAndNoneOfDenyAndDenyWins(t *testing.T) {
	t.Parallel()
	holds, fails := rule(t, "vip"), rule(t, "banned")
	for name, test := range map[string]struct {
		rules  Rules
		kind   string
		number int
	}{
		"no rules":                   {Rules{}, "", 0},
		"all of two":                 {Rules{Require: []Rule{holds, holds}}, "", 0},
		"the second is not met":      {Rules{Require: []Rule{holds, fails}}, "require", 2},
		"denied by the second":       {Rules{Deny: []Rule{fails, holds}}, "deny", 2},
		"none of the denied":         {Rules{Require: []Rule{holds}, Deny: []Rule{fails}}, "", 0},
		"required and denied":        {Rules{Require: []Rule{holds}, Deny: []Rule{holds}}, "deny", 1},
		"neither met nor not denied": {Rules{Require: []Rule{fails}, Deny: []Rule{holds}}, "deny", 1},
	} {
		err := test.rules.Judge(member())
		if test.number == 0 {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var refused *RuleError
		if !errors.As(err, &refused) || refused.Kind != test.kind || refused.Number != test.number {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRuleErrorNamesTheRuleAndNobody(t *testing.T) {
	t.Parallel()
	err := Rules{Require: []Rule{rule(t, "vip"), rule(t, "joined", "value-of-the-rule")}}.Judge(member())
	if err == nil || err.Error() != `judging the rules: the user is kept out by rule 2 of require, about the claim "joined"` {
		t.Errorf("%v", err)
	}
}

func TestImpossibleRulesAreErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		claim, value, want string
	}{
		{"", "x", "has no name"}, {" groups", "x", "leave it out"}, {"groups\n", "x", "leave it out"}, {"{http.auth.user.id}", "x", "placeholders"},
		{"groups", "", "is empty"}, {"groups", "~", "is empty"}, {"groups", `a\`, "backslash"}, {"groups", `a\b`, "backslash"}, {"groups", `\`, "backslash"},
		{"groups", "~(", "missing closing )"}, {"groups", "~a)|(b", "unexpected )"}, {"groups", "~[z-a]", "invalid character class"},
		{"groups", "~a(?=b)", "invalid or unsupported Perl syntax"}, {"groups", "~a{2000}", "invalid repeat count"}, {"groups", "~\xff", "invalid UTF-8"},
		{"groups", "{env.GROUP}", "placeholders"}, {"groups", "x-{http.vars.g}-*", "placeholders"}, {"groups", "~{env.GROUP}", "placeholders"},
		{"email_domain", "", "not a domain"}, {"email_domain", "@corp.com", "not a domain"}, {"email_domain", "corp.com.", "not a domain"},
		{"email_domain", "*", "not a domain"}, {"email_domain", "*.", "not a domain"}, {"email_domain", "*.*.com", "not a domain"}, {"email_domain", "mail.*", "not a domain"},
		{"email_domain", "~corp", "not a domain"}, {"email_domain", "{env.DOMAIN}", "not a domain"}, {"email_domain", "a..b", "not a domain"},
	} {
		if _, err := NewRule(test.claim, []string{test.value}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q %q: %v", test.claim, test.value, err)
		}
	}
	for _, value := range []string{`{6F9619FF-8B86}`, "~[0-9]{3}", `~\p{Greek}+`, `~\x{1F600}`, "a b", "ümlaut"} {
		if _, err := NewRule("groups", []string{value}); err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
	if _, err := NewRule("email_domain", nil); !errors.Is(err, errNoDomain) {
		t.Error(err)
	}
}

func TestJudgingAllocatesNothingForFieldsOfTheProfile(t *testing.T) {
	p := member()
	p.Remember()
	for name, test := range map[string]struct {
		rules Rules
		most  float64
	}{
		"none":            {Rules{}, 0},
		"fields":          {Rules{Require: []Rule{rule(t, "connection", "other", "acme-*"), rule(t, "email_verified"), rule(t, "sub", `~auth0-oidc\|.*`)}, Deny: []Rule{rule(t, "nickname")}}, 0},
		"email domain":    {Rules{Require: []Rule{rule(t, "email_domain", "*.corp.com", "corp.com")}, Deny: []Rule{rule(t, "email_domain", "evil.com")}}, 0},
		"remembered ones": {Rules{Require: []Rule{rule(t, "https://acme.com/roles", "ops-*"), rule(t, "vip")}, Deny: []Rule{rule(t, "banned")}}, 1},
	} {
		if err := test.rules.Judge(p); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { _ = test.rules.Judge(p) }); n > test.most {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// A text without escapes stands for itself, one pattern in two ways of writing
// stands for the same, and no value causes a panic.
func FuzzRuleValue(f *testing.F) {
	for _, seed := range [][2]string{
		{"ops-*", "ops-7"}, {`a\*b`, "a*b"}, {`\~x`, "~x"}, {"~ops-[0-9]+", "ops-1"}, {"**a**", "a"}, {"*ab*ab", "ab"}, {"~a)|(b", "b"}, {"{env.X}", ""}, {"~(?s).*", "\n"}, {`\\`, `\`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, written, text string) {
		v, err := newValue(written)
		literal, literalErr := newValue(strings.NewReplacer(`\`, `\\`, "*", `\*`, "~", `\~`).Replace(text))
		if literalErr == nil && (!literal.matches(text) || literal.matches(text+"x")) {
			t.Errorf("%q written out does not stand for itself", text)
		}
		if err != nil || v.regexp != nil || v.parts == nil {
			return
		}
		var expression strings.Builder
		for i, part := range v.parts {
			if i > 0 {
				expression.WriteString(".*")
			}
			for _, b := range []byte(part) {
				expression.WriteString(`\x` + string("0123456789abcdef"[b>>4]) + string("0123456789abcdef"[b&15]))
			}
		}
		if strings.ContainsFunc(written+text, func(r rune) bool { return r >= 0x80 }) { // the expression is of bytes
			return
		}
		same, err := newValue("~(?s)" + expression.String())
		if err == nil && same.matches(text) != v.matches(text) {
			t.Errorf("%q and %q: the pattern says %v", written, text, v.matches(text))
		}
	})
}

// A rule that can never hold would let everybody pass a deny.
func TestRuleAboutWhatNobodyHasIsRefused(t *testing.T) {
	t.Parallel()
	for _, claim := range []string{"iss", "aud", "azp", "exp", "iat", "nbf", "nonce", "auth_time", "sid", "session_expiry", "at_hash", `"aud"`, "aud.0", `"azp".x`} {
		if _, err := NewRule(claim, []string{"x"}); !errors.Is(err, errLeftOut) {
			t.Errorf("%s: %v", claim, err)
		}
	}
	for _, claim := range []string{"Email_Domain", "email-domain", "emailDomain", "email.domain", "email_domains"} {
		if _, err := NewRule(claim, []string{"corp.com"}); !errors.Is(err, errEmailDomain) {
			t.Errorf("%s: %v", claim, err)
		}
	}
	for _, claim := range []string{"client_id", "user_id", "sub", "acr", "amr", "scope", "Azp", "https://acme.com/aud"} {
		if _, err := NewRule(claim, []string{"x"}); err != nil {
			t.Errorf("%s: %v", claim, err)
		}
	}
}
