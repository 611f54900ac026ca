package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// pythonCaller is an application that uses the example's class. It writes a line for
// each assertion of a JSON list.
const pythonCaller = `
import json, sys, verify
verifier = verify.Verifier(sys.argv[1], "https://app.test", "app")
for text in json.load(sys.stdin):
    try:
        print("believed", verifier.verify(text)["sub"])
    except verify.Refused as refusal:
        print("refused", ascii(refusal))
`

// pythonVerdicts gives a line for each of the assertions, which are JSON texts.
func pythonVerdicts(t *testing.T, keys string, assertions ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), pythonPath(t), "-c", pythonCaller, keys)
	cmd.Dir, cmd.Env = assertionExample, append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stdin = strings.NewReader("[" + strings.Join(assertions, ",") + "]")
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %.3000s", err, output)
	}
	return strings.Split(strings.TrimSpace(string(output)), "\n")
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	written, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(written)
}

// HDR-46: whatever the header holds, the application gets the one exception it awaits.
func TestHDR_46_PythonRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	key := p256(t)
	keys, _ := keySite(t, key)
	deep := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 100_000)))
	bad := []string{`"\ud800"`, `""`, `"a.b"`, quoted(t, deep+".e30.AA"), `"\u00fc.\u00fc.\u00fc"`}
	for _, changes := range []map[string]any{
		{"sub": ""}, {"sub": 1}, {"sub": []string{"auth0|1"}}, {"sub": nil},
		{"exp": "4000000000"}, {"exp": 4e9 + .5}, {"exp": true}, {"exp": []int{1}}, {"iat": "1"}, {"nbf": "1"},
	} {
		bad = append(bad, quoted(t, signed(t, jose.ES256, key, changes)))
	}
	verdicts := pythonVerdicts(t, keys, append(bad, quoted(t, signed(t, jose.ES256, key, nil)))...)
	for i, verdict := range verdicts {
		if last := i == len(bad); strings.HasPrefix(verdict, "believed auth0|1") != last || strings.HasPrefix(verdict, "refused Refused") == last {
			t.Errorf("%d: %s", i, verdict)
		}
	}
	if len(verdicts) != len(bad)+1 {
		t.Errorf("%d verdicts", len(verdicts))
	}
}

// HDR-46: nor does an error of another kind come of what should be keys.
func TestHDR_46_PythonSurvivesBadSets(t *testing.T) {
	t.Parallel()
	text := quoted(t, signed(t, jose.ES256, p256(t), nil))
	for _, answer := range []string{
		`[]`, `null`, `1`, `"x"`, `{}`, `{"keys":null}`, `{"keys":1}`, `{"keys":[null]}`, `{"keys":[{"kty":"EC","kid":["x"]}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","kid":"x","x":1,"y":1}]}`, strings.Repeat("[", 100_000), "\xff",
	} {
		keys, _ := siteWith(t, []byte(answer))
		if verdicts := pythonVerdicts(t, keys, text); !strings.Contains(verdicts[0], "the keys cannot be fetched") {
			t.Errorf("%.50q: %q", answer, verdicts)
		}
	}
	site := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(out).Hijack()
		if err == nil {
			_, _ = connection.Write([]byte("no HTTP\r\n\r\n"))
			_ = connection.Close()
		}
	}))
	t.Cleanup(site.Close)
	if verdicts := pythonVerdicts(t, site.URL, text); !strings.Contains(verdicts[0], "the keys cannot be fetched") {
		t.Errorf("no HTTP: %q", verdicts)
	}
}
