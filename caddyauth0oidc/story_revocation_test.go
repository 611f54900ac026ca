package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// sessionIn gives the session that the browser has.
func (w *world) sessionIn(b *heldBrowser) *session.Session {
	w.t.Helper()
	s := new(session.Session)
	h := w.handler()
	if !h.keys.Load().ReadSession(s, []string{cookieHeader(w, b)}, h.secureCookies.Session.Name) {
		w.t.Fatal("the browser has no session")
	}
	return s
}

// CVE-CS-09: whoever has copied the cookie is signed out by the logout, too: here at once,
// and on every other instance with its next reading.
func TestCVE_CS_09_LogoutEndsCopiesOfTheCookieOnEveryInstance(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	b := c.browser()
	home := c.signIn(b, "/home", c.pair.User)
	copied := cookieHeader(c.world, b)
	c.serveBy(1)
	if !c.accepts(copied) {
		t.Fatal("the other instance does not know the session")
	}
	c.serveBy(0)
	if _, err := home.Click("/auth/logout"); err != nil {
		t.Fatal(err)
	}
	if c.accepts(copied) {
		t.Error("the copy is accepted where the user signed out")
	}
	if response, _ := c.send(c.browser(), "GET", "/auth/profile", map[string]string{"Cookie": copied}); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("the copy shows the profile: %d", response.StatusCode)
	}
	response, body := c.send(c.browser(), "GET", "/home", map[string]string{"Cookie": copied, "Accept": "application/json"})
	if response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, codeLoginRequired) {
		t.Errorf("a script that has the copy is told: %d %s", response.StatusCode, body)
	}
	c.serveBy(1)
	if !c.accepts(copied) {
		t.Error("the other instance knows without a reading: this test shows nothing")
	}
	c.ledgers[1].pollNow(t)
	if c.accepts(copied) {
		t.Error("the copy is accepted by the other instance")
	}
	c.serveBy(0)
	c.open(b, "/auth/login") // the child's session signs in unasked
	if !c.isSignedIn(b) {
		t.Error("the user cannot sign in again")
	}
}

// Nothing is written for a session that is over anyway: nobody can fill the storage with
// an old cookie.
func TestCVE_CS_09_LogoutOfAnEndedSessionWritesNothing(t *testing.T) {
	t.Parallel()
	w, shared := newWorld(t), new(sharedMarks)
	shareMarks(w.handler(), shared)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	copied := cookieHeader(w, b)
	logout := map[string]string{"Cookie": copied, "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	for range 3 {
		w.send(w.browser(), "GET", "/auth/logout", logout)
	}
	if n := shared.count(); n != 1 {
		t.Errorf("%d marks of one session", n)
	}
	w.open(b, "/auth/login")
	logout["Cookie"] = cookieHeader(w, b)
	w.clock.advance(25 * time.Hour)
	w.send(w.browser(), "GET", "/auth/logout", logout)
	if n := shared.count(); n != 1 {
		t.Errorf("%d marks after the logout of an expired session", n)
	}
}

// A mark outlives the session under the longest limits that any directive has.
func TestCVE_CS_09_MarkOutlivesTheSessionInEveryDirective(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSite("auth0_oidc /short/* {\nSETTINGS\nsession {\nidle 1h\nabsolute 2h\n}\n}\nauth0_oidc {\nSETTINGS\nsession {\nidle 40h\nabsolute 100h\n}\n}\nreverse_proxy UPSTREAM"))
	for _, h := range w.handler().shared.all() {
		if until := h.marksUntil(); until.Sub(w.clock.Now()) != 100*time.Hour+revocationMargin {
			t.Errorf("kept for %s", until.Sub(w.clock.Now()))
		}
		if h.userMarksUntil() != h.marksUntil() {
			t.Error("marks of users are kept for tokens that nobody accepts")
		}
	}
}

// FAULT-21: while the storage is away a logout signs out here, and is written as soon as it
// is back. The log says so once, not each time.
func TestFAULT_21_LogoutWhileTheStorageIsAwayHoldsHereAndIsWrittenLater(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var copied []string
	for range 2 {
		b := c.browser()
		home := c.signIn(b, "/home", c.pair.User)
		copied = append(copied, cookieHeader(c.world, b))
		c.shared.setAway(true)
		page, err := home.Click("/auth/logout")
		if err != nil {
			t.Fatal(err)
		}
		if sessionCookie(c.world, b) != "" || !strings.Contains(page.Body, codeSignedOut) || c.accepts(copied[len(copied)-1]) {
			t.Errorf("the logout ended at %d %s", page.Status, page.URL)
		}
		c.ledgers[0].pollNow(t)
		c.clock.advance(time.Second)
	}
	if waiting := c.ledgers[0].health().Waiting; waiting != 2 {
		t.Errorf("%d marks wait", waiting)
	}
	c.shared.setAway(false)
	c.ledgers[0].pollNow(t)
	c.ledgers[0].pollNow(t)
	c.serveBy(1)
	c.ledgers[1].pollNow(t)
	for _, one := range copied {
		if c.accepts(one) {
			t.Error("the other instance accepts a session that was ended while the storage was away")
		}
	}
	logs := c.logs()
	if failing, works := strings.Count(logs, "reading or writing which sessions"), strings.Count(logs, "is read and written again"); failing != 1 || works != 1 {
		t.Errorf("the log says %d times that the storage fails, and %d times that it works", failing, works)
	}
	for line := range strings.Lines(logs) { // INV-04
		for _, secret := range append(copied, c.pair.User.Email, c.pair.User.ID) {
			if strings.Contains(line, `"logger":"http.handlers.auth0_oidc"`) && strings.Contains(line, secret) {
				t.Errorf("INV-04: the log has a cookie or a claim: %s", line)
			}
		}
	}
}

