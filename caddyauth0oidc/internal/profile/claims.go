package profile

import (
	"encoding/json"
	"errors"
	"strings"
)

var errNoSubject = errors.New("reading the claim sub: it must be a string that is not empty")

// FromClaims reads the profile from verified claims, decoded with numbers as
// json.Number so that no digit is lost. A missing or wrong-typed sub is an
// error; every other claim of the normalized profile counts as not sent if its
// type is not the one that Auth0 documents. Claims that are null, or that speak
// of the token and not of the user, are left out.
func FromClaims(claims map[string]any) (*Profile, error) {
	sub, ok := claims["sub"].(string)
	if !ok || sub == "" {
		return nil, errNoSubject
	}
	identities, err := identitiesOf(claims["identities"])
	if err != nil {
		return nil, err
	}
	extra, err := extraOf(claims)
	if err != nil {
		return nil, err
	}
	text := func(name string) string {
		s, _ := claims[name].(string)
		return s
	}
	return &Profile{
		UserID:        sub,
		Name:          text("name"),
		Nickname:      text("nickname"),
		GivenName:     text("given_name"),
		FamilyName:    text("family_name"),
		Email:         text("email"),
		EmailVerified: verdict(claims["email_verified"]),
		Picture:       text("picture"),
		UpdatedAt:     moment(claims["updated_at"]),
		CreatedAt:     moment(claims["created_at"]),
		ClientID:      clientID(claims),
		Identities:    identities,
		OrgID:         text("org_id"),
		OrgName:       text("org_name"),
		Extra:         extra,
	}, nil
}

// notExtra are the claims that Extra leaves out: those with a field of their
// own, and those about the token or the session. acr and amr stay, rules ask
// for them. user_id and client_id are names under which the profile shows sub
// and azp; a claim of that name must not pass for them.
var notExtra = map[string]bool{
	"sub": true, "name": true, "nickname": true, "given_name": true, "family_name": true,
	"email": true, "email_verified": true, "picture": true, "updated_at": true, "created_at": true,
	"identities": true, "org_id": true, "org_name": true, "user_id": true, "client_id": true,

	"iss": true, "aud": true, "azp": true, "exp": true, "iat": true, "nbf": true, "nonce": true,
	"at_hash": true, "c_hash": true, "s_hash": true, "auth_time": true, "sid": true,
	"session_expiry": true,
}

// LeftOut reports whether a profile never answers for the path, because the claim that
// it begins with speaks of the token or the session, and not of the user.
func LeftOut(path string) bool {
	claim, _, _ := strings.Cut(path, ".")
	if quoted, found := strings.CutPrefix(path, `"`); found {
		claim, _, _ = strings.Cut(quoted, `"`)
	}
	_, answered := own[claim]
	return notExtra[claim] && !answered
}

func extraOf(claims map[string]any) (json.RawMessage, error) {
	extra := make(map[string]any, len(claims))
	for name, value := range claims {
		if value != nil && !notExtra[name] {
			extra[name] = value
		}
	}
	if len(extra) == 0 {
		return nil, nil
	}
	return compact(extra)
}

// identityTokens are the members of an identity that hold the identity
// provider's tokens. The Management API shows them to a client with the scope
// read:user_idp_tokens; a profile goes into headers and pages, so it has none.
var identityTokens = map[string]bool{
	"access_token": true, "access_token_secret": true, "refresh_token": true, "id_token": true,
}

func identitiesOf(claim any) (json.RawMessage, error) {
	list, _ := claim.([]any)
	identities := make([]map[string]any, 0, len(list))
	for _, element := range list {
		sent, ok := element.(map[string]any)
		if !ok {
			continue
		}
		identity := make(map[string]any, len(sent))
		for name, value := range sent {
			if !identityTokens[name] {
				identity[name] = value
			}
		}
		identities = append(identities, identity)
	}
	if len(identities) == 0 {
		return nil, nil
	}
	return compact(identities)
}

// verdict reads email_verified, which some identity providers and custom claims
// send as text.
func verdict(claim any) string {
	switch claim {
	case true, "true":
		return "true"
	case false, "false":
		return "false"
	}
	return ""
}

// moment reads updated_at and created_at: Auth0 sends ISO 8601 text, OpenID
// Connect Core 5.1 wants a number of seconds.
func moment(claim any) string {
	switch t := claim.(type) {
	case string:
		return t
	case json.Number:
		return t.String()
	}
	return ""
}

// clientID is the application that the token was issued to: azp, in an access
// token of the RFC 9068 profile client_id, else the audience if there is one only.
func clientID(claims map[string]any) string {
	for _, name := range []string{"azp", "client_id", "aud"} {
		if id, _ := claims[name].(string); id != "" {
			return id
		}
	}
	if audience, _ := claims["aud"].([]any); len(audience) == 1 {
		id, _ := audience[0].(string)
		return id
	}
	return ""
}
