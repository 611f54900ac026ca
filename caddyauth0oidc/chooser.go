package caddyauth0oidc

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/pages"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// entered is what the user sent as an e-mail address, and the key of the text that says why
// it led nowhere.
type entered struct{ value, problem string }

// askForConnection shows the connections of this directive, the last one used first.
func (h *Handler) askForConnection(w http.ResponseWriter, r *http.Request, v *visit, status int, link loginLink, before entered) error {
	noStore(w.Header())
	l := h.languageOf(r)
	p := l.Page(pages.Chooser, "chooser")
	p.Choose = &pages.Choice{Ways: h.waysFor(r, v, link), LastUsed: l.Say("chooser.last_used"), Email: h.entryFor(l, link, before)}
	h.writePage(w, r, status, p)
	return nil
}

func (h *Handler) waysFor(r *http.Request, v *visit, to loginLink) []pages.Way {
	last, _ := session.ReadConnection(v.cookies, h.cookiesOf(h.originOf(r)).Transaction.Name, h.connections.Has)
	var ways []pages.Way
	for _, c := range h.Connections {
		one := pages.Way{Link: pages.Link{Href: to.to(c.Name), Label: cmp.Or(c.Label, c.Name)}, Last: c.Name == last}
		if one.Last {
			ways = slices.Insert(ways, 0, one)
		} else {
			ways = append(ways, one)
		}
	}
	return ways
}

func (h *Handler) entryFor(l *pages.Language, to loginLink, before entered) *pages.Entry {
	if len(h.realms) == 0 {
		return nil
	}
	e := &pages.Entry{Form: l.Link(to.to(""), "chooser.continue"), Label: l.Say("chooser.email"), Value: before.value}
	if before.problem != "" {
		e.Error = l.Say(before.problem)
	}
	return e
}

// serveAddress leads the owner of an e-mail address to the connection of its domain.
// The address comes by POST, so that it gets into no history and no log here.
func (h *Handler) serveAddress(w http.ResponseWriter, r *http.Request, v *visit, link loginLink, address string) error {
	if link.connection != "" || len(h.realms) == 0 {
		return h.refuse(w, r, refusal{code: codeMethodNotAllowed, status: http.StatusMethodNotAllowed, allow: "GET, HEAD"})
	}
	if h.checkSameOrigin(r) != nil { // of a form of another site nothing is taken
		return h.askForConnection(w, r, v, http.StatusOK, link, entered{})
	}
	address = strings.TrimSpace(address)
	domain, ok := policy.AddressDomain(address)
	if !ok {
		return h.askForConnection(w, r, v, http.StatusBadRequest, link, entered{shown(address), "chooser.no_address"})
	}
	if link.connection = h.realms[domain]; link.connection == "" {
		return h.askForConnection(w, r, v, http.StatusUnprocessableEntity, link, entered{address, "chooser.no_way"})
	}
	link.hint = address
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true) // the log has the address of the redirect
	return h.follow(w, r, v, link)
}

// shown gives what a page can show again of what was entered.
func shown(entered string) string {
	if len(entered) > maxParam || !survivesPage(entered) {
		return ""
	}
	return entered
}

// rememberConnection notes for the next choice which connection somebody signed in
// through: the one that was asked for, if the user has an account of it, or the one of the
// user id, which may be that of another account that is linked. Where the user id has none
// it is the one that was asked for.
func (h *Handler) rememberConnection(header http.Header, r *http.Request, family session.Cookie, got *redeemed) {
	if h.choice == "" {
		return
	}
	name := got.asked
	if !h.cameBy(r, got) {
		name = cmp.Or(profile.ParseSubject(got.session.Profile.UserID).Connection, name)
	}
	if h.accepts(r, name) {
		session.WriteConnection(header, family, name)
	}
}

// cameBy tells whether the user has an account of the connection that was asked for. One
// that lets in everybody does not tell.
func (h *Handler) cameBy(r *http.Request, got *redeemed) bool {
	for _, c := range h.connectionsFor(r) {
		if c.Name == got.asked {
			return c.Strategy != policy.StrategyAny && h.judgeBy(policy.Connections{c}, &got.session.Profile, got.session.Source) == nil
		}
	}
	return false
}

// holdForm keeps a form in the browser while the user chooses a connection.
func (h *Handler) holdForm(w http.ResponseWriter, r *http.Request, v *visit, form *session.Form, status int) error {
	t, err := session.NewTransaction(h.random, h.now())
	if err != nil {
		return h.refuse(w, r, refusal{code: codeInternal, status: http.StatusInternalServerError, cause: err})
	}
	if refused := h.keepFormFor(w, r, v, t, form, form.Kept.IsZero()); refused != nil {
		return h.refuse(w, r, *refused)
	}
	redirect(w, h.loginURL(r)+"&form="+t.ID, status)
	return nil
}

// leadToChoice lets the user choose again, after a login whose connection is gone.
func (h *Handler) leadToChoice(w http.ResponseWriter, r *http.Request, v *visit, to destination) error {
	switch {
	case to.lost:
		return h.lead(w, r, v, to)
	case to.form != nil:
		return h.holdForm(w, r, v, to.form, http.StatusFound)
	}
	redirect(w, h.loginURL(r)+returnParameter(to.returnTo), http.StatusFound)
	return nil
}