// FAULT-21: by default sessions go on while the storage cannot be read, by what is known.
func TestFAULT_21_SessionsGoOnWhileTheStorageIsAway(t *testing.T) {
	t.Parallel()
	w, shared := newWorld(t), new(sharedMarks)
	l := shareMarks(w.handler(), shared)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	shared.setAway(true)
	w.clock.advance(10 * time.Hour)
	l.pollNow(t)
	if !w.isSignedIn(b) {
		t.Error("the storage's failure stops a session")
	}
	if told := l.health(); !told.Stale || *told.Age < (9*time.Hour).Seconds() {
		t.Errorf("the health is %+v", told)
	}
}

// FAULT-21: with max_stale no session is accepted while too little is known, and none is
// lost either.
func TestFAULT_21_MaxStaleStopsSessionsUntilTheStorageIsBack(t *testing.T) {
	t.Parallel()
	w, shared := newWorld(t, withSettings("revocation {\npoll 10s\nmax_stale 1m\n}")), new(sharedMarks)
	l := shareMarks(w.handler(), shared)
	l.pollNow(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	before := sessionCookie(w, b)
	shared.setAway(true)
	w.clock.advance(time.Minute)
	l.pollNow(t)
	if !w.isSignedIn(b) {
		t.Error("refused before the time")
	}
	w.clock.advance(3 * time.Hour) // a renewal would be due
	l.pollNow(t)
	w.app.take()
	for path, want := range map[string]string{"/home": "text/html", "/x": "application/problem+json", "/auth/profile": "application/problem+json"} {
		accept := map[string]string{"Accept": "application/json"}
		if want == "text/html" {
			accept["Accept"] = "text/html"
		}
		response, body := w.send(b, "GET", path, accept)
		if response.StatusCode != http.StatusServiceUnavailable || !strings.HasPrefix(response.Header.Get("Content-Type"), want) ||
			response.Header.Get("Retry-After") != "10" || !strings.Contains(body, codeRevocationUnknown) || response.Header["Set-Cookie"] != nil {
			t.Errorf("%s: %d %v %s", path, response.StatusCode, response.Header, body)
		}
	}
	if n := len(w.app.take()); n != 0 {
		t.Errorf("%d requests have reached the application", n)
	}
	if response, _ := w.send(w.browser(), "GET", "/home", map[string]string{"Accept": "text/html"}); response.StatusCode != http.StatusFound {
		t.Errorf("without a session: %d", response.StatusCode)
	}
	if sessionCookie(w, b) != before {
		t.Error("the user is signed out")
	}
	shared.setAway(false)
	l.pollNow(t)
	if !w.isSignedIn(b) {
		t.Error("not accepted again")
	}
}

// FAULT-21: nor any access token, which may have been ended with the user's sessions.
func TestFAULT_21_MaxStaleStopsAccessTokens(t *testing.T) {
	t.Parallel()
	w, shared := newAPIWorld(t, withSettings(bearerSetting+"\nrevocation {\nmax_stale 1m\n}")), new(sharedMarks)
	l := shareMarks(w.handler(), shared)
	l.pollNow(t)
	token, _ := w.userToken("openid read:reports")
	shared.setAway(true)
	for _, want := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		response, body := w.call("/x", token)
		if response.StatusCode != want || want != http.StatusOK && (response.Header.Get("Retry-After") != "5" || !strings.Contains(body, codeRevocationUnknown) || strings.Contains(body, "signed in")) {
			t.Errorf("%d %v %s, want %d", response.StatusCode, response.Header, body, want)
		}
		w.clock.advance(2 * time.Minute)
		l.pollNow(t)
	}
	if response, _ := w.call("/x", "garbage"); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("no token at all: %d", response.StatusCode)
	}
	shared.setAway(false)
	if l.pollNow(t); w.statusOfToken(token) != http.StatusOK {
		t.Error("not accepted again")
	}
}

