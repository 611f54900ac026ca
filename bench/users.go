package bench

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

var givenNames = [...]string{
	"Margarethe", "Zoë", "Li", "Oluwaseun", "Anna", "Jean-Baptiste", "Priya", "Bo",
}

var familyNames = [...]string{
	"Oberhuber", "Ng", "de la Cruz Martínez", "Adeyemi", "Smith", "Żółkowska", "Venkataraman", "Olsen",
}

// Users is how many made-up people have different names. Further ones repeat the
// names, with another id and e-mail address.
const Users = len(givenNames) * len(familyNames)

// User makes up person i, always the same one for the same i. With the claim sid,
// which SID gives, the fields that have a value are fifteen.
func User(i int) profile.Profile {
	given, family := givenNames[i%len(givenNames)], familyNames[i/len(givenNames)%len(familyNames)]
	id := digest("id", i)
	nickname := strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(given + "." + family))
	changed := time.Date(2026, 5, 4, 12, 30, 11, 482_000_000, time.UTC).Add(-time.Duration(i) * time.Minute)
	child := "auth0|" + hex.EncodeToString(id[:12])
	return profile.Profile{
		UserID:        "auth0-oidc|" + Connection + "|" + child,
		Name:          given + " " + family,
		Nickname:      nickname,
		GivenName:     given,
		FamilyName:    family,
		Email:         fmt.Sprintf("%s.%d@example.com", asciiOnly(nickname), i),
		EmailVerified: "true",
		Picture:       "https://s.gravatar.com/avatar/" + hex.EncodeToString(id[16:]) + "?s=480&r=pg&d=mp",
		UpdatedAt:     changed.Format("2006-01-02T15:04:05.000Z"),
		CreatedAt:     changed.AddDate(-2, 0, 0).Format("2006-01-02T15:04:05.000Z"),
		ClientID:      ClientID,
		Identities:    json.RawMessage(`[{"provider":"auth0-oidc","user_id":"` + Connection + "|" + child + `"}]`),
		OrgID:         "org_9f3KqLmN4pR6sT0v",
		OrgName:       "acme",
	}
}

// SID makes up the claim sid of person i, 32 characters.
func SID(i int) string {
	sid := digest("sid", i)
	return base64.RawURLEncoding.EncodeToString(sid[:24])
}

func digest(what string, i int) [sha256.Size]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte(what), uint64(i))) // #nosec G115 -- any number is good enough
}

func asciiOnly(s string) string {
	return strings.Map(func(r rune) rune {
		if r > 0x7f {
			return 'x'
		}
		return r
	}, s)
}
