package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench"
)

var errProof = errors.New("the variant does not do what is to be measured")

// prove finds out, before anything is measured, that a variant lets the first user
// pass and nobody else, and that the application sees the user and of the cookies
// its own.
func (l *lab) prove(ctx context.Context, v *variant, t target, cookie string) error {
	status, seen, err := l.ask(ctx, t, cookie)
	if err != nil {
		return err
	}
	id := fmt.Sprintf("\r\n%s: %s\r\n", v.userID, bench.User(0).UserID)
	switch {
	case status != http.StatusOK:
		return fmt.Errorf("%w: %s gives status %d to a user", errProof, v.name, status)
	case v.protects == strings.Contains(seen, bench.CookieName):
		return fmt.Errorf("%w: behind %s, the cookie arrives: %t", errProof, v.name, !v.protects)
	case !strings.Contains(seen, "\r\nCookie: ") || !strings.Contains(seen, bench.ApplicationCookie+"\r\n"):
		return fmt.Errorf("%w: behind %s, the application's own cookie does not arrive", errProof, v.name)
	case v.userID != "" && !strings.Contains(seen, id):
		return fmt.Errorf("%w: behind %s, the user does not arrive", errProof, v.name)
	case !v.protects:
		return nil
	}
	for _, bad := range append(forgeries(cookie), "") {
		status, _, err := l.ask(ctx, t, bad)
		if err != nil {
			return err
		}
		if status == http.StatusOK {
			return fmt.Errorf("%w: %s lets a changed cookie or none pass", errProof, v.name)
		}
	}
	return nil
}

// forgeries are the cookies with one character of the session changed, which is the
// first one: the first of its value, one in the middle, and the last.
func forgeries(cookie string) []string {
	var all []string
	session, _, _ := strings.Cut(cookie, ";")
	first := strings.IndexByte(session, '=') + 1
	for _, at := range []int{first, (first + len(session)) / 2, len(session) - 1} {
		changed := []byte(cookie)
		changed[at] = 'A'
		if cookie[at] == 'A' {
			changed[at] = 'B'
		}
		all = append(all, string(changed))
	}
	return all
}

// maxSeen bounds the request that the application shows.
const maxSeen = 64 << 10

// ask sends a script's request, which no login is begun for.
func (l *lab) ask(ctx context.Context, t target, cookie string) (status int, seen string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.address+seenPath, nil)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Sec-Fetch-Mode", "cors")
	request.Header.Set("Sec-Fetch-Dest", "empty")
	if cookie != "" {
		request.Header.Set("Cookie", cookie)
	}
	response, err := l.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxSeen))
	if err != nil {
		return 0, "", fmt.Errorf("reading what the application saw: %w", err)
	}
	return response.StatusCode, string(body), nil
}
