package policy

import (
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// sortedOut are addresses that several programs read in several ways, or that are none.
var sortedOut = []string{
	"", "@", "corp.com", "a@", "@corp.com", "a@evil.com@corp.com", "a@corp.com@evil.com", `"a@corp.com"@evil.com`, `"a"@corp.com`, `a"@corp.com`,
	`a\@corp.com`, "a@corp.com\n", "a@corp.com\r\nx", "\na@corp.com", "a@corp.com ", " a@corp.com", "a @corp.com", "a@ corp.com", "a\t@corp.com", "a\x00@corp.com",
	"a@corp.com\x00", "a@corp.com.", "a@.corp.com", "a@corp..com", "a@.", "<a@corp.com>", "A <a@corp.com>", "a@corp.com>", "a@corp.com,b@evil.com", "a,b@corp.com",
	"a@corp.com;b", "a(x)@corp.com", "a@corp.com(x)", "a@[127.0.0.1]", "a@corp.com:25", "a@corp.com/x", "a@corp.com#x", "a@corp.com?x", "a@corp_x.com", "a@evil.com%corp.com",
	"a\u00a0@corp.com", "a\u200b@corp.com", "a\u202e@corp.com", "a@corp\u00ad.com", "a@corp\u3002com", "a@\uff43orp.com", "a@corp.com\u200b", "a\xff@corp.com", "a@corp\xff.com",
	"a@xn--corp-.com", "a@xn--.com", "a@xn--a.com", "a@cor\u212a.com", "a＠corp.com", "a@B\u00dcCHER.example", "a@corp.com\u0000", "a@" + strings.Repeat("a.", 130) + "com",
}

func TestCVE_OP_13_OnlyTheDomainOfAVerifiedPlainAddressCounts(t *testing.T) {
	t.Parallel()
	allowed := Rules{Require: []Rule{rule(t, "email_domain", "corp.com", "*.example.com", "bücher.example", "XN--FA-HIA.de")}}
	denied := Rules{Deny: allowed.Require}
	tests := []struct {
		address        string
		passes, denied bool
	}{
		{"a@corp.com", true, true}, {"a@CORP.com", true, true}, {"A.B+c@Corp.Com", true, true}, {"zoë@corp.com", true, true}, {"o'hara@corp.com", true, true},
		{"a@x.corp.com", false, false}, {"a@evilcorp.com", false, false}, {"a@corp.com.evil.com", false, false}, {"a@corp.co", false, false}, {"a@com", false, false},
		{"corp.com@evil.com", false, false}, {"a%corp.com@evil.com", false, false}, {"a@corp-com.evil.com", false, false},
		{"a@x.example.com", true, true}, {"a@y.x.example.com", true, true}, {"a@X.EXAMPLE.COM", true, true}, {"a@example.com", false, false}, {"a@xexample.com", false, false},
		{"a@bücher.example", true, true}, {"a@xn--bcher-kva.example", true, true}, {"a@XN--BCHER-KVA.example", true, true}, {"a@bucher.example", false, false},
		{"a@faß.de", true, true}, {"a@fass.de", false, false}, {"a@\u0441orp.com", false, false},
	}
	for _, address := range sortedOut {
		tests = append(tests, struct {
			address        string
			passes, denied bool
		}{address, false, true})
	}
	for _, test := range tests {
		p := &profile.Profile{UserID: "auth0|a", Email: test.address, EmailVerified: "true"}
		if got := allowed.Judge(p) == nil; got != test.passes {
			t.Errorf("%q passes what is required: %v", test.address, got)
		}
		if got := denied.Judge(p) != nil; got != test.denied {
			t.Errorf("%q is denied: %v", test.address, got)
		}
	}
}

// OIDC-19: what is not verified is nobody's domain, neither one that lets in nor one
// that is not denied.
func TestOIDC_19_UnverifiedAddressIsOfNoDomain(t *testing.T) {
	t.Parallel()
	for _, verified := range []string{"", "false", "TRUE", "1", "yes"} {
		p := &profile.Profile{UserID: "auth0|a", Email: "a@corp.com", EmailVerified: verified}
		for _, rules := range []Rules{
			{Require: []Rule{rule(t, "email_domain", "corp.com")}}, {Deny: []Rule{rule(t, "email_domain", "corp.com")}},
			{Deny: []Rule{rule(t, "email_domain", "evil.com")}},
		} {
			if rules.Judge(p) == nil {
				t.Errorf("email_verified %q passes", verified)
			}
		}
	}
}

// What is read has one @, and is a name of the DNS.
func FuzzEmailDomain(f *testing.F) {
	for _, seed := range append([]string{"a@corp.com", "a@bücher.example", "a@xn--bcher-kva.example"}, sortedOut...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		name, ok := domainOfAddress(address)
		if !ok {
			return
		}
		if strings.Count(address, "@") != 1 || !plainDomain.MatchString(name) || len(name) > 253 {
			t.Fatalf("%q has the domain %q", address, name)
		}
		if again, ok := domainOfAddress("a@" + name); !ok || again != name {
			t.Errorf("the domain %q of %q becomes %q", name, address, again)
		}
		if _, written, _ := strings.Cut(address, "@"); plainDomain.MatchString(written) && written != name {
			t.Errorf("%q became %q", written, name)
		}
	})
}
