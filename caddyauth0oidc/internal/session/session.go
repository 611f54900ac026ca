// Package session answers what a login session is, how it and a pending login are
// sealed into cookies, and which cookies of a request are ours. The newest tokens of a
// session for the storage, and where a logout goes on, are sealed by the same keys.
package session

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

const (
	// clockSkew is how far a time written by another instance may lie ahead.
	clockSkew = 60 * time.Second
	// ceilingMargin is how long before Auth0's own end of a session ours ends.
	ceilingMargin = 30 * time.Second
)

// Session is what is known of a signed-in browser. All of it lives in the cookie.
type Session struct {
	ID       [16]byte  // random, new at every login; revocation and caches use it, never the cookie's text
	Issue    uint32    // grows with every rewriting of the cookie
	Source   Source    // of the profile; it fits beside Issue, and takes no room of its own
	Login    time.Time // when the user signed in here; the absolute limit counts from it
	Seen     time.Time // when the cookie was last written; the idle limit counts from it
	AuthTime time.Time // the claim auth_time, zero when not sent
	Ceiling  time.Time // the claim session_expiry, zero when not sent
	SID      string    // the claim sid
	Profile  profile.Profile
}

// Source is where the claims of a session's profile came from.
type Source uint8

// The sources. The ID token's claims are in every profile that names no other source;
// userinfo and the Management API add to them, and replace some.
const (
	FromIDToken Source = iota // cookies that say nothing are of it
	FromUserinfo
	FromManagement
)

// New begins the session of a user who has just signed in. Times are kept in
// whole seconds. The caller adds SID, AuthTime and Ceiling when Auth0 sent them, and Source if
// it is not the ID token.
func New(random io.Reader, now time.Time, p profile.Profile) (*Session, error) {
	now = wholeSeconds(now)
	s := &Session{Issue: 1, Login: now, Seen: now, Profile: p}
	if _, err := io.ReadFull(random, s.ID[:]); err != nil {
		return nil, fmt.Errorf("drawing a session id: %w", err)
	}
	return s, nil
}

// Renewed gives the session as it is written again: the idle time starts anew, the
// absolute limit does not move.
func (s *Session) Renewed(now time.Time) *Session {
	renewed := *s
	renewed.Issue++
	renewed.Seen = wholeSeconds(now)
	return &renewed
}

func wholeSeconds(t time.Time) time.Time { return time.Unix(t.Unix(), 0).UTC() }

// Limits are today's configured limits, which hold for sessions of any age. An idle
// or absolute limit of zero ends every session at once.
type Limits struct {
	Idle     time.Duration // since the cookie was last written
	Absolute time.Duration // since the user signed in
	MaxAge   time.Duration // since Auth0 asked for the credentials; zero for no such limit
}

// Expires returns when the session ends unless it is renewed: the earliest of the
// idle limit, the absolute limit, the age of the sign-in at Auth0 and 30 seconds
// before Auth0's own limit. A session that does not say when the user signed in at
// Auth0 has reached every MaxAge.
func (s *Session) Expires(l Limits) time.Time {
	end := earlier(s.Seen.Add(l.Idle), s.Login.Add(l.Absolute))
	if l.MaxAge > 0 {
		end = earlier(end, s.AuthTime.Add(l.MaxAge))
	}
	if !s.Ceiling.IsZero() {
		end = earlier(end, s.Ceiling.Add(-ceilingMargin))
	}
	return end
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Alive tells whether the session holds at the time now. A session that claims to
// be of more than 60 seconds in the future does not.
func (s *Session) Alive(now time.Time, l Limits) bool {
	latest := now.Add(clockSkew)
	return now.Before(s.Expires(l)) && !s.Login.After(latest) && !s.Seen.After(latest) && l.Recent(s.AuthTime, now)
}

// Recent tells whether the user proved lately enough who they are. The zero time, which
// says nothing, is not recent under any MaxAge, nor is one more than 60 seconds ahead.
func (l Limits) Recent(proved, now time.Time) bool {
	return l.MaxAge == 0 || now.Before(proved.Add(l.MaxAge)) && !proved.After(now.Add(clockSkew))
}

// RenewalDue tells whether a tenth of the idle time has passed since the cookie
// was last written, so that it should be written again.
func (s *Session) RenewalDue(now time.Time, l Limits) bool {
	return now.Sub(s.Seen) >= l.Idle/10
}

// textField is a text of the session and the claim it came from.
type textField struct {
	claim string
	value *string
}

// textFields lists the texts in the order in which the payload holds them.
func (s *Session) textFields() [14]textField {
	p := &s.Profile
	return [...]textField{
		{"sid", &s.SID},
		{"sub", &p.UserID},
		{"name", &p.Name},
		{"nickname", &p.Nickname},
		{"given_name", &p.GivenName},
		{"family_name", &p.FamilyName},
		{"email", &p.Email},
		{"email_verified", &p.EmailVerified},
		{"picture", &p.Picture},
		{"updated_at", &p.UpdatedAt},
		{"created_at", &p.CreatedAt},
		{"azp", &p.ClientID},
		{"org_id", &p.OrgID},
		{"org_name", &p.OrgName},
	}
}

func (s *Session) pack() []byte {
	b := make([]byte, 0, 512)
	b = append(b, payloadVersion)
	b = append(b, s.ID[:]...)
	b = binary.AppendUvarint(b, uint64(s.Issue))
	for _, t := range [...]time.Time{s.Login, s.Seen, s.AuthTime, s.Ceiling} {
		b = appendTime(b, t)
	}
	for _, t := range s.textFields() {
		b = appendText(b, *t.value)
	}
	b = appendText(b, s.Profile.Identities)
	b = appendText(b, s.Profile.Extra)
	if s.Source != FromIDToken { // payloads that end before it are of the same version
		b = append(b, byte(s.Source))
	}
	return b
}

func (s *Session) unpack(b []byte) error {
	f := readFields(b)
	from := f.take(uint64(len(s.ID)))
	copy(s.ID[:], f.bytes[from:f.at])
	s.Issue = uint32(f.atMost(math.MaxUint32)) // #nosec G115 -- atMost bounds it
	for _, t := range [...]*time.Time{&s.Login, &s.Seen, &s.AuthTime, &s.Ceiling} {
		*t = f.time()
	}
	for _, t := range s.textFields() {
		*t.value = f.string()
	}
	s.Profile.Identities = f.raw()
	s.Profile.Extra = f.raw()
	s.Source = FromIDToken
	if f.more() {
		if s.Source = Source(f.atMost(uint64(FromManagement))); s.Source == FromIDToken { // #nosec G115 -- atMost bounds it
			f.fail()
		}
	}
	return f.end()
}

// biggestClaim names the claim that takes the most room, for the error about a
// session that is too large.
func (s *Session) biggestClaim() string {
	name, size := "identities", len(s.Profile.Identities)
	for _, t := range s.textFields() {
		if len(*t.value) > size {
			name, size = t.claim, len(*t.value)
		}
	}
	var extra map[string]json.RawMessage
	if json.Unmarshal(s.Profile.Extra, &extra) != nil {
		return name
	}
	for claim, value := range extra {
		if len(value) > size || len(value) == size && claim < name {
			name, size = claim, len(value)
		}
	}
	return name
}
