package bench

import (
	"crypto/rand"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

func TestUsersAreTheSameEachTimeAndDifferentFromEachOther(t *testing.T) {
	t.Parallel()
	names, ids := make(map[string]bool), make(map[string]bool)
	for i := range 10 * Users {
		u := User(i)
		if sid := SID(i); !reflect.DeepEqual(u, User(i)) || sid != SID(i) {
			t.Fatalf("person %d is not always the same", i)
		}
		names[u.Name], ids[u.UserID+u.Email+SID(i)] = true, true
	}
	if len(names) != Users || Users < 50 || len(ids) != 10*Users {
		t.Errorf("%d names, %d ids", len(names), len(ids))
	}
}

func TestUserHasAllFifteenFields(t *testing.T) {
	t.Parallel()
	u := User(7)
	fields := 1 // sid
	for v, i := reflect.ValueOf(u), 0; i < v.NumField(); i++ {
		if v.Type().Field(i).IsExported() && v.Field(i).Len() > 0 {
			fields++
		}
	}
	subject := profile.ParseSubject(u.UserID)
	if fields != 15 || len(u.Picture) < 75 || len(u.ClientID) != 32 || len(SID(7)) != 32 || len(subject.ChildUserID) != 24 {
		t.Errorf("%d fields: %+v", fields, u)
	}
}

func TestMintedCookieOpens(t *testing.T) {
	t.Parallel()
	m := newMint(t)
	cookies, err := m.Cookies(3)
	if err != nil {
		t.Fatal(err)
	}
	for i, cookie := range cookies {
		s := new(session.Session)
		ok := m.keys.ReadSession(s, []string{cookie}, CookieName)
		if !ok || s.Profile.UserID != User(i).UserID || !s.Alive(time.Now(), session.Limits{Idle: time.Hour, Absolute: time.Hour}) {
			t.Errorf("person %d: %v, %t", i, s, ok)
		}
		if len(cookie) < 600 || len(cookie) > 1100 || strings.Contains(cookie, ";") {
			t.Errorf("the cookie has %d bytes", len(cookie))
		}
	}
}

func newMint(t testing.TB) *Mint {
	t.Helper()
	m, err := NewMint(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
