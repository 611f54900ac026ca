package session

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
)

const (
	// MaxReturnTo is the longest return address in bytes that a state carries.
	MaxReturnTo = 600
	// maxState bounds the state parameter, which travels in URLs.
	maxState = 1400
	// stateName stands where a cookie's name stands when a cookie is sealed.
	stateName = "state"
	// stateWithForm and stateWithOthers are added up to the number behind the usual
	// fields; it is left out where it is zero.
	stateWithForm   = 1
	stateWithOthers = 2
)

// State is what the state parameter carries through Auth0. It tells where the user
// wanted to go even when the cookie of the login is gone, and signs nobody in.
type State struct {
	Transaction string    // id of the pending login
	Handler     string    // which directive began it
	Connection  string    // the connection that was asked for
	ReturnTo    string    // where to go after the login
	Attempt     int       // how many logins in a row led nowhere
	First       time.Time // when the first of them began
	Form        bool      // a form waits for the login
	Others      int       // logins for other addresses before them, as in Attempts
	Since       time.Time // when the first of the others began
}

func (s *State) pack() []byte {
	b := append(make([]byte, 0, 64+len(s.ReturnTo)), payloadVersion)
	b = appendText(b, s.Transaction)
	b = appendText(b, s.Handler)
	b = appendText(b, s.Connection)
	b = appendText(b, s.ReturnTo)
	b = appendCount(b, s.Attempt, s.First)
	var kind uint64
	if s.Form {
		kind |= stateWithForm
	}
	if s.Others > 0 {
		kind |= stateWithOthers
	}
	if kind > 0 {
		b = binary.AppendUvarint(b, kind)
	}
	if s.Others > 0 {
		b = appendCount(b, s.Others, s.Since)
	}
	return b
}

func (s *State) unpack(b []byte) error {
	f := readFields(b)
	s.Transaction = f.string()
	s.Handler = f.string()
	s.Connection = f.string()
	s.ReturnTo = f.string()
	s.Attempt, s.First = f.count()
	var kind uint64
	if f.more() {
		if kind = f.atMost(stateWithForm | stateWithOthers); kind == 0 {
			f.fail()
		}
	}
	if s.Form = kind&stateWithForm != 0; kind&stateWithOthers != 0 {
		s.Others, s.Since = f.others()
	}
	return f.end()
}

// appendCount writes a number of logins and when the first one was.
func appendCount(b []byte, n int, first time.Time) []byte {
	b = binary.AppendUvarint(b, uint64(min(max(n, 0), math.MaxInt32)))
	return appendTime(b, first)
}

func (f *fields) count() (int, time.Time) {
	n := f.number()
	if n > math.MaxInt32 {
		f.fail()
		return 0, time.Time{}
	}
	return int(n), f.time()
}

// SealState returns the state parameter: base64url characters and a dot, less than
// 1400 of them. A return address of more than MaxReturnTo bytes becomes "/", and so
// does a shorter one beside a connection with an uncommonly long name.
func (k *Keyring) SealState(s State) (string, error) {
	if len(s.ReturnTo) > MaxReturnTo {
		s.ReturnTo = "/"
	}
	text, err := k.sealText(forState, stateName, &s)
	if err == nil && len(text) >= maxState {
		s.ReturnTo = "/"
		text, err = k.sealText(forState, stateName, &s)
	}
	if err != nil {
		return "", fmt.Errorf("sealing the state: %w", err)
	}
	return strings.TrimRight(text, "="), nil
}

// OpenState is the reverse of SealState. It refuses whatever SealState did not make.
func (k *Keyring) OpenState(text string) (State, bool) {
	var s State
	if !k.openParameter(forState, stateName, text, &s) {
		return State{}, false
	}
	return s, true
}

// openParameter opens what sealText made, without the padding that addresses would escape.
func (k *Keyring) openParameter(p purpose, name, text string, payload unpacker) bool {
	if len(text) >= maxState || strings.Contains(text, "=") {
		return false
	}
	id, value, _ := strings.Cut(text, ".")
	if short := len(value) % 4; short > 0 {
		value += "==="[short-1:]
	}
	return k.open(p, id, name, value, payload)
}
