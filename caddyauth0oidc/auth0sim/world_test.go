package auth0sim

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// testKeys spares each test the making of RSA keys; every network takes its keys from it in the same order.
var testKeys = NewKeyPool()

const appBase = "https://app.example.test"

// clock is a time that only a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is a pair of tenants, an application that shows what its callback received, and a browser.
type world struct {
	*Pair
	t       *testing.T
	network *Network
	clock   *clock
	browser *Browser
}

func newWorld(t *testing.T, opts ...PairOption) *world {
	t.Helper()
	n := NewNetwork()
	n.Keys = testKeys
	c := &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	n.Now = c.Now
	n.Handle("app.example.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "application "+r.Method)
	}))
	return &world{Pair: NewPair(n, appBase, opts...), t: t, network: n, clock: c, browser: NewBrowser(n)}
}

func (w *world) open(address string) *Page {
	w.t.Helper()
	page, err := w.browser.Get(address)
	if err != nil {
		w.t.Fatal(err)
	}
	return page
}

// login goes through the child's page as its first user and returns where the browser ends.
func (w *world) login(extra map[string]string) *Page {
	w.t.Helper()
	page, err := w.browser.Login(w.open(w.AuthorizeURL(extra)), w.User.Email, PairPassword)
	if err != nil {
		w.t.Fatal(err)
	}
	return page
}

// tokens logs in and exchanges the code.
func (w *world) tokens(extra map[string]string) map[string]any {
	w.t.Helper()
	status, body := w.exchange(w.Master, w.codeForm(w.login(extra)))
	if status != http.StatusOK {
		w.t.Fatalf("the code was refused: %d %v", status, body)
	}
	return body
}

func (w *world) codeForm(callback *Page) url.Values {
	w.t.Helper()
	code := callback.URL.Query().Get("code")
	if code == "" {
		w.t.Fatalf("the browser ended at %s without a code", callback.URL)
	}
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {w.App.Callbacks[0]},
		"client_id": {w.App.ClientID}, "client_secret": {w.App.ClientSecret},
	}
}

func (w *world) refreshForm(token any) url.Values {
	raw, _ := token.(string)
	return url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {raw},
		"client_id": {w.App.ClientID}, "client_secret": {w.App.ClientSecret},
	}
}

func (w *world) exchange(t *Tenant, form url.Values) (int, map[string]any) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodPost, t.base()+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.send(req)
}

func (w *world) send(req *http.Request) (int, map[string]any) {
	w.t.Helper()
	resp, err := w.network.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var body map[string]any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &body); err != nil {
			w.t.Fatalf("status %d, body %q: %v", resp.StatusCode, raw, err)
		}
	}
	return resp.StatusCode, body
}

func claimsOf(t *testing.T, token any) map[string]any {
	t.Helper()
	return part(t, token, 1)
}

func part(t *testing.T, token any, i int) map[string]any {
	t.Helper()
	raw, _ := token.(string)
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no signed token", raw)
	}
	decoded, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(decoded, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}
