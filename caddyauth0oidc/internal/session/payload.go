package session

import (
	"encoding/binary"
	"errors"
	"time"
	"unsafe"
)

// payloadVersion begins every payload that is not deflated. A payload of another
// version is refused, never guessed at.
const payloadVersion = 1

// latestTime is the last second of the year 9999: what lies beyond is no date.
const latestTime = 253402300799

var (
	errPayload = errors.New("the sealed payload is malformed")
	errTooLong = errors.New("the payload is too long to be sealed")
)

// packer writes a value into a new buffer, which securecookie encrypts in place.
type packer interface{ pack() []byte }

// unpacker reads a value back. What it keeps may alias the buffer, which belongs
// to it from then on.
type unpacker interface{ unpack(b []byte) error }

// payloadSerializer lets securecookie seal our own payloads instead of gob or JSON.
type payloadSerializer struct{}

// Serialize takes what is packed already.
func (payloadSerializer) Serialize(src any) ([]byte, error) {
	b, ok := src.([]byte)
	if !ok {
		return nil, errPayload
	}
	return b, nil
}

func (payloadSerializer) Deserialize(src []byte, dst any) error {
	u, ok := dst.(unpacker)
	if !ok {
		return errPayload
	}
	b, err := inflated(src)
	if err != nil {
		return err
	}
	return u.unpack(b)
}

func appendText[T ~string | ~[]byte](b []byte, text T) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// appendTime writes Unix seconds. The zero time, and what lies before 1970, is 0.
func appendTime(b []byte, t time.Time) []byte {
	seconds := min(max(t.Unix(), 0), latestTime)
	return binary.AppendUvarint(b, uint64(seconds))
}

// fields reads the fields of a payload one after another. After a malformed field
// every further one is empty, and end tells.
type fields struct {
	bytes []byte
	text  string // the same bytes; a copy would cost as much as all the rest of unpacking
	at    int
	bad   bool
}

// readFields starts reading b, which must be of the version we write. The texts are
// parts of b, so nobody may write to it any more.
func readFields(b []byte) fields {
	if len(b) == 0 || b[0] != payloadVersion {
		return fields{bad: true}
	}
	return fields{bytes: b, text: unsafe.String(unsafe.SliceData(b), len(b)), at: 1} // #nosec G103 -- nobody writes to b any more
}

// end returns an error unless every field was well-formed and nothing is left over.
func (f *fields) end() error {
	if f.bad || f.at != len(f.bytes) {
		return errPayload
	}
	return nil
}

// more tells whether there is another field.
func (f *fields) more() bool { return f.at < len(f.bytes) }

func (f *fields) number() uint64 {
	n, size := binary.Uvarint(f.bytes[f.at:])
	// A longer spelling of the same number ends in a zero byte.
	if size <= 0 || size > 1 && f.bytes[f.at+size-1] == 0 {
		f.fail()
		return 0
	}
	f.at += size
	return n
}

// atMost is number for a field that never holds more.
func (f *fields) atMost(most uint64) uint64 {
	n := f.number()
	if n > most {
		f.fail()
		return 0
	}
	return n
}

// take advances over n bytes and returns where they begin.
func (f *fields) take(n uint64) int {
	if n > uint64(len(f.bytes)-f.at) { // #nosec G115 -- at never is beyond the end
		f.fail()
		return f.at
	}
	from := f.at
	f.at += int(n) // #nosec G115 -- n is no more than what is left
	return from
}

func (f *fields) fail() { *f = fields{bad: true} }

func (f *fields) string() string {
	from := f.take(f.number())
	return f.text[from:f.at]
}

// raw returns nil for an empty field. Appending to the result copies it.
func (f *fields) raw() []byte {
	from := f.take(f.number())
	if from == f.at {
		return nil
	}
	return f.bytes[from:f.at:f.at]
}

func (f *fields) time() time.Time {
	seconds := f.number()
	if seconds > latestTime {
		f.fail()
	}
	if f.bad || seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC() // #nosec G115 -- no more than latestTime
}
