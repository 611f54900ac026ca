package profile

import (
	"strings"
	"testing"
)

func TestUserIDIsTakenApart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		userID string
		want   Subject
	}{
		{"auth0-oidc|your-auth0-oidc-conn-name|auth0|563b9b6cf50bc24402a69b80", Subject{Strategy: "auth0-oidc",
			Connection: "your-auth0-oidc-conn-name", Child: "auth0|563b9b6cf50bc24402a69b80", ChildConnection: "auth0", ChildUserID: "563b9b6cf50bc24402a69b80"}},
		{"oidc|c|samlp|idp|user@x|y", Subject{Strategy: "oidc", Connection: "c", Child: "samlp|idp|user@x|y", ChildConnection: "samlp", ChildUserID: "idp|user@x|y"}},
		{"auth0-oidc|c1|auth0-oidc|c2|auth0|5f", Subject{Strategy: "auth0-oidc", Connection: "c1", Child: "auth0-oidc|c2|auth0|5f", ChildConnection: "auth0-oidc", ChildUserID: "c2|auth0|5f"}},
		{"oidc|c|plain-sub", Subject{Strategy: "oidc", Connection: "c", Child: "plain-sub", ChildUserID: "plain-sub"}},
		{"oidc|c|a|", Subject{Strategy: "oidc", Connection: "c", Child: "a|", ChildConnection: "a"}},
		{"oidc|c||b", Subject{Strategy: "oidc", Connection: "c", Child: "|b", ChildUserID: "b"}},
		{"oidc|c|", Subject{Strategy: "oidc", Connection: "c"}},
		{"oidc|c", Subject{Strategy: "oidc"}},
		{"auth0-oidc||x", Subject{Strategy: "auth0-oidc", Child: "x", ChildUserID: "x"}},
		{"samlp|idp|DOMAIN\\user|x", Subject{Strategy: "samlp", Connection: "idp"}},
		{"waad|contoso|abc", Subject{Strategy: "waad", Connection: "contoso"}},
		{"adfs|john@example.com", Subject{Strategy: "adfs"}},
		{"google-oauth2|1035", Subject{Strategy: "google-oauth2"}},
		{"auth0|a|b|c", Subject{Strategy: "auth0"}},
		{"|x", Subject{}},
		{"client@clients", Subject{}},
		{"", Subject{}},
	}
	for _, test := range tests {
		test.want.UserID = test.userID
		if got := ParseSubject(test.userID); got != test.want {
			t.Errorf("%s:\n got %+v\nwant %+v", test.userID, got, test.want)
		}
	}
}

func TestEveryEnterpriseStrategyNamesItsConnection(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auth0-oidc", "oidc", "samlp", "waad", "ad", "adfs", "auth0-adldap", "google-apps", "ip", "office365", "pingfederate", "sharepoint"} {
		if got := ParseSubject(strategy + "|conn|id").Connection; got != "conn" {
			t.Errorf("%s: got %q", strategy, got)
		}
	}
}

func FuzzParseSubject(f *testing.F) {
	for _, seed := range []string{"auth0-oidc|c|auth0|5|6", "oidc||", "oidc|c|x", "samlp|c|x", "auth0|1", "", "|||"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, userID string) {
		s := ParseSubject(userID)
		if s.UserID != userID {
			t.Fatalf("the whole became %q", s.UserID)
		}
		child := s.ChildUserID
		if strings.Contains(s.Child, "|") {
			child = s.ChildConnection + "|" + s.ChildUserID
		}
		if child != s.Child {
			t.Errorf("the child's parts %q make %q", s.Child, child)
		}
		parts := []string{s.Strategy, s.Connection, s.Child}
		switch {
		case !strings.Contains(userID, "|"):
			parts = []string{userID}
		case !namesConnection(s.Strategy) || strings.Count(userID, "|") < 2:
			parts = []string{s.Strategy, userID[len(s.Strategy)+1:]}
		case s.Strategy != "auth0-oidc" && s.Strategy != "oidc":
			parts = []string{s.Strategy, s.Connection, userID[len(s.Strategy)+len(s.Connection)+2:]}
		}
		if whole := strings.Join(parts, "|"); whole != userID {
			t.Errorf("the parts of %q make %q", userID, whole)
		}
	})
}

func TestTakingAUserIDApartAllocatesNothing(t *testing.T) {
	var sink Subject
	if n := testing.AllocsPerRun(100, func() { sink = ParseSubject("auth0-oidc|acme-child|auth0|563b9b6cf50bc24402a69b80") }); n != 0 {
		t.Errorf("%v allocations for %+v", n, sink)
	}
}

// The child's part of a foreign user id is of another tenant.
func TestForeignUserHasNoChild(t *testing.T) {
	t.Parallel()
	p := profileOf(t, `{"sub":"auth0-oidc|evil-corp|auth0|victim","roles":["a"]}`)
	p.Remember()
	foreign := p.Foreign()
	for path, want := range map[string]string{
		"id": "auth0-oidc|evil-corp|auth0|victim", "strategy": "auth0-oidc", "connection": "evil-corp", "roles.0": "a",
		"child_user": "", "child_connection": "", "child_user_id": "",
	} {
		got, _ := foreign.Claim(path)
		if before, _ := p.Claim(path); Text(got) != want || Text(before) == "" {
			t.Errorf("%s is %q, and was %q", path, got, before)
		}
		if field := Field(path); field != nil && field(foreign) != want {
			t.Errorf("the field %s is %q", path, field(foreign))
		}
	}
}
