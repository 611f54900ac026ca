package caddyauth0oidc

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// route is one of the module's own paths.
type route struct {
	methods []string
	answer  func(http.ResponseWriter, *http.Request, *visit) error
	secret  bool // its query is
	handler *Handler
	machine bool // no browser asks: answer has all methods but POST, and no error route a part in it

	// form answers POST, unless takes says that it is no method of the route. What was
	// sent is hidden from whoever comes after us in any case.
	form  func(http.ResponseWriter, *http.Request, *visit, *sentForm) error
	takes func(*http.Request, *visit) bool
}

// ownRoutes are matched exactly. Every other path, below the prefix too, is
// the application's.
func (h *Handler) ownRoutes() map[string]*route {
	get, read := []string{http.MethodGet}, []string{http.MethodGet, http.MethodHead}
	own := map[string]*route{
		h.Prefix + "/login":    {methods: read, answer: h.serveLogin, handler: h, form: h.servePostedLogin},
		h.Prefix + "/callback": {methods: get, answer: h.serveCallback, handler: h, secret: true, form: h.servePosted, takes: h.takesForms},
		h.Prefix + "/logout":   {methods: []string{http.MethodGet, http.MethodPost}, answer: h.serveLogout, handler: h},
		h.Prefix + "/profile":  {methods: read, answer: h.serveProfile, handler: h},

		h.Prefix + "/backchannel-logout": {answer: h.refuseLogoutMethod, handler: h, machine: true, form: h.serveBackchannelLogout},
	}
	if h.Assertion != nil {
		own[h.Prefix+"/jwks.json"] = &route{methods: read, answer: h.serveJWKS, handler: h}
	}
	if orNew(h.Logout).Frontchannel {
		own[h.Prefix+"/frontchannel-logout"] = &route{methods: get, answer: h.serveFrontchannelLogout, handler: h}
	}
	if h.Bearer != nil {
		own[resourceMetadataPath] = &route{methods: read, answer: h.serveResourceMetadata, handler: h}
	}
	return own
}

func (o *route) serve(w http.ResponseWriter, r *http.Request, v *visit) error {
	v.query = original(r).URL.RawQuery
	if o.secret || o.machine && v.query != "" {
		hideQuery(r)
	}
	methods := o.methods
	if o.form != nil {
		sent := hideForm(r)
		if o.takes == nil || o.takes(r, v) {
			if r.Method == http.MethodPost {
				return o.form(w, r, v, sent)
			}
			methods = append(slices.Clip(methods), http.MethodPost)
		}
	}
	if !o.machine && !slices.Contains(methods, r.Method) {
		return o.handler.refuse(w, r, refusal{
			code: codeMethodNotAllowed, status: http.StatusMethodNotAllowed, allow: strings.Join(methods, ", "),
		})
	}
	return o.answer(w, r, v)
}

// maxQuery bounds the query of the module's own routes.
const maxQuery = 8 << 10

var (
	errUnreadableQuery   = errors.New("the parameters cannot be read")
	errRepeatedParameter = errors.New("a parameter stands there twice")
	errLongQuery         = errors.New("the parameters are too long")
)

// singleQuery reads the query of one of the module's own routes, in which no
// parameter may stand twice: two readers could otherwise see different values
// (RFC 6749 section 3.1).
func singleQuery(raw string) (map[string]string, error) {
	if len(raw) > maxQuery {
		return nil, errLongQuery
	}
	values, err := url.ParseQuery(strings.ReplaceAll(raw, ";", "%3B")) // addresses of old Java applications have it
	if err != nil {
		return nil, errUnreadableQuery
	}
	single := make(map[string]string, len(values))
	for key, all := range values {
		if len(all) != 1 {
			return nil, errRepeatedParameter
		}
		single[key] = all[0]
	}
	return single, nil
}
