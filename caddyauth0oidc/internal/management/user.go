package management

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/auth0/go-auth0/management"
)

const readingUser = "reading the user"

// A rate limit without a time to wait is remembered for the least of these, one with an absurd time for the most.
const (
	minLimited = time.Second
	maxLimited = 10 * time.Minute
)

// User reads a user's whole profile, a JSON object, as Auth0 stores it. Its identities have the tokens of identity providers if the client
// has the scope read:user_idp_tokens: whoever passes the profile on has to take them out.
//
// A rate limit is remembered: until the time to wait is over, further calls fail with the same status and without a request.
func (c *Client) User(ctx context.Context, id string) (json.RawMessage, error) {
	if wait := time.Unix(0, c.limitedUntil.Load()).Sub(c.now()); 0 < wait && wait <= maxLimited {
		return nil, &Error{Doing: readingUser, Status: http.StatusTooManyRequests, RetryAfter: wait}
	}
	var user json.RawMessage
	err := c.call(ctx, readingUser, func(ctx context.Context, api *management.Management) error {
		return api.Request(ctx, http.MethodGet, api.URI("users", id), &user)
	})
	if err != nil {
		c.noteLimit(err)
		return nil, err
	}
	return user, nil
}

func (c *Client) noteLimit(err error) {
	if limited, ok := errors.AsType[*Error](err); ok && limited.Status == http.StatusTooManyRequests {
		limited.RetryAfter = min(max(limited.RetryAfter, minLimited), maxLimited)
		c.limitedUntil.Store(c.now().Add(limited.RetryAfter).UnixNano())
	}
}

// ErrOtherUser says that the tenant answered with somebody else than was asked for, or with nobody.
var ErrOtherUser = errors.New("reading the user: the answer has another user_id than was asked for")

// Record reads what the tenant knows of a user. The error is ErrOtherUser or an *Error.
func (c *Client) Record(ctx context.Context, id string) (*Record, error) {
	raw, err := c.User(ctx, id)
	if err != nil {
		return nil, err
	}
	record, err := ParseRecord(raw)
	if err != nil {
		return nil, &Error{Doing: readingUser, Status: http.StatusOK, Err: err}
	}
	if id == "" || record.ID != id {
		return nil, ErrOtherUser
	}
	return record, nil
}
