package caddyauth0oidc

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// twoSources are directives beside each other that do not take each other's sessions.
const twoSources = "auth0_oidc /info/* {\nprofile userinfo\n}\nauth0_oidc /managed/* {\nMANAGED}\nreverse_proxy UPSTREAM"

// takingTurns are sites of which every change from one part to another costs a login.
func takingTurns() map[string]func(*testing.T) (w *world, one, other string) {
	return map[string]func(*testing.T) (*world, string, string){
		"sources": func(t *testing.T) (*world, string, string) {
			w := managedWorld(t, readUsers, withGlobal(globalTenant), withSite(strings.Replace(twoSources, "MANAGED", managed(""), 1)))
			return w, "/info/x", "/managed/x"
		},
		"organizations": func(t *testing.T) (*world, string, string) { return twoOrgWorld(t), "/acme/x", "/globex/x" },
	}
}

// Parts of a site that do not take each other's sessions may be used in turn: each login
// was enough for its own address, and is no part of a loop.
func TestPartsOfASiteTakenInTurnAreNoLoop(t *testing.T) {
	t.Parallel()
	for name, begin := range takingTurns() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, one, other := begin(t)
			b := w.browser()
			w.signIn(b, one, w.pair.User)
			for i := range 9 {
				path := []string{other, one}[i%2]
				w.wantPage(w.open(b, path), path, 1)
				w.clock.advance(time.Second)
			}
		})
	}
}

// The changes are counted all the same: nobody makes twelve within half a minute, and a
// loop may lead through other addresses each time.
func TestFAULT_25_RowOfLoginsForChangingAddressesEndsOnAPage(t *testing.T) {
	t.Parallel()
	w := twoOrgWorld(t)
	b := w.browser()
	w.signIn(b, "/acme/x", w.pair.User)
	for i := range rowLimit - 2 {
		path := fmt.Sprintf("/%s/%d", []string{"globex", "acme"}[i%2], i)
		w.wantPage(w.open(b, path), path, 1)
	}
	page := w.open(b, "/globex/last")
	if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, codeLoop) {
		t.Errorf("%d %s", page.Status, page.URL)
	}
	w.clock.advance(loopWindow + time.Second)
	w.wantPage(w.open(b, "/acme/x"), "/acme/x", 1)
}

// A loop does not get away by changing its address: neither by the query, as pages do
// that keep others from being cached, nor by the path where nobody is signed in at all.
func TestFAULT_25_LoopWhoseAddressChangesEndsOnAPage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		address string
		weak    bool // the browser keeps a session that is not enough
		limit   int  // with the login for that session, if it is for another place
	}{
		"no change": {"/acme/x", false, loopLimit}, "no change, weak": {"/acme/x", true, weakLoopLimit},
		"query": {"/acme/x?t=%d", false, loopLimit}, "query, weak": {"/acme/x?t=%d", true, weakLoopLimit},
		"session id": {"/acme/x;jsessionid=%d", false, loopLimit}, "session id, weak": {"/acme/x;jsessionid=%d", true, weakLoopLimit},
		"path": {"/acme/%d", false, loopLimit}, "path, weak": {"/acme/%d", true, rowLimit - 1},
		"too long": {"/acme/%d/" + strings.Repeat("x", 600), false, loopLimit}, "too long, weak": {"/acme/%d/" + strings.Repeat("x", 600), true, rowLimit - 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := twoOrgWorld(t)
			b := w.browser()
			if tc.weak {
				w.signIn(b, "/globex/x", w.pair.User)
			}
			b.gate.next = cookieDropper{w.network, "auth0_session"}
			logins := 0
			for range rowLimit + 1 {
				logins++
				address := tc.address
				if strings.Contains(address, "%d") {
					address = fmt.Sprintf(address, logins)
				}
				page := w.step(b, w.callbackOf(b, address, w.pair.User))
				if strings.Contains(page.Body, codeLoop) {
					break
				}
				if page.Status != http.StatusFound {
					t.Fatalf("login %d: %d", logins, page.Status)
				}
			}
			if logins != tc.limit {
				t.Errorf("%d logins, want %d", logins, tc.limit)
			}
		})
	}
}

