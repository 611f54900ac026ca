package auth0sim

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// idTokenGrant is what an ID token stands for at the tenant's own API: the user may read itself, as applications of the
// legacy pipeline were let to. Those of conformant applications are no access tokens.
func (t *Tenant) idTokenGrant(authorizationHeader string) (accessGrant, bool) {
	scheme, raw, _ := strings.Cut(authorizationHeader, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return accessGrant{}, false
	}
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256})
	if err != nil {
		return accessGrant{}, false
	}
	key := t.ring(parsed.Headers[0].Algorithm).current
	var claims jwt.Claims
	if parsed.Headers[0].KeyID != key.kid || parsed.Claims(key.key.Public(), &claims) != nil || len(claims.Audience) != 1 {
		return accessGrant{}, false
	}
	app, registered := t.application(claims.Audience[0])
	_, known := t.User(claims.Subject)
	expected := jwt.Expected{Issuer: t.Issuer(), Time: t.now()}
	if !registered || !app.Legacy || !known || claims.Expiry == nil || claims.ValidateWithLeeway(expected, 0) != nil {
		return accessGrant{}, false
	}
	return accessGrant{
		authorization: authorization{
			clientID: app.ClientID, userID: claims.Subject, scopes: []string{"read:current_user"}, audience: t.ManagementAudience(),
		},
		expires: time.Unix(int64(*claims.Expiry), 0),
	}, true
}

// managementGrant finds what a token stands for at the Management API.
func (t *Tenant) managementGrant(r *http.Request) (accessGrant, bool) {
	line := r.Header.Get("Authorization")
	if grant, ok := t.bearer(line); ok {
		return grant, grant.audience == t.ManagementAudience()
	}
	return t.idTokenGrant(line)
}

// mayRead tells whether a token lets its holder read this user: with read:current_user nobody else than the holder.
func (g accessGrant) mayRead(userID string) bool {
	return g.has("read:users") || g.has("read:user_idp_tokens") || g.userID == userID
}
