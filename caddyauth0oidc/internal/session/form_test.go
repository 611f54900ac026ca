package session

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func testForm(body string) *Form {
	return &Form{Transaction: testID, Target: "/orders?x=1", Body: body, Own: true, Kept: testNow}
}

// keep writes a form into a browser.
func keep(t *testing.T, k *Keyring, b *browser, f *Form) {
	t.Helper()
	h := http.Header{}
	if err := k.WriteForm(h, newTestCookies(t), f, f.Kept, b.lines(), roomy); err != nil {
		t.Fatal(err)
	}
	b.receive(h)
}

func TestFormSurvivesTheCookies(t *testing.T) {
	t.Parallel()
	k, prefix := newTestKeyring(t), newTestCookies(t).Transaction.Name
	for name, want := range map[string]*Form{
		"short":         testForm("a=b&a=c&%5F=+"),
		"empty":         testForm(""),
		"of a stranger": {Transaction: testID, Target: "/", Body: "x=y", Kept: testNow},
		"16 KiB":        testForm(url.QueryEscape(noise(16 << 10))[:16<<10]),
	} {
		b := &browser{t: t}
		keep(t, k, b, want)
		got, ok := k.ReadForm(b.lines(), prefix, testID, testNow)
		if !ok || *got != *want {
			t.Errorf("%s: read %v, %v", name, got, ok)
		}
		t.Logf("%s: %d bytes take %d cookies", name, len(want.Body), len(b.cookies))
		h := http.Header{}
		ClearForm(h, newTestCookies(t).Transaction, b.lines())
		if b.receive(h); len(b.cookies) != 0 {
			t.Errorf("%s: %d cookies are left", name, len(b.cookies))
		}
	}
}

func TestCK_01_CookiesOfAFormLastAsLongAsALogin(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	if err := newTestKeyring(t).WriteForm(h, newTestCookies(t), testForm(noise(9_000)), testNow, nil, roomy); err != nil {
		t.Fatal(err)
	}
	for _, line := range h["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err == nil && c.MaxAge < 0 { // a chunk of an earlier form
			continue
		}
		if err != nil || c.MaxAge != int(TransactionLifetime/time.Second) || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode ||
			!strings.HasPrefix(c.Name, "__Host-auth0_txn_form") || !newTestCookies(t).Names().Own(c.Name) {
			t.Errorf("%.60s: %v", line, err)
		}
	}
}

func TestASVS_20_FormOfAnotherLoginOrTimeIsNone(t *testing.T) {
	t.Parallel()
	k, prefix := newTestKeyring(t), newTestCookies(t).Transaction.Name
	b := &browser{t: t}
	keep(t, k, b, testForm("a=b"))
	for what, tc := range map[string]struct {
		transaction string
		now         time.Time
		ok          bool
	}{
		"its login":       {testID, testNow, true},
		"another login":   {testID[1:] + "x", testNow, false},
		"no login":        {"", testNow, false},
		"just in time":    {testID, testNow.Add(TransactionLifetime - time.Second), true},
		"too late":        {testID, testNow.Add(TransactionLifetime), false},
		"before it began": {testID, testNow.Add(-time.Hour), false},
	} {
		if _, ok := k.ReadForm(b.lines(), prefix, tc.transaction, tc.now); ok != tc.ok {
			t.Errorf("%s: read %v", what, ok)
		}
	}
}

func TestCK_03_FormOpensForNoOtherTenantClientPurposeOrName(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t)
	b := &browser{t: t}
	keep(t, k, b, testForm("a=b"))
	for what, other := range map[string][3]string{
		"tenant": {secretA, "https://other.test/", testClient}, "client": {secretA, testIssuer, "other"}, "secret": {secretB, testIssuer, testClient},
	} {
		stranger, err := NewKeyring([]string{other[0]}, other[1], other[2])
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := stranger.ReadForm(b.lines(), c.Transaction.Name, testID, testNow); ok {
			t.Errorf("a form of another %s was read", what)
		}
	}
	value := b.value(c.Transaction.Name + formSuffix)
	if _, ok := readSession(k, []string{c.Session.Name + "=" + value}, c.Session.Name); ok {
		t.Error("CVE-SDK-16: a form is a session")
	}
	if _, ok := k.ReadForm([]string{"other_form=" + value}, "other_", testID, testNow); ok {
		t.Error("a form opens under another name")
	}
}

