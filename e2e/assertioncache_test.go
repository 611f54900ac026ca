package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// keySite publishes one key, and counts how often it is asked.
func keySite(t *testing.T, key jose.JSONWebKey) (address string, asked *atomic.Int32) {
	t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	return siteWith(t, set)
}

func siteWith(t *testing.T, set []byte) (address string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	site := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = out.Write(set)
	}))
	t.Cleanup(site.Close)
	return site.URL, asked
}

// phpAtOnce has several processes verify the assertion, and counts those that believe it.
func phpAtOnce(t *testing.T, n int, keys, cache, assertion string) (believed int) {
	t.Helper()
	running := make([]*exec.Cmd, n)
	complaints := make([]bytes.Buffer, n)
	for i := range running {
		cmd := exec.CommandContext(t.Context(), phpPath(t), assertionExample+"verify.php", keys, "https://app.test", "app", cache)
		cmd.Stdin, cmd.Stderr = strings.NewReader(assertion), &complaints[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running[i] = cmd
	}
	for i, cmd := range running {
		switch err := cmd.Wait(); {
		case err == nil:
			believed++
		case !strings.HasPrefix(complaints[i].String(), "refused: "):
			t.Errorf("%v: %s", err, complaints[i].String())
		}
	}
	return believed
}

// makeOlder is what the file of PHP looks like when nobody has signed in for so long.
func makeOlder(t *testing.T, cache string, seconds float64) {
	t.Helper()
	var kept map[string]any
	if err := json.Unmarshal([]byte(readFile(t, cache)), &kept); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fetched", "tried"} {
		at, ok := kept[name].(float64)
		if !ok {
			t.Fatalf("the file has %v", kept)
		}
		kept[name] = at - seconds
	}
	text, err := json.Marshal(kept)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cache, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// HDR-46: a pause that every process of PHP has for itself is none.
func TestHDR_46_ProcessesOfPHPShareThePause(t *testing.T) {
	t.Parallel()
	const processes = 6
	key, junk := p256(t), p256(t)
	junk.KeyID = "junk"
	keys, asked := keySite(t, key)
	cache := filepath.Join(t.TempDir(), "jwks")
	if n := phpAtOnce(t, processes, keys, cache, signed(t, jose.ES256, key, nil)); n != processes || asked.Load() != 1 {
		t.Errorf("%d of %d believe it, after %d questions", n, processes, asked.Load())
	}
	makeOlder(t, cache, 400)
	if n := phpAtOnce(t, processes, keys, cache, signed(t, jose.ES256, junk, nil)); n != 0 || asked.Load() != 2 {
		t.Errorf("%d believe a made-up key, after %d questions", n, asked.Load())
	}
}

// HDR-46: where the pause cannot be kept, nothing is asked, and no other folder is used.
func TestHDR_46_PHPAsksNothingThatItCannotKeep(t *testing.T) {
	t.Parallel()
	key := p256(t)
	keys, asked := keySite(t, key)
	folder := t.TempDir()
	cmd := exec.CommandContext(t.Context(), phpPath(t), assertionExample+"verify.php", keys, "https://app.test", "app", filepath.Join(folder, "missing", "jwks"))
	cmd.Stdin, cmd.Env = strings.NewReader(signed(t, jose.ES256, key, nil)), append(os.Environ(), "TMPDIR="+folder)
	if output, err := cmd.CombinedOutput(); err == nil || !strings.HasPrefix(string(output), "refused: ") {
		t.Errorf("%v: %s", err, output)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 || asked.Load() != 0 {
		t.Errorf("asked %d times, and left %v, %v", asked.Load(), left, err)
	}
}

// HDR-46: an answer without any key is a failed attempt, and a bad key costs no other.
func TestHDR_46_PHPKeepsItsKeysWhenTheSetIsBad(t *testing.T) {
	t.Parallel()
	key := p256(t)
	keys, _ := keySite(t, key)
	for _, set := range []string{
		`{"keys":[]}`, `{}`, `[]`, `null`, `"x"`, `{"keys":"x"}`, `{"keys":[null,1,"x",{"kid":1}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","kid":"one","x":"!","y":"!"}]}`,
	} {
		cache := filepath.Join(t.TempDir(), "jwks")
		text := signed(t, jose.ES256, key, nil)
		before := phpAtOnce(t, 1, keys, cache, text)
		makeOlder(t, cache, 400)
		bad, count := siteWith(t, []byte(set))
		if after := phpAtOnce(t, 1, bad, cache, text); before != 1 || after != 1 || count.Load() != 1 {
			t.Errorf("%s: %d and %d believe it, after %d questions", set, before, after, count.Load())
		}
	}
}
