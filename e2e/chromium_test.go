package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// patience is how long a page may take, with every redirect on the way to it.
const patience = 30 * time.Second

// plainHost is a name that browsers take for no loopback host.
const plainHost = "app.example.test"

// chromiumFlags keep Chromium to this machine and away from everybody's files.
func chromiumFlags(t *testing.T, home string) []chromedp.ExecAllocatorOption {
	t.Helper()
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromiumPath(t)), chromedp.UserDataDir(filepath.Join(home, "profile")),
		chromedp.Env("HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home),
		chromedp.Flag("headless", "new"),
		chromedp.Flag("host-resolver-rules", "MAP "+plainHost+" 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors", true), // Caddy's certificates are of its own authority
	}
	for _, name := range []string{
		"no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "no-default-browser-check", "disable-dev-shm-usage",
		"disable-background-networking", "disable-component-update", "disable-sync", "disable-extensions", "hide-scrollbars",
	} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	return flags
}

// startChromium gives the context of a Chromium that ends with the test.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	home, err := os.MkdirTemp("", "chromium") // its last files may come after its end, which t.TempDir does not forgive
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	allocator, end := chromedp.NewExecAllocator(context.Background(), chromiumFlags(t, home)...)
	t.Cleanup(end)
	// What chromedp cannot read are events of newer Chromiums that nobody here asks for.
	browser, _ := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(func() {
		if err := chromedp.Cancel(browser); err != nil {
			t.Errorf("ending Chromium: %v", err)
		}
	})
	began := time.Now()
	if err := chromedp.Run(browser); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	t.Logf("Chromium is there after %s", time.Since(began).Round(time.Millisecond))
	return browser
}

// tab is one of Chromium.
type tab struct {
	t       *testing.T
	ctx     context.Context
	profile cdp.BrowserContextID
	// language is what the tab asks for, if not English.
	language string

	mu         sync.Mutex
	requested  []string // addresses of documents, those of redirects too
	fetched    []string // addresses of anything else since the last move
	complaints []complaint
}

// complaint is an error that Chromium shows to developers.
type complaint struct{ source, text, address string }

// newVisitor gives a tab in a profile of its own, which goes with Chromium.
func newVisitor(t *testing.T, browser context.Context) *tab {
	t.Helper()
	executor := cdp.WithExecutor(browser, chromedp.FromContext(browser).Browser)
	profile, err := target.CreateBrowserContext().Do(executor)
	if err != nil {
		t.Fatalf("making a profile: %v", err)
	}
	return openTab(t, browser, profile)
}

// another gives one more tab of the same visitor.
func (b *tab) another() *tab {
	b.t.Helper()
	return openTab(b.t, b.ctx, b.profile)
}

func openTab(t *testing.T, parent context.Context, profile cdp.BrowserContextID) *tab {
	t.Helper()
	executor := cdp.WithExecutor(parent, chromedp.FromContext(parent).Browser)
	// A new profile has no window yet in which a tab could be opened.
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(executor)
	if err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	ctx, closeTab := chromedp.NewContext(parent, chromedp.WithTargetID(id))
	t.Cleanup(closeTab)
	b := &tab{t: t, ctx: ctx, profile: profile}
	chromedp.ListenTarget(ctx, b.listen)
	if err := chromedp.Run(ctx, audits.Enable()); err != nil { // without a limit, because the first run owns the tab
		t.Fatalf("opening a tab: %v", err)
	}
	return b
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if e.Type == network.ResourceTypeDocument {
			b.requested = append(b.requested, e.Request.URL)
		} else {
			b.fetched = append(b.fetched, e.Request.URL)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			b.complaints = append(b.complaints, complaint{string(e.Entry.Source), e.Entry.Text, e.Entry.URL})
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, complaint{"exception", e.ExceptionDetails.Error(), e.ExceptionDetails.URL})
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeBounceTrackingIssue {
			return // a tenant that only passes the browser on is what a login by federation is
		}
		b.complaints = append(b.complaints, complaint{"issue", issueText(e.Issue), ""})
	}
}