func TestCK_04_TamperedFormIsNone(t *testing.T) {
	t.Parallel()
	k, prefix := newTestKeyring(t), newTestCookies(t).Transaction.Name
	b, other := &browser{t: t}, &browser{t: t}
	keep(t, k, b, testForm(noise(5_000)))
	keep(t, k, other, testForm(noise(5_000)))
	line := b.lines()[0]
	for i := range line {
		if i%7 != 0 || strings.IndexByte("; =", line[i]) >= 0 {
			continue
		}
		changed := line[:i] + string(line[i]^1) + line[i+1:]
		if _, ok := k.ReadForm([]string{changed}, prefix, testID, testNow); ok {
			t.Fatalf("read with byte %d changed", i)
		}
	}
	name := prefix + formSuffix
	mixed := []string{name + "=" + b.value(name) + "; " + name + ".1=" + other.value(name+".1")}
	if _, ok := k.ReadForm(mixed, prefix, testID, testNow); ok {
		t.Error("chunks of two forms make one")
	}
	if _, ok := k.ReadForm([]string{name + "=" + b.value(name)}, prefix, testID, testNow); ok {
		t.Error("half a form was read")
	}
}

func TestNewestFormTakesThePlaceOfTheOther(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t)
	b := &browser{t: t}
	keep(t, k, b, testForm(noise(9_000)))
	newer := testForm("short=1")
	keep(t, k, b, newer)
	got, ok := k.ReadForm(b.lines(), c.Transaction.Name, testID, testNow)
	if !ok || *got != *newer || len(b.cookies) != 1 {
		t.Errorf("read %v, %v from %d cookies", got, ok, len(b.cookies))
	}
}

func TestCK_05_FormThatDoesNotFitBesideTheSessionIsRefused(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t)
	session := signIn(t, k, c.Session, largeSession(t, 3_000)).lines() // of two chunks
	for what, tc := range map[string]struct {
		size, limit int
		lines       []string
		fits        bool
	}{
		"one of two cookies":             {1_500, 12 << 10, nil, true},
		"two of two cookies":             {3_000, 12 << 10, nil, false},
		"one of three, a session of two": {1_500, 16 << 10, session, true},
		"two of three, a session of two": {3_000, 16 << 10, session, false},
		"a session that came twice":      {1_500, 20 << 10, []string{session[0] + "; " + session[0]}, false},
		"a session that came once":       {1_500, 20 << 10, session, true},
		"beside cookies of others":       {1_500, 12 << 10, []string{"theirs=" + strings.Repeat("x", 5_000)}, false},
		"as much as cookies hold":        {16_000, roomy, session, true},
		"more than cookies hold":         {18_000, roomy, nil, false},
		"more than is sealed":            {maxPayload, roomy, nil, false},
		"a server with no room at all":   {1, 1, nil, false},
	} {
		h := http.Header{}
		err := k.WriteForm(h, c, testForm(noise(tc.size)), testNow, tc.lines, tc.limit)
		_, tooLarge := errors.AsType[*TooLargeError](err)
		if tooLarge == tc.fits || tooLarge && len(h) > 0 {
			t.Errorf("%s: %v, %d cookies", what, err, len(h["Set-Cookie"]))
		}
	}
}

// What a sign-in sets is never refused for a form that waits for another login.
func TestFormGivesWayToTheSession(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t)
	b := &browser{t: t}
	keep(t, k, b, testForm(noise(1_500)))
	for limit, kept := range map[int]bool{16 << 10: false, 20 << 10: true, roomy: true} {
		h := http.Header{}
		if err := k.WriteSession(h, c.Session, largeSession(t, 5_000), time.Hour, WithoutForm(b.lines(), c.Transaction.Name), limit); err != nil {
			t.Fatal(err)
		}
		FitForm(h, c, b.lines(), limit)
		after := &browser{t: t, cookies: append([]*http.Cookie(nil), b.cookies...)}
		after.receive(h)
		if _, ok := k.ReadForm(after.lines(), c.Transaction.Name, testID, testNow); ok != kept {
			t.Errorf("a limit of %d: kept %v beside %d cookies", limit, ok, len(after.cookies))
		}
	}
}

// A form that goes along with a later login lasts no longer for it.
func TestFormWaitsFromWhenItWasFirstKept(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	if err := newTestKeyring(t).WriteForm(h, newTestCookies(t), testForm("a=b"), testNow.Add(10*time.Minute), nil, roomy); err != nil {
		t.Fatal(err)
	}
	if c := (&http.Response{Header: h}).Cookies()[0]; c.MaxAge != 5*60 {
		t.Errorf("Max-Age is %d", c.MaxAge)
	}
}

// The request of another tab may not carry all the chunks that its answer replaces.
func TestNewerFormDeletesChunksThatItDoesNotSee(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t)
	b := &browser{t: t}
	keep(t, k, b, testForm(noise(16_000)))
	h := http.Header{}
	if err := k.WriteForm(h, c, testForm("short=1"), testNow, nil, roomy); err != nil {
		t.Fatal(err)
	}
	if b.receive(h); len(b.cookies) != 1 {
		t.Errorf("%d cookies", len(b.cookies))
	}
}
