package management

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/auth0/go-auth0/management"
)

// Get reads what is at path below /api/v2/, with its query if it has one, into to. It is for looking at a tenant, and does not
// try again. The error is an *Error.
func (c *Client) Get(ctx context.Context, path string, to any) error {
	const doing = "reading the tenant's settings"
	before, rawQuery, _ := strings.Cut(path, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return &Error{Doing: doing, Err: errors.New("the query is none")}
	}
	return c.call(ctx, doing, func(ctx context.Context, api *management.Management) error {
		var options []management.RequestOption
		for name := range query {
			options = append(options, management.Parameter(name, query.Get(name)))
		}
		var segments []string
		for segment := range strings.SplitSeq(before, "/") {
			name, err := url.PathUnescape(segment)
			if err != nil {
				return err
			}
			segments = append(segments, name)
		}
		return api.Request(ctx, http.MethodGet, api.URI(segments...), to, options...)
	})
}
