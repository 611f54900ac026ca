package session

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// otherKeyring is one of other secrets, for the same tenant.
func otherKeyring(t testing.TB) *Keyring { return newTestKeyring(t, strings.Repeat("other ", 6)) }

func TestCK_04_InspectionSaysWhyACookieDoesNotOpen(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	small := signIn(t, k, c, typicalSession(t)).value(c.Name)
	large := signIn(t, k, c, largeSession(t, 4_500))
	first, second := large.value(c.Name), large.value(c.Name+".1")
	line := func(name, value string) string { return name + "=" + value }
	for _, test := range []struct {
		what  string
		lines []string
		want  Inspected
	}{
		{"whole", []string{line(c.Name, small)}, Inspected{Opening: Opened, Chunks: 1, Copies: 1, Size: len(small)}},
		{"in chunks", large.lines(), Inspected{Opening: Opened, Chunks: 3, Copies: 1}},
		{"no cookie", nil, Inspected{Opening: Absent}},
		{"another cookie", []string{line("other", small)}, Inspected{Opening: Absent}},
		{"another value", []string{line(c.Name, "zebra")}, Inspected{Opening: NotOurs, Copies: 1, Size: 5}},
		{"a chunk too few", []string{line(c.Name, first) + "; " + line(c.Name+".2", "x")}, Inspected{Opening: Incomplete, Chunks: 3, Copies: 1, Lost: []string{c.Name + ".1"}}},
		{"no first chunk", []string{line(c.Name+".1", second)}, Inspected{Opening: Incomplete, Lost: []string{c.Name}}},
		{"short chunk", []string{line(c.Name, first[:100]) + "; " + line(c.Name+".1", second) + "; " + line(c.Name+".2", "x")}, Inspected{Opening: Truncated, Chunks: 3, Copies: 1}},
		{"cut", []string{line(c.Name, small[:len(small)-5])}, Inspected{Opening: Truncated, Chunks: 1, Copies: 1}},
		{"cut between groups", []string{line(c.Name, small[:len(small)-8])}, Inspected{Opening: Truncated, Chunks: 1, Copies: 1}},
		{"altered", []string{line(c.Name, strings.Replace(small, small[40:41], flip(small[40:41]), 1))}, Inspected{Opening: Altered, Chunks: 1, Copies: 1}},
		{"altered, of another key", []string{line(c.Name, "abcd.1.AAAA")}, Inspected{Opening: UnknownKey, Chunks: 1, Copies: 1}},
		{"renamed", []string{line("renamed", small)}, Inspected{Opening: Absent}},
		{"a copy in front", []string{line(c.Name, "planted") + "; " + line(c.Name, small)}, Inspected{Opening: Opened, Chunks: 1, Copies: 2}},
		{"two that are not", []string{line(c.Name, "planted") + "; " + line(c.Name, small[:len(small)-5])}, Inspected{Opening: Truncated, Chunks: 1, Copies: 2}},
	} {
		s, got := k.InspectSession(test.lines, c.Name)
		if got.Opening != test.want.Opening || got.Chunks != test.want.Chunks || got.Copies != test.want.Copies ||
			strings.Join(got.Lost, " ") != strings.Join(test.want.Lost, " ") || (s != nil) != (got.Opening == Opened) ||
			test.want.Size > 0 && got.Size != test.want.Size {
			t.Errorf("%s: %+v, want %+v", test.what, got, test.want)
		}
	}
	if _, got := k.InspectSession([]string{line("renamed", small)}, "renamed"); got.Opening != Altered {
		t.Errorf("under another name: %+v", got)
	}
	if _, got := k.InspectTokens([]string{line(TokensName(c.Name), small)}, c.Name); got.Opening != Altered {
		t.Errorf("a session as tokens: %+v", got)
	}
}

func TestCK_18_InspectionSaysWhichSecretOpens(t *testing.T) {
	t.Parallel()
	old, newer := strings.Repeat("old ", 9), strings.Repeat("new ", 9)
	c := newTestCookies(t).Session
	lines := signIn(t, newTestKeyring(t, old), c, typicalSession(t)).lines()
	if _, got := newTestKeyring(t, newer, old).InspectSession(lines, c.Name); got.Opening != Opened || got.Key != 1 || got.KeyID == "" {
		t.Errorf("behind a newer one: %+v", got)
	}
	_, got := otherKeyring(t).InspectSession(lines, c.Name)
	if got.Opening != UnknownKey || time.Since(got.Sealed) > time.Hour || got.Sealed.After(time.Now().Add(time.Minute)) {
		t.Errorf("without it: %+v", got)
	}
}

func TestInspectionTellsUnreadablesFromAlteredCookies(t *testing.T) {
	t.Parallel()
	k, name := newTestKeyring(t), newTestCookies(t).Session.Name
	for _, payload := range [][]byte{{9, 9, 9}, {payloadVersion}, {deflatedVersion, 1, 2, 3}} {
		value, err := k.keys[0].codecs[forSession].Encode(name, payload)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := k.InspectSession([]string{name + "=" + k.keys[0].id + ".1." + value}, name); got.Opening != Unreadable {
			t.Errorf("%v: %+v", payload, got)
		}
	}
}

func TestInspectionOpensTokens(t *testing.T) {
	t.Parallel()
	k, c, s := newTestKeyring(t), newTestCookies(t).Session, typicalSession(t)
	h := http.Header{}
	if err := k.WriteTokens(h, c, &Tokens{Session: s.ID, Refresh: "refresh"}, time.Hour, nil, roomy); err != nil {
		t.Fatal(err)
	}
	cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
	if got, found := k.InspectTokens([]string{cookie}, c.Name); found.Opening != Opened || got.Session != s.ID || got.Refresh != "refresh" {
		t.Errorf("%+v %+v", got, found)
	}
}

// What requests take for a session, and what is shown to the operator as one, is the same.
func FuzzInspectionAgreesWithReading(f *testing.F) {
	k, c := newTestKeyring(f), newTestCookies(f).Session
	f.Add(strings.Join(signIn(f, k, c, typicalSession(f)).lines(), "; "))
	f.Add(strings.Join(signIn(f, k, c, largeSession(f, 9_000)).lines(), "; "))
	f.Add(c.Name + "=abcd.1.AAAA; " + c.Name + ".1=x")
	f.Add(c.Name + "=abcd.8.; " + c.Name + "=; " + c.Name + ".7=")
	f.Fuzz(func(t *testing.T, line string) {
		_, read := readSession(k, []string{line}, c.Name)
		s, found := k.InspectSession([]string{line}, c.Name)
		if read != (found.Opening == Opened) || read != (s != nil) {
			t.Errorf("read %v, inspected %+v", read, found)
		}
		k.InspectTokens([]string{line}, c.Name)
	})
}
