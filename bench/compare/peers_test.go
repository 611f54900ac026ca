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

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/compare/report"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/peers"
)

func TestFlagsChooseThePeersAndWhatStandsBesideThem(t *testing.T) {
	t.Parallel()
	const apache = "apache mod_auth_openidc mod_auth_openidc-client-cookie" +
		" mod_auth_openidc-beside-apache mod_auth_openidc-client-cookie-beside-apache"
	for want, o := range map[string]options{
		"noop headers-4 headers-12 sessions tokens preset":                       {},
		"noop headers-4 preset " + apache:                                        {peers: true},
		"noop headers-4 preset oauth2-proxy oauth2-proxy-minimal":                {oauth2Proxy: "/p"},
		"noop headers-4 preset caddy-security":                                   {caddySecurity: "/p"},
		"headers-12 headers-0 apache caddy-security":                             {peers: true, caddySecurity: "/p", only: "apache,headers-0,headers-12,caddy-security"},
		"noop headers-4 preset " + apache + " oauth2-proxy oauth2-proxy-minimal": {peers: true, oauth2Proxy: "/p"},
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
func fakeFamily(t *testing.T, signIns *atomic.Int64) family {
	upstream := application(t, "")
	newest := func() string { return fmt.Sprintf("s=%d", signIns.Load()) }
	return func(context.Context, peers.Options) ([]*peers.Peer, error) {
		var started []*peers.Peer
		for name, guard := range map[string]func(*http.Request) bool{
			"guarded": func(r *http.Request) bool { return r.Header.Get("Cookie") == newest() },
			"open":    func(r *http.Request) bool { return r.Header.Get("Cookie") == newest() || signIns.Load() == 0 },
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
	}
}

func TestEveryLoadOfAPeerBeginsWithASignInAndBothSidesSendItsCookie(t *testing.T) {
	t.Parallel()
	var signIns atomic.Int64
	f := fakeFamily(t, &signIns)
	l, o := &lab{upstream: target{pids: func() []int { return nil }}}, options{pairs: 2, slice: 30 * time.Millisecond}
	result := report.Result{Sessions: 1, Connections: 2}
	if err := l.measurePeer(t.Context(), o, &peer{&f, "guarded", "open"}, []string{"s=none"}, &result); err != nil {
		t.Fatal(err)
	}
	// To warm up, three for each pair, and to level.
	if n := signIns.Load(); n != 8 || len(result.Pairs) != 2 || result.Beside != bareApache {
		t.Errorf("%d sign-ins, %+v", n, result)
	}
	if err := l.measurePeer(t.Context(), o, &peer{&f, "absent", "open"}, nil, &result); err == nil {
		t.Error("a peer that nobody started is measured")
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
	missing := family(func(ctx context.Context, o peers.Options) ([]*peers.Peer, error) {
		o.ApacheBinary = filepath.Join(l.folder, "absent")
		return apacheFamily(ctx, o)
	})
	err = l.rehearse(t.Context(), []variant{{peer: &peer{family: &missing}}})
	if err == nil || !strings.Contains(err.Error(), "sh bench/install.sh") {
		t.Errorf("without Apache: got %v", err)
	}
}
