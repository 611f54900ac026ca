package session

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

func TestCVE_MAO_33_CONC_25_PayloadOfAnotherVersionIsNoSession(t *testing.T) {
	t.Parallel()
	good := typicalSession(t).pack()
	for version := range 256 {
		b := bytes.Clone(good)
		b[0] = byte(version)
		if err := new(Session).unpack(b); (err == nil) != (version == payloadVersion) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

func TestPayloadWithTooLittleOrTooMuchIsRefused(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		whole []byte
		into  func() unpacker
	}{
		"session":     {typicalSession(t).pack(), func() unpacker { return new(Session) }},
		"transaction": {(&Transaction{ID: "i", Nonce: "n", Started: testNow}).pack(), func() unpacker { return new(Transaction) }},
		"state":       {(&State{ReturnTo: "/x", Attempt: 2, First: testNow}).pack(), func() unpacker { return new(State) }},
		"form":        {(&Form{Transaction: "t", Target: "/x", Body: "a=b", Own: true, Kept: testNow}).pack(), func() unpacker { return new(Form) }},
		"attempts":    {(&Attempts{Count: 2, First: testNow}).pack(), func() unpacker { return new(Attempts) }},
	} {
		if err := tc.into().unpack(bytes.Clone(tc.whole)); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for n := range tc.whole {
			if tc.into().unpack(bytes.Clone(tc.whole[:n])) == nil {
				t.Errorf("%s: %d of %d bytes were accepted", what, n, len(tc.whole))
			}
		}
		if tc.into().unpack(append(bytes.Clone(tc.whole), 0)) == nil {
			t.Errorf("%s: a trailing byte was accepted", what)
		}
	}
}

func TestNumbersHaveOneSpelling(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		spelling []byte
		ok       bool
	}{
		"zero":           {[]byte{0}, true},
		"zero, longer":   {[]byte{0x80, 0}, false},
		"one, longer":    {[]byte{0x81, 0x80, 0}, false},
		"largest":        {binary.AppendUvarint(nil, 1<<64-1), true},
		"beyond 64 bits": {bytes.Repeat([]byte{0xff}, 11), false},
		"unfinished":     {[]byte{0x80}, false},
	} {
		f := readFields(append([]byte{payloadVersion}, tc.spelling...))
		f.number()
		if err := f.end(); (err == nil) != tc.ok {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestLengthBeyondThePayloadIsRefused(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{5, 1 << 31, 1 << 62, 1<<64 - 1} {
		f := readFields(append(binary.AppendUvarint([]byte{payloadVersion}, n), "abcd"...))
		if got := f.string(); got != "" || f.end() == nil {
			t.Errorf("length %d: read %q", n, got)
		}
	}
}

func TestCVE_MAO_35_TimesBeyond2038SurviveTheCookie(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int64{1, 1<<31 - 1, 1 << 31, 1<<32 + 5, latestTime} {
		want := &Session{Login: time.Unix(seconds, 0).UTC(), Ceiling: time.Unix(seconds, 0).UTC()}
		k, c := newTestKeyring(t), newTestCookies(t).Session
		if got, ok := readSession(k, signIn(t, k, c, want).lines(), c.Name); !ok || !sameSession(got, want) {
			t.Errorf("%d seconds: got %v, %v", seconds, got.Login, ok)
		}
	}
}

func TestTimesThatAreNoDatesAreKeptInRange(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct{ in, want time.Time }{
		"zero":             {time.Time{}, time.Time{}},
		"before 1970":      {time.Unix(-5, 0), time.Time{}},
		"beyond year 9999": {time.Unix(1<<50, 0), time.Unix(latestTime, 0).UTC()},
	} {
		f := readFields(appendTime([]byte{payloadVersion}, tc.in))
		if got := f.time(); !got.Equal(tc.want) || f.end() != nil {
			t.Errorf("%s: got %v, want %v", what, got, tc.want)
		}
	}
	f := readFields(binary.AppendUvarint([]byte{payloadVersion}, latestTime+1))
	if f.time(); f.end() == nil {
		t.Error("a time beyond the year 9999 was read")
	}
}

func TestAppendingToAClaimLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	s := new(Session)
	if err := s.unpack(largeSession(t, 10).pack()); err != nil {
		t.Fatal(err)
	}
	before := string(s.Profile.Extra)
	_ = append(s.Profile.Identities, "xxxxxxxxxxxxxxxx"...)
	if got := string(s.Profile.Extra); got != before {
		t.Errorf("the next claim became %q", got)
	}
}

func FuzzPayload(f *testing.F) {
	f.Add(typicalSession(f).pack())
	f.Add(largeSession(f, 300).pack())
	f.Add((&Session{Source: FromManagement}).pack())
	f.Add((&Transaction{ID: "i", Nonce: "n", Started: testNow}).pack())
	f.Add((&Transaction{ID: "i", Started: testNow, Posted: true}).pack())
	f.Add((&Transaction{ID: "i", Started: testNow, Posted: true, Answer: &Answer{Code: "c", Issuer: "i", HasIssuer: true}}).pack())
	f.Add((&Transaction{ID: "i", Started: testNow, Posted: true, Answer: &Answer{Error: "e"}}).pack())
	f.Add((&State{Transaction: "t", ReturnTo: "/x", Attempt: 2, First: testNow}).pack())
	f.Add((&State{Transaction: "t", ReturnTo: "/", First: testNow, Form: true}).pack())
	f.Add((&Form{Transaction: "t", Target: "/x", Body: "a=b&a=c", Own: true, Kept: testNow}).pack())
	f.Add((&Attempts{Count: 1, First: testNow}).pack())
	f.Add([]byte{payloadVersion})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range []interface {
			packer
			unpacker
		}{new(Session), new(Transaction), new(State), new(Form), new(Attempts)} {
			if p.unpack(bytes.Clone(b)) == nil && !bytes.Equal(p.pack(), b) {
				t.Errorf("%T: accepted bytes that it would not write", p)
			}
		}
	})
}
