package session

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// formSuffix follows the prefix of pending logins, like attemptsSuffix. Further chunks
// are set apart by a dot, as those of the session are.
const formSuffix = "form"

// formLifetime is how long a form waits for the end of its login.
const formLifetime = TransactionLifetime

// Form is a form that a browser sent without a session, and that is to be sent again
// after the login. It waits in cookies of that browser.
type Form struct {
	Transaction string    // id of the pending login that it waits for
	Target      string    // path and query that it was sent to
	Body        string    // as it came, application/x-www-form-urlencoded
	Own         bool      // a page of this very site sent it, and nobody can have planted it
	Kept        time.Time // in whole seconds
}

// What the sealed form says of where it came from.
const (
	formOfAnybody = iota
	formOfThisSite
)

func (f *Form) pack() []byte {
	b := append(make([]byte, 0, 64+len(f.Target)+len(f.Body)), payloadVersion)
	b = appendText(b, f.Transaction)
	b = appendText(b, f.Target)
	b = appendText(b, f.Body)
	b = appendTime(b, f.Kept)
	if f.Own {
		return append(b, formOfThisSite)
	}
	return append(b, formOfAnybody)
}

func (f *Form) unpack(b []byte) error {
	from := readFields(b)
	f.Transaction = from.string()
	f.Target = from.string()
	f.Body = from.string()
	f.Kept = from.time()
	sender := from.number()
	f.Own = sender == formOfThisSite
	if sender > formOfThisSite {
		from.fail()
	}
	return from.end()
}

// form is the cookie of the kept form; c is the family of pending logins.
func (c Cookie) form() Cookie {
	c.Name += formSuffix
	return c
}

// WriteForm adds the Set-Cookie lines that keep a form until its login ends, in place
// of an earlier one. It waits for formLifetime from when it was first kept. Lines is
// the Cookie header of the request, and headerLimit is how many bytes of header the
// server accepts. A form that does not fit beside session and tokens is a
// *TooLargeError, and nothing is set.
func (k *Keyring) WriteForm(h http.Header, c Cookies, f *Form, now time.Time, lines []string, headerLimit int) error {
	own := c.Transaction.form()
	id, value, err := k.seal(forForm, own.Name, f)
	if errors.Is(err, errTooLong) {
		return &TooLargeError{Size: sealedSize(len(f.pack())), Limit: maxText, Biggest: formSuffix}
	}
	if err != nil {
		return fmt.Errorf("sealing a form: %w", err)
	}
	if err := own.fits(len(value), 0, c.roomForForm(lines, 0, headerLimit)); err != nil {
		err.Biggest = formSuffix
		return err
	}
	own.write(h, id, value, formLifetime-now.Sub(f.Kept), lines)
	for i := chunkCount(len(id) + len(".1.") + len(value)); i < maxChunks; i++ {
		own.expire(h, chunkSuffix(i)) // of a form of another tab, which this request does not carry yet
	}
	return nil
}

// roomForForm gives how many chunks a form may take beside the session, which has one
// at least, and its tokens. What an answer sets of those two counts if it is more than
// what the request carries, duplicates included.
func (c Cookies) roomForForm(lines []string, set, headerLimit int) int {
	chunks, sessions := c.Session.survey(lines)
	tokenChunks, tokens := c.Session.tokens().survey(lines)
	full := len(c.Session.Name) + len(".1=; ") + chunkSize
	carried := max(chunks+tokenChunks, (sessions+tokens+full-1)/full)
	_, forms := c.Transaction.form().survey(lines)
	others := sizeOf(lines) - sessions - tokens - forms
	room := c.Session.room(headerLimit - max(0, others-otherCookies))
	return min(room-max(carried, set, 1), maxChunks)
}

// FitForm deletes the form that the request carries if it no longer fits beside the
// session and the tokens that the answer sets: they need not give way to it.
func FitForm(h http.Header, c Cookies, lines []string, headerLimit int) {
	set := c.Session.chunksSet(h) + c.Session.tokens().chunksSet(h)
	if present, _ := c.Transaction.form().survey(lines); present > c.roomForForm(lines, set, headerLimit) {
		ClearForm(h, c.Transaction, lines)
	}
}

// ReadForm opens the form that waits for the login of that id; prefix is that of
// pending logins. A form of another login, one that has waited longer than a login may
// take, or one that is forged, truncated or of a lost key is none.
func (k *Keyring) ReadForm(lines []string, prefix, transaction string, now time.Time) (*Form, bool) {
	f, name := new(Form), prefix+formSuffix
	found := readChunks(lines, name, func(id, value string) bool {
		return k.open(forForm, id, name, value, f) && f.Transaction == transaction && within(f.Kept, now, formLifetime)
	})
	if !found {
		return nil, false
	}
	return f, true
}

// ClearForm adds the Set-Cookie lines that delete the form that the request carries; c
// is the family of pending logins.
func ClearForm(h http.Header, c Cookie, lines []string) {
	expireChunks(h, c.form(), lines, 0)
}

// WithoutForm gives the lines of a Cookie header without the form.
func WithoutForm(lines []string, prefix string) []string {
	kept, _ := Strip(lines, func(name string) bool { return isForm(name, prefix) })
	return kept
}

// isForm tells the names of the form's chunks.
func isForm(name, prefix string) bool {
	if len(name) < len(prefix)+len(formSuffix) || name[:len(prefix)] != prefix {
		return false
	}
	return isFormSuffix(name[len(prefix):])
}

func isFormSuffix(suffix string) bool {
	if len(suffix) < len(formSuffix) || suffix[:len(formSuffix)] != formSuffix {
		return false
	}
	rest := suffix[len(formSuffix):]
	_, further := chunkNumber(rest)
	return rest == "" || further
}
