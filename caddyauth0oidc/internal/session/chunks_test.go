package session

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestSessionSurvivesTheCookie(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	for _, size := range []int{0, 10, 2_000, 9_000, 16_000} {
		want := largeSession(t, size)
		want.Issue = 300
		got, ok := readSession(k, signIn(t, k, c, want).lines(), c.Name)
		if !ok || !sameSession(got, want) {
			t.Errorf("claim of %d bytes: read %+v, %v; want %+v", size, got, ok, want)
		}
	}
}

func TestTypicalProfileFitsInto950Bytes(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := typicalSession(t)
	b := signIn(t, k, c, s)
	if size := len(b.lines()[0]); size > 950 {
		t.Errorf("%d bytes packed make a cookie of %d bytes, want at most 950", len(s.pack()), size)
	}
}

func TestCK_01_SessionCookieAttributes(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	h := http.Header{}
	if err := k.WriteSession(h, newTestCookies(t).Session, typicalSession(t), 90*time.Minute, nil, roomy); err != nil {
		t.Fatal(err)
	}
	_, attributes, _ := strings.Cut(h.Get("Set-Cookie"), "; ")
	if want := "Path=/; Max-Age=5400; HttpOnly; Secure; SameSite=Lax"; attributes != want {
		t.Errorf("attributes %q, want %q", attributes, want)
	}
}

func TestSessionCookieNeverOutlivesItsMaxAge(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	h := http.Header{}
	if err := k.WriteSession(h, newTestCookies(t).Session, typicalSession(t), 0, nil, roomy); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(h.Get("Set-Cookie"), "Max-Age=1;") {
		t.Error("a remaining life of zero made a cookie without an end")
	}
}

func TestTwoSealingsOfTheSameSessionDiffer(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := typicalSession(t)
	if a, b := signIn(t, k, c, s).value(c.Name), signIn(t, k, c, s).value(c.Name); a == b {
		t.Error("two sealings are the same text")
	}
}

func TestCK_04_ChangedSessionCookieIsNoSession(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	value := signIn(t, k, c, typicalSession(t)).value(c.Name)
	refused := func(t *testing.T, what, value string) {
		t.Helper()
		if _, ok := readSession(k, []string{c.Name + "=" + value}, c.Name); ok {
			t.Errorf("%s: accepted", what)
		}
	}
	t.Run("CVE-LIB-20 every bit", func(t *testing.T) {
		t.Parallel()
		for i := range len(value) {
			for bit := range 8 {
				b := []byte(value)
				b[i] ^= 1 << bit
				refused(t, fmt.Sprintf("byte %d bit %d", i, bit), string(b))
			}
		}
	})
	t.Run("CVE-LIB-20 other spellings of the same bytes", func(t *testing.T) {
		t.Parallel()
		for _, s := range spellings(value) {
			refused(t, fmt.Sprintf("%q", s), s)
		}
	})
	t.Run("CVE-SDK-18 truncated at every length", func(t *testing.T) {
		t.Parallel()
		for i := range len(value) {
			refused(t, fmt.Sprintf("%d bytes", i), value[:i])
		}
	})
	t.Run("extended", func(t *testing.T) {
		t.Parallel()
		for _, more := range []string{"A", "=", "AAAA", "====", ".", value, "\r\n", "%"} {
			refused(t, fmt.Sprintf("with %q", more), value+more)
		}
	})
}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// spellings are texts that a lenient base64 decoder takes for the same bytes.
func spellings(value string) []string {
	digits := strings.TrimRight(value, "=")
	padding := value[len(digits):]
	s := []string{value[:20] + "\n" + value[20:], value[:20] + "\r" + value[20:], digits + "\n" + padding, value + "\n"}
	if padding == "" {
		return s
	}
	last := strings.IndexByte(base64URL, digits[len(digits)-1])
	for unused := 1; unused < 1<<(2*len(padding)); unused++ {
		s = append(s, digits[:len(digits)-1]+string(base64URL[last|unused])+padding)
	}
	return append(s, digits)
}

// The unused bits differ with the length of the payload, so the sizes in a row
// cover every length of padding.
func TestCVE_LIB_20_SessionHasOneSpellingOnly(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	for size := range 36 {
		value := signIn(t, k, c, largeSession(t, size)).value(c.Name)
		for _, s := range spellings(value) {
			if _, ok := readSession(k, []string{c.Name + "=" + s}, c.Name); ok {
				t.Fatalf("claim of %d bytes: another spelling was accepted", size)
			}
		}
	}
}