// FAULT-21: where requests without a session pass, one with a session that cannot be judged
// is not taken for nobody's.
func TestFAULT_21_MaxStaleLetsNoSessionPassAsNobody(t *testing.T) {
	t.Parallel()
	w, shared := newWorld(t, withSettings("unauthenticated pass\nrevocation {\nmax_stale 1m\n}")), new(sharedMarks)
	l := shareMarks(w.handler(), shared)
	l.pollNow(t)
	b := w.browser()
	w.open(b, "/auth/login?return_to=/home")
	page, err := b.Get(w.base + "/auth/login?return_to=/home")
	if err == nil {
		_, err = b.Login(page, w.pair.User.Email, auth0sim.PairPassword)
	}
	if err != nil {
		t.Fatal(err)
	}
	shared.setAway(true)
	w.clock.advance(2 * time.Minute)
	l.pollNow(t)
	if status := w.statusOf(cookieHeader(w, b)); status != http.StatusServiceUnavailable {
		t.Errorf("with a session: %d", status)
	}
	if status := w.statusOf(""); status != http.StatusOK {
		t.Errorf("without: %d", status)
	}
}

// FAULT-21: an instance with max_stale that has not read the storage yet knows too little.
func TestFAULT_21_MaxStaleWaitsForTheFirstReading(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSettings("revocation {\nmax_stale 1m\n}"))
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	w.handler().ledger.read.Store(0)
	if status := w.statusOf(cookieHeader(w, b)); status != http.StatusServiceUnavailable {
		t.Errorf("answers %d", status)
	}
}

// CONC-18: what was ended while the login was under way does not begin. The user is led
// through another login, once.
func TestCONC_18_LoginOfAUserWhoWasEndedMeanwhileBeginsAgain(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world) revocation.Mark{
		"the user": func(w *world) revocation.Mark {
			return revocation.OfSubject(w.pair.MasterUserID(w.pair.User), w.clock.Now(), w.handler().marksUntil())
		},
		"the tenant's session": func(w *world) revocation.Mark {
			sid := w.pair.Master.Sessions()[0]
			w.pair.Master.RevokeSession(sid)
			return revocation.OfSID(sid, w.handler().marksUntil())
		},
		"the tenant's session of the user": func(w *world) revocation.Mark {
			sid := w.pair.Master.Sessions()[0]
			w.pair.Master.RevokeSession(sid)
			return revocation.OfSIDAndSubject(sid, w.pair.MasterUserID(w.pair.User), w.handler().marksUntil())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser()
			callback := w.callbackOf(b, "/report", w.pair.User)
			w.clock.advance(2 * time.Second)
			if err := w.handler().ledger.Revoke(t.Context(), end(w)); err != nil {
				t.Fatal(err)
			}
			w.clock.advance(2 * time.Second)
			page := w.step(b, callback)
			if location := page.Header.Get("Location"); page.Status != http.StatusFound || !strings.HasPrefix(location, w.pair.Master.Issuer()+"authorize") || sessionCookie(w, b) != "" {
				t.Fatalf("the callback answers %d %s", page.Status, location)
			}
			page = w.open(b, "/report") // a session at the child signs in unasked
			if page.Status != http.StatusOK || page.URL.String() != w.base+"/report" || !w.isSignedIn(b) {
				t.Errorf("ended at %d %s", page.Status, page.URL)
			}
		})
	}
}

// CONC-18: where the tenant goes on with a session that was ended, the second login ends on
// a page and not in a loop.
func TestCONC_18_LoginThatIsEndedAgainAndAgainIsNoLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	callback := w.callbackOf(b, "/report", w.pair.User)
	mark := revocation.OfSID(w.pair.Master.Sessions()[0], w.handler().marksUntil()) // the tenant's session is there all the same
	if err := w.handler().ledger.Revoke(t.Context(), mark); err != nil {
		t.Fatal(err)
	}
	page, err := b.Get(callback)
	if err != nil {
		t.Fatal(err)
	}
	if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeLoginFailed) || sessionCookie(w, b) != "" {
		t.Errorf("ended at %d %s\n%s", page.Status, page.URL, page.Body)
	}
}

// CONC-19, CONC-14: an answer that was under way when the session was ended does not bring
// it back, and no request after it is accepted.
func TestCONC_19_CONC_14_AnswerUnderWayDoesNotRenewAnEndedSession(t *testing.T) {
	t.Parallel()
	for name, mark := range map[string]func(*world, *session.Session) revocation.Mark{
		"itself": func(w *world, s *session.Session) revocation.Mark {
			return revocation.OfSession(s.ID, w.handler().marksUntil())
		},
		"the tenant's session": func(w *world, s *session.Session) revocation.Mark {
			return revocation.OfSID(s.SID, w.handler().marksUntil())
		},
		"the user": func(w *world, s *session.Session) revocation.Mark {
			return revocation.OfSubject(s.Profile.UserID, w.clock.Now(), w.handler().marksUntil())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser()
			w.signIn(b, "/home", w.pair.User)
			w.clock.advance(3 * time.Hour)
			slow := w.ask(b)
			if err := w.handler().ledger.Revoke(t.Context(), mark(w, w.sessionIn(b))); err != nil {
				t.Fatal(err)
			}
			if w.isSignedIn(b) {
				t.Error("a request after the end is accepted")
			}
			if slow.finish() != "" {
				t.Error("the answer writes the session again")
			}
		})
	}
}
