package tenant

import (
	"context"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Userinfo asks for the claims about a user (OpenID Connect Core 1.0 section 5.3) with one request, which only the transport may
// repeat, on a new connection if the one that it had kept is closed. The access token is in the header Authorization and nowhere
// else. What comes back has to be about subject, the verified sub of the ID token. The error is an *UnavailableError when the
// endpoint cannot be asked, is not there or refuses, which after Auth0's limits may be so for this user only; or an
// *InvalidTokenError when the answer must not be believed.
func (t *Tenant) Userinfo(ctx context.Context, app Application, accessToken Secret, subject string) (map[string]any, error) {
	md, err := t.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	if md.UserinfoEndpoint == "" {
		return nil, &UnavailableError{Doing: askingUserinfo, RetryAfter: minRetryAfter, Err: errNoUserinfo}
	}
	seen, err := t.askUserinfo(ctx, md.UserinfoEndpoint, accessToken)
	if err != nil {
		return nil, err
	}
	c, err := t.readUserinfo(ctx, app, seen)
	switch {
	case err != nil:
		return nil, err
	case subject == "" || c["sub"] != any(subject):
		return nil, invalid("subject")
	}
	return c, nil
}

func (t *Tenant) askUserinfo(ctx context.Context, endpoint string, accessToken Secret) (*answer, error) {
	if accessToken == "" || strings.ContainsFunc(string(accessToken), unsendable) {
		return nil, invalid("access_token")
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, http.NoBody)
	if err != nil {
		return nil, &UnavailableError{Doing: askingUserinfo, RetryAfter: minRetryAfter, Err: errEndpoint}
	}
	request.Header.Set("Authorization", "Bearer "+string(accessToken))
	client, seen := t.client(EndpointUserinfo)
	resp, err := client.Do(request)
	if err != nil {
		return nil, t.unavailable(askingUserinfo, seen, errNoHTTP)
	}
	_ = resp.Body.Close()
	if seen.status != http.StatusOK {
		return nil, t.unavailable(askingUserinfo, seen, errNoHTTP)
	}
	return seen, nil
}

// unsendable tells of characters that no access token has (RFC 6749 appendix A.12), or that a header would lose.
func unsendable(r rune) bool { return r <= ' ' || r > '~' }

// readUserinfo reads a plain answer or a signed one, whichever its type says it is.
func (t *Tenant) readUserinfo(ctx context.Context, app Application, a *answer) (claims, error) {
	mediaType, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	switch {
	case len(a.header.Values("Content-Type")) != 1:
		return nil, invalid("content_type")
	case mediaType == "application/json":
		return parseClaims(a.body)
	case mediaType == "application/jwt":
		return t.verifyUserinfo(ctx, app, string(a.body))
	}
	return nil, invalid("content_type")
}

// verifyUserinfo verifies a signed answer as OpenID Connect Core 1.0 section 5.3.2 says. It is for nobody else, and no token of
// another kind.
func (t *Tenant) verifyUserinfo(ctx context.Context, app Application, raw string) (claims, error) {
	if _, err := checkForm(raw, isIDTokenType); err != nil {
		return nil, err
	}
	payload, _, err := t.keys.verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	c, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	if reason := t.judgeUserinfo(c, app, t.now()); reason != "" {
		return nil, invalid(reason)
	}
	return c, nil
}

// judgeUserinfo goes through the claims of a signed answer and returns the reason to refuse them, empty for none. The times are
// optional there.
func (t *Tenant) judgeUserinfo(c claims, app Application, now time.Time) string {
	rules := []struct {
		reason string
		holds  bool
	}{
		{"token_type", !slices.ContainsFunc(otherTokens, c.has)},
		{"issuer", c["iss"] == any(t.issuer)},
		{"audience", onlyFor(app.ClientID, c.audience())},
		{"azp", authorizes(app.ClientID, c)},
		{"issued_at", !c.has("iat") || beginsBy(c, "iat", now.Add(skew))},
		{"expired", !c.has("exp") || endsAfter(c, "exp", now.Add(-skew))},
		{"not_before", !c.has("nbf") || beginsBy(c, "nbf", now.Add(skew))},
	}
	for _, rule := range rules {
		if !rule.holds {
			return rule.reason
		}
	}
	return ""
}
