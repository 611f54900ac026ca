package management

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// readScopes are the scopes of which a token needs one to read what lies below a path.
var readScopes = map[string][]string{
	"clients": {"read:clients"}, "connections": {"read:connections"}, "tenants": {"read:tenant_settings"},
}

var errReadPath = errors.New("the path cannot be read")

// Get reads what is at path below /api/v2/ into to. The path is written as in a URL, so its names are escaped and a query may
// follow, such as "connections?name=acme-child". Without a Patience that can wait, a rate limit is an error at once. Errors are
// *Error.
func (t Tenant) Get(ctx context.Context, path string, to any) error {
	at, query, _ := strings.Cut(path, "?")
	names := strings.Split(at, "/")
	o := operation{
		doing: "reading " + names[0] + " of the Management API", scopes: readScopes[names[0]], method: http.MethodGet, receive: to,
	}
	for _, name := range names {
		name, err := url.PathUnescape(name)
		if err != nil {
			return &Error{Tenant: t.Name, Doing: o.doing, Err: errReadPath}
		}
		o.path = append(o.path, name)
	}
	var err error
	if o.query, err = url.ParseQuery(query); err != nil {
		return &Error{Tenant: t.Name, Doing: o.doing, Err: errReadPath}
	}
	if t.Patience.Wait == nil {
		return t.once(ctx, o)
	}
	return t.do(ctx, o)
}

// GettingToken reports whether no token for the API was to be had, so that the request itself was not made.
func (e *Error) GettingToken() bool { return e.Doing == gettingToken }
