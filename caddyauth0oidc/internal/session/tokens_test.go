package session

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// testJWT has a real header and payload and a signature of its own that does not deflate.
func testJWT(header, payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(payload)) + "." + encode([]byte(noise(len(payload) + 256)[len(payload):]))
}

// typicalTokens are as long as those of a tenant with an API and a few claims.
func typicalTokens(s *Session) *Tokens {
	header := `{"alg":"RS256","typ":"JWT","kid":"Qk3sD8fJ2lM9nB4vC7xZ1"}`
	who := `"iss":"https://acme.eu.auth0.com/","sub":"auth0-oidc|acme-child|auth0|65f1c2d3e4b5a6f7a8b9c0d1"`
	return &Tokens{
		Session: s.ID, Expiry: testNow.Add(24 * time.Hour), Refresh: "v1." + strings.Repeat("MkJ3a", 12),
		ID: testJWT(header, fmt.Sprintf(`{"given_name":"Ada","family_name":"Lovelace","nickname":"ada","name":"Ada Lovelace",`+
			`"picture":"https://s.gravatar.com/avatar/0b5c6f1d2e3a4b5c6d7e8f9a0b1c2d3e?s=480&r=pg","updated_at":"2026-11-23T08:15:30.123Z",`+
			`"email":"ada.lovelace@analytical.example","email_verified":true,%s,"aud":"kY7xP2mQ9rT4vW6zA1bC3dE5fG8hJ0kL","iat":1795421730,`+
			`"exp":1795457730,"sid":"Zx8kq2LmN4pR6sT0vW1yA3bC5dE7fG9h","nonce":"c29tZS1yYW5kb20tbm9uY2U"}`, who)),
		Access: testJWT(header, fmt.Sprintf(`{%s,"aud":["https://api.acme.example/reports","https://acme.eu.auth0.com/userinfo"],`+
			`"iat":1795421730,"exp":1795508130,"scope":"openid profile email offline_access read:reports write:reports read:invoices write:invoices",`+
			`"azp":"kY7xP2mQ9rT4vW6zA1bC3dE5fG8hJ0kL","permissions":["read:reports","write:reports","read:invoices","write:invoices","approve:invoices",`+
			`"read:customers","write:customers","export:customers","read:audit","read:settings","write:settings"],"https://acme.com/tenant":"vienna"}`, who)),
		Child: testJWT(header, `{"iss":"https://child.eu.auth0.com/","sub":"auth0|65f1c2d3e4b5a6f7a8b9c0d1","aud":["https://child.eu.auth0.com/userinfo"],`+
			`"iat":1795421729,"exp":1795508129,"scope":"openid profile email","azp":"cH1lDcL1eNtId000000000000000000"}`),
	}
}

func TestTokensSurviveTheCookie(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := typicalSession(t)
	all := typicalTokens(s)
	for name, want := range map[string]*Tokens{
		"all":        all,
		"none":       {Session: s.ID},
		"no JWTs":    {Session: s.ID, Access: "opaque", ID: "a.b", Child: "a.b.c.d", Refresh: "ä\n"},
		"odd JWTs":   {Session: s.ID, Access: "..", ID: "YQ.YR.YQ", Child: "YQ==.YQ.YQ", Refresh: "Y\nQ.YQ.YQ"},
		"a long one": {Session: s.ID, Access: noise(5_000)},
		"a child's":  {Session: s.ID, Child: "opaque", ChildExpiry: testNow.Add(time.Hour).UTC()},
		"one's name": {Session: s.ID, Child: "opaque", ChildExpiry: testNow.Add(time.Hour).UTC(), ChildConnection: "acme-child"},
		"no end":     {Session: s.ID, Child: "opaque", ChildConnection: "acme-child"},
	} {
		b := &browser{t: t}
		h := http.Header{}
		if err := k.WriteTokens(h, c, want, time.Hour, nil, roomy); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b.receive(h)
		if got, ok := k.ReadTokens(s, b.lines(), c.Name); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read %+v, %v; want %+v", name, got, ok, want)
		}
	}
}

