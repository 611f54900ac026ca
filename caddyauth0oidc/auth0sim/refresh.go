package auth0sim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// refreshToken is one token of a family: the first one of a login and all that came out of it by rotation.
type refreshToken struct {
	authorization
	family   *tokenFamily
	used     time.Time // zero until the first exchange
	children []*refreshToken
}

type tokenFamily struct {
	revoked bool
	expires time.Time // zero means never
}

func (t *Tenant) grantsOffline(app Application, a authorization) bool {
	if !a.has("offline_access") || !app.allows("refresh_token") {
		return false
	}
	api, named := t.api(a.audience)
	return !named || api.AllowOfflineAccess
}

func (t *Tenant) newRefreshToken(app Application, a authorization) string {
	family := &tokenFamily{}
	if app.RefreshLifetime != 0 {
		family.expires = t.now().Add(app.RefreshLifetime)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lockedRefreshToken(&refreshToken{authorization: a, family: family})
}

func (t *Tenant) lockedRefreshToken(rt *refreshToken) string {
	token := "v1." + t.network.token(46)
	t.refreshing[token] = rt
	return token
}

func (t *Tenant) exchangeRefreshToken(app Application, form url.Values) (map[string]any, *tokenError) {
	raw := form.Get("refresh_token")
	if raw == "" {
		return nil, missing("refresh_token")
	}
	a, rotated, ok := t.useRefreshToken(app, raw)
	if !ok {
		return nil, &tokenError{http.StatusForbidden, "invalid_grant", "Unknown or invalid refresh token."}
	}
	user, ok := t.User(a.userID)
	if !ok {
		return nil, &tokenError{
			http.StatusForbidden, "invalid_grant", "The refresh_token was generated for a user who doesn't exist anymore.",
		}
	}
	if user.Blocked {
		return nil, &tokenError{http.StatusForbidden, "unauthorized", "user is blocked"}
	}
	if wanted := strings.Fields(form.Get("scope")); len(wanted) > 0 {
		a.scopes = slices.DeleteFunc(slices.Clone(a.scopes), func(s string) bool { return !slices.Contains(wanted, s) })
	}
	body := t.tokenResponse(app, a, user, "refresh_token")
	if a.has("openid") {
		body["id_token"] = t.idToken(app, a, user, "", true)
	}
	if rotated != "" {
		body["refresh_token"] = rotated
	}
	return body, nil
}

// useRefreshToken applies rotation: a token that was used before may come again only within the leeway and only while
// none of its successors was used; otherwise the whole family is revoked (Auth0 docs, "Refresh Token Rotation").
func (t *Tenant) useRefreshToken(app Application, raw string) (a authorization, rotated string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	rt, found := t.refreshing[raw]
	if !found || rt.clientID != app.ClientID || rt.family.revoked ||
		!rt.family.expires.IsZero() && now.After(rt.family.expires) {
		return authorization{}, "", false
	}
	if !app.Rotation || app.Legacy {
		return rt.authorization, "", true
	}
	if !rt.used.IsZero() {
		succeeded := slices.ContainsFunc(rt.children, func(c *refreshToken) bool { return !c.used.IsZero() })
		if succeeded || app.Leeway == 0 || now.Sub(rt.used) > app.Leeway {
			rt.family.revoked = true
			t.lockedLog("ferrt", rt.authorization)
			return authorization{}, "", false
		}
	} else {
		rt.used = now
	}
	child := &refreshToken{authorization: rt.authorization, family: rt.family}
	rt.children = append(rt.children, child)
	return rt.authorization, t.lockedRefreshToken(child), true
}

// serveRevoke answers 200 with an empty body, whether the token was known or not (RFC 7009 section 2.2).
func (t *Tenant) serveRevoke(w http.ResponseWriter, r *http.Request) {
	form, err := bodyValues(r)
	if err != nil {
		t.tokenFailure(w, tokenError{http.StatusBadRequest, "invalid_request", "The request body could not be read."})
		return
	}
	app, problem := t.authenticate(r, form)
	if problem == nil && form.Get("token") == "" {
		problem = missing("token")
	}
	if problem != nil {
		t.tokenFailure(w, *problem)
		return
	}
	t.revoke(app, form.Get("token"))
	w.WriteHeader(http.StatusOK)
}

func (t *Tenant) revoke(app Application, raw string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rt, ok := t.refreshing[raw]
	if !ok || rt.clientID != app.ClientID {
		return
	}
	rt.family.revoked = true
	if !t.RevokeDeletesGrant {
		return
	}
	for _, other := range t.refreshing {
		if other.clientID == rt.clientID && other.userID == rt.userID && other.audience == rt.audience {
			other.family.revoked = true
		}
	}
}
