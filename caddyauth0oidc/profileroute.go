package caddyauth0oidc

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// profileAnswer is what GET <prefix>/profile tells a page about its user. It
// has no token in it.
type profileAnswer struct {
	Profile *profile.Profile `json:"profile"`
	Expires time.Time        `json:"session_expires"` // RFC 3339, UTC, if the session is not used again
}

// serveProfile shows the signed-in user's profile.
func (h *Handler) serveProfile(w http.ResponseWriter, r *http.Request, v *visit) error {
	s, by, ok := h.siteSession(r, v)
	if !ok {
		return h.refuse(w, r, refusal{code: codeLoginRequired, status: http.StatusUnauthorized, loginURL: h.loginURL(r)})
	}
	if by.marksTooOld() {
		return by.refuseUnjudged(w, r, v)
	}
	noStore(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_ = json.NewEncoder(w).Encode(profileAnswer{Profile: by.shownFor(r, &s.Profile), Expires: s.Expires(by.limits).UTC()}) // fails when the client is gone
	return nil
}
