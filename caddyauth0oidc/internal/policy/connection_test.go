package policy

import (
	"errors"
	"strings"
	"testing"
)

func connections(t *testing.T, nameAndStrategy ...string) Connections {
	t.Helper()
	var list Connections
	for i := 0; i < len(nameAndStrategy); i += 2 {
		c, err := NewConnection(nameAndStrategy[i], nameAndStrategy[i+1])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

func TestUserPassesOnlyThroughAConfiguredConnection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		connections Connections
		userID      string
		passes      bool
	}{
		{"child user", connections(t, "acme-child", "auto"), "auth0-oidc|acme-child|auth0|563b", true},
		{"child user by the oidc strategy", connections(t, "acme-child", ""), "oidc|acme-child|auth0|563b", true},
		{"child id without bars", connections(t, "acme-child", "oidc"), "oidc|acme-child|563b", true},
		{"child id with further bars", connections(t, "acme-child", "auto"), "oidc|acme-child|samlp|idp|a|b", true},
		{"nested federation", connections(t, "c1", "auto"), "auth0-oidc|c1|auth0-oidc|c2|auth0|5f", true},
		{"nested federation by the oidc strategy", connections(t, "c1", "oidc"), "oidc|c1|oidc|c2|auth0|5f", true},
		{"nested federation by both strategies", connections(t, "c1", "auth0-oidc"), "auth0-oidc|c1|oidc|c2|auth0-oidc|c3|x", true},
		{"child id of bars", connections(t, "acme", "oidc"), "oidc|acme|||", true},
		{"child id of odd characters", connections(t, "acme", "auto"), "oidc|acme|ad|CORP\\zo\u00eb \"x\" 100%", true},
		{"any strategy, other connection", connections(t, "acme", "any"), "samlp|other|x", true},
		{"second of two", connections(t, "one", "oidc", "two", "auth0-oidc"), "auth0-oidc|two|auth0|1", true},
		{"any strategy, database user", connections(t, "acme-child", "any"), "auth0|563b", true},
		{"any strategy, machine", connections(t, "acme-child", "any"), "client@clients", true},

		{"D1 other connection by an edited login", connections(t, "acme-child", "auto"), "auth0-oidc|other|auth0|563b", false},
		{"D1 database user of the master tenant", connections(t, "acme-child", "auto"), "auth0|563b", false},
		{"name is a prefix of another connection", connections(t, "acme-child", "auto"), "auth0-oidc|acme-child-evil|x", false},
		{"other connection is a prefix of the name", connections(t, "acme-child", "auto"), "auth0-oidc|acme|auth0|1", false},
		{"no child part", connections(t, "acme", "auto"), "auth0-oidc|acme", false},
		{"empty child part", connections(t, "acme", "auto"), "auth0-oidc|acme|", false},
		{"letter before the strategy", connections(t, "acme", "auto"), "xauth0-oidc|acme|auth0|1", false},
		{"space before the strategy", connections(t, "acme", "auto"), " auth0-oidc|acme|auth0|1", false},
		{"strategy in another case", connections(t, "acme", "auto"), "AUTH0-OIDC|acme|auth0|1", false},
		{"HDR-25 name in another case", connections(t, "acme", "auto"), "auth0-oidc|Acme|auth0|1", false},
		{"HDR-25 homoglyph in the name", connections(t, "acme", "auto"), "auth0-oidc|\u0430cme|auth0|1", false},
		{"other strategy of the two", connections(t, "acme", "oidc"), "auth0-oidc|acme|auth0|1", false},
		{"other strategy of the two, the other way round", connections(t, "acme", "auth0-oidc"), "oidc|acme|auth0|1", false},
		{"our connection is the second of a nested id", connections(t, "c2", "auto"), "auth0-oidc|c1|auth0-oidc|c2|auth0|x", false},
		{"auto is no strategy of an id", connections(t, "acme", "auto"), "auto|acme|auth0|1", false},
		{"any is no strategy of an id", connections(t, "acme", "auto"), "any|acme|auth0|1", false},
		{"bar before the strategy", connections(t, "acme", "auto"), "|auth0-oidc|acme|auth0|1", false},
		{"two bars behind the strategy", connections(t, "acme", "auto"), "oidc||acme|auth0|1", false},
		{"NUL behind the name", connections(t, "acme", "auto"), "oidc|acme\x00|auth0|1", false},
		{"each name only with its strategy", connections(t, "one", "oidc", "two", "auth0-oidc"), "auth0-oidc|one|auth0|1", false},
		{"enterprise strategy that is not federation", connections(t, "acme", "auto"), "samlp|acme|user", false},
		{"our connection inside the child's id", connections(t, "acme", "auto"), "auth0-oidc|evil|auth0-oidc|acme|x", false},
		{"database id made to look like ours", connections(t, "acme", "auto"), "auth0|auth0-oidc|acme|x", false},
		{"empty user id", connections(t, "acme", "any"), "", false},
		{"nothing configured", nil, "auth0-oidc|acme|auth0|1", false},
		{"unchecked zero value", Connections{{}}, "auth0-oidc||auth0|1", false},
		{"unchecked empty name", Connections{{Strategy: "auto"}}, "auth0-oidc||auth0|1", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.connections.Judge(test.userID)
			if test.passes {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if refusal := new(ConnectionError); !errors.As(err, &refusal) {
				t.Errorf("got %v, want a *ConnectionError", err)
			}
		})
	}
}

