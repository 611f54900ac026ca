package peers

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// A comparison with a proxy that lets everybody in, or tells the application
// nothing, would be worth nothing.
func TestProofRefusesProxiesThatDoLess(t *testing.T) {
	t.Parallel()
	const session = "session=0123456789"
	o := newOptions(t)
	for name, c := range map[string]struct {
		admits    func(cookie string) bool
		header    string
		otherwise int
		want      string
	}{
		"good":                      {func(s string) bool { return s == session }, "X-User", http.StatusFound, ""},
		"admits everybody":          {func(string) bool { return true }, "X-User", http.StatusFound, "1 requests reached"},
		"admits any cookie":         {func(s string) bool { return s != "" }, "X-User", http.StatusFound, "changed by one character"},
		"admits nobody":             {func(string) bool { return false }, "X-User", http.StatusFound, "with a session there is status 302"},
		"answers 200 to everybody":  {func(s string) bool { return s == session }, "X-User", http.StatusOK, "status 200, and 0"},
		"does not tell the user":    {func(s string) bool { return s == session }, "", http.StatusFound, "no header tells"},
		"tells it by cookies alone": {func(s string) bool { return s == session }, "Cookie", http.StatusFound, "no header tells"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream, err := url.Parse(o.Upstream)
			if err != nil {
				t.Fatal(err)
			}
			forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(upstream) }}
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !c.admits(r.Header.Get("Cookie")) {
					w.WriteHeader(c.otherwise)
					return
				}
				if c.header != "" {
					r.Header.Set(c.header, o.Tenants.pair.User.Email)
				}
				forward.ServeHTTP(w, r)
			}))
			t.Cleanup(proxy.Close)
			err = o.prove(t.Context(), &Peer{URL: proxy.URL + "/", Cookie: session})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the proof ends with: %v", err)
			}
		})
	}
}

func TestOneCharacterOfTheLongestCookieChanges(t *testing.T) {
	t.Parallel()
	for cookie, want := range map[string]string{
		"a=1":                    "a=A",
		"a=xxAxx":                "a=xxBxx",
		"short=1; long=01234567": "short=1; long=0123A567",
		"long=01234; short=1":    "long=01A34; short=1",
	} {
		if got := changeOneCharacter(cookie); got != want {
			t.Errorf("%q becomes %q, want %q", cookie, got, want)
		}
	}
}
