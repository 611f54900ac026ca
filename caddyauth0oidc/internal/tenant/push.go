package tenant

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Whether authorization requests are pushed to the tenant (RFC 9126).
const (
	PushAuto = "auto" // if the tenant offers it
	PushOn   = "on"   // always
	PushOff  = "off"  // never
)

var (
	// ErrPushNotOffered says that requests are to be pushed, which the tenant does not offer.
	ErrPushNotOffered = errors.New("pushing the authorization request: the discovery document has no pushed_authorization_request_endpoint")
	// ErrPushRequired says that the tenant takes pushed requests only, and that none are to be pushed.
	ErrPushRequired = errors.New("building the authorize URL: the discovery document says require_pushed_authorization_requests")
	// ErrRequestTooLarge says that a request has more than the tenant takes.
	ErrRequestTooLarge = errors.New("pushing the authorization request: it is larger than the tenant takes")
)

const (
	// maxPushed is the limit of Auth0 (docs, "Configure Pushed Authorization Requests"), which says 10 KB.
	maxPushed = 10_000

	requestURIPrefix = "urn:ietf:params:oauth:request_uri:"
	maxRequestURI    = 512
	// maxRequestLife is far above the 5 to 600 seconds that RFC 9126 section 2.2 expects.
	maxRequestLife = 3600
)

// pushesTo gives the endpoint that a request goes to before the browser does, or nothing.
func (r AuthorizeRequest) pushesTo(md *Metadata, app Application) (endpoint string, err error) {
	at, err := md.endpointsOf(app, pushing)
	endpoint = at.pushed
	switch {
	case err != nil:
		return "", err
	case r.Push == PushOn && endpoint == "":
		return "", ErrPushNotOffered
	case r.Push == PushOff && md.RequirePushed:
		return "", ErrPushRequired
	case r.Push == PushOff:
		return "", nil
	}
	return endpoint, nil
}

// push hands the parameters of a login over to the endpoint and returns the reference to them that the browser takes along. The error is an
// *UnavailableError, a *RefusedError or ErrRequestTooLarge; none of them leaves anything that could be sent instead.
func (t *Tenant) push(ctx context.Context, app Application, endpoint string, parameters []Parameter) (string, error) {
	asked := call{
		doing: pushing, at: EndpointPAR, endpoint: endpoint, form: url.Values{}, limit: maxPushed, throttledUntil: &t.pushThrottledUntil,
	}
	for _, p := range parameters {
		asked.form.Set(p.Name, p.Value)
	}
	got, err := t.send(ctx, app, asked)
	if err != nil {
		return "", err
	}
	return readPushed(got)
}

// pushedResponse has the members of RFC 9126 sections 2.2 and 2.3.
type pushedResponse struct {
	RequestURI string  `json:"request_uri"`
	ExpiresIn  seconds `json:"expires_in"`
	Error      string  `json:"error"`
}

// readPushed judges the answer to a pushed request. A reference of any other kind than the standard's would be fetched by the tenant,
// or would be somebody else's request (RFC 9101 section 10.4).
func readPushed(a *answer) (string, error) {
	var r pushedResponse
	err := decodeExactly(a.body, &r)
	switch {
	case r.Error != "" || a.status >= 400:
		return "", &RefusedError{Doing: pushing, Code: refusalCode(r.Error), Status: a.status}
	case a.status != http.StatusCreated, !isJSON(a), err != nil, !isRequestURI(r.RequestURI), r.ExpiresIn <= 0, r.ExpiresIn > maxRequestLife:
		return "", &UnavailableError{Doing: pushing, RetryAfter: minRetryAfter, Status: a.status, Err: errPushed}
	}
	return r.RequestURI, nil
}

// isRequestURI accepts the URNs of RFC 9126 section 2.2, of unreserved characters and those that RFC 8141 allows beside them.
func isRequestURI(text string) bool {
	reference, ok := strings.CutPrefix(text, requestURIPrefix)
	return ok && reference != "" && len(text) <= maxRequestURI && !strings.ContainsFunc(reference, func(c rune) bool {
		return notUnreserved(c) && !strings.ContainsRune("%!$&'()*+,;=:@/", c)
	})
}