func TestChunkLengthsAreExact(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	for size := 1_900; size < 2_200; size++ {
		want := largeSession(t, size)
		b := signIn(t, k, c, want)
		for i, cookie := range b.cookies {
			if n := len(cookie.Value); n > chunkSize || i < len(b.cookies)-1 && n < chunkSize {
				t.Fatalf("claim of %d bytes: chunk %d of %d has %d bytes", size, i, len(b.cookies), n)
			}
		}
		if got, ok := readSession(k, b.lines(), c.Name); !ok || !sameSession(got, want) {
			t.Fatalf("claim of %d bytes was not read back", size)
		}
	}
}

// With today's key ids the text is never an exact multiple long, because it grows in
// steps of four characters, so the layout is tested by itself.
func TestExactMultipleOfTheChunkSizeHasNoEmptyChunk(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ length, chunks int }{
		{1, 1}, {chunkSize - 1, 1}, {chunkSize, 1}, {chunkSize + 1, 2}, {2 * chunkSize, 2}, {8 * chunkSize, 8},
	} {
		if got := chunkCount(tc.length); got != tc.chunks {
			t.Errorf("%d bytes: %d chunks, want %d", tc.length, got, tc.chunks)
		}
	}
	var c chunks
	full := "abcd.2." + strings.Repeat("x", chunkSize-7)
	second := strings.Repeat("y", chunkSize)
	c.collect([]string{"s=" + full + "; s.1=" + second}, "s")
	if id, value, ok := c.join(0); !ok || id != "abcd" || value != full[7:]+second {
		t.Error("two full chunks were not joined")
	}
}

func TestCK_04_ChunksOfTwoSessionsNeverMix(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	s := largeSession(t, 5_000)
	one := signIn(t, k, c, s)
	s = s.Renewed(testNow.Add(time.Hour))
	two := signIn(t, k, c, s)
	n := len(one.cookies)
	if n < 3 {
		t.Fatalf("only %d chunks", n)
	}
	for mask := range 1 << n {
		b := &browser{t: t}
		for i := range n {
			from := one
			if mask>>i&1 == 1 {
				from = two
			}
			b.cookies = append(b.cookies, from.cookies[i])
		}
		_, ok := readSession(k, b.lines(), c.Name)
		if pure := mask == 0 || mask == 1<<n-1; ok != pure {
			t.Errorf("chunks by generation %03b: read %v, want %v", mask, ok, pure)
		}
	}
}

func TestFUZZ_03_ChunkLayoutsThatAreRefused(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	b := signIn(t, k, c, largeSession(t, 5_000))
	v := make([]string, len(b.cookies))
	for i, cookie := range b.cookies {
		v[i] = cookie.Value
	}
	name := c.Name
	setCount := func(n string) string { return name + "=" + v[0][:5] + n + v[0][6:] }
	for what, line := range map[string]string{
		"chunk missing":              name + "=" + v[0] + "; " + name + ".2=" + v[2],
		"chunks swapped":             name + "=" + v[0] + "; " + name + ".1=" + v[2] + "; " + name + ".2=" + v[1],
		"first chunk only":           name + "=" + v[0],
		"chunk as the base cookie":   name + "=" + v[1],
		"all in one":                 name + "=" + strings.Join(v, ""),
		"empty chunk":                name + "=" + v[0] + "; " + name + ".1=; " + name + ".2=" + v[2],
		"boundary moved":             name + "=" + v[0] + v[1][:1] + "; " + name + ".1=" + v[1][1:] + "; " + name + ".2=" + v[2],
		"boundaries moved back":      name + "=" + v[0][:chunkSize-1] + "; " + name + ".1=" + v[0][chunkSize-1:] + v[1][:chunkSize-1] + "; " + name + ".2=" + v[1][chunkSize-1:] + v[2],
		"CVE-MAO-14 count 99999999":  setCount("99999999"),
		"CVE-MAO-14 count -1":        setCount("-1"),
		"CVE-MAO-14 count NaN":       setCount("NaN"),
		"CVE-MAO-14 count 0":         setCount("0"),
		"CVE-MAO-14 count 9":         setCount("9"),
		"CVE-MAO-14 count lower":     setCount("2") + "; " + name + ".1=" + v[1] + "; " + name + ".2=" + v[2],
		"CVE-MAO-14 count higher":    setCount("4") + "; " + name + ".1=" + v[1] + "; " + name + ".2=" + v[2],
		"count higher, a chunk more": setCount("4") + "; " + name + ".1=" + v[1] + "; " + name + ".2=" + v[2] + "; " + name + ".3=AAAA",
	} {
		t.Run(what, func(t *testing.T) {
			if _, ok := readSession(k, []string{line}, name); ok {
				t.Error("accepted")
			}
		})
	}
	line := name + "=" + v[0] + "; " + name + ".1=" + v[1] + "; " + name + ".2=" + v[2] + "; " + name + ".3=stale"
	if _, ok := readSession(k, []string{line}, name); !ok {
		t.Error("a stale chunk behind the last one hid the session")
	}
}

