package caddyauth0oidc

import (
	"net/http"
	"slices"
	"strings"
)

// route is one of the module's own paths.
type route struct {
	methods []string
	answer  func(http.ResponseWriter, *http.Request, *visit) error
	secret  bool // its query is
	handler *Handler
}

// ownRoutes are matched exactly. Every other path, below the prefix too, is
// the application's.
func (h *Handler) ownRoutes() map[string]*route {
	get, read := []string{http.MethodGet}, []string{http.MethodGet, http.MethodHead}
	return map[string]*route{
		h.Prefix + "/login":    {methods: read, answer: h.serveLogin, handler: h},
		h.Prefix + "/callback": {methods: get, answer: h.serveCallback, handler: h, secret: true},
		h.Prefix + "/logout":   {methods: []string{http.MethodGet, http.MethodPost}, answer: h.serveLogout, handler: h},
		h.Prefix + "/profile":  {methods: read, answer: h.serveProfile, handler: h},
	}
}

func (o *route) serve(w http.ResponseWriter, r *http.Request, v *visit) error {
	v.query = original(r).URL.RawQuery
	if o.secret {
		hideQuery(r)
	}
	if !slices.Contains(o.methods, r.Method) {
		return o.handler.refuse(w, r, refusal{
			code: codeMethodNotAllowed, status: http.StatusMethodNotAllowed, allow: strings.Join(o.methods, ", "),
		})
	}
	return o.answer(w, r, v)
}
