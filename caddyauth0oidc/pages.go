package caddyauth0oidc

import (
	"cmp"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/pages"
)

// loadPages reads the operator's templates and language files.
func (h *Handler) loadPages() error {
	loaded, warnings, err := pages.Load(h.Pages)
	if err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	for _, line := range warnings {
		h.logger.Warn("pages: "+line, zap.String("directory", h.Pages))
	}
	h.pages = loaded
	return nil
}

// languageOf is the one of the pages that answer a request.
func (h *Handler) languageOf(r *http.Request) *pages.Language {
	return h.pages.Language(r.Header.Values("Accept-Language"))
}

// tokenTexts begins the keys of texts that take the place of others where an access token
// is refused: no session is meant, and whoever reads them wrote the program.
const tokenTexts = "access_token."

// textKey begins the keys of the title and the text that say what happened to whoever
// caused the refusal.
func (f refusal) textKey() string {
	if key := tokenTexts + f.code; f.ofToken && pages.English().Has(key+".text") {
		return key
	}
	return f.code
}

// pageKinds are the kinds of the pages of refusals that are no plain errors.
var pageKinds = map[string]pages.Kind{
	codeSignedOut:          pages.SignedOut,
	codeLoginDenied:        pages.Refused,
	codeForbidden:          pages.Refused,
	codeConnectionMismatch: pages.Refused,
	codeOrgMismatch:        pages.Refused,
	codeStepUpFailed:       pages.Refused,
	codeLoop:               pages.Loop,
	codeTenantUnavailable:  pages.Outage,
	codeRevocationUnknown:  pages.Outage,
}

// waysOn name the link of refusals that the same address would meet again.
var waysOn = map[string]string{
	codeHTTPSRequired: "link.https",
	codeUnknownIssuer: "link.application",
}

// refusalPage shows a refusal and always a way on.
func refusalPage(l *pages.Language, f refusal) *pages.Page {
	p := l.Page(cmp.Or(pageKinds[f.code], pages.Error), f.textKey())
	p.Code, p.Detail, p.NewTab = f.code, f.detail, f.code == codeFormNotKept
	p.Await(f.retryAfter)
	if !f.ofToken && (f.code == codeConnectionMismatch || f.code == codeOrgMismatch || f.code == codeLoginDenied) {
		p.AddLink(f.signOut, "link.sign_out_another")
	}
	if f.another != "" {
		p.SetPost(f.signOut, "link.sign_out")
		p.AddLink(f.another, "link.another_account")
	}
	switch {
	case f.loginURL != "":
		p.AddLink(f.loginURL, "link.sign_in")
	case f.again != "":
		p.AddLink(f.again, cmp.Or(waysOn[f.code], "link.try_again"))
	}
	if f.code == codeStepUpFailed || f.code == codeFormLost || f.code == codeMethodNotAllowed {
		p.AddLink("/", "link.start")
	}
	return p
}

// confirmLogoutPage asks before a logout that another site may have caused.
func confirmLogoutPage(l *pages.Language, action string) *pages.Page {
	p := l.Page(pages.ConfirmLogout, "confirm_logout")
	p.SetPost(action, "link.sign_out")
	p.AddLink("/", "link.stay")
	return p
}

func (h *Handler) writePage(w http.ResponseWriter, r *http.Request, status int, p *pages.Page) {
	rendered, err := h.pages.Render(p)
	if err != nil {
		h.logger.Error("rendering the page; the built-in one takes its place", zap.String("kind", string(p.Kind)), zap.Error(err))
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", p.Lang)
	header.Add("Vary", "Accept-Language")
	header.Set("Content-Security-Policy", pagePolicy(p, rendered, h.formOrigins(r, p)+" "+h.originOf(r).String()))
	header.Set("X-Frame-Options", "DENY")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", pageReferrer(p))
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = rendered.Body.WriteTo(w) // fails when the client is gone
	}
}

// pagePolicy allows what the page needs. Browsers hold the redirects that answer a form
// against form-action as well: the logout's lead to the tenant and back to the site's
// public address, those of a form of the application wherever that wants, those of a
// login to the child, too.
func pagePolicy(p *pages.Page, rendered pages.Rendered, origins string) string {
	scripts, images, forms := "", "", "'self' "+origins
	if p.Resend != nil || p.AsksForAddress() {
		forms = "https: http:"
	}
	if p.Resend != nil && p.Resend.Script != "" {
		scripts = "script-src " + pages.ResendHash + "; "
	}
	if rendered.Own {
		images = "img-src 'self' data:; "
	}
	return "default-src 'none'; style-src " + rendered.Styles + "; " + scripts + images +
		"form-action " + forms + "; base-uri 'none'; frame-ancestors 'none'"
}

// pageReferrer gives the Referrer-Policy. With no-referrer a browser would send a form with
// Origin: null; the application's must not show it the callback's address.
func pageReferrer(p *pages.Page) string {
	switch {
	case p.Resend != nil:
		return "strict-origin"
	case p.Post != nil || p.AsksForAddress():
		return "same-origin"
	}
	return "no-referrer"
}