func TestRefusalKnowsWhereTheUserCameFromButItsTextDoesNot(t *testing.T) {
	t.Parallel()
	err := connections(t, "acme", "auto").Judge("auth0-oidc|other|auth0|secret-id")
	var refusal *ConnectionError
	if !errors.As(err, &refusal) || *refusal != (ConnectionError{Strategy: "auth0-oidc", Connection: "other"}) {
		t.Errorf("got %+v", refusal)
	}
	if strings.Contains(err.Error(), "other") || strings.Contains(err.Error(), "secret-id") {
		t.Errorf("the text tells the user_id: %v", err)
	}
}

func TestConnectionNameFollowsAuth0(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "7", "acme-child", "A-1-b", strings.Repeat("a", 128)} {
		if c, err := NewConnection(name, ""); err != nil || c != (Connection{Name: name, Strategy: "auto"}) {
			t.Errorf("%q: got %+v, %v", name, c, err)
		}
	}
	for _, name := range []string{
		"", "-a", "a-", "a--b", "a_b", "a b", "a|b", "auth0|acme", "a.b", "zoë", "a\n", "a\x00", strings.Repeat("a", 129),
	} {
		if _, err := NewConnection(name, ""); !errors.Is(err, errName) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestUnknownStrategyIsRefusedWithTheAllowedOnes(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"OIDC", "saml", "auth0-oidc ", "auth0"} {
		_, err := NewConnection("acme", strategy)
		if err == nil || !strings.Contains(err.Error(), "auto, auth0-oidc, oidc or any") {
			t.Errorf("%q: got %v", strategy, err)
		}
	}
}

func TestOnlyConfiguredNamesAreKnown(t *testing.T) {
	t.Parallel()
	list := connections(t, "one", "", "two", "oidc")
	for name, want := range map[string]bool{"one": true, "two": true, "One": false, "on": false, "": false} {
		if got := list.Has(name); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
}

func FuzzJudge(f *testing.F) {
	for _, seed := range []string{"auth0-oidc|acme|auth0|1", "oidc|acme|", "auth0-oidc|acme-evil|x", "|acme|", "auth0|x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, userID string) {
		want := false
		for _, prefix := range []string{"auth0-oidc|acme|", "oidc|acme|"} {
			want = want || strings.HasPrefix(userID, prefix) && len(userID) > len(prefix)
		}
		if got := connections(t, "acme", "auto").Judge(userID) == nil; got != want {
			t.Errorf("%q: passes %v, want %v", userID, got, want)
		}
	})
}

func TestJudgingAUserWhoPassesAllocatesNothing(t *testing.T) {
	list := connections(t, "one", "", "acme", "")
	if n := testing.AllocsPerRun(100, func() {
		if list.Judge("auth0-oidc|acme|auth0|563b9b6cf50bc24402a69b80") != nil {
			t.Error("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
