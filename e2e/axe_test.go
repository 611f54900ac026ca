package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// axeSource is the accessibility engine.
var axeSource = sync.OnceValues(func() (string, error) {
	source, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	return string(source), err
})

// axeRun looks at the page by the rules of WCAG 2.2 AA, and by those that are good
// practice. There is nothing to load for it: no page has a style sheet of its own.
const axeRun = `axe.run(document, {preload: false, resultTypes: ['violations', 'incomplete'],
	runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
	.then(r => ({violations: r.violations.map(short), undecided: r.incomplete.map(short), passed: r.passes.length}))
	function short(rule) { return {id: rule.id, impact: rule.impact ?? '', help: rule.help,
		at: rule.nodes.map(n => n.html.slice(0, 200) + ': ' + (n.failureSummary ?? '').replace(/\s+/g, ' '))} }`

// finding is a rule of axe, and where the page does not follow it.
type finding struct {
	ID, Impact, Help string
	At               []string
}

func (f finding) String() string {
	return fmt.Sprintf("%s (%s): %s: %s", f.ID, f.Impact, f.Help, strings.Join(f.At, " | "))
}

// judged is what axe says of a page.
type judged struct {
	Violations []finding
	Undecided  []finding
	Passed     int // rules that were applied and followed
}

// axe loads the engine into a world of its own: the page has no part in it, and its
// policy says nothing of it.
func (b *tab) axe() (look func() judged) {
	b.t.Helper()
	source, err := axeSource()
	if err != nil {
		b.t.Fatalf("axe-core is missing; install it with `sh e2e/install.sh`: %v", err)
	}
	var world runtime.ExecutionContextID
	inWorld := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithContextID(world) }
	b.do("loading axe", chromedp.ActionFunc(func(ctx context.Context) error {
		tree, err := page.GetFrameTree().Do(ctx)
		if err != nil {
			return err
		}
		if world, err = page.CreateIsolatedWorld(tree.Frame.ID).WithWorldName("axe").Do(ctx); err != nil {
			return err
		}
		return chromedp.Evaluate(source+"\n;0", nil, inWorld).Do(ctx)
	}))
	return func() (found judged) {
		b.t.Helper()
		b.do("running axe", chromedp.Evaluate(axeRun, &found, chromedp.EvalAsValue, awaitPromise, inWorld))
		return found
	}
}

// assertAccessible wants axe to find no violation.
func (b *tab) assertAccessible(name, look string, found judged) {
	b.t.Helper()
	for _, v := range found.Violations {
		b.t.Errorf("%s, %s: axe finds %s", name, look, v)
	}
	if found.Passed == 0 {
		b.t.Errorf("%s, %s: axe applied no rule", name, look)
	}
	for _, u := range found.Undecided {
		b.t.Logf("%s, %s: axe cannot decide %s", name, look, u)
	}
}

// assertAsksNobody wants the page to have asked for nothing but the icon of its own
// site. That of the page before may come late.
func (b *tab) assertAsksNobody(name string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, address := range b.fetched {
		site, icon := strings.CutSuffix(address, "favicon.ico")
		visited := slices.ContainsFunc(b.requested, func(document string) bool { return strings.HasPrefix(document, site) })
		if !icon || strings.Count(site, "/") != 3 || !visited {
			b.t.Errorf("%s: the page asks for %s", name, address)
		}
	}
}

// The engine sees what is wrong, or the silence about our pages would mean nothing.
func brokenPageStory(t *testing.T, browser context.Context) {
	b := newVisitor(t, browser)
	b.open("data:text/html,<html><body><p style='color:%23bbb;background:%23fff'>Pale</p><input></body></html>")
	var rules []string
	for _, v := range b.axe()().Violations {
		rules = append(rules, v.ID)
	}
	for _, want := range []string{"color-contrast", "document-title", "html-has-lang", "label", "page-has-heading-one"} {
		if !slices.Contains(rules, want) {
			t.Errorf("axe finds %q, and not %s", rules, want)
		}
	}
}
