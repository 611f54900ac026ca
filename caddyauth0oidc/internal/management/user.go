package management

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/auth0/go-auth0/management"
)

// User reads a user's whole profile, a JSON object, as Auth0 stores it. Its identities have the tokens of identity providers if the client
// has the scope read:user_idp_tokens: whoever passes the profile on has to take them out.
func (c *Client) User(ctx context.Context, id string) (json.RawMessage, error) {
	var user json.RawMessage
	err := c.call(ctx, "reading the user", func(ctx context.Context, api *management.Management) error {
		return api.Request(ctx, http.MethodGet, api.URI("users", id), &user)
	})
	if err != nil {
		return nil, err
	}
	return user, nil
}