func TestProfileWithAllTokensTakesTwoCookies(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := typicalSession(t)
	b := signIn(t, k, c, s)
	h := http.Header{}
	tokens := typicalTokens(s)
	if err := k.WriteTokens(h, c, tokens, time.Hour, b.lines(), 16<<10); err != nil {
		t.Fatal(err)
	}
	b.receive(h)
	if len(b.cookies) != 2 {
		t.Errorf("%d bytes of tokens and a profile take %d cookies, want 2",
			len(tokens.ID)+len(tokens.Access)+len(tokens.Child)+len(tokens.Refresh), len(b.cookies))
	}
	if size := len(b.value(c.Name + "-t")); size > chunkSize {
		t.Errorf("the tokens' cookie has %d bytes", size)
	}
}

func TestCVE_GW_09_TokensOfAnotherSessionAreNone(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	mine, other := typicalSession(t), typicalSession(t)
	other.ID[0]++
	h := http.Header{}
	if err := k.WriteTokens(h, c, typicalTokens(other), time.Hour, nil, roomy); err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t}
	b.receive(h)
	if _, ok := k.ReadTokens(mine, b.lines(), c.Name); ok {
		t.Error("tokens of another session were read")
	}
	if _, ok := k.ReadTokens(other, b.lines(), c.Name); !ok {
		t.Error("the tokens' own session cannot read them")
	}
}

func TestCVE_SDK_16_TokensAreNoSessionAndTheOtherWayRound(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := typicalSession(t)
	b := signIn(t, k, c, s)
	h := http.Header{}
	if err := k.WriteTokens(h, c, typicalTokens(s), time.Hour, nil, roomy); err != nil {
		t.Fatal(err)
	}
	b.receive(h)
	swapped := []string{c.Name + "=" + b.value(c.Name+"-t") + "; " + c.Name + "-t=" + b.value(c.Name)}
	if _, ok := readSession(k, swapped, c.Name); ok {
		t.Error("the tokens' value is a session")
	}
	if _, ok := k.ReadTokens(s, swapped, c.Name); ok {
		t.Error("the session's value is tokens")
	}
}

func TestCK_05_TokensThatDoNotFitBesideTheSessionAreRefusedByName(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := typicalSession(t)
	for _, tc := range []struct {
		size, limit int
		fits        bool
	}{
		{3_000, 16 << 10, true}, {5_000, 16 << 10, false}, {5_000, 64 << 10, true}, {20_000, 64 << 10, false}, {maxPayload, 64 << 10, false},
	} {
		h := http.Header{}
		if err := k.WriteSession(h, c, s, time.Hour, nil, tc.limit); err != nil {
			t.Fatal(err)
		}
		before := len(h["Set-Cookie"])
		err := k.WriteTokens(h, c, &Tokens{Session: s.ID, Refresh: "short", Access: noise(tc.size)}, time.Hour, nil, tc.limit)
		tooLarge, ok := errors.AsType[*TooLargeError](err)
		switch {
		case tc.fits && err != nil:
			t.Errorf("%d bytes below a limit of %d: %v", tc.size, tc.limit, err)
		case !tc.fits && (!ok || tooLarge.Biggest != "access_token" || len(h["Set-Cookie"]) != before):
			t.Errorf("%d bytes below a limit of %d: %v, %d cookies; want the access token refused", tc.size, tc.limit, err, len(h["Set-Cookie"]))
		}
	}
}

// The tokens give way to the session: those of an earlier login go with this one.
func TestTokensOfAnEarlierLoginTakeNoRoomFromTheSession(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	b := signIn(t, k, c, typicalSession(t))
	h := http.Header{}
	if err := k.WriteTokens(h, c, &Tokens{Access: noise(4_000)}, time.Hour, b.lines(), 32<<10); err != nil {
		t.Fatal(err)
	}
	b.receive(h)
	if err := k.WriteSession(http.Header{}, c, largeSession(t, 5_000), time.Hour, b.lines(), 16<<10); err != nil {
		t.Errorf("beside %d cookies of its own: %v", len(b.cookies), err)
	}
}

