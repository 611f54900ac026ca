package profile

import "maps"

// protocolClaims are those that only the ID token can say: what it is, for whom
// it is, which session it belongs to, how the user signed in, and the names under
// which the profile shows parts of that.
var protocolClaims = map[string]bool{
	"iss": true, "sub": true, "aud": true, "azp": true, "exp": true, "iat": true, "nbf": true, "jti": true, "nonce": true,
	"sid": true, "acr": true, "amr": true, "auth_time": true, "at_hash": true, "c_hash": true, "s_hash": true,
	"org_id": true, "org_name": true, "session_expiry": true, "events": true, "cnf": true, "act": true,
	"_claim_names": true, "_claim_sources": true, "user_id": true, "client_id": true, "identities": true,
}

// verdicts are claims with those that say whether they are verified.
var verdicts = map[string]string{"email": "email_verified", "phone_number": "phone_number_verified"}

// Merge adds the claims of the userinfo endpoint to those of the ID token, which
// they replace. Claims of the protocol stay the ID token's, absent ones too, and
// so does what is null in the answer, which means not sent (OpenID Connect Core
// 1.0 section 5.3.2). An address and the word that it is verified come from the
// same of the two. Neither argument is changed.
func Merge(token, userinfo map[string]any) map[string]any {
	merged := maps.Clone(token)
	if merged == nil {
		merged = map[string]any{}
	}
	answered := maps.Clone(userinfo)
	for of, word := range verdicts {
		if answered[of] != nil {
			delete(merged, word)
		} else {
			delete(answered, word)
		}
	}
	for name, value := range answered {
		if value != nil && !protocolClaims[name] {
			merged[name] = value
		}
	}
	return merged
}
