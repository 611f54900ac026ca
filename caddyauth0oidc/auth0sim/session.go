package auth0sim

import (
	"net/http"
	"slices"
	"time"
)

// sessionCookie is the name of the tenant's own single sign-on cookie.
const sessionCookie = "auth0"

// session is a browser's single sign-on session with the tenant; its sid is shared by all applications.
type session struct {
	sid        string
	userID     string
	connection string
	authTime   time.Time
	lastSeen   time.Time
	clientIDs  []string // the applications that the user signed in to, which are told about the logout
	idToken    string   // what a federated identity provider issued, the hint of a federated logout
}

// currentSession returns a copy of the browser's live session.
func (t *Tenant) currentSession(r *http.Request) (session, bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.sessions[cookie.Value]
	if !ok {
		return session{}, false
	}
	now := t.now()
	if now.Sub(s.lastSeen) > t.SessionIdle || now.Sub(s.authTime) > t.SessionLifetime {
		delete(t.sessions, cookie.Value)
		return session{}, false
	}
	s.lastSeen = now
	return *s, true
}

// signIn starts a session under a new cookie. The sid stays when the same user signs in again.
func (t *Tenant) signIn(w http.ResponseWriter, r *http.Request, userID, connection, idToken string) string {
	old, again := t.currentSession(r)
	s := &session{
		sid: t.network.token(24), userID: userID, connection: connection, idToken: idToken,
		authTime: t.now(), lastSeen: t.now(),
	}
	if again && old.userID == userID {
		s.sid, s.clientIDs = old.sid, old.clientIDs
	}
	value := t.network.token(48)
	t.mu.Lock()
	t.dropCookie(r)
	t.sessions[value] = s
	if u, ok := t.users[userID]; ok {
		u.LastLogin = s.authTime
		u.LoginsCount++
	}
	t.mu.Unlock()
	http.SetCookie(w, t.cookie(sessionCookie, value))
	return s.sid
}

func (t *Tenant) dropCookie(r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		delete(t.sessions, cookie.Value)
	}
}

// endSession forgets the browser's session and clears its cookie.
func (t *Tenant) endSession(w http.ResponseWriter, r *http.Request) (session, bool) {
	s, ok := t.currentSession(r)
	t.mu.Lock()
	t.dropCookie(r)
	t.mu.Unlock()
	cleared := t.cookie(sessionCookie, "")
	cleared.MaxAge = -1
	http.SetCookie(w, cleared)
	return s, ok
}

// cookie is host-only, and usable in cross-site requests as Auth0's are.
func (t *Tenant) cookie(name, value string) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: t.path + "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if t.scheme == "https" {
		c.Secure, c.SameSite = true, http.SameSiteNoneMode
	}
	return c
}

// joinSession notes that the user signed in to an application during that session.
func (t *Tenant) joinSession(sid, clientID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sessions {
		if s.sid == sid && !slices.Contains(s.clientIDs, clientID) {
			s.clientIDs = append(slices.Clone(s.clientIDs), clientID)
		}
	}
}

// Sessions lists the sids of the live sessions.
func (t *Tenant) Sessions() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var sids []string
	for _, s := range t.sessions {
		sids = append(sids, s.sid)
	}
	slices.Sort(sids)
	return sids
}

// RevokeSession ends a session as an administrator does, and tells the applications through their back channels.
func (t *Tenant) RevokeSession(sid string) {
	t.mu.Lock()
	var ended []session
	for value, s := range t.sessions {
		if s.sid == sid {
			ended = append(ended, *s)
			delete(t.sessions, value)
		}
	}
	t.mu.Unlock()
	for _, s := range ended {
		t.sendLogoutTokens(s)
	}
}