func TestTokensCountWhatElseTheRequestCarries(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := typicalSession(t)
	own := signIn(t, k, c, s).lines()
	small, large := &Tokens{Session: s.ID, Access: noise(1_500)}, &Tokens{Session: s.ID, Access: noise(3_000)}
	theirs := "theirs=" + strings.Repeat("x", 5_000)
	for what, tc := range map[string]struct {
		tokens *Tokens
		lines  []string
		fits   bool
	}{
		"two chunks beside the session":              {large, own, true},
		"two chunks beside a session of two":         {large, signIn(t, k, c, largeSession(t, 2_500)).lines(), false},
		"one chunk beside cookies of others":         {small, append([]string{theirs}, own...), true},
		"two chunks beside cookies of others":        {large, append([]string{theirs}, own...), false},
		"two chunks in the place of two, and others": {large, append(tokenLines(t, k, c, large), append([]string{theirs}, own...)...), false},
	} {
		err := k.WriteTokens(http.Header{}, c, tc.tokens, time.Hour, tc.lines, 16<<10)
		if tooLarge, ok := errors.AsType[*TooLargeError](err); ok == tc.fits || ok && tooLarge.Limit < 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func tokenLines(t *testing.T, k *Keyring, c Cookie, tokens *Tokens) []string {
	t.Helper()
	h := http.Header{}
	if err := k.WriteTokens(h, c, tokens, time.Hour, nil, roomy); err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t}
	b.receive(h)
	return b.lines()
}

func TestClearedSessionTakesItsTokensAlong(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := typicalSession(t)
	b := signIn(t, k, c, s)
	h := http.Header{}
	if err := k.WriteTokens(h, c, &Tokens{Session: s.ID, Access: noise(5_000)}, time.Hour, nil, roomy); err != nil {
		t.Fatal(err)
	}
	b.receive(h)
	h = http.Header{}
	ClearSession(h, c, b.lines())
	b.receive(h)
	if len(b.cookies) != 0 {
		t.Errorf("%d cookies are left", len(b.cookies))
	}
}

// Cookies of before ChildExpiry have none, and are of the same version.
func TestTokensWithoutTheChildsEndAreReadAsBefore(t *testing.T) {
	t.Parallel()
	s := typicalSession(t)
	with := &Tokens{Session: s.ID, Child: "a", ChildExpiry: testNow}
	without := &Tokens{Session: s.ID, Child: "a"}
	read := *with // a candidate before this one may have left something
	if err := read.unpack(without.pack()); err != nil || read != *without {
		t.Errorf("read %+v, %v", read, err)
	}
	if err := read.unpack(with.pack()); err != nil || !read.ChildExpiry.Equal(testNow.Truncate(time.Second)) {
		t.Errorf("read %+v, %v", read, err)
	}
	if err := read.unpack(append(without.pack(), 0)); err == nil {
		t.Error("an end that says nothing was accepted")
	}
}

// Cookies of before ChildConnection have none, and are of the same version.
func TestTokensWithoutTheChildsConnectionAreReadAsBefore(t *testing.T) {
	t.Parallel()
	s := typicalSession(t)
	for _, expiry := range []time.Time{{}, testNow} {
		without := &Tokens{Session: s.ID, Child: "a", ChildExpiry: expiry}
		with := *without
		with.ChildConnection = "acme-child"
		read := with // a candidate before this one may have left something
		if err := read.unpack(without.pack()); err != nil || read.ChildConnection != "" || !read.ChildExpiry.Equal(expiry) {
			t.Errorf("read %+v, %v", read, err)
		}
		if err := read.unpack(with.pack()); err != nil || read.ChildConnection != "acme-child" || !read.ChildExpiry.Equal(expiry) {
			t.Errorf("read %+v, %v", read, err)
		}
		empty := without.pack()
		if expiry.IsZero() {
			empty = append(empty, 0)
		}
		if err := read.unpack(append(empty, 0)); err == nil {
			t.Error("a connection without a name was accepted")
		}
	}
}

// Tokens that were never refreshed say nothing of it, and are of the same version.
func TestTokensSayHowOftenTheyWereRefreshed(t *testing.T) {
	t.Parallel()
	s := typicalSession(t)
	for _, before := range []Tokens{{}, {ChildExpiry: testNow}, {ChildConnection: "acme-child"}} {
		before.Session = s.ID
		want := before
		want.Refreshes = 3
		read := want // a candidate before this one may have left something
		if err := read.unpack(before.pack()); err != nil || read.Refreshes != 0 {
			t.Errorf("read %+v, %v", read, err)
		}
		if err := read.unpack(want.pack()); err != nil || read.Refreshes != 3 || read.ChildConnection != want.ChildConnection {
			t.Errorf("read %+v, %v", read, err)
		}
		packed := want.pack()
		packed[len(packed)-1] = 0
		if err := read.unpack(packed); err == nil {
			t.Error("a longer spelling was accepted")
		}
	}
}

func TestTokensThatComeAgainAreOpenedTwiceAtMost(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := typicalSession(t)
	lines := tokenLines(t, k, c, typicalTokens(s))
	tries := countTries(k)
	for range 10 {
		if got, ok := k.ReadTokens(s, lines, c.Name); !ok || !reflect.DeepEqual(got, typicalTokens(s)) {
			t.Fatalf("read %+v, %v", got, ok)
		}
	}
	if n := tries(); n != 2 {
		t.Errorf("opened %d times, want 2", n)
	}
}

func TestCVE_GW_09_RememberedTokensAreOfTheirSessionNameAndKeyOnly(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	mine, other := typicalSession(t), typicalSession(t)
	other.ID[0]++
	lines := tokenLines(t, k, c, typicalTokens(mine))
	for range 3 {
		k.ReadTokens(mine, lines, c.Name)
	}
	if _, ok := k.ReadTokens(other, lines, c.Name); ok {
		t.Error("another session was given them")
	}
	renamed := []string{strings.ReplaceAll(lines[0], c.Name, "other")}
	if _, ok := k.ReadTokens(mine, renamed, "other"); ok {
		t.Error("under another name: accepted")
	}
	if _, ok := newTestKeyring(t, secretB).ReadTokens(mine, lines, c.Name); ok {
		t.Error("by another keyring: accepted")
	}
	if _, ok := k.ReadTokens(mine, []string{lines[0][:len(lines[0])-4]}, c.Name); ok {
		t.Error("truncated: accepted")
	}
}

func TestRememberedTokensAreBounded(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := typicalSession(t)
	large := tokenLines(t, k, c, &Tokens{Session: s.ID, Access: noise(12_000)})
	tries := countTries(k)
	for range 4 {
		k.ReadTokens(s, large, c.Name)
	}
	if n := tries(); n != 4 {
		t.Errorf("tokens of many cookies were opened %d times of 4: they are remembered", n)
	}
}

func FuzzUnpackTokens(f *testing.F) {
	f.Add((&Tokens{Child: "a", ChildExpiry: testNow}).pack())
	f.Add((&Tokens{Child: "a", ChildConnection: "acme-child"}).pack())
	f.Add(typicalTokens(typicalSession(f)).pack())
	f.Add((&Tokens{Access: "opaque"}).pack())
	f.Add(shortened((&Tokens{Access: strings.Repeat("a", 9_000)}).pack()))
	f.Fuzz(func(t *testing.T, b []byte) {
		payload, err := inflated(bytes.Clone(b))
		if err != nil {
			return
		}
		var first, second Tokens
		if first.unpack(payload) != nil {
			return
		}
		if err := second.unpack(first.pack()); err != nil || first != second {
			t.Errorf("packed again %+v became %+v, %v", first, second, err)
		}
	})
}
