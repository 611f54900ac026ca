package session

import "time"

// Answer is the tenant's answer to an authorization request that was posted to the
// callback (OAuth 2.0 Form Post Response Mode). It waits in the cookie of its login for
// the request of the browser that has the other cookies, too.
type Answer struct {
	Code      string
	Error     string
	Issuer    string // the parameter iss of RFC 9207
	HasIssuer bool
}

// What the sealed transaction says of its answer, unless that comes in the address.
const (
	answerAwaited = iota + 1
	answerPosted
	answerPostedByIssuer
)

// AwaitsPost tells whether one of the pending logins of a request was begun with an answer
// that is to be posted; prefix is that of their names. At most MaxTransactions are opened.
func (k *Keyring) AwaitsPost(lines []string, prefix string, now time.Time) bool {
	pending := newestFirst(lines, prefix)
	for _, p := range pending[:min(len(pending), MaxTransactions)] {
		if t, ok := k.ReadTransaction(lines, prefix, p.id, now); ok && t.Posted {
			return true
		}
	}
	return false
}

// packAnswer adds nothing to a login whose answer comes in the address: instances that
// know no other kind can read it.
func (t *Transaction) packAnswer(b []byte) []byte {
	switch {
	case !t.Posted:
		return b
	case t.Answer == nil:
		return append(b, answerAwaited)
	case t.Answer.HasIssuer:
		b = appendText(append(b, answerPostedByIssuer), t.Answer.Issuer)
	default:
		b = append(b, answerPosted)
	}
	return appendText(appendText(b, t.Answer.Code), t.Answer.Error)
}

func (t *Transaction) unpackAnswer(f *fields) {
	t.Posted, t.Answer = f.at < len(f.bytes), nil
	if !t.Posted {
		return
	}
	kind := f.number()
	if kind == answerAwaited {
		return
	}
	a := &Answer{HasIssuer: kind == answerPostedByIssuer}
	if a.HasIssuer {
		a.Issuer = f.string()
	}
	a.Code, a.Error = f.string(), f.string()
	if kind != answerPosted && kind != answerPostedByIssuer {
		f.fail()
	}
	t.Answer = a
}
