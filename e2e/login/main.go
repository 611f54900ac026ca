// Command login signs the user of examples/connect in with a Chromium without a
// window. It prints the way there and what the page says in the end, and keeps a
// picture of that.
//
//	login [-picture <file>] <address>
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// patience is how long all of it may take.
const patience = time.Minute

func main() {
	picture := flag.String("picture", "", "`file` to write a picture of the last page to, as PNG")
	user := flag.String("user", "user-in-child@mail.com", "`address` of the user")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: login [-picture <file>] [-user <address>] <address>")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, flag.Arg(0), *user, *picture)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "login:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, address, user, picture string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	home, err := os.MkdirTemp("", "chromium")
	if err != nil {
		return fmt.Errorf("making a home for Chromium: %w", err)
	}
	defer func() { _ = os.RemoveAll(home) }()
	allocator, end := chromedp.NewExecAllocator(ctx, flags(home)...)
	defer end()
	tab, leave := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {})) // what it cannot read of newer Chromiums
	defer leave()
	way := new(hops)
	chromedp.ListenTarget(tab, way.listen)
	defer func() {
		if told := way.print(out); err == nil {
			err = told
		}
	}()
	text, image, err := signIn(tab, address, user)
	if err != nil {
		return err
	}
	if picture != "" {
		if err := os.WriteFile(picture, image, 0o600); err != nil {
			return fmt.Errorf("keeping the picture: %w", err)
		}
	}
	way.end = "\nThe page says\n\n" + text + "\n"
	return nil
}

func flags(home string) []chromedp.ExecAllocatorOption {
	all := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(filepath.Join(home, "profile")),
		chromedp.Env("HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home),
		chromedp.Flag("headless", "new"), chromedp.WindowSize(1280, 800),
	}
	for _, name := range []string{
		"no-sandbox", "disable-gpu", "no-first-run", "no-default-browser-check", "disable-dev-shm-usage",
		"disable-background-networking", "disable-component-update", "disable-sync", "disable-extensions",
	} {
		all = append(all, chromedp.Flag(name, true))
	}
	return all
}

// signIn opens the address, fills in the tenant's login page, and looks at where
// that leads.
func signIn(tab context.Context, address, user string) (text string, picture []byte, err error) {
	if response, err := chromedp.RunResponse(tab, chromedp.Navigate(address)); err != nil {
		return "", nil, fmt.Errorf("opening %s: %w", address, err)
	} else if !strings.Contains(response.URL, "/u/login") {
		return "", nil, fmt.Errorf("%s leads to no login page but to %s, with status %d", address, withoutQuery(response.URL), response.Status)
	}
	if err := chromedp.Run(tab, chromedp.SendKeys("#username", user, chromedp.ByQuery),
		chromedp.SendKeys("#password", auth0sim.PairPassword, chromedp.ByQuery)); err != nil {
		return "", nil, fmt.Errorf("filling in the login page: %w", err)
	}
	response, err := chromedp.RunResponse(tab, chromedp.Click("#database button", chromedp.ByQuery))
	if err != nil {
		return "", nil, fmt.Errorf("signing in: %w", err)
	}
	if response.Status != 200 || response.URL != address {
		return "", nil, fmt.Errorf("the login ended at %s with status %d", withoutQuery(response.URL), response.Status)
	}
	err = chromedp.Run(tab, chromedp.Evaluate("document.body.innerText", &text), chromedp.CaptureScreenshot(&picture))
	if err != nil {
		return "", nil, fmt.Errorf("looking at the page: %w", err)
	}
	return text, picture, nil
}

// hops are the answers that documents came with, redirects among them.
type hops struct {
	mu    sync.Mutex
	lines []string
	end   string
}

func (h *hops) listen(event any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if e.Type == network.ResourceTypeDocument && e.RedirectResponse != nil {
			h.add(e.RedirectResponse)
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			h.add(e.Response)
		}
	}
}

func (h *hops) add(r *network.Response) {
	h.lines = append(h.lines, fmt.Sprintf("%d %s\n", r.Status, withoutQuery(r.URL)))
}

func (h *hops) print(out io.Writer) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(out, strings.Join(h.lines, "")+h.end)
	return err
}

// withoutQuery leaves codes and states out of an address.
func withoutQuery(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that cannot be read"
	}
	return u.Scheme + "://" + u.Host + u.Path
}
