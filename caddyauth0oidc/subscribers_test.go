package caddyauth0oidc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// A subscriber may take as long as it likes: when it is told of a logout, the session has
// ended, and the tenant has been asked for the end of the refresh token.
func TestLogoutsAreDoneBeforeSubscribersAreTold(t *testing.T) {
	t.Parallel()
	for name, frontchannel := range map[string]bool{"by the user": false, "in a frame": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			global, a := audited(t, "")
			w := newWorld(t, withGlobal(global), withSettings(frontchannelSettings))
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			w.keepTokens(b, session.Tokens{Refresh: "a-refresh-token"})
			copied, sid := cookieHeader(w, b), w.sidOf(b)
			w.beginEvents()
			a.answer = func() error {
				if status := w.statusWith(copied); status != http.StatusUnauthorized {
					t.Errorf("a copy of the cookie: %d", status)
				}
				if !frontchannel && w.pair.Master.Calls("/oauth/revoke") != 1 {
					t.Error("the refresh token is good")
				}
				return nil
			}
			if frontchannel {
				query := url.Values{"iss": {w.pair.Master.Issuer()}, "sid": {sid}}
				w.send(b, "GET", "/auth/frontchannel-logout?"+query.Encode(), framed)
			} else {
				w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
			}
			if told := a.told(); len(told) != 1 || !strings.HasPrefix(told[0], eventLogout) {
				t.Errorf("%q", told)
			}
		})
	}
}

// A subscriber that is told of a refresh holds up neither the requests that wait for it nor
// the session's lock.
func TestRefreshesDoNotWaitForSubscribers(t *testing.T) {
	t.Parallel()
	global, a := audited(t, "")
	w, b := signedInToRefresh(t, withGlobal(global))
	w.beginEvents()
	told, goOn := make(chan struct{}), make(chan struct{})
	a.answer = func() error {
		close(told)
		<-goOn
		return nil
	}
	w.due()
	answered := make(chan int)
	go func() {
		response, _ := w.send(b, "GET", "/x", nil)
		answered <- response.StatusCode
	}()
	select {
	case status := <-answered:
		if status != http.StatusOK {
			t.Errorf("%d", status)
		}
	case <-time.After(refreshPatience - time.Second):
		t.Error("the request waits")
	}
	<-told
	close(goOn)
	w.handler().leading.wait()
}

// An operator's order holds for all tenants and clients before a subscriber hears of the first.
func TestOrdersAreCarriedOutBeforeSubscribersAreTold(t *testing.T) {
	t.Parallel()
	global, a := audited(t, "")
	w := newWorld(t, withGlobal(global),
		withSite("auth0_oidc {\nSETTINGS\n}\nauth0_oidc /other* {\ndomain DOMAIN\nclient_id another\nclient_secret x\nconnection acme-child\nprefix /other/auth\nsession {\ncookie {\nname other\n}\n}\n}\nreverse_proxy UPSTREAM"))
	w.beginEvents()
	user, began := w.pair.MasterUserID(w.pair.User), w.clock.Now().Add(-time.Minute)
	a.answer = func() error {
		for _, l := range allLedgers() {
			if l.issuer == w.pair.Master.Issuer() && !l.Revoked([16]byte{}, "", user, began) {
				t.Errorf("the sessions of the client %s are alive", l.clientID)
			}
		}
		return nil
	}
	if took, failed := (revokeOrder{Sub: user, Issuer: w.pair.Master.Issuer()}).carryOut(t.Context()); took != 2 || failed != 0 {
		t.Errorf("%d took the order, %d failed", took, failed)
	}
	if told := a.told(); len(told) != 2 {
		t.Errorf("%q", told)
	}
}

// During a reload subscribers of the configuration that serves are told of an order.
func TestOrdersDuringAReloadAreEvents(t *testing.T) {
	t.Parallel()
	global, a := audited(t, "")
	w := newWorld(t, withGlobal(global))
	w.beginEvents()
	w.load(worldSetup{base: w.base, global: global, settings: "prompt login"}) // whose events have not begun
	order := revokeOrder{Sub: "oidc|acme-child|x", Issuer: w.pair.Master.Issuer(), ClientID: w.pair.App.ClientID}
	if took, failed := order.carryOut(t.Context()); took != 1 || failed != 0 {
		t.Errorf("%d took the order, %d failed", took, failed)
	}
	if told := a.told(); len(told) != 1 {
		t.Errorf("%q", told)
	}
}
