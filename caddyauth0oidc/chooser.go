package caddyauth0oidc

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/policy"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// choosing is what the page has on which the user chooses a connection.
type choosing struct {
	Ways  []way
	Email *entry // the field for an address, or nil
}

// way is one of the connections.
type way struct {
	link
	Last bool // it was the last one used in this browser
}

// entry is the form with the field for an e-mail address.
type entry struct {
	Form  link
	Value string // what was entered before
	Error string // why that led nowhere, or empty
}

// askForConnection shows the connections of this directive, the last one used first.
func (h *Handler) askForConnection(w http.ResponseWriter, r *http.Request, v *visit, status int, link loginLink, before entry) error {
	noStore(w.Header())
	h.writePage(w, r, status, choosePage(h.waysFor(r, v, link), h.entryFor(link, before)))
	return nil
}

func choosePage(ways []way, email *entry) page {
	return page{
		Title: "Choose how to sign in", Text: "There is more than one way to sign in here. Choose yours.",
		Choose: &choosing{Ways: ways, Email: email},
	}
}

func (h *Handler) waysFor(r *http.Request, v *visit, to loginLink) []way {
	last, _ := session.ReadConnection(v.cookies, h.cookiesOf(h.originOf(r)).Transaction.Name, h.connections.Has)
	var ways []way
	for _, c := range h.Connections {
		one := way{link{to.to(c.Name), cmp.Or(c.Label, c.Name)}, c.Name == last}
		if one.Last {
			ways = slices.Insert(ways, 0, one)
		} else {
			ways = append(ways, one)
		}
	}
	return ways
}

func (h *Handler) entryFor(to loginLink, before entry) *entry {
	if len(h.realms) == 0 {
		return nil
	}
	before.Form = link{to.to(""), "Continue"}
	return &before
}

// serveAddress leads the owner of an e-mail address to the connection of its domain.
// The address comes by POST, so that it gets into no history and no log here.
func (h *Handler) serveAddress(w http.ResponseWriter, r *http.Request, v *visit, link loginLink, address string) error {
	if link.connection != "" || len(h.realms) == 0 {
		return h.refuse(w, r, refusal{code: codeMethodNotAllowed, status: http.StatusMethodNotAllowed, allow: "GET, HEAD"})
	}
	if h.checkSameOrigin(r) != nil { // of a form of another site nothing is taken
		return h.askForConnection(w, r, v, http.StatusOK, link, entry{})
	}
	address = strings.TrimSpace(address)
	domain, ok := policy.AddressDomain(address)
	if !ok {
		return h.askForConnection(w, r, v, http.StatusBadRequest, link, entry{
			Value: shown(address), Error: "This is not an e-mail address. Write it like name@example.com.",
		})
	}
	if link.connection = h.realms[domain]; link.connection == "" {
		return h.askForConnection(w, r, v, http.StatusUnprocessableEntity, link, entry{
			Value: address, Error: "There is no way to sign in for the domain of this address.",
		})
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
