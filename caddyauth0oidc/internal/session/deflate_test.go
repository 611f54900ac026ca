package session

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// groups is a claim of that many bytes as directories make them.
func groups(size int) []byte {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `,"CN=APP-%04d-%x,OU=Groups,DC=acme,DC=example"`, i*7919%10_000, i*i)
	}
	return []byte(`{"https://acme.example/groups":[` + b.String()[1:] + `]}`)
}

func TestProfileOf12KBFitsIntoWhatCaddyAccepts(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	want := typicalSession(t)
	want.Profile.Extra = groups(12_000)
	h := http.Header{}
	if err := k.WriteSession(h, c, want, time.Hour, nil, 16<<10); err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t}
	b.receive(h)
	if got, ok := readSession(k, b.lines(), c.Name); !ok || !sameSession(got, want) {
		t.Error("the session did not survive the cookies")
	}
}

func TestOnlyWhatSavesACookieIsDeflated(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		payload  []byte
		deflated bool
	}{
		"one cookie":     {append([]byte{payloadVersion}, groups(1_800)...), false},
		"many alike":     {append([]byte{payloadVersion}, groups(6_000)...), true},
		"nothing to win": {append([]byte{payloadVersion}, noise(6_000)...), false},
	} {
		b := shortened(tc.payload)
		if got := b[0] == deflatedVersion; got != tc.deflated {
			t.Errorf("%s: deflated %v, want %v", name, got, tc.deflated)
		}
		if back, err := inflated(b); err != nil || !bytes.Equal(back, tc.payload) {
			t.Errorf("%s: did not come back, %v", name, err)
		}
	}
}

// What would not be inflated again must not be sealed.
func TestPayloadThatIsTooLongIsRefusedHoweverSmallItDeflates(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := typicalSession(t)
	s.Profile.Picture = strings.Repeat("p", maxPayload)
	err := k.WriteSession(http.Header{}, c, s, time.Hour, nil, roomy)
	if tooLarge, ok := errors.AsType[*TooLargeError](err); !ok || tooLarge.Biggest != "picture" {
		t.Errorf("got %v", err)
	}
}

func TestSizeOfACookieIsKnownBeforeItIsSealed(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	for size := range 200 {
		s := typicalSession(t)
		s.Profile.Name = noise(size)
		id, value, err := k.seal(forSession, c.Name, s)
		if err != nil {
			t.Fatal(err)
		}
		if want, got := len(id)+len(".1.")+len(value), sealedSize(len(s.pack())); got != want {
			t.Fatalf("a payload of %d bytes: %d, want %d", len(s.pack()), got, want)
		}
	}
}

func TestDOS_16_InflatingIsBounded(t *testing.T) {
	t.Parallel()
	deflate := func(b []byte) []byte {
		var out bytes.Buffer
		out.WriteByte(deflatedVersion)
		w, err := flate.NewWriter(&out, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	whole := deflate(bytes.Repeat([]byte{payloadVersion}, maxPayload))
	if b, err := inflated(whole); err != nil || len(b) != maxPayload {
		t.Errorf("the largest payload: %d bytes, %v", len(b), err)
	}
	for name, b := range map[string][]byte{
		"one byte too many": deflate(make([]byte, maxPayload+1)),
		"a bomb":            deflate(make([]byte, 10<<20)),
		"truncated":         whole[:len(whole)-1],
		"with a tail":       append(bytes.Clone(whole), 0),
		"no stream":         {deflatedVersion},
		"not deflated":      append([]byte{deflatedVersion}, noise(100)...),
	} {
		if _, err := inflated(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if s := new(Session); s.unpack(deflate(deflate(typicalSession(t).pack()))[1:]) == nil {
		t.Error("deflated twice: accepted")
	}
}

func FuzzInflate(f *testing.F) {
	f.Add(shortened(append([]byte{payloadVersion}, groups(6_000)...)))
	f.Add(typicalSession(f).pack())
	f.Fuzz(func(t *testing.T, b []byte) {
		payload, err := inflated(bytes.Clone(b))
		if err == nil && len(payload) > max(maxPayload, len(b)) {
			t.Errorf("%d bytes became %d", len(b), len(payload))
		}
	})
}
