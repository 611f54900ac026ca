package peers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Witness stands before the application and keeps what reached it from requests
// of proofs, which it answers itself. Next gets all others.
type Witness struct {
	// Next is the application.
	Next http.Handler

	mu   sync.Mutex
	seen map[string][]http.Header
}

// ProofPath begins the paths that proofs ask for, and nothing else does. An
// application of another process hands these on to the witness.
const ProofPath = "/proof-of-a-peer/"

// answerLimit is how long one answer may take.
const answerLimit = 10 * time.Second

// ServeHTTP answers one request to the upstream.
func (w *Witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, ProofPath) {
		w.Next.ServeHTTP(rw, r)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = map[string][]http.Header{}
	}
	w.seen[r.URL.Path] = append(w.seen[r.URL.Path], r.Header.Clone())
}

// take gives the headers of the requests that came for the path, and forgets
// them.
func (w *Witness) take(path string) []http.Header {
	w.mu.Lock()
	defer w.mu.Unlock()
	headers := w.seen[path]
	delete(w.seen, path)
	return headers
}

// signIn gives the Cookie header of a user who has just signed in.
func (o Options) signIn(ctx context.Context, url string) (string, error) {
	path := newProofPath()
	target := strings.TrimSuffix(url, "/") + path
	browser, page, err := o.Tenants.login(ctx, target)
	if err != nil {
		return "", fmt.Errorf("signing in: %w", err)
	}
	if reached := o.Witness.take(path); page.Status != http.StatusOK || len(reached) != 1 {
		return "", fmt.Errorf("signing in: it ended with status %d at %s%s, and %d requests reached the application",
			page.Status, page.URL.Host, page.URL.Path, len(reached))
	}
	var pairs []string
	for _, c := range browser.Cookies(url) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	if len(pairs) == 0 {
		return "", errors.New("signing in: the browser has no cookie")
	}
	return strings.Join(pairs, "; "), nil
}

// proveBare makes sure that requests reach the application.
func (o Options) proveBare(ctx context.Context, peer *Peer) error {
	reached, status, err := o.probe(ctx, peer, "")
	if err == nil && (status != http.StatusOK || len(reached) != 1) {
		err = fmt.Errorf("proving it: status %d, and %d requests reached the application", status, len(reached))
	}
	return err
}

// prove makes sure that the session, and nothing less, opens the application and
// tells it who the user is.
func (o Options) prove(ctx context.Context, peer *Peer) error {
	for what, cookie := range map[string]string{
		"no cookie": "", "a cookie changed by one character": changeOneCharacter(peer.Cookie),
	} {
		reached, status, err := o.probe(ctx, peer, cookie)
		if err != nil {
			return err
		}
		if len(reached) != 0 || status == http.StatusOK {
			return fmt.Errorf("proving it: with %s there is status %d, and %d requests reached the application",
				what, status, len(reached))
		}
	}
	reached, status, err := o.probe(ctx, peer, peer.Cookie)
	if err != nil {
		return err
	}
	if len(reached) != 1 || status != http.StatusOK {
		return fmt.Errorf("proving it: with a session there is status %d, and %d requests reached the application",
			status, len(reached))
	}
	if !o.identifies(reached[0]) {
		return errors.New("proving it: no header tells the application who the user is")
	}
	return nil
}

// probe sends one request and gives what reached the application of it.
func (o Options) probe(ctx context.Context, peer *Peer, cookie string) ([]http.Header, int, error) {
	path := newProofPath()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(peer.URL, "/")+path, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("proving it: %w", err)
	}
	req.Header.Set("Accept", "text/html")
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	transport := &http.Transport{ResponseHeaderTimeout: answerLimit, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, 0, fmt.Errorf("proving it: %w", err)
	}
	if err := resp.Body.Close(); err != nil {
		return nil, 0, fmt.Errorf("proving it: %w", err)
	}
	return o.Witness.take(path), resp.StatusCode, nil
}

func (o Options) identifies(h http.Header) bool {
	for name, values := range h {
		for _, value := range values {
			if name != "Cookie" && o.Tenants.namesUser(value) {
				return true
			}
		}
	}
	return false
}

// changeOneCharacter changes the middle of the longest value. The ends would not
// do: the last character of base64 may have bits that do not count.
func changeOneCharacter(cookie string) string {
	start, length, at := 0, 0, 0
	for pair := range strings.SplitSeq(cookie, "; ") {
		name, value, _ := strings.Cut(pair, "=")
		if len(value) > length {
			start, length = at+len(name)+1, len(value)
		}
		at += len(pair) + len("; ")
	}
	middle := start + length/2
	other := "A"
	if strings.HasPrefix(cookie[middle:], other) {
		other = "B"
	}
	return cookie[:middle] + other + cookie[middle+1:]
}

func newProofPath() string { return ProofPath + rand.Text() }
