package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// story walks through the world in scripted browsers and tells what they saw.
type story struct {
	*world
	out        io.Writer
	transport  *http.Transport
	seen       int      // how much was judged
	unexpected []string // what was not as it should be

	user *auth0sim.Browser // of the child's first user, from one step to the next
	page *auth0sim.Page    // where that browser is
}

// step is a chapter of the story.
type step struct {
	title string
	take  func(*story) error
}

// errUnexpected ends the story; what was unexpected is in the text around it.
var errUnexpected = errors.New("not everything was as expected")

// check tells the whole story.
func check(ctx context.Context, out io.Writer, w *world) error {
	s := &story{world: w, out: out, transport: auth0sim.LoopbackTransport()}
	defer s.transport.CloseIdleConnections()
	s.user = s.browser()
	return tell(ctx, s, steps)
}

// tell stops after the first step in which something was not as it should be,
// because the later ones build on it.
func tell(ctx context.Context, s *story, steps []step) error {
	for i, step := range steps {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		s.say("\n%d. %s", i+1, step.title)
		if err := step.take(s); err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, step.title, err)
		}
		if len(s.unexpected) > 0 {
			return fmt.Errorf("step %d, %s: %w:\n  %s", i+1, step.title, errUnexpected, strings.Join(s.unexpected, "\n  "))
		}
	}
	s.say("\nEverything was as expected: %d steps, %d observations.", len(steps), s.seen)
	return nil
}

func (s *story) browser() *auth0sim.Browser { return auth0sim.NewBrowser(s.transport) }

func (s *story) say(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }

// is judges one observation.
func (s *story) is(what, saw, expected string) { s.judge(what, saw, expected, saw == expected) }

// isNumber judges a number.
func (s *story) isNumber(what string, saw, expected int) {
	s.is(what, fmt.Sprint(saw), fmt.Sprint(expected))
}

// contains judges a long text by a part of it.
func (s *story) contains(what, saw, part string) {
	switch {
	case strings.Contains(saw, part):
		saw = part
	case len(saw) > 200:
		saw = fmt.Sprintf("%d bytes without it", len(saw))
	}
	s.judge(what, saw, part, saw == part)
}

// judge tells an observation, and in the other case what should have been seen.
func (s *story) judge(what, saw, expected string, good bool) {
	s.seen++
	if saw == "" {
		saw = "nothing"
	}
	if good {
		s.say("   ok   %s: %s", what, saw)
		return
	}
	if expected == "" {
		expected = "nothing"
	}
	s.unexpected = append(s.unexpected, fmt.Sprintf("%s: expected %s, saw %s", what, expected, saw))
	s.say("   NO   %s: %s\n        expected: %s", what, saw, expected)
}

// hops tells the way that the browser was sent, and judges its stations.
func (s *story) hops(page *auth0sim.Page, expected ...string) {
	var saw []string
	for _, h := range page.Hops {
		s.say("        %d  %-4s %s", h.Status, h.Method, brief(h.URL))
		name, _, _ := strings.Cut(h.URL.Hostname(), ".")
		saw = append(saw, name+h.URL.Path)
	}
	s.is("the way", strings.Join(saw, ", "), strings.Join(expected, ", "))
}

// random are the parameters of logins whose values nobody wants to read.
var random = []string{"client_id", "code", "code_challenge", "logout_hint", "nonce", "state"}

// brief is the address as a person reads it.
func brief(u *url.URL) string {
	var query []string
	values := u.Query()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values.Get(name)
		if slices.Contains(random, name) && len(value) > 8 {
			value = value[:8] + "..."
		}
		query = append(query, name+"="+value)
	}
	address := u.Scheme + "://" + u.Host + u.Path
	if len(query) > 0 {
		address += "?" + strings.Join(query, "&")
	}
	return address
}

// reply is the answer to a request that a script made.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// fetch asks as a script on a page of the application does. The headers given
// replace those of the script.
func (s *story) fetch(b *auth0sim.Browser, method, path string, header http.Header) (reply, error) {
	req, err := http.NewRequest(method, s.base+path, nil)
	if err != nil {
		return reply{}, err
	}
	req.Header = http.Header{
		"Accept": {"application/json"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Site": {"same-origin"},
	}
	for name, values := range header { // as they are written, which Set would change
		req.Header[name] = values
	}
	resp, err := b.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return reply{}, fmt.Errorf("reading the answer to %s %s: %w", method, path, err)
	}
	return reply{resp.StatusCode, resp.Header, body}, nil
}

// fetchJSON does the same and reads the answer.
func (s *story) fetchJSON(b *auth0sim.Browser, path string, header http.Header, into any) (reply, error) {
	r, err := s.fetch(b, http.MethodGet, path, header)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(r.body, into); err != nil {
		return r, fmt.Errorf("reading the answer to %s, status %d: %w", path, r.status, err)
	}
	return r, nil
}

// member is a text in an answer that is a JSON object, or empty.
func (r reply) member(name string) string {
	var object map[string]any
	if json.Unmarshal(r.body, &object) != nil {
		return ""
	}
	text, _ := object[name].(string)
	return text
}
