package auth0sim

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const unknownRefreshToken = "Unknown or invalid refresh token."

func offline(t *testing.T, change func(a *Application)) (*world, any) {
	t.Helper()
	w := newWorld(t)
	change(w.App)
	return w, w.tokens(map[string]string{"scope": "openid offline_access", "nonce": "n1"})["refresh_token"]
}

func (w *world) refreshes(token any) map[string]any {
	w.t.Helper()
	status, body := w.exchange(w.Master, w.refreshForm(token))
	if status != http.StatusOK {
		w.t.Fatalf("refreshing: %d %v", status, body)
	}
	return body
}

func (w *world) refusesRefresh(token any) {
	w.t.Helper()
	status, body := w.exchange(w.Master, w.refreshForm(token))
	if status != http.StatusForbidden || body["error"] != "invalid_grant" || body["error_description"] != unknownRefreshToken {
		w.t.Errorf("refreshing: %d %v", status, body)
	}
}

func TestNonRotatingRefreshTokenStays(t *testing.T) {
	t.Parallel()
	w, token := offline(t, func(*Application) {})
	for range 2 {
		body := w.refreshes(token)
		if body["refresh_token"] != nil {
			t.Errorf("a non-rotating token came with a successor")
		}
		if claims := claimsOf(t, body["id_token"]); claims["nonce"] != nil || claims["sub"] != w.MasterUserID(w.User) {
			t.Errorf("claims after a refresh = %v", claims)
		}
	}
}

func TestReuseOfARotatedTokenRevokesTheFamily(t *testing.T) {
	t.Parallel()
	w, first := offline(t, func(a *Application) { a.Rotation = true })
	second := w.refreshes(first)["refresh_token"]
	w.refusesRefresh(first)
	w.refusesRefresh(second)
	if logs := w.Master.Logs(); len(logs) != 1 || logs[0].Type != "ferrt" {
		t.Errorf("the log holds %v", logs)
	}
}

func TestLeewayCoversTheTokenBeforeOnly(t *testing.T) {
	t.Parallel()
	w, first := offline(t, func(a *Application) { a.Rotation, a.Leeway = true, 10*time.Second })
	w.refreshes(first)
	w.clock.advance(9 * time.Second)
	second := w.refreshes(first)["refresh_token"]
	third := w.refreshes(second)["refresh_token"]
	w.refusesRefresh(first)
	w.refusesRefresh(third)
}

func TestLeewayEnds(t *testing.T) {
	t.Parallel()
	w, first := offline(t, func(a *Application) { a.Rotation, a.Leeway = true, 10*time.Second })
	w.refreshes(first)
	w.clock.advance(11 * time.Second)
	w.refusesRefresh(first)
}

func TestRotationDoesNotExtendTheLifetime(t *testing.T) {
	t.Parallel()
	w, token := offline(t, func(a *Application) { a.Rotation, a.RefreshLifetime = true, time.Hour })
	w.clock.advance(59 * time.Minute)
	token = w.refreshes(token)["refresh_token"]
	w.clock.advance(2 * time.Minute)
	w.refusesRefresh(token)
}

func TestRefreshForUsersWhoAreGoneOrBlocked(t *testing.T) {
	t.Parallel()
	w, token := offline(t, func(*Application) {})
	w.Master.UpdateUser(w.MasterUserID(w.User), func(u *User) { u.Blocked = true })
	if status, body := w.exchange(w.Master, w.refreshForm(token)); status != 403 || body["error_description"] != "user is blocked" {
		t.Errorf("blocked: %d %v", status, body)
	}
	w.Master.DeleteUser(w.MasterUserID(w.User))
	status, body := w.exchange(w.Master, w.refreshForm(token))
	if status != 403 || body["error_description"] != "The refresh_token was generated for a user who doesn't exist anymore." {
		t.Errorf("deleted: %d %v", status, body)
	}
}

func TestRefreshTokenOfAnotherClientIsUnknown(t *testing.T) {
	t.Parallel()
	w, token := offline(t, func(*Application) {})
	form := w.refreshForm(token)
	asOther(w, form)
	if status, body := w.exchange(w.Master, form); status != 403 || body["error_description"] != unknownRefreshToken {
		t.Errorf("%d %v", status, body)
	}
	w.refreshes(token)
}

func TestRevokedTokenIsRefused(t *testing.T) {
	t.Parallel()
	for _, deletesGrant := range []bool{false, true} {
		w, token := offline(t, func(*Application) {})
		w.Master.RevokeDeletesGrant = deletesGrant
		callback := w.open(w.AuthorizeURL(map[string]string{"scope": "openid offline_access"}))
		_, second := w.exchange(w.Master, w.codeForm(callback))
		other := second["refresh_token"]
		form := url.Values{"client_id": {w.App.ClientID}, "client_secret": {w.App.ClientSecret}, "token": {token.(string)}}
		req, _ := http.NewRequest(http.MethodPost, w.Master.base()+"/oauth/revoke", strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if status, body := w.send(req); status != http.StatusOK || body != nil {
			t.Fatalf("%d %v", status, body)
		}
		w.refusesRefresh(token)
		if deletesGrant {
			w.refusesRefresh(other)
		} else {
			w.refreshes(other)
		}
	}
}
