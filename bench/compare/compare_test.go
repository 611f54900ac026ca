package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/report"
	_ "github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/noop"
)

func TestNamesOfVariantsAreUniqueAndCanBeChosen(t *testing.T) {
	t.Parallel()
	names := make(map[string]bool)
	for _, v := range slices.Concat(usual(), tuning()) {
		if names[v.name] || strings.Contains(v.name, ",") || v.about == "" {
			t.Errorf("variant %q", v.name)
		}
		names[v.name] = true
	}
	chosen, err := choose(usual(), "preset,noop")
	if err != nil || len(chosen) != 2 || chosen[0].name != "noop" || chosen[1].name != "preset" {
		t.Errorf("got %d variants, %v", len(chosen), err)
	}
	if _, err := choose(usual(), "preset,nothing"); err == nil || !strings.Contains(err.Error(), `"nothing" among noop, `) {
		t.Errorf("got %v", err)
	}
	if all, err := choose(usual(), ""); err != nil || len(all) != len(usual()) {
		t.Errorf("got %d variants, %v", len(all), err)
	}
}

func TestConfigurationOfEveryVariantIsOneThatCaddyTakes(t *testing.T) {
	t.Parallel()
	plain := bare("bare", "bare")
	at := site{port: 8080, adminPort: 2019, upstream: "127.0.0.1:9000", folder: "/var/empty/bench"}
	for _, v := range slices.Concat([]variant{plain}, usual(), tuning()) {
		text := caddyfile(&v, at)
		adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
		if err != nil {
			t.Errorf("%s: %v\n%s", v.name, err, text)
			continue
		}
		for part, want := range map[string]bool{
			`"max_idle_conns_per_host":128`: !v.smallPool, `"filename":"/var/empty/bench/access.log"`: v.log,
			`"handler":"auth0_oidc"`: v.protects, `"listen":[":8080"]`: false, `"listen":["127.0.0.1:8080"]`: true,
		} {
			if strings.Contains(string(adapted), part) != want {
				t.Errorf("%s: %s in the configuration: %t\n%s", v.name, part, !want, adapted)
			}
		}
	}
}

func TestForgedCookieDiffersInOneCharacter(t *testing.T) {
	t.Parallel()
	const session = "auth0_session=AbcdefgA"
	const cookie = session + "; theme=dark"
	for _, forged := range forgeries(cookie) {
		different := 0
		for i := range cookie {
			if forged[i] != cookie[i] {
				different++
			}
		}
		if len(forged) != len(cookie) || different != 1 || forged[len(session):] != cookie[len(session):] || !strings.HasPrefix(forged, "auth0_session=") {
			t.Errorf("%s: %d are different", forged, different)
		}
	}
}

// proxied is a target that is no Caddy: this very process, and no heap to ask for.
func proxied(t *testing.T, application string, guard func(*http.Request) bool) target {
	t.Helper()
	address := &url.URL{Scheme: "http", Host: application}
	forward := httputil.NewSingleHostReverseProxy(address)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !guard(r) {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return target{address: server.Listener.Addr().String(), pids: func() []int { return []int{os.Getpid()} }, stop: server.Close}
}

// application is the upstream in this process; witness may be empty.
func application(t *testing.T, witness string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerAll(conn, witness)
		}
	}()
	return l.Addr().String()
}

func TestApplicationAnswersAndShowsWhatItSaw(t *testing.T) {
	t.Parallel()
	address, client := application(t, ""), &http.Client{Timeout: time.Minute}
	for path, want := range map[string]string{loadPath: strings.Repeat("x", answerSize), seenPath: "GET " + seenPath + " HTTP/1.1\r\nHost: " + address + "\r\n"} {
		response, err := client.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.HasPrefix(string(body), want) {
			t.Errorf("%s: %s, %v", path, body, err)
		}
	}
}

func TestVariantThatDoesNotWhatIsMeasuredIsFoundOut(t *testing.T) {
	t.Parallel()
	cookie := beside(bench.CookieName + "=sealed")
	strip := func(r *http.Request) bool {
		ok := r.Header.Get("Cookie") == cookie
		r.Header.Set("Cookie", bench.ApplicationCookie)
		r.Header.Set("X-User-Id", bench.User(0).UserID)
		return ok
	}
	l := &lab{client: &http.Client{Timeout: time.Minute}}
	for _, test := range []struct {
		what  string
		guard func(*http.Request) bool
		ok    bool
	}{
		{"it does all", strip, true},
		{"everybody may pass", func(r *http.Request) bool { strip(r); return true }, false},
		{"nobody may pass", func(*http.Request) bool { return false }, false},
		{"the cookie arrives", func(r *http.Request) bool {
			r.Header.Set("X-User-Id", bench.User(0).UserID)
			return r.Header.Get("Cookie") == cookie
		}, false},
		{"the user does not arrive", func(r *http.Request) bool {
			ok := strip(r)
			r.Header.Set("X-User-Id", bench.User(1).UserID)
			return ok
		}, false},
		{"the application's own cookie does not arrive", func(r *http.Request) bool {
			ok := strip(r)
			r.Header.Del("Cookie")
			return ok
		}, false},
		{"a changed cookie passes", func(r *http.Request) bool {
			ok := len(r.Header.Get("Cookie")) == len(cookie)
			strip(r)
			return ok
		}, false},
	} {
		v := headers(4)
		err := l.prove(t.Context(), &v, proxied(t, application(t, ""), test.guard), cookie)
		if (err == nil) != test.ok || err != nil && !errors.Is(err, errProof) {
			t.Errorf("%s: got %v", test.what, err)
		}
	}
	plain := bare("bare", "bare")
	if err := l.prove(t.Context(), &plain, proxied(t, application(t, ""), func(*http.Request) bool { return true }), cookie); err != nil {
		t.Errorf("the bare proxy: %v", err)
	}
}

// newMatch has a side that lets all pass, and one with the guard.
func newMatch(t *testing.T, guard func(*http.Request) bool) *match {
	t.Helper()
	upstream := application(t, "")
	m := &match{upstream: target{pids: func() []int { return nil }}, slice: 30 * time.Millisecond}
	for to, allowed := range map[**side]func(*http.Request) bool{&m.variant: guard, &m.bare: func(*http.Request) bool { return true }} {
		s, err := newSide(t.Context(), proxied(t, upstream, allowed), 2, []string{"a=1", "a=2"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.client.Close)
		*to = s
	}
	return m
}

func TestTargetThatIsNoCaddyIsMeasuredWithoutItsHeap(t *testing.T) {
	t.Parallel()
	m := newMatch(t, func(*http.Request) bool { return true })
	var result report.Result
	result.Sessions = 2000
	if err := m.play(t.Context(), 2, &result); err != nil {
		t.Fatal(err)
	}
	if len(result.Pairs) != 2 || result.Requests < 2000 || result.Variant.Resident == 0 {
		t.Errorf("got %+v", result)
	}
	for _, p := range result.Pairs {
		for _, s := range []report.Sample{p.Variant, p.Bare} {
			if s.Heap != nil || s.CPU <= 0 || s.Rate <= 0 || s.P50 <= 0 || s.P99 < s.P50 {
				t.Errorf("got %+v", s)
			}
		}
	}
}

func TestOneRefusedRequestFailsTheComparison(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	m := newMatch(t, func(*http.Request) bool { return requests.Add(1) != 5 })
	if err := m.play(t.Context(), 1, new(report.Result)); !errors.Is(err, errBad) {
		t.Errorf("got %v", err)
	}
}
