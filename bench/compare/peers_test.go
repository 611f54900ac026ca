package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/report"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/peers"
)

func TestFlagsChooseThePeersAndWhatStandsBesideThem(t *testing.T) {
	t.Parallel()
	const (
		beside = "noop headers-4 preset headers-4-added preset-added "
		apache = "apache oidc-shm oidc-shm-added oidc-cookie oidc-cookie-added" +
			" oidc-shm-apache oidc-shm-apache-added oidc-cookie-apache oidc-cookie-apache-added"
		oauth2 = "oauth2-proxy oauth2-proxy-added oauth2-proxy-minimal oauth2-proxy-minimal-added"
	)
	for want, o := range map[string]options{
		beside + apache: {peers: true},
		beside + oauth2: {oauth2Proxy: "/p"},
		beside + "caddy-security caddy-security-added": {caddySecurity: "/p"},
		"headers-12 headers-0 apache caddy-security":   {peers: true, caddySecurity: "/p", only: "apache,headers-0,headers-12,caddy-security"},
		beside + apache + " " + oauth2:                 {peers: true, oauth2Proxy: "/p"},
	} {
		chosen, err := o.variants()
		if err != nil {
			t.Error(err)
		}
		var names []string
		seen := make(map[string]bool)
		for _, v := range chosen {
			names = append(names, v.name)
			if seen[v.name] || v.about == "" || v.sessions != 1 && v.peer != nil {
				t.Errorf("variant %+v", v)
			}
			seen[v.name] = true
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%+v: got %s, want %s", o, got, want)
		}
	}
	for _, v := range (options{peers: true}).peerVariants() {
		if got := strings.HasPrefix(v.besides(), "bare Apache"); got != strings.Contains(v.name, "-apache") {
			t.Errorf("%s is compared with %s", v.name, v.besides())
		}
	}
	if _, err := (options{only: "apache"}).variants(); err == nil {
		t.Error("a peer that no flag asks for can be chosen")
	}
}

func TestApplicationShowsTheWitnessWhatProofsSend(t *testing.T) {
	t.Parallel()
	shown := make(chan *http.Request, 3)
	witness := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { shown <- r }))
	t.Cleanup(witness.Close)
	address, client := application(t, witness.Listener.Addr().String()), &http.Client{Timeout: time.Minute}
	for _, path := range []string{loadPath, peers.ProofPath + "1", seenPath} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
		request.RequestURI = ""
		request.Header.Set("X-User", "somebody")
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close() != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", path, response.StatusCode)
		}
	}
	if r := <-shown; r.URL.Path != peers.ProofPath+"1" || r.Header.Get("X-User") != "somebody" || len(shown) != 0 {
		t.Errorf("the witness saw %s, and %d more", r.URL.Path, len(shown))
	}
	witness.Close()
	if response, err := client.Get("http://" + address + peers.ProofPath + "2"); err == nil {
		response.Body.Close()
		t.Errorf("without a witness: status %d", response.StatusCode)
	}
}

// fakeFamily has two proxies of this process; one takes nothing but the cookie of
// the last who signed in.
func fakeFamily(t *testing.T, signIns *atomic.Int64) *family {
	upstream := application(t, "")
	newest := func() string { return fmt.Sprintf("s=%d", signIns.Load()) }
	isNewest := func(r *http.Request) bool { return r.Header.Get("Cookie") == beside(newest()) }
	isNone := func(r *http.Request) bool { return r.Header.Get("Cookie") == bench.ApplicationCookie }
	return &family{start: func(context.Context, peers.Options) ([]*peers.Peer, error) {
		var started []*peers.Peer
		for name, guard := range map[string]func(*http.Request) bool{
			"guarded": isNewest, "open": isNewest, "without a login": isNone,
		} {
			running := proxied(t, upstream, guard)
			p := &peers.Peer{Name: name, URL: "http://" + running.address + "/", PIDs: running.pids}
			p.Stop = func() error { running.stop(); return nil }
			if name == "guarded" {
				p.Cookie = newest()
				p.SignIn = func(context.Context) (string, error) { signIns.Add(1); return newest(), nil }
			}
			started = append(started, p)
		}
		return started, nil
	}}
}

func TestEveryLoadOfAPeerBeginsWithASignInWhoseCookieTheBareSideSendsOrNot(t *testing.T) {
	t.Parallel()
	l, o := &lab{upstream: target{pids: func() []int { return nil }}}, options{pairs: 2, slice: 30 * time.Millisecond}
	for name, added := range map[string]bool{"open": false, "without a login": true} {
		var signIns atomic.Int64
		f := fakeFamily(t, &signIns)
		result := report.Result{Sessions: 1, Connections: 2, Added: added}
		if err := l.measurePeer(t.Context(), o, &peer{f, "guarded", name}, []string{"s=none"}, &result); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// To warm up, three for each pair, and to level.
		if n := signIns.Load(); n != 8 || len(result.Pairs) != 2 {
			t.Errorf("%s: %d sign-ins, %+v", name, n, result)
		}
		if err := l.measurePeer(t.Context(), o, &peer{f, "absent", name}, nil, &result); err == nil {
			t.Error("a peer that nobody started is measured")
		}
	}
}

func TestProcessThatEndsWhileItIsMeasuredFailsTheComparison(t *testing.T) {
	t.Parallel()
	own, parent := os.Getpid(), os.Getppid()
	for _, test := range []struct {
		what          string
		before, after []int
		want          error
	}{
		{"the same", []int{own, parent}, []int{own, parent}, nil},
		{"one more", []int{own}, []int{own, parent}, nil},
		{"one less", []int{own, parent}, []int{own}, errGone},
		{"none", []int{own}, nil, errGone},
	} {
		s := &side{target: target{pids: func() []int { return test.after }}}
		if _, err := s.since(t.Context(), spent{pids: test.before}); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v", test.what, err)
		}
	}
}

func TestMissingProgramIsFoundOutBeforeAnythingIsMeasured(t *testing.T) {
	t.Parallel()
	l := &lab{folder: t.TempDir()}
	o := options{oauth2Proxy: filepath.Join(l.folder, "absent")}
	shut, err := l.openPeers(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shut(); err != nil {
			t.Error(err)
		}
	})
	if err := l.rehearse(t.Context(), o.peerVariants()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	missing := family{start: func(ctx context.Context, o peers.Options) ([]*peers.Peer, error) {
		o.ApacheBinary = filepath.Join(l.folder, "absent")
		return startApache(ctx, o)
	}}
	err = l.rehearse(t.Context(), []variant{{peer: &peer{family: &missing}}})
	if err == nil || !strings.Contains(err.Error(), "sh bench/install.sh") {
		t.Errorf("without Apache: got %v", err)
	}
}
