package upstream

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// decoders are those of other people, as an application has them.
var decoders = map[string]func(string) (string, error){
	EncodingUTF8:    func(s string) (string, error) { return s, nil },
	EncodingPercent: url.PathUnescape,
	EncodingRFC2047: new(mime.WordDecoder).DecodeHeader,
	EncodingBase64URL: func(s string) (string, error) {
		b, err := base64.RawURLEncoding.DecodeString(s)
		return string(b), err
	},
}

func TestHDR_21_EncodingsWriteWhatTheyPromise(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ö", 40)
	for _, test := range []struct{ encoding, claim, want string }{
		{"", "Zoë", "Zoë"},
		{EncodingUTF8, "Zoë", "Zoë"},
		{EncodingPercent, "Zoë 100% <a+b>", "Zo%C3%AB 100%25 <a+b>"},
		{EncodingPercent, "plain text/1", "plain text/1"},
		{EncodingPercent, "😀", "%F0%9F%98%80"},
		{EncodingPercent, "HDR-20 a\r\nb", "HDR-20 a%EF%BF%BD%EF%BF%BDb"},
		{EncodingRFC2047, "Zoe O'Neil, a=b?", "Zoe O'Neil, a=b?"},
		{EncodingRFC2047, "Zoë Ada O'Neil", "=?utf-8?q?Zo=C3=AB_Ada_O'Neil?="},
		{EncodingRFC2047, "李小龍", "=?utf-8?b?5p2O5bCP6b6N?="},
		{EncodingRFC2047, "=?utf-8?q?evil?=", "=?utf-8?b?PT91dGYtOD9xP2V2aWw/PQ==?="},
		{EncodingRFC2047, long, "=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(long[:44])) + "?= =?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(long[44:])) + "?="},
		{EncodingBase64URL, "auth0|a?>", "YXV0aDB8YT8-"},
		{EncodingBase64URL, "a\x00", "Ye-_vQ"},
	} {
		h := http.Header{}
		applied(planOf(t, Config{Preset: PresetNone, Encoding: test.encoding, Lines: linesOf("X-User")}), h, &profile.Profile{UserID: test.claim}, Facts{})
		if got := h.Get("X-User"); got != test.want {
			t.Errorf("%s of %q: got %q, want %q", test.encoding, test.claim, got, test.want)
		}
	}
}

func TestEncodedWordsAreNotTooLong(t *testing.T) {
	t.Parallel()
	for _, value := range []string{strings.Repeat("ö", 300), strings.Repeat("a ö b c d ", 50), strings.Repeat("=?", 200)} {
		for word := range strings.SplitSeq(encodedWords(value), " ") {
			if len(word) > 75 || !strings.HasPrefix(word, "=?utf-8?") || !strings.HasSuffix(word, "?=") {
				t.Errorf("%q is no encoded word of RFC 2047 section 2", word)
			}
		}
	}
}

// What has an encoding or a form of its own keeps it, and HDR-08: nothing stays nothing.
func TestHDR_08_OnlyTextIsEncoded(t *testing.T) {
	t.Parallel()
	plain, encoded := http.Header{}, http.Header{}
	applied(planOf(t, Config{Profile: true}), plain, childUser(), Facts{Expires: expires})
	applied(planOf(t, Config{Profile: true, Encoding: EncodingBase64URL}), encoded, childUser(), Facts{Expires: expires})
	if len(encoded) != len(plain) {
		t.Errorf("%d headers, and %d encoded", len(plain), len(encoded))
	}
	for name := range plain {
		want := base64.RawURLEncoding.EncodeToString([]byte(plain.Get(name)))
		if name == "X-Auth0-Profile" || name == "X-Auth0-Session-Expires" {
			want = plain.Get(name)
		}
		if got := encoded.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestUnknownEncodingIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := NewPlan(Config{Encoding: "latin1"}); err == nil || !strings.Contains(err.Error(), "write one of utf8, percent, rfc2047, base64url") {
		t.Errorf("got %v", err)
	}
}

func TestPlainValuesAreNotCopied(t *testing.T) {
	for _, encoding := range []string{EncodingPercent, EncodingRFC2047} {
		encode, err := encoderOf(encoding)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { encode("user-in-child@mail.com") }); n != 0 {
			t.Errorf("%s: %v allocations", encoding, n)
		}
	}
}

func FuzzEncodingUTF8(f *testing.F)      { fuzzEncoding(f, EncodingUTF8) }
func FuzzEncodingPercent(f *testing.F)   { fuzzEncoding(f, EncodingPercent) }
func FuzzEncodingRFC2047(f *testing.F)   { fuzzEncoding(f, EncodingRFC2047) }
func FuzzEncodingBase64URL(f *testing.F) { fuzzEncoding(f, EncodingBase64URL) }

// HDR-20, HDR-21: the application gets back what would arrive without encoding, and
// what is on the wire needs more than ASCII in one encoding only.
func fuzzEncoding(f *testing.F, encoding string) {
	for _, seed := range []string{"Zoë", "a\r\nb: c", "100%", "%41", "=?utf-8?q?a?=", "a =?x", "ö =? ö", "=??=", " a ", "\xff", "\u2028", strings.Repeat("ö ", 99), "=E2_"} {
		f.Add(seed)
	}
	p := planOf(f, Config{Preset: PresetNone, Encoding: encoding, Lines: []Line{{Header: "X-Claim", Claim: "c"}}})
	f.Fuzz(func(t *testing.T, claim string) {
		extra, err := json.Marshal(map[string]string{"c": claim})
		if err != nil {
			t.Fatal(err)
		}
		h, user := http.Header{}, &profile.Profile{Extra: extra}
		applied(p, h, user, Facts{})
		sent := h.Get("X-Claim")
		if !isFieldValue(sent) || encoding != EncodingUTF8 && beyondASCII(sent) > 0 {
			t.Errorf("%q was sent as %q", claim, sent)
		}
		value, _ := user.Claim("c")
		got, err := decoders[encoding](sent)
		if want := Value(profile.Text(value)); err != nil || got != want {
			t.Errorf("%q was sent as %q and read as %q, want %q (%v)", claim, sent, got, want, err)
		}
	})
}
