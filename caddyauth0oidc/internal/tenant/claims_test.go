package tenant

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestTOK_06_PayloadsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, payload, reason string }{
		{"empty", ``, "malformed"},
		{"CVE-MAO-20 null", `null`, "malformed"},
		{"CVE-MAO-20 array", `[]`, "malformed"},
		{"CVE-MAO-20 string", `"sub"`, "malformed"},
		{"CVE-MAO-20 number", `1`, "malformed"},
		{"truncated", `{"sub":"a"`, "malformed"},
		{"trailing garbage", `{"sub":"a"}x`, "malformed"},
		{"second object", `{"sub":"a"}{"sub":"b"}`, "malformed"},
		{"BOM", "\xef\xbb\xbf" + `{"sub":"a"}`, "malformed"},
		{"invalid UTF-8", "{\"sub\":\"a\xff\"}", "malformed"},
		{"NaN", `{"x":NaN}`, "malformed"},
		{"1e999", `{"x":1e999}`, "malformed"},
		{"nested 1e999", `{"x":[{"y":-1e999}]}`, "malformed"},
		{"deep arrays", `{"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, "malformed"},
		{"33 levels", `{"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, "malformed"},
		{"CVE-LIB-11 name twice", `{"sub":"alice","sub":"root"}`, "duplicate_claim"},
		{"name twice with escapes", `{"sub":"alice","s\u0075b":"root"}`, "duplicate_claim"},
		{"name twice below", `{"address":{"a":1,"a":2}}`, "duplicate_claim"},
		{"CVE-LIB-11 SUB", `{"sub":"alice","SUB":"root"}`, "duplicate_claim"},
		{"CVE-LIB-11 only in another case", `{"Email":"root@example.com"}`, "duplicate_claim"},
		{"CVE-LIB-11 long s", `{"\u017fub":"root"}`, "duplicate_claim"},
		{"CVE-LIB-11 roles", `{"Roles":["admin"]}`, "duplicate_claim"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseClaims([]byte(tt.payload))
			wantInvalid(t, err, tt.reason)
		})
	}
}

func TestPayloadsThatAreAccepted(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		`{}`,
		` {"sub":"a"} `,
		`{"https://acme.example/Roles":["A"],"https://acme.example/roles":["a"],"custom":1,"Custom":2}`,
		`{"address":{"NAME":"x","name":"y"}}`,
		`{"x":12345678901234567890123456789}`,
		`{"x":` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + `}`,
	} {
		if _, err := parseClaims([]byte(payload)); err != nil {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

func TestCVE_MAO_21_TimesNeverWrap(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"1": 1, "1780000000": 1780000000, "9999999999": 9999999999,
		"0": 0, "-1": 0, "10000000000": 0, "1e300": 0, "1.5": 0, "1780000000.0": 0, "-1e18": 0, "18446744073709551617": 0, `"1780000000"`: 0, "null": 0, "true": 0, "[1]": 0,
	} {
		c, err := parseClaims([]byte(`{"exp":` + text + `}`))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		at, ok := c.time("exp")
		if ok != (want != 0) || (ok && at != time.Unix(want, 0)) {
			t.Errorf("%s is %v, %v", text, at, ok)
		}
	}
}

// FuzzClaims compares with a reader that ignores case and lets the last one win, as many downstream do: for every
// payload that we accept both must see the same.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		`{"iss":"i","sub":"s","aud":["a"],"exp":1780000000,"nonce":"n"}`, `{"sub":"a","SUB":"b"}`, `{"sub":"a","sub":"b"}`, `{"ſub":"x"}`,
		`{"sub":"\ud800"}`, `{"exp":1e300}`, `{"aud":[[1]]}`, `[]`, `{"a":{"b":[1,2,{"c":null}]}}`, "\xef\xbb\xbf{}", `{"email_verified":"true"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := parseClaims(payload)
		if err != nil {
			if c != nil {
				t.Error("claims came with the error")
			}
			return
		}
		var loose struct {
			Sub, Sid, Nonce, Email any
			EmailVerified          any `json:"email_verified"`
			Aud                    any
		}
		if err := json.Unmarshal(payload, &loose); err != nil {
			t.Fatalf("accepted, but encoding/json says %v", err)
		}
		for name, other := range map[string]any{"sub": loose.Sub, "sid": loose.Sid, "nonce": loose.Nonce, "email": loose.Email, "email_verified": loose.EmailVerified, "aud": loose.Aud} {
			ours, theirs := toJSON(object{"": c[name]}), toJSON(object{"": other})
			if _, isText := c[name].(string); (isText || other == nil) && ours != theirs {
				t.Errorf("%s is %s here and %s there", name, ours, theirs)
			}
		}
		if id, ok := c.identifier("sub", maxSubject); ok && (id == "" || id != loose.Sub) {
			t.Errorf("sub %q, there %v", id, loose.Sub)
		}
		if at, ok := c.time("exp"); ok && (at.Unix() <= 0 || at.Unix() >= maxTime) {
			t.Errorf("exp %v", at)
		}
		_ = c.audience()
	})
}
