package policy

import (
	"errors"
	"strings"
	"testing"
)

// shown reads connections such as "oidc new" or "oidc new as auth0-oidc old".
func shown(t *testing.T, written ...string) []Shown {
	t.Helper()
	var all []Shown
	for _, one := range written {
		words := strings.Fields(one)
		s := Shown{Connection: connections(t, words[1], words[0])[0]}
		if len(words) > 2 {
			s.As = Connection{Strategy: words[3], Name: words[4]}
		}
		all = append(all, s)
	}
	return all
}

func userIDs(t *testing.T, written ...string) UserIDs {
	t.Helper()
	u, err := NewUserIDs(shown(t, written...))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUserIDIsShownAsBeforeTheMove(t *testing.T) {
	t.Parallel()
	moved := []string{"oidc acme as auth0-oidc acme", "oidc new-globex as auth0-oidc globex", "auth0-oidc back as oidc back", "auto other"}
	for id, want := range map[string]string{
		"oidc|acme|auth0|563b":               "auth0-oidc|acme|auth0|563b",
		"oidc|acme|563b":                     "auth0-oidc|acme|563b",
		"oidc|acme|samlp|idp|a|b":            "auth0-oidc|acme|samlp|idp|a|b",
		"oidc|acme|auth0-oidc|c2|auth0|5f":   "auth0-oidc|acme|auth0-oidc|c2|auth0|5f",
		"oidc|acme|oidc|acme|x":              "auth0-oidc|acme|oidc|acme|x",
		"oidc|acme|ad|CORP\\zo\u00eb + '\"%": "auth0-oidc|acme|ad|CORP\\zo\u00eb + '\"%",
		"oidc|acme||":                        "auth0-oidc|acme||",
		"oidc|new-globex|auth0|1":            "auth0-oidc|globex|auth0|1",
		"auth0-oidc|back|auth0|1":            "oidc|back|auth0|1",
		"oidc|other|auth0|1":                 "oidc|other|auth0|1",
		"auth0-oidc|acme|auth0|563b":         "auth0-oidc|acme|auth0|563b",
		"oidc|acme|":                         "oidc|acme|",
		"oidc|acme":                          "oidc|acme",
		"oidc|acme-evil|x":                   "oidc|acme-evil|x",
		"OIDC|acme|x":                        "OIDC|acme|x",
		"oidc|Acme|x":                        "oidc|Acme|x",
		"xoidc|acme|x":                       "xoidc|acme|x",
		"auth0|oidc|acme|x":                  "auth0|oidc|acme|x",
		"client@clients":                     "client@clients",
		"":                                   "",
	} {
		if got := userIDs(t, moved...).Show(id); got != want {
			t.Errorf("%q: got %q, want %q", id, got, want)
		}
		if got := (UserIDs{}).Show(id); got != id {
			t.Errorf("without the setting %q is %q", id, got)
		}
	}
}

func TestUserIDsThatTwoUsersCouldHaveAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		want error
		all  []string
	}{
		{"nothing renamed", nil, []string{"auto acme", "any other", "oidc acme"}},
		{"the same name", nil, []string{"oidc acme as auth0-oidc acme"}},
		{"another name", nil, []string{"oidc new as auth0-oidc old"}},
		{"another name of the same strategy", nil, []string{"oidc new as oidc old"}},
		{"two, apart", nil, []string{"oidc a as auth0-oidc a", "oidc b as auth0-oidc b", "auto c"}},

		{"auto", errUnfixed, []string{"auto acme as auth0-oidc acme"}},
		{"any", errUnfixed, []string{"any acme as auth0-oidc acme"}},
		{"shown as auto", errShownAs, []string{"oidc acme as auto acme"}},
		{"shown as any", errShownAs, []string{"oidc acme as any acme"}},
		{"shown as a database user", errShownAs, []string{"oidc acme as auth0 acme"}},
		{"shown as itself", errShownIs, []string{"oidc acme as oidc acme"}},
		{"beside any", errShownAny, []string{"oidc acme as auth0-oidc acme", "any other"}},
		{"beside any, before it", errShownAny, []string{"any other", "oidc acme as auth0-oidc acme"}},
		{"old connection beside the new one", errShared, []string{"oidc new as auth0-oidc old", "auth0-oidc old"}},
		{"old connection before the new one", errShared, []string{"auth0-oidc old", "oidc new as auth0-oidc old"}},
		{"auto can be the old one", errShared, []string{"oidc new as auth0-oidc old", "auto old"}},
		{"two shown alike", errShared, []string{"oidc a as auth0-oidc old", "oidc b as auth0-oidc old"}},
		{"one shown as another that is renamed", errShared, []string{"oidc a as oidc b", "oidc b as oidc c"}},
		{"exchanged", errShared, []string{"oidc a as oidc b", "oidc b as oidc a"}},
		{"the same connection twice", errShared, []string{"oidc a as auth0-oidc a", "oidc a as auth0-oidc b"}},
		{"the same connection as it is", errShared, []string{"oidc a as auth0-oidc b", "oidc a"}},
		{"the same connection as it may be", errShared, []string{"oidc a as auth0-oidc b", "auto a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u, err := NewUserIDs(shown(t, test.all...))
			if !errors.Is(err, test.want) || test.want != nil && len(u.renamed) > 0 {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDirectivesThatShowUsersOtherwiseClash(t *testing.T) {
	t.Parallel()
	const moved = "oidc new as auth0-oidc old"
	for _, test := range []struct {
		name     string
		one, two []string
		clash    bool
	}{
		{"nothing renamed", []string{"auto a"}, []string{"any b"}, false},
		{"the same", []string{moved}, []string{moved}, false},
		{"apart", []string{moved}, []string{"auto other"}, false},
		{"as it is", []string{moved}, []string{"oidc new"}, true},
		{"as it may be", []string{moved}, []string{"auto new"}, true},
		{"the old connection", []string{moved}, []string{"auth0-oidc old"}, true},
		{"another one shown alike", []string{moved}, []string{"oidc newer as auth0-oidc old"}, true},
		{"shown as something else", []string{moved}, []string{"oidc new as auth0-oidc older"}, true},
		{"everybody", []string{moved}, []string{"any other"}, true},
	} {
		one, two := userIDs(t, test.one...), userIDs(t, test.two...)
		if one.Clashes(two) != test.clash || two.Clashes(one) != test.clash {
			t.Errorf("%s: %v and %v", test.name, one.Clashes(two), two.Clashes(one))
		}
	}
}

// Whoever may pass is shown with an id that nobody else who may pass is shown with, and
// that is no other's real id.
func FuzzShownUserIDsAreNeverTheSame(f *testing.F) {
	f.Add("oidc|new|auth0|1", "auth0-oidc|old|auth0|1", byte(0))
	f.Add("oidc|new|x", "oidc|other|x", byte(1))
	f.Add("oidc|a|b|x", "oidc|a|b", byte(2))
	f.Fuzz(func(t *testing.T, one, two string, which byte) {
		configurations := [][]string{
			{"oidc new as auth0-oidc old"},
			{"oidc new as auth0-oidc old", "auto other"},
			{"oidc a as auth0-oidc a", "auth0-oidc b as oidc c", "oidc d"},
			{"oidc a-b as oidc a", "auto b"},
		}
		all := shown(t, configurations[int(which)%len(configurations)]...)
		u, err := NewUserIDs(all)
		if err != nil {
			t.Fatal(err)
		}
		var may Connections
		for _, s := range all {
			may = append(may, s.Connection)
		}
		if one == two || may.Judge(one) != nil || may.Judge(two) != nil {
			return
		}
		if u.Show(one) == u.Show(two) {
			t.Errorf("%q and %q are both shown as %q", one, two, u.Show(one))
		}
		if u.Show(one) == two {
			t.Errorf("%q is shown as %q, who may pass as well", one, two)
		}
	})
}

// Showing is done for every request.
func TestShowingAUserIDCostsNothingUnlessItIsRenamed(t *testing.T) {
	u := userIDs(t, "oidc new as auth0-oidc old", "auto other")
	for id, want := range map[string]float64{"oidc|new|auth0|563b9b6cf50bc24402a69b80": 1, "oidc|other|auth0|563b9b6cf50bc24402a69b80": 0} {
		if n := testing.AllocsPerRun(100, func() { u.Show(id) }); n > want {
			t.Errorf("%s: %v allocations", id, n)
		}
	}
}
