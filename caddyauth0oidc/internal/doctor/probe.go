package doctor

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	// maxPage bounds what is read of a page; Auth0's error pages say what is wrong within it.
	maxPage = 256 << 10

	// maxAddress bounds the address of a redirect.
	maxAddress = 16 << 10
)

// reply is what a tenant answers to a browser's request.
type reply struct {
	status   int      // 0 without an answer
	location *url.URL // where a redirect leads, nil without one
	text     string   // the page in lower case; never shown
}

// get asks once, without cookies, and follows nothing.
func (i *inquiry) get(ctx context.Context, address string) reply {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return reply{}
	}
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	response, err := i.client.Do(r)
	if err != nil {
		return reply{}
	}
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(io.LimitReader(response.Body, maxPage))
	if err != nil {
		return reply{}
	}
	a := reply{status: response.StatusCode, text: strings.ToLower(string(page))}
	if to := response.Header.Get("Location"); response.StatusCode >= 300 && response.StatusCode < 400 && len(to) <= maxAddress {
		if there, err := r.URL.Parse(to); err == nil {
			a.location = there
		}
	}
	return a
}

// answered tells that the tenant has looked at the request.
func (a reply) answered() bool {
	return a.status >= 200 && a.status < 500 && a.status != http.StatusTooManyRequests
}

// leadsTo tells whether the answer is a redirect to an address, which may have got further parameters.
func (a reply) leadsTo(address string) bool {
	want, err := url.Parse(address)
	if err != nil || a.location == nil {
		return false
	}
	path := func(u *url.URL) string {
		if u.Path == "" {
			return "/"
		}
		return u.EscapedPath()
	}
	return strings.EqualFold(a.location.Scheme, want.Scheme) && strings.EqualFold(a.location.Host, want.Host) && path(a.location) == path(want)
}

// refusal gives the kind of an error that the answer has, on a page, at the callback, or for a page of errors that the operator of
// the tenant has; nothing if it has none.
func (a reply) refusal() refusal {
	switch {
	case a.location != nil:
		q := a.location.Query()
		if q.Get("error") == "" {
			return refusedNothing
		}
		return refusalOf(q.Get("error"), strings.ToLower(q.Get("error")+" "+q.Get("error_description")))
	case a.status >= http.StatusBadRequest:
		return refusalOnPage(a.text)
	}
	return refusedNothing
}

// refusal is a kind of an error.
type refusal int

const (
	refusedNothing refusal = iota
	refusedClient
	refusedCallback
	refusedAudience
	refusedPlain // because the request was not pushed
	refusedGrant
	refusedOrganization
	refusedWithoutOrganization
	refusedConnection
	refusedAllConnections
	refusedOther
)

// refusalOnPage knows the words of Auth0's pages for what must not come to a callback.
func refusalOnPage(text string) refusal {
	switch {
	case strings.Contains(text, "unknown client"):
		return refusedClient
	case strings.Contains(text, "callback url mismatch"), strings.Contains(text, "allowed callback urls"):
		return refusedCallback
	case strings.Contains(text, "service not found"):
		return refusedAudience
	}
	return refusedOther
}

// refusalOf knows Auth0's words, because its error codes tell little apart.
func refusalOf(code, text string) refusal {
	has := func(all ...string) bool {
		return !slices.ContainsFunc(all, func(one string) bool { return !strings.Contains(text, one) })
	}
	if kind := refusalOnPage(text); kind != refusedOther {
		return kind
	}
	switch {
	case code == "login_required" || code == "interaction_required" || code == "consent_required":
		return refusedNothing
	case has("pushed"), has("request_uri", "required"):
		return refusedPlain
	case code == "unauthorized_client", has("not allowed for the client"):
		return refusedGrant
	case has("organization", "requir"):
		return refusedWithoutOrganization
	case has("organization"):
		return refusedOrganization
	case has("no connections enabled"):
		return refusedAllConnections
	case has("connection", "not found"), has("connection", "disabled"):
		return refusedConnection
	}
	return refusedOther
}

// errorCode gives the code of an error for the eyes of the operator, if it is a word of the protocol.
func (a reply) errorCode() string {
	if a.location == nil {
		return ""
	}
	code := a.location.Query().Get("error")
	if len(code) > 40 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return code
}