// CONC-01: pages that are opened before the first of their logins has ended, and ended in
// any order, are no row.
func TestCONC_01_TenTabsOfTwoOrganizations(t *testing.T) {
	t.Parallel()
	w := twoOrgWorld(t)
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	for i := range 10 {
		path := fmt.Sprintf("/%s/%d", []string{"globex", "acme"}[i%2], i)
		w.wantPage(w.open(b, path), path, 1)
	}
	w.clock.advance(loopWindow + time.Second)
	var callbacks []string
	for i := range 4 {
		callbacks = append(callbacks, w.callbackOf(b, fmt.Sprintf("/globex/%d", i), w.pair.User))
	}
	for i := range callbacks {
		page := w.step(b, callbacks[len(callbacks)-1-i])
		if page.Status != http.StatusFound || strings.Contains(page.Body, codeLoop) {
			t.Errorf("callback %d: %d", i, page.Status)
		}
	}
}

// A late callback of a login among changes leads on by a new login, not to the loop's page.
func TestLateCallbackAmongChangesIsNoLoop(t *testing.T) {
	t.Parallel()
	w := twoOrgWorld(t)
	b := w.browser()
	w.signIn(b, "/acme/x", w.pair.User)
	for i := range 4 {
		w.open(b, []string{"/globex/x", "/acme/x"}[i%2])
	}
	callback := w.callbackOf(b, "/globex/x", w.pair.User)
	w.wantPage(w.open(b, "/globex/y"), "/globex/y", 1)
	w.wantPage(w.open(b, "/acme/x"), "/acme/x", 1)
	for _, c := range b.Cookies(w.base) {
		if strings.Contains(c.Name, "txn_") && !strings.HasSuffix(c.Name, "recent") {
			c.MaxAge = -1
			b.SetCookie(w.base, c)
		}
	}
	page, err := b.Get(callback)
	if err != nil {
		t.Fatal(err)
	}
	w.wantPage(page, "/globex/x", 1)
}

// Directives that a request meets one after the other, and of which none takes a session
// of the other one, let nobody in. The log says so, once.
func TestDirectivesThatLockEachOtherOutAreToldOf(t *testing.T) {
	t.Parallel()
	acme, globex, other := "organization acme\n", "organization globex\n", "session {\ncookie {\nname other_session\n}\n}\n"
	one := func(matcher, lines string) string { return "auth0_oidc " + matcher + " {\n" + lines + "}\n" }
	within := func(place, content string) string { return "handle " + place + " {\n" + content + "}\n" }
	for name, tc := range map[string]struct {
		site string
		told string
	}{
		"organizations":              {one("", acme) + one("/globex/*", globex), "organization"},
		"outer one comes last":       {one("/globex/*", globex) + one("", acme), "organization"},
		"inner one in a handle":      {one("", acme) + within("/globex/*", one("", globex)), "organization"},
		"both in a handle":           {within("/globex/*", "route {\n"+one("", acme)+one("/x/*", globex)+"}\n"), "organization"},
		"sources":                    {one("", "profile userinfo\n") + one("/managed/*", managed("")), "profile"},
		"sources, one of a fallback": {one("", "profile userinfo {\nfallback id_token\n}\n") + one("/managed/*", managed("")), ""},
		"one source":                 {one("", "profile userinfo\n") + one("/x/*", acme), ""},
		"side by side":               {one("/acme/*", acme) + one("/globex/*", globex), ""},
		"handles side by side":       {within("/globex/*", one("", globex)) + within("", one("", acme)), ""},
		"the same organization":      {one("", acme) + one("/globex/*", "organization ACME\n"), ""},
		"an id and a name":           {one("", acme) + one("/globex/*", "organization "+globexOrg+"\n"), ""},
		"one that lets pass":         {one("", acme+"unauthenticated pass\n") + one("/globex/*", globex), ""},
		"a cookie each":              {one("", acme) + one("/globex/*", globex+other), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := managedWorld(t, readUsers, withGlobal(globalTenant+"\norder auth0_oidc before handle"), withSite(tc.site+"reverse_proxy UPSTREAM"))
			for range 2 {
				w.step(w.browser(), w.base+"/globex/x/1")
				w.step(w.browser(), w.base+"/elsewhere")
			}
			const says = "no session can be enough for both"
			if n := strings.Count(w.logs(), says); (n == 1) != (tc.told != "") || n > 1 {
				t.Errorf("it is told %d times", n)
			}
			if tc.told != "" && !strings.Contains(w.logs(), "or the same "+tc.told) {
				t.Error("it does not say what to change")
			}
		})
	}
}
