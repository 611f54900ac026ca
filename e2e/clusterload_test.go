package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is many guests at once. Each answer is compared with what it has to be.
type load struct {
	t        *testing.T
	c        *cluster
	balancer *http.Transport

	logins   atomic.Int64
	requests atomic.Int64 // signed in
	refused  atomic.Int64 // requests without a session, as it has to be
	failed   atomic.Int64 // on the way to an instance, and sent again
	again    atomic.Int64 // logins that had to begin again after that
	wrong    atomic.Int64
	lost     atomic.Int64 // sessions that a crash ended, where it may

	mayLose bool // a crash may end sessions; nothing else is wrong with 401 then

	mu        sync.Mutex
	guests    []*guest // who are signed in; old ones are replaced by new ones
	instances map[string]int64
	examples  []string // of what was wrong
}

// liveGuests is how many are signed in at a time.
const liveGuests = 256

func newLoad(c *cluster) *load {
	balancer := loopbackTransport()
	balancer.MaxIdleConnsPerHost = 64
	c.t.Cleanup(balancer.CloseIdleConnections)
	return &load{t: c.t, c: c, balancer: balancer, instances: make(map[string]int64)}
}

// complain keeps the first few.
func (l *load) complain(format string, args ...any) {
	l.wrong.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.examples) < 10 {
		l.examples = append(l.examples, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

// anybody gives one of those who are signed in, or nil.
func (l *load) anybody() *guest {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.guests) == 0 {
		return nil
	}
	return l.guests[rand.IntN(len(l.guests))]
}

// add makes a guest one of those who are signed in, in place of another one.
func (l *load) add(v *guest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.guests) < liveGuests {
		l.guests = append(l.guests, v)
		return
	}
	l.guests[rand.IntN(len(l.guests))] = v
}

// arrive signs a new guest in.
func (l *load) arrive() *guest {
	site := storedSite
	if rand.IntN(2) == 0 {
		site = configuredSite
	}
	v := l.guest(site, l.c.users[rand.IntN(len(l.c.users))])
	err := v.signIn(fmt.Sprintf("/page?number=%d", rand.IntN(1000)))
	l.again.Add(int64(v.begun))
	if err != nil {
		l.complain("%v", err)
		return nil
	}
	l.logins.Add(1)
	l.add(v)
	return v
}

// request sends one of a guest who is signed in, and tells whether that is still so.
func (l *load) request(v *guest) bool {
	got, err := v.ask("/page", nil)
	l.requests.Add(1)
	if err != nil {
		l.complain("%s: %v", v.id, err)
		return false
	}
	if l.mayLose && got.status == http.StatusUnauthorized {
		l.lose(v)
		return false
	}
	if got.status != http.StatusOK || got.body != v.id {
		l.complain("%s at instance %s: %d %.200q", v.id, got.instance, got.status, got.body)
	}
	l.mu.Lock()
	l.instances[got.instance]++
	l.mu.Unlock()
	return got.status == http.StatusOK
}

// lose takes note of a session that is over, once.
func (l *load) lose(v *guest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.guests, v); i >= 0 {
		l.guests = slices.Delete(l.guests, i, i+1)
	}
	if !v.lost {
		v.lost = true
		l.lost.Add(1)
	}
}

// intrude sends requests of somebody whom nobody signed in: without a session, with
// one that is damaged, and with a header that tells a lie.
func (l *load) intrude(v *guest) {
	stranger := l.guest(storedSite, v.user)
	for name, header := range map[string]http.Header{
		"without a session": nil, "with a forged header": {"X-Auth0-User-Id": {v.id}},
		"with a damaged session": {"Cookie": {damaged(v.cookies())}},
	} {
		stranger.base = v.base
		got, err := stranger.ask(nobody, header)
		l.refused.Add(1)
		if err != nil || got.status != http.StatusUnauthorized {
			l.complain("%s: %d at instance %s, %v", name, got.status, got.instance, err)
		}
	}
}

// damaged changes a character of the session's cookie.
func damaged(cookies string) string {
	changed := []byte(cookies)
	middle := strings.Index(cookies, "auth0_session=") + 100
	if changed[middle] == 'A' {
		changed[middle] = 'B'
	} else {
		changed[middle] = 'A'
	}
	return string(changed)
}

// visit is a login, and requests of the one who came and of the others.
func (l *load) visit(requests int) {
	came := l.arrive()
	for i := range requests {
		v := came
		if v == nil || i%3 == 0 {
			if v = l.anybody(); v == nil {
				return
			}
		}
		v.present(func() {
			if l.request(v) && i%50 == 25 {
				l.intrude(v)
			}
		})
	}
}

// run has so many visits at a time, as many as the function allows.
func (l *load) run(workers, requests int, more func() bool) {
	l.together(workers, func() bool {
		if !more() {
			return false
		}
		l.visit(requests)
		return true
	})
}

// together does so many at a time, until they say that it is enough.
func (l *load) together(workers int, do func() bool) {
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for do() {
				continue
			}
		})
	}
	all.Wait()
}

// judge fails the test if an answer was wrong.
func (l *load) judge() {
	l.t.Helper()
	if n := l.wrong.Load(); n > 0 {
		l.t.Errorf("%d answers were wrong, such as", n)
	}
	for _, example := range l.examples {
		l.t.Error(example)
	}
	if n := l.c.app.intruders.Load(); n > 0 {
		l.t.Errorf("%d requests of nobody reached the application", n)
	}
	if n := l.c.app.strange.Load(); n > 0 {
		l.t.Errorf("%d access tokens were another user's, or too old", n)
	}
	if ferrt := l.reused(); ferrt > 0 {
		l.t.Errorf("%d refresh tokens were used twice", ferrt)
	}
}

// reused counts what the tenant takes for stolen refresh tokens.
func (l *load) reused() (n int) {
	for _, entry := range l.c.pair.Master.Logs() {
		if entry.Type == "ferrt" {
			n++
		}
	}
	return n
}

func (l *load) summary() string {
	return fmt.Sprintf("%d logins (%d begun again), %d signed-in requests (%v), %d refused, %d failed on the way, %d wrong, %d refreshes, %d refresh tokens used twice, %d sessions lost",
		l.logins.Load(), l.again.Load(), l.requests.Load(), l.instances, l.refused.Load(), l.failed.Load(), l.wrong.Load(), l.refreshes(), l.reused(), l.lost.Load())
}
