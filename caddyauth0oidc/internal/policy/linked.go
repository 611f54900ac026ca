package policy

import (
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// JudgeLinked judges as Judge does and, where the user_id does not fit, by the
// identities of the profile: Auth0 links accounts under the user_id of one of them,
// which need not be the one that the user signed in with. An identity fits if its
// provider and its connection are those of one of the connections. The identities
// must be the tenant's own word, as those of the Management API are.
//
// Whoever has a user_id with which shown shows somebody else passes only with an identity
// that is that user's.
//
// A user whose user_id fits costs what Judge costs.
func (c Connections) JudgeLinked(p *profile.Profile, shown UserIDs) error {
	err := c.Judge(p.UserID)
	if err == nil || len(p.Identities) == 0 {
		return err
	}
	realID, taken := shown.Takes(p.UserID)
	list, _ := p.Claim("identities")
	identities, _ := list.([]any)
	for _, identity := range identities {
		member, ok := identity.(map[string]any)
		if ok && c.admitsIdentity(member) && (!taken || idOf(member) == realID) {
			return nil
		}
	}
	return err
}

// idOf gives the user_id that an account has on its own.
func idOf(identity map[string]any) string {
	provider, _ := identity["provider"].(string)
	userID, _ := identity["user_id"].(string)
	return provider + "|" + userID
}

// admitsIdentity does not hold the connection against the user id, which begins with
// it: the two were seen to differ (Auth0's own sample of a profile).
func (c Connections) admitsIdentity(identity map[string]any) bool {
	provider, _ := identity["provider"].(string)
	connection, _ := identity["connection"].(string)
	if strings.Contains(provider, "|") {
		return false
	}
	s := profile.ParseSubject(idOf(identity))
	s.Connection = connection
	for _, one := range c {
		if one.admits(s) {
			return true
		}
	}
	return false
}
