package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// organizationPrefix begins the ids of organizations, and no name.
const organizationPrefix = "org_"

// Organization is the organization of the master tenant that users have to sign in to,
// by its id or its lower-case name. The zero value asks for none.
type Organization string

var (
	organizationID   = regexp.MustCompile(`^org_[A-Za-z0-9]{1,64}$`)
	organizationName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,49}$`) // Auth0 Management API, Create an Organization

	errOrganization = errors.New("write the id, such as org_6fpHmdUK3GrDYgSm, or the name, up to 50 lower-case letters, digits, hyphens and underscores")
)

// ErrOrganization says that a sign-in was to another organization than the one that is
// asked for, or to none.
var ErrOrganization = errors.New("judging the organization: the token is not of the one that is configured")

// NewOrganization checks an id, which begins with org_, or a name, which is kept in lower
// case.
func NewOrganization(written string) (Organization, error) {
	if strings.HasPrefix(written, organizationPrefix) {
		if !organizationID.MatchString(written) {
			return "", fmt.Errorf("checking the organization %q: %w", written, errOrganization)
		}
		return Organization(written), nil
	}
	lower := strings.Map(lowerASCII, written)
	if !organizationName.MatchString(lower) || strings.HasPrefix(lower, organizationPrefix) {
		return "", fmt.Errorf("checking the organization %q: %w", written, errOrganization)
	}
	return Organization(lower), nil
}

// Judge returns nil if the claims of the verified token are of the organization: org_id
// byte for byte if it is an id, and else org_name without regard to the case of ASCII
// letters. The parameter organization of a login can be edited in the browser, the
// claims cannot. The error is ErrOrganization. Every user is of the zero value.
func (o Organization) Judge(p *profile.Profile) error {
	if o == "" || o.Is(p.OrgID, p.OrgName) {
		return nil
	}
	return ErrOrganization
}

// Is reports whether the organization of that id and name is this one; either may be
// empty. None is the zero value.
func (o Organization) Is(id, name string) bool {
	switch {
	case o == "":
		return false
	case strings.HasPrefix(string(o), organizationPrefix):
		return id == string(o)
	}
	// Of other letters some have a lower case that is ASCII, such as the sign for Kelvin.
	return strings.Map(lowerASCII, name) == string(o)
}
