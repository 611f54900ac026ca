package session

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
)

// deflatedVersion begins a payload that holds another one, deflated (RFC 1951).
const deflatedVersion = 2

// maxPayload bounds a payload, deflated or not, in bytes. What eight cookies hold
// without deflating is a quarter of it.
const maxPayload = 64 << 10

// deflateLevel is where profiles stop getting smaller.
const deflateLevel = 6

// Each takes some hundred kilobytes, so they are used again.
var (
	deflaters = sync.Pool{New: func() any {
		w, _ := flate.NewWriter(nil, deflateLevel) // the level is valid
		return w
	}}
	inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

// shortened deflates a payload if that saves a cookie. Most payloads fit into one
// cookie and stay as they are, because inflating costs more than opening.
func shortened(payload []byte) []byte {
	if chunkCount(sealedSize(len(payload))) == 1 {
		return payload
	}
	b := bytes.NewBuffer(make([]byte, 0, len(payload)))
	b.WriteByte(deflatedVersion)
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(b)
	_, err := w.Write(payload)
	if err != nil || w.Close() != nil || chunkCount(sealedSize(b.Len())) >= chunkCount(sealedSize(len(payload))) {
		return payload
	}
	return b.Bytes()
}

// inflated is the reverse of shortened.
func inflated(payload []byte) ([]byte, error) {
	if len(payload) == 0 || payload[0] != deflatedVersion {
		return payload, nil
	}
	from := bytes.NewReader(payload[1:])
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(from, nil); err != nil {
		return nil, errPayload
	}
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(r, maxPayload+1))
	if err != nil || n > maxPayload || from.Len() != 0 {
		return nil, errPayload
	}
	return b.Bytes(), nil
}

// sealedSize is how many bytes of cookie a payload makes, key id and number of
// chunks included: securecookie's time and MAC, and base64 twice.
func sealedSize(payload int) int {
	const ivSize, timeSize, macSize = 16, 10, 32
	base64Size := func(n int) int { return (n + 2) / 3 * 4 }
	return keyIDLength + len(".1.") + base64Size(timeSize+len("|")+base64Size(ivSize+payload)+len("|")+macSize)
}