func issueText(issue *audits.InspectorIssue) string {
	text := string(issue.Code)
	if d := issue.Details.ContentSecurityPolicyIssueDetails; d != nil {
		text += fmt.Sprintf(" %s %s", d.ViolatedDirective, d.BlockedURL)
	}
	if d := issue.Details.CookieIssueDetails; d != nil && d.Cookie != nil {
		text += fmt.Sprintf(" %s %v %v", d.Cookie.Name, d.CookieExclusionReasons, d.CookieWarningReasons)
	}
	return text
}

// do runs actions that stay on the page.
func (b *tab) do(what string, actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// arrival is where actions led to.
type arrival struct {
	status int64
	url    string
}

// move runs actions that lead to another page, and waits until it is there.
func (b *tab) move(what string, actions ...chromedp.Action) arrival {
	b.t.Helper()
	b.mu.Lock()
	b.complaints, b.fetched = nil, nil
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	began := time.Now()
	response, err := chromedp.RunResponse(ctx, actions...)
	if err != nil || response == nil {
		b.t.Fatalf("%s: %v; Chromium says %q", what, err, b.heard())
	}
	b.t.Logf("%s: %d %s, %s", what, response.Status, shortened(response.URL), time.Since(began).Round(time.Millisecond))
	return arrival{response.Status, response.URL}
}

func (b *tab) open(address string) arrival {
	b.t.Helper()
	return b.move("opening "+shortened(address), chromedp.Navigate(address))
}

func (b *tab) click(selector string) arrival {
	b.t.Helper()
	return b.move("clicking "+selector, chromedp.Click(selector, chromedp.ByQuery))
}

// shortened leaves the long values out of an address.
func shortened(address string) string {
	u, err := url.Parse(address)
	if err != nil || len(address) < 120 {
		return address
	}
	return u.Scheme + "://" + u.Host + u.Path + "?..."
}

// signIn types into the login page on which the tab is.
func (b *tab) signIn(user auth0sim.User) arrival {
	b.t.Helper()
	b.do("typing", chromedp.WaitVisible("#username", chromedp.ByQuery),
		chromedp.SendKeys("#username", user.Email, chromedp.ByQuery),
		chromedp.SendKeys("#password", auth0sim.PairPassword, chromedp.ByQuery))
	return b.click("#database button")
}

func (b *tab) text() (text string) {
	b.t.Helper()
	b.do("reading the page", chromedp.Evaluate("document.body.innerText", &text))
	return text
}

// cookies are those of the visitor that belong to the host.
func (b *tab) cookies(host string) (found []*network.Cookie) {
	b.t.Helper()
	b.do("reading the cookies", chromedp.ActionFunc(func(ctx context.Context) error {
		c := chromedp.FromContext(ctx)
		all, err := storage.GetCookies().WithBrowserContextID(b.profile).Do(cdp.WithExecutor(ctx, c.Browser))
		for _, cookie := range all {
			if cookie.Domain == host {
				found = append(found, cookie)
			}
		}
		return err
	}))
	return found
}

func (b *tab) forgetCookies() {
	b.t.Helper()
	b.do("deleting the cookies", chromedp.ActionFunc(func(ctx context.Context) error {
		c := chromedp.FromContext(ctx)
		return storage.ClearCookies().WithBrowserContextID(b.profile).Do(cdp.WithExecutor(ctx, c.Browser))
	}))
}

// heard gives what Chromium complained of since the last move. The status of a
// document, which Chromium takes for an error, is looked at by the stories, and
// the icon of the page before may come late.
func (b *tab) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, c := range b.complaints {
		document := slices.Contains(b.requested, c.address)
		if c.source == "network" && (document || strings.HasSuffix(c.address, "/favicon.ico")) {
			continue
		}
		all = append(all, fmt.Sprintf("%s: %s (%s)", c.source, c.text, c.address))
	}
	return all
}

// forgetRequests has the next assertions look at what is asked for from now on.
func (b *tab) forgetRequests() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requested = nil
}

// lastRequest gives the last document that was asked for at an address that
// begins so, and may have been redirected since.
func (b *tab) lastRequest(prefix string) string {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.requested) - 1; i >= 0; i-- {
		if strings.HasPrefix(b.requested[i], prefix) {
			return b.requested[i]
		}
	}
	b.t.Fatalf("nothing was asked for at %s", prefix)
	return ""
}
