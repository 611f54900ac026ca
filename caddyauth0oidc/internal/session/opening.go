package session

import (
	"errors"
	"time"

	"github.com/gorilla/securecookie"
)

// Opening says what a request carries where a session would be. Of cookies in duplicate
// the one counts that came nearest to being a session.
type Opening uint8

// The openings, each nearer to a session than the one before. Requests do not tell
// NotOurs and Truncated from their neighbours.
const (
	Absent     Opening = iota // no cookie of the name
	NotOurs                   // a value that this package did not write
	Incomplete                // chunks are missing, or were not written by us
	Truncated                 // an end is missing
	UnknownKey                // sealed with a secret that is not configured, or for another tenant or client
	Altered                   // not what the named key has sealed
	Unreadable                // sealed by us, in a version that is not known here
	Opened                    // a session
)

// openingNames are as metrics and reports have them.
var openingNames = [...]string{
	Absent: "absent", NotOurs: "not_ours", Incomplete: "incomplete", Truncated: "truncated",
	UnknownKey: "unknown_key", Altered: "altered", Unreadable: "version", Opened: "",
}

// String gives the reason for which there is no session; empty for one that is.
func (o Opening) String() string { return openingNames[o] }

// OpenSession is ReadSession for whoever wants to know why there is no session. No
// further cryptography is done for that.
func (k *Keyring) OpenSession(s *Session, lines []string, name string) Opening {
	nearest := Absent
	found := readChunks(lines, name, func(id, value string) bool {
		if k.recent.find(id, name, value, s) {
			return true
		}
		got := k.unseal(forSession, id, name, value, s)
		if got == Opened {
			k.rememberSession(id, name, value, s)
			return true
		}
		nearest = max(nearest, got)
		return false
	})
	if found {
		return Opened
	}
	*s = Session{}
	if present, _ := (Cookie{Name: name}).survey(lines); present > 0 {
		return max(nearest, Incomplete)
	}
	return Absent
}

// unseal tries the one key that id names and no other, so that garbage costs the
// same however many secrets there are.
func (k *Keyring) unseal(p purpose, id, name, value string, payload unpacker) Opening {
	named := k.find(id)
	if named == nil {
		return UnknownKey
	}
	if !canonical(value) {
		return Altered
	}
	err := named.codecs[p].Decode(name, value, payload)
	if err == nil {
		return Opened
	}
	if e, ok := errors.AsType[securecookie.Error](err); ok && errors.Is(e.Cause(), errPayload) { // the MAC was good
		return Unreadable
	}
	return Altered
}

// Limit is a limit that has ended a session.
type Limit uint8

// The limits. A session that says to be of the future is held to be over.
const (
	NoLimit Limit = iota
	IdleLimit
	AbsoluteLimit
	MaxAgeLimit
	CeilingLimit
	FutureLimit
)

// Over says by which limit a session is not Alive, the one that it has reached first, or
// NoLimit if it is.
func (s *Session) Over(now time.Time, l Limits) Limit {
	if s.Alive(now, l) {
		return NoLimit
	}
	end := s.Expires(l)
	switch {
	case now.Before(end):
		return FutureLimit
	case end.Equal(s.Login.Add(l.Absolute)):
		return AbsoluteLimit
	case !s.Ceiling.IsZero() && end.Equal(s.Ceiling.Add(-ceilingMargin)):
		return CeilingLimit
	case l.MaxAge > 0 && end.Equal(s.AuthTime.Add(l.MaxAge)):
		return MaxAgeLimit
	}
	return IdleLimit
}
