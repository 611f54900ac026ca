package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// login opens the address as a browser does, signs the child's user in, and
// prints the way and what the application saw.
func login(out io.Writer, address string) error {
	transport := auth0sim.LoopbackTransport()
	defer transport.CloseIdleConnections()
	browser := auth0sim.NewBrowser(transport)
	page, err := browser.Get(address)
	if err != nil {
		return err
	}
	if len(page.Forms) == 0 {
		return fmt.Errorf("there is no form to sign in with: %s%s answered with status %d:\n%s", page.URL.Host, page.URL.Path, page.Status, page.Body)
	}
	hops := page.Hops
	if page, err = browser.Login(page, userEmail, userPassword); err != nil {
		return err
	}
	for _, h := range append(hops, page.Hops...) {
		if _, err := fmt.Fprintf(out, "%d %-4s %s\n", h.Status, h.Method, withoutQuery(h.URL)); err != nil {
			return err
		}
	}
	if page.Status != http.StatusOK {
		return fmt.Errorf("the login ended with status %d:\n%s", page.Status, page.Body)
	}
	_, err = fmt.Fprintf(out, "\nThe application saw\n\n%s", page.Body)
	return err
}

func withoutQuery(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }
