package caddyauth0oidc

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// loginLink is what a link to the login route asks for.
type loginLink struct {
	owner      *Handler // the directive that begins the login
	connection string   // empty where the user is to choose
	returnTo   string
	params     map[string]string // that are allowed
	hint       string            // an address that is in no link, or empty
	prompt     string            // in place of the directive's, unless it is empty
	invitation string            // ticket of an invitation, or empty
	iss        string            // that another party has named, or empty
	form       string            // id under which a form waits, unless it is empty or iss is not
}

// serveLogin is the direct link: GET <prefix>/login?return_to=&connection=&prompt=login.
// Without a connection, where there are several, it shows a page to choose one. With
// iss= it is a login that another party begins.
func (h *Handler) serveLogin(w http.ResponseWriter, r *http.Request, v *visit) error {
	link, refused := h.readLoginLink(r, v)
	switch {
	case refused != nil:
		return h.refuse(w, r, *refused)
	case link.connection == "":
		return link.owner.askForConnection(w, r, v, http.StatusOK, link, entered{})
	}
	return link.owner.follow(w, r, v, link)
}

// servePostedLogin receives what another party sends as a form, or the address of the
// page to choose a connection.
func (h *Handler) servePostedLogin(w http.ResponseWriter, r *http.Request, v *visit, sent *sentForm) error {
	form, err := sent.parameters(w, h.now())
	if err != nil && !errors.Is(err, errNoForm) {
		return h.refuse(w, r, refusal{code: codeBadRequest, status: http.StatusBadRequest, cause: err, again: "/"})
	}
	if _, initiated := form["iss"]; initiated {
		return h.serveInitiated(w, r, form)
	}
	link, refused := h.readLoginLink(r, v)
	if refused != nil {
		return h.refuse(w, r, *refused)
	}
	return link.owner.serveAddress(w, r, v, link, form["email"])
}

// readLoginLink reads a link, or says why it is refused.
func (h *Handler) readLoginLink(r *http.Request, v *visit) (loginLink, *refusal) {
	query, err := singleQuery(v.query)
	if err != nil {
		return loginLink{}, &refusal{code: codeBadRequest, status: http.StatusBadRequest, cause: err, again: "/"}
	}
	if isPrefetch(r) || isSubresource(r) {
		return loginLink{}, &refusal{code: codeLoginRequired, status: http.StatusUnauthorized, loginURL: h.loginURL(r)}
	}
	refused := h.checkInitiated(r, query)
	if refused != nil {
		return loginLink{}, refused
	}
	link := loginLink{returnTo: h.localReturnTo(r, query["return_to"]), iss: query["iss"]}
	if link.iss == "" { // another party knows of no form of ours
		link.form = query["form"]
	}
	if link.owner, link.connection, refused = h.inviter(v, query).beginner(r, v, query); refused != nil {
		return loginLink{}, refused
	}
	params, ok := link.owner.allowedParams(query)
	invitation, invited := link.owner.invitation(query)
	if !ok || !invited {
		return loginLink{}, &refusal{code: codeBadRequest, status: http.StatusBadRequest, again: h.Prefix + "/login"}
	}
	link.params, link.invitation = hint(query, params), invitation
	if query["prompt"] == promptLogin { // for whoever is signed in as somebody else
		link.prompt = promptLogin
	}
	return link, nil
}

// beginner gives the directive that begins the login of a link, and the connection,
// which is empty where the user is to choose.
func (h *Handler) beginner(r *http.Request, v *visit, query map[string]string) (owner *Handler, connection string, refused *refusal) {
	owner, connection = h, query["connection"]
	if connection == "" {
		return h.chooser(r, v, query)
	}
	if !h.accepts(r, connection) {
		if owner = h.siblingWith(r, v, connection); owner == nil {
			return nil, "", &refusal{code: codeUnknownConnection, status: http.StatusBadRequest, again: h.Prefix + "/login"}
		}
	}
	return owner.demanding(v, query, func(other *Handler) bool { return other.accepts(r, connection) }), connection, nil
}

// chooser is beginner for a link without a connection: it is for the directive that the
// link was made for, or else for this one.
func (h *Handler) chooser(r *http.Request, v *visit, query map[string]string) (owner *Handler, connection string, refused *refusal) {
	owner = h
	for _, other := range h.siblings(v) {
		if choice := query["choice"]; choice != "" && other.choice == choice {
			owner = other
			break
		}
	}
	if connection = owner.soleConnection(r); connection != "" {
		return owner.demanding(v, query, func(other *Handler) bool { return other.accepts(r, connection) }), connection, nil
	}
	if owner.choice == "" {
		f := unknownConnection()
		return nil, "", &f
	}
	return owner.demanding(v, query, func(other *Handler) bool { return slices.Equal(other.connections, owner.connections) }), "", nil
}

// follow begins the login of a link. The form that waits for it keeps its id, so that
// the user can go back and choose otherwise.
func (h *Handler) follow(w http.ResponseWriter, r *http.Request, v *visit, link loginLink) error {
	l := login{
		returnTo: link.returnTo, connection: link.connection, params: link.params, prompt: link.prompt, invitation: link.invitation,
	}
	if link.hint != "" {
		l.params = maps.Clone(link.params)
		l.params["login_hint"] = link.hint
	}
	if link.form != "" && r.Method != http.MethodHead { // which keeps nothing in the browser
		form, found := h.keys.Load().ReadForm(v.cookies, h.cookiesOf(h.originOf(r)).Transaction.Name, link.form, h.now())
		if !found {
			return h.refuse(w, r, formLost(errFormGone))
		}
		l.form, l.id, l.returnTo, l.retry = form, link.form, form.Target, link.to(link.connection)
	}
	l.attempt = h.nextAttempt(r, v, l.returnTo)
	return h.startLogin(w, r, v, l)
}

// to gives the address of the same link with another connection, or without one.
func (k loginLink) to(connection string) string {
	query := make(url.Values)
	for key, value := range k.params {
		query.Set(key, value)
	}
	d := k.owner.demand()
	if k.prompt != "" {
		d.prompt = k.prompt
	}
	own, _ := url.ParseQuery(d.parameters()) // which we have just written
	switch {
	case k.form != "":
		own.Set("form", k.form)
	case k.iss != "":
		own.Set("iss", k.iss)
		own.Set("target_link_uri", shortened(k.returnTo))
	default:
		own.Set("return_to", shortened(k.returnTo))
	}
	if connection != "" {
		own.Set("connection", connection)
	}
	if k.invitation != "" {
		own.Set("invitation", k.invitation)
		own.Set("organization_name", string(k.owner.organization)) // which may be its name
	}
	maps.Copy(query, own)
	return k.owner.Prefix + "/login?" + query.Encode()
}

// shortened gives an address that a state can carry.
func shortened(returnTo string) string {
	if len(returnTo) > session.MaxReturnTo {
		return "/"
	}
	return returnTo
}