func TestCVE_SDK_12_ShrunkenSessionLeavesNoChunksBehind(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	b := signIn(t, k, c, largeSession(t, 5_000))
	small := typicalSession(t)
	h := http.Header{}
	if err := k.WriteSession(h, c, small, time.Hour, b.lines(), roomy); err != nil {
		t.Fatal(err)
	}
	b.receive(h)
	if len(b.cookies) != 1 {
		t.Errorf("the browser keeps %d cookies, want 1", len(b.cookies))
	}
	if got, ok := readSession(k, b.lines(), c.Name); !ok || got.ID != small.ID {
		t.Error("the new session was not read")
	}
}

func TestCVE_ENV_04_ClearedSessionIsGoneFromTheBrowser(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		what   string
		secure bool
		domain string
	}{{"host prefix", true, ""}, {"domain", true, "example.com"}, {"plain http", false, ""}} {
		t.Run(tc.what, func(t *testing.T) {
			t.Parallel()
			both, err := NewCookies("auth0_session", tc.secure, tc.domain, 0)
			if err != nil {
				t.Fatal(err)
			}
			b := signIn(t, newTestKeyring(t), both.Session, largeSession(t, 9_000))
			if len(b.cookies) < 3 {
				t.Fatalf("only %d cookies were stored", len(b.cookies))
			}
			h := http.Header{}
			ClearSession(h, both.Session, b.lines())
			b.receive(h)
			if len(b.cookies) != 0 {
				t.Errorf("the browser keeps %v", b.lines())
			}
		})
	}
}

func TestClearSessionLeavesCookiesOfTheApplicationAlone(t *testing.T) {
	t.Parallel()
	c := newTestCookies(t).Session
	h := http.Header{}
	ClearSession(h, c, []string{c.Name + ".backup=1; " + c.Name + "x=2; " + c.Name + ".10=3; other=4"})
	if n := len(h["Set-Cookie"]); n != 1 {
		t.Errorf("%d cookies were deleted: %q", n, h["Set-Cookie"])
	}
}

func TestCK_05_SessionThatDoesNotFitIsRefusedByName(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	for what, tc := range map[string]struct {
		change func(*Session)
		want   string
	}{
		"claim among the others": {func(*Session) {}, "https://acme.test/groups"},
		"picture":                {func(s *Session) { s.Profile.Picture = strings.Repeat("p", 30_000) }, "picture"},
		"identities":             {func(s *Session) { s.Profile.Identities = []byte(`["` + strings.Repeat("i", 30_000) + `"]`) }, "identities"},
	} {
		s := largeSession(t, 20_000)
		tc.change(s)
		h := http.Header{}
		err := k.WriteSession(h, c, s, time.Hour, nil, roomy)
		var large *TooLargeError
		if !errors.As(err, &large) {
			t.Fatalf("%s: got %v, want a *TooLargeError", what, err)
		}
		if large.Biggest != tc.want || large.Limit != maxText || large.Size <= maxText {
			t.Errorf("%s: %+v, want %s to be named", what, large, tc.want)
		}
		if len(h) != 0 {
			t.Errorf("%s: cookies were set all the same", what)
		}
		if text := err.Error(); !strings.Contains(text, tc.want) || strings.Contains(text, "gggg") || strings.Contains(text, "pppp") {
			t.Errorf("%s: error text %q must name the claim and not show it", what, text)
		}
	}
}

func TestCK_09_PlantedCookiesHideNothing(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	small, large := signIn(t, k, c, typicalSession(t)).lines()[0], signIn(t, k, c, largeSession(t, 2_500))
	if len(large.cookies) != 2 {
		t.Fatalf("%d chunks, want 2", len(large.cookies))
	}
	junk := strings.Repeat("A", chunkSize)
	id := k.keys[0].id
	for what, tc := range map[string]struct {
		lines []string
		want  bool
	}{
		"junk first":             {[]string{c.Name + "=junk; " + small}, true},
		"junk of our key first":  {[]string{c.Name + "=" + id + ".1.AAAA; " + small}, true},
		"junk last":              {[]string{small + "; " + c.Name + "=junk"}, true},
		"three in front":         {[]string{strings.Repeat(c.Name+"=junk; ", 3) + small}, true},
		"four in front":          {[]string{strings.Repeat(c.Name+"=junk; ", 4) + small}, false},
		"CK-15 lines":            {[]string{"a=b", c.Name + "=junk", small}, true},
		"junk chunk first":       {[]string{c.Name + ".1=" + junk + "; " + large.lines()[0]}, true},
		"junk base, large":       {[]string{c.Name + "=junk; " + large.lines()[0]}, true},
		"junk base and chunk":    {[]string{c.Name + "=" + junk + "; " + c.Name + ".1=" + junk + "; " + large.lines()[0]}, true},
		"CK-11 inside quotes":    {[]string{`$Version=1; x="foo; ` + c.Name + `=evil; bar"; ` + small}, true},
		"CK-12 nameless":         {[]string{"=" + small}, false},
		"CK-12 unicode in front": {[]string{"\u00a0" + small}, false},
		"CK-13 case variant":     {[]string{strings.ToUpper(small)}, false},
		"spaces around":          {[]string{" \t" + small + " "}, true},
		"quoted value":           {[]string{strings.Replace(small, "=", `="`, 1) + `"`}, false},
	} {
		t.Run(what, func(t *testing.T) {
			if _, ok := readSession(k, tc.lines, c.Name); ok != tc.want {
				t.Errorf("read %v, want %v", ok, tc.want)
			}
		})
	}
}

