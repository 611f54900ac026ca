package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// OIDC-24: the verified claims have to name the configured organization.
func TestOIDC_24_OrganizationIsJudgedByItsClaims(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, asked, id, called string
		passes                  bool
	}{
		{"none is asked for", "", "", "", true},
		{"none is asked for, there is one", "", "org_1", "acme", true},
		{"id", "org_1", "org_1", "", true},
		{"id, whatever the name", "org_1", "org_1", "globex", true},
		{"name", "acme", "org_1", "acme", true},
		{"name in another case", "acme", "org_1", "AcMe", true},
		{"name without id", "acme", "", "acme", true},
		{"configured in another case", "ACME", "org_1", "acme", true},

		{"no claim", "org_1", "", "", false},
		{"no claim, by name", "acme", "", "", false},
		{"another id", "org_1", "org_2", "", false},
		{"id in another case", "org_Ab", "org_aB", "", false},
		{"beginning of the id", "org_12", "org_1", "", false},
		{"id with more behind it", "org_1", "org_12", "", false},
		{"id with a space", "org_1", "org_1 ", "", false},
		{"id as the name", "org_1", "", "org_1", false},
		{"another name", "acme", "org_1", "globex", false},
		{"name with more behind it", "acme", "org_1", "acme-evil", false},
		{"name as the id", "acme", "acme", "", false},
		{"sign for Kelvin in the name", "kelvin", "org_1", "\u212aelvin", false},
		{"long s in the name", "stars", "org_1", "\u017ftars", false},
		{"id without the name that is asked for", "acme", "org_1", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var o Organization
			if test.asked != "" {
				var err error
				if o, err = NewOrganization(test.asked); err != nil {
					t.Fatal(err)
				}
			}
			err := o.Judge(&profile.Profile{OrgID: test.id, OrgName: test.called})
			if test.passes != (err == nil) || err != nil && !errors.Is(err, ErrOrganization) {
				t.Errorf("got %v", err)
			}
			if o != "" && o.Is(test.id, test.called) != test.passes {
				t.Error("Is says otherwise")
			}
		})
	}
}

func TestOrganizationIsWrittenAsAuth0Does(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]Organization{
		"org_6fpHmdUK3GrDYgSm": "org_6fpHmdUK3GrDYgSm", "acme": "acme", "Acme-1_x": "acme-1_x", "7": "7", "org": "org", "org-x": "org-x",
		strings.Repeat("a", 50): Organization(strings.Repeat("a", 50)),
	} {
		if got, err := NewOrganization(written); err != nil || got != want {
			t.Errorf("%q: got %q, %v", written, got, err)
		}
	}
	for _, written := range []string{
		"", " ", "org_", "org_1-2", "ORG_1", "Org_1", "-acme", "_acme", "acme corp", "acme\n", "acme.com", "\u212aelvin", "a&b", `a"b`,
		strings.Repeat("a", 51), "org_" + strings.Repeat("a", 65),
	} {
		if got, err := NewOrganization(written); !errors.Is(err, errOrganization) {
			t.Errorf("%q: got %q, %v", written, got, err)
		}
	}
}

// A token of any other name is refused, whatever bytes it has.
func FuzzOrganization(f *testing.F) {
	f.Add("org_1", "acme")
	f.Add("", "ACME")
	f.Add("org_1", "\u212a")
	f.Fuzz(func(t *testing.T, id, name string) {
		p := &profile.Profile{OrgID: id, OrgName: name}
		if got, want := Organization("org_1").Judge(p) == nil, id == "org_1"; got != want {
			t.Errorf("id %q: passes %v", id, got)
		}
		same := len(name) == len("acme")
		for i := 0; same && i < len(name); i++ {
			same = name[i] == "acme"[i] || name[i] == "ACME"[i]
		}
		if got := Organization("acme").Judge(p) == nil; got != same {
			t.Errorf("name %q: passes %v", name, got)
		}
	})
}

// Judging is done for every request.
func TestOIDC_24_JudgingTheOrganizationAllocatesNothing(t *testing.T) {
	p := &profile.Profile{OrgID: "org_6fpHmdUK3GrDYgSm", OrgName: "acme"}
	for _, o := range []Organization{"", "org_6fpHmdUK3GrDYgSm", "acme"} {
		if n := testing.AllocsPerRun(100, func() {
			if o.Judge(p) != nil {
				t.Error("refused")
			}
		}); n != 0 {
			t.Errorf("%q: %v allocations", o, n)
		}
	}
}
