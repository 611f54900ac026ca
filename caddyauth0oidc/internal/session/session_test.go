package session

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math"
	"testing"
	"testing/iotest"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

func TestASVS_11_ASVS_12_EveryLoginHasAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	if a, b := typicalSession(t), typicalSession(t); a.ID == b.ID || a.ID == [16]byte{} {
		t.Errorf("ids %x and %x", a.ID, b.ID)
	}
}

func TestNewSessionWithoutRandomnessIsRefused(t *testing.T) {
	t.Parallel()
	broken := errors.New("no randomness")
	if _, err := New(iotest.ErrReader(broken), testNow, profile.Profile{}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := NewTransaction(iotest.ErrReader(broken), testNow); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestCK_07_SessionEndsAtTheEarliestLimit(t *testing.T) {
	t.Parallel()
	base := Session{Login: testNow, Seen: testNow}
	for what, tc := range map[string]struct {
		change func(*Session)
		limits Limits
		want   time.Time
	}{
		"idle":              {func(*Session) {}, testLimits, testNow.Add(24 * time.Hour)},
		"idle, seen again":  {func(s *Session) { s.Seen = testNow.Add(time.Hour) }, testLimits, testNow.Add(25 * time.Hour)},
		"absolute":          {func(s *Session) { s.Seen = testNow.Add(71 * time.Hour) }, testLimits, testNow.Add(72 * time.Hour)},
		"ceiling":           {func(s *Session) { s.Ceiling = testNow.Add(time.Hour) }, testLimits, testNow.Add(time.Hour - 30*time.Second)},
		"ceiling far off":   {func(s *Session) { s.Ceiling = testNow.Add(1000 * time.Hour) }, testLimits, testNow.Add(24 * time.Hour)},
		"today's limits":    {func(*Session) {}, Limits{Idle: time.Minute, Absolute: time.Hour}, testNow.Add(time.Minute)},
		"idle beyond life":  {func(*Session) {}, Limits{Idle: time.Hour, Absolute: time.Minute}, testNow.Add(time.Minute)},
		"limits of nothing": {func(*Session) {}, Limits{}, testNow},
		"max_age": {func(s *Session) { s.AuthTime = testNow.Add(-time.Hour) },
			Limits{Idle: 24 * time.Hour, Absolute: 72 * time.Hour, MaxAge: 2 * time.Hour}, testNow.Add(time.Hour)},
		"max_age beyond idle": {func(s *Session) { s.AuthTime = testNow },
			Limits{Idle: time.Hour, Absolute: 72 * time.Hour, MaxAge: 2 * time.Hour}, testNow.Add(time.Hour)},
	} {
		s := base
		tc.change(&s)
		if got := s.Expires(tc.limits); !got.Equal(tc.want) {
			t.Errorf("%s: ends %v, want %v", what, got, tc.want)
		}
		if before := tc.want.Add(-time.Second); before.After(testNow) && !s.Alive(before, tc.limits) {
			t.Errorf("%s: dead a second before its end", what)
		}
		for _, after := range []time.Duration{0, time.Second} {
			if s.Alive(tc.want.Add(after), tc.limits) {
				t.Errorf("%s: alive %v after its end", what, after)
			}
		}
	}
}

func TestCK_07_SessionThatDoesNotSayWhenTheUserSignedInHasReachedEveryMaxAge(t *testing.T) {
	t.Parallel()
	s := Session{Login: testNow, Seen: testNow}
	l := testLimits
	if l.MaxAge = 100 * 365 * 24 * time.Hour; s.Alive(testNow, l) {
		t.Error("alive")
	}
}

func TestCK_07_SignInOfTheFutureIsNoneForMaxAge(t *testing.T) {
	t.Parallel()
	l := testLimits
	l.MaxAge = time.Hour
	for ahead, want := range map[time.Duration]bool{0: true, clockSkew: true, clockSkew + time.Second: false, 365 * 24 * time.Hour: false} {
		s := Session{Login: testNow, Seen: testNow, AuthTime: testNow.Add(ahead)}
		if got := s.Alive(testNow, l); got != want {
			t.Errorf("%s ahead: alive %v, want %v", ahead, got, want)
		}
		if !s.Alive(testNow, testLimits) {
			t.Errorf("%s ahead: dead although nobody asks", ahead)
		}
	}
}

func TestCK_07_RenewingNeverExtendsTheAbsoluteLimit(t *testing.T) {
	t.Parallel()
	s := typicalSession(t)
	now := testNow
	for s.Alive(now, testLimits) {
		issue := s.Issue
		s = s.Renewed(now)
		if s.Issue != issue+1 {
			t.Fatal("the issue did not grow")
		}
		now = now.Add(time.Hour)
	}
	if want := testNow.Add(testLimits.Absolute); !now.Equal(want) {
		t.Errorf("renewed every hour it ended at %v, want %v", now, want)
	}
}

func TestCVE_LIB_21_SessionOfTheFutureIsDead(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		login, seen time.Duration
		want        bool
	}{
		"now":              {0, 0, true},
		"clocks differ":    {60 * time.Second, 60 * time.Second, true},
		"login too far":    {61 * time.Second, 0, false},
		"seen too far":     {0, 61 * time.Second, false},
		"seen a year away": {0, 365 * 24 * time.Hour, false},
	} {
		s := Session{Login: testNow.Add(tc.login), Seen: testNow.Add(tc.seen)}
		if got := s.Alive(testNow, testLimits); got != tc.want {
			t.Errorf("%s: alive %v", what, got)
		}
	}
}

func TestRenewalIsDueAfterATenthOfTheIdleTime(t *testing.T) {
	t.Parallel()
	s := typicalSession(t)
	tenth := testLimits.Idle / 10
	for at, want := range map[time.Duration]bool{0: false, tenth - time.Second: false, tenth: true, tenth + time.Second: true, -time.Hour: false} {
		if got := s.RenewalDue(testNow.Add(at), testLimits); got != want {
			t.Errorf("%v after it was written: due %v", at, got)
		}
	}
}

func TestTimesAreWholeSeconds(t *testing.T) {
	t.Parallel()
	s, err := New(rand.Reader, testNow.Add(999*time.Millisecond), profile.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	if !s.Login.Equal(testNow) || !s.Seen.Equal(testNow) {
		t.Errorf("login %v, seen %v", s.Login, s.Seen)
	}
	if s = s.Renewed(testNow.Add(time.Hour + time.Millisecond)); !s.Seen.Equal(testNow.Add(time.Hour)) {
		t.Errorf("seen %v", s.Seen)
	}
}

// Cookies of before Source are of the ID token, and as long as ever.
func TestSessionsWithoutASourceAreOfTheIDToken(t *testing.T) {
	t.Parallel()
	without, with := typicalSession(t), typicalSession(t)
	with.Source = FromManagement
	if got, want := len(with.pack()), len(without.pack())+1; got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	read := *with // a candidate before this one may have left something
	if err := read.unpack(without.pack()); err != nil || read.Source != FromIDToken {
		t.Errorf("read %d, %v", read.Source, err)
	}
	for _, source := range []Source{FromUserinfo, FromManagement} {
		with.Source = source
		if err := read.unpack(with.pack()); err != nil || read.Source != source {
			t.Errorf("read %d, want %d, %v", read.Source, source, err)
		}
		if got := with.Renewed(testNow).Source; got != source {
			t.Errorf("renewed it is of %d", got)
		}
	}
	for _, tail := range [][]byte{{0}, {byte(FromManagement) + 1}, {0xff}, {0x81, 0}, {1, 1}, {0x81, 2}} {
		if err := read.unpack(append(without.pack(), tail...)); err == nil {
			t.Errorf("the source %x was accepted", tail)
		}
	}
}

func TestIssueBeyondWhatARenewalWritesIsRefused(t *testing.T) {
	t.Parallel()
	s := typicalSession(t)
	s.Issue = math.MaxUint32
	b := s.pack()
	if err := new(Session).unpack(bytes.Clone(b)); err != nil {
		t.Fatal(err)
	}
	last := 1 + len(s.ID) + 4 // the fifth byte of the number has four bits
	if b[last] = 0x10; new(Session).unpack(b) == nil {
		t.Error("33 bits were accepted")
	}
}