func FuzzOpenSession(f *testing.F) {
	k, c := newTestKeyring(f), newTestCookies(f).Session
	// Fuzzing runs in several processes, which must agree on what is genuine.
	genuine := typicalSession(f)
	genuine.ID = [16]byte{1}
	f.Add(signIn(f, k, c, genuine).lines()[0], "a=b")
	f.Add("; ;=", c.Name+"="+k.keys[0].id+".8.AAAA")
	f.Add(c.Name+"="+k.keys[0].id+".1.", c.Name+".1=x")
	f.Add(c.Name+"=.1.", "")
	f.Fuzz(func(t *testing.T, first, second string) {
		if s, ok := readSession(k, []string{first, second}, c.Name); ok && !sameSession(s, genuine) {
			t.Error("a session that nobody sealed was accepted")
		}
	})
}

// FuzzChunks puts chunks of two generations of a session under names and in an order
// that the input chooses, some of them shortened: three bytes make a cookie.
func FuzzChunks(f *testing.F) {
	k, c := newTestKeyring(f), newTestCookies(f).Session
	older := largeSession(f, 5_000)
	older.ID = [16]byte{1}
	newer := *older
	newer = *newer.Renewed(testNow.Add(time.Hour))
	var values []string
	for _, s := range []*Session{older, &newer} {
		for _, cookie := range signIn(f, k, c, s).cookies {
			values = append(values, cookie.Value)
		}
	}
	if len(values) != 6 {
		f.Fatalf("%d chunks, want 6", len(values))
	}
	f.Add([]byte{0, 0, 0, 1, 1, 0, 2, 2, 0})
	f.Add([]byte{3, 0, 0, 4, 1, 0, 5, 2, 0, 2, 2, 0})
	f.Add([]byte{0, 0, 0, 4, 1, 0, 2, 2, 1})
	f.Fuzz(func(t *testing.T, choices []byte) {
		var line strings.Builder
		for ; len(choices) >= 3; choices = choices[3:] {
			value := values[int(choices[0])%len(values)]
			value = value[:max(0, len(value)-int(choices[2]))]
			line.WriteString(c.Name + chunkSuffix(int(choices[1])%10) + "=" + value + "; ")
		}
		s, ok := readSession(k, []string{line.String()}, c.Name)
		if !ok {
			return
		}
		if !sameSession(s, older) && !sameSession(s, &newer) {
			t.Error("a session was put together from parts")
		}
	})
}

// A cookie above what the server accepts of a request would lock its user out.
func TestSessionStaysBelowTheServersLimit(t *testing.T) {
	t.Parallel()
	k, c := newTestKeyring(t), newTestCookies(t).Session
	for limit, most := range map[int]int{0: 1, 8 << 10: 1, 16 << 10: 3, 32 << 10: 7, 1 << 20: maxChunks} {
		if got := c.mostChunks(limit); got != most || got*chunkSize > limit && limit > 0 {
			t.Errorf("%d bytes of header: %d chunks, want %d", limit, got, most)
		}
	}
	var large *TooLargeError
	err := k.WriteSession(http.Header{}, c, largeSession(t, 9_000), time.Hour, nil, 16<<10)
	if !errors.As(err, &large) || large.Limit != 3*chunkSize {
		t.Errorf("got %v", err)
	}
	if err := k.WriteSession(http.Header{}, c, largeSession(t, 9_000), time.Hour, nil, 32<<10); err != nil {
		t.Error(err)
	}
	others := []string{"theirs=" + strings.Repeat("x", 6_000)}
	if err := k.WriteSession(http.Header{}, c, largeSession(t, 5_000), time.Hour, others, 16<<10); !errors.As(err, &large) {
		t.Errorf("beside 6 kB of other cookies: %v", err)
	}
	own := signIn(t, k, c, largeSession(t, 5_000)).lines()
	if err := k.WriteSession(http.Header{}, c, largeSession(t, 5_000), time.Hour, append(own, others...), 16<<10); err != nil {
		t.Errorf("in the place of one of the same size: %v", err)
	}
}
