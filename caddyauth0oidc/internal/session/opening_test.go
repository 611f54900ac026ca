package session

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// What stands in the place of a session is told apart, and none of it is one.
func TestCK_04_WhatIsNoSessionIsNamed(t *testing.T) {
	t.Parallel()
	const secret, name = "0123456789abcdef0123456789abcdef", "auth0_session"
	keys, err := NewKeyring([]string{secret}, "https://acme.test/", "client")
	if err != nil {
		t.Fatal(err)
	}
	others, err := NewKeyring([]string{strings.ToUpper(secret)}, "https://acme.test/", "client")
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(by *Keyring, payload packer) string {
		id, value, err := by.seal(forSession, name, payload)
		if err != nil {
			t.Fatal(err)
		}
		return name + "=" + id + ".1." + value
	}
	s := &Session{Issue: 1, Login: time.Unix(1, 0).UTC(), Seen: time.Unix(1, 0).UTC()}
	good := sealed(keys, s)
	altered := []byte(good)
	altered[len(altered)-8] ^= 1
	for what, test := range map[string]struct {
		lines []string
		want  Opening
	}{
		"nothing":            {nil, Absent},
		"another cookie":     {[]string{"a=b"}, Absent},
		"text":               {[]string{name + "=x"}, Incomplete},
		"a second chunk":     {[]string{name + ".1=x"}, Incomplete},
		"a lost key":         {[]string{sealed(others, s)}, UnknownKey},
		"one bit":            {[]string{string(altered)}, Altered},
		"a later version":    {[]string{sealed(keys, version(99))}, Unreadable},
		"beside a lost key":  {[]string{sealed(others, s), string(altered)}, Altered},
		"a session":          {[]string{good}, Opened},
		"behind another one": {[]string{sealed(others, s) + "; " + good}, Opened},
	} {
		read := Session{Issue: 7}
		got := keys.OpenSession(&read, test.lines, name)
		if got != test.want || (got == Opened) != (read.Issue == 1) || got != Opened && read.Issue != 0 {
			t.Errorf("%s: %d, want %d", what, got, test.want)
		}
		if keys.ReadSession(&read, test.lines, name) != (test.want == Opened) {
			t.Errorf("%s: ReadSession says something else", what)
		}
	}
}

// version is a payload of a version that does not exist.
type version byte

func (v version) pack() []byte { return []byte{byte(v), 0} }

// Each limit is named, and a session is over by one of them exactly if it is not alive.
func TestTheLimitThatEndedASessionIsNamed(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0).UTC()
	l := Limits{Idle: time.Hour, Absolute: 3 * time.Hour, MaxAge: 2 * time.Hour}
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for what, test := range map[string]struct {
		s    Session
		want Limit
	}{
		"alive":      {Session{Login: now, Seen: now, AuthTime: now}, NoLimit},
		"idle":       {Session{Login: ago(90 * time.Minute), Seen: ago(time.Hour), AuthTime: ago(90 * time.Minute)}, IdleLimit},
		"absolute":   {Session{Login: ago(3 * time.Hour), Seen: now, AuthTime: now}, AbsoluteLimit},
		"max_age":    {Session{Login: now, Seen: now, AuthTime: ago(2 * time.Hour)}, MaxAgeLimit},
		"no sign-in": {Session{Login: now, Seen: now}, MaxAgeLimit},
		"ceiling":    {Session{Login: now, Seen: now, AuthTime: now, Ceiling: now}, CeilingLimit},
		"future":     {Session{Login: now.Add(time.Hour), Seen: now, AuthTime: now}, FutureLimit},
	} {
		if got := test.s.Over(now, l); got != test.want || (got == NoLimit) != test.s.Alive(now, l) {
			t.Errorf("%s: %d, want %d", what, got, test.want)
		}
	}
}

// A session that opens costs no memory for telling why others do not.
func TestOpeningAKnownSessionAllocatesNothing(t *testing.T) {
	keys, err := NewKeyring([]string{"0123456789abcdef0123456789abcdef"}, "https://acme.test/", "client")
	if err != nil {
		t.Fatal(err)
	}
	header := make(http.Header)
	c := Cookie{Name: "auth0_session"}
	if err := keys.WriteSession(header, c, &Session{Issue: 1}, time.Hour, nil, 1<<20); err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	lines, s := []string{line}, new(Session)
	for range 3 {
		keys.OpenSession(s, lines, c.Name)
	}
	if n := testing.AllocsPerRun(100, func() { keys.OpenSession(s, lines, c.Name) }); n > 1 { // joining the chunks
		t.Errorf("%v allocations", n)
	}
}
