package profile

import "testing"

func TestFieldIsTheTextOfTheClaim(t *testing.T) {
	t.Parallel()
	full := profileOf(t, idToken)
	full.CreatedAt = "2015-11-05T18:09:49.575Z"
	for _, p := range []*Profile{full, {UserID: "auth0|a"}} {
		for path := range own {
			field := Field(path)
			if path == "identities" {
				if field != nil {
					t.Error("identities are JSON and no text")
				}
				continue
			}
			value, _ := p.Claim(path)
			if got := field(p); got != Text(value) {
				t.Errorf("%s is %q, the claim %v", path, got, value)
			}
		}
	}
	for _, path := range []string{"", "amr", "https://acme.com/roles", `"email"`, "email.0", "Email"} {
		if Field(path) != nil {
			t.Errorf("%q is no field", path)
		}
	}
}

func TestReadingAFieldTakesNoMemory(t *testing.T) {
	p := profileOf(t, idToken)
	for path, field := range fields {
		if n := testing.AllocsPerRun(10, func() { field(p) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}
