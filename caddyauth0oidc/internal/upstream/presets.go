package upstream

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Presets gives the names that Config.Preset takes.
func Presets() []string {
	return []string{PresetAuth0, PresetRemoteUser, PresetOAuth2Proxy, PresetGrafana, PresetNone}
}

// PreferredUsername is the claim behind the header PreferredUsernameHeader of
// PresetOAuth2Proxy. It is what a user wants to be called, and no identity.
const (
	PreferredUsername       = "preferred_username"
	PreferredUsernameHeader = "X-Forwarded-Preferred-Username"
)

// family is how other proxies name what they know of a user. An empty name is a
// header that they do not have.
type family struct {
	user, name, email, groups, preferredUsername string

	// reserved are further names, or beginnings with a star, by which an
	// application of the family may take a client's word.
	reserved []string
}

var families = map[string]family{
	PresetRemoteUser: {
		user: "Remote-User", name: "Remote-Name", email: "Remote-Email", groups: "Remote-Groups",
	},
	PresetOAuth2Proxy: {
		user: "X-Forwarded-User", email: "X-Forwarded-Email", groups: "X-Forwarded-Groups",
		preferredUsername: PreferredUsernameHeader,
		reserved:          []string{"X-Forwarded-Access-Token", "X-Auth-Request-*"},
	},
	PresetGrafana: {
		user: "X-Webauth-User", name: "X-Webauth-Name", email: "X-Webauth-Email", groups: "X-Webauth-Groups",
		reserved: []string{"X-Webauth-*"},
	},
}

func (p *Plan) addPreset(c Config, prefix string) error {
	preset := cmp.Or(c.Preset, PresetAuth0)
	f, ok := families[preset]
	if ok {
		return p.addFamily(f, c)
	}
	if !slices.Contains(Presets(), preset) {
		return fmt.Errorf("there is no preset %q: write one of %s", preset, strings.Join(Presets(), ", "))
	}
	if c.User != "" || c.Groups != "" {
		return fmt.Errorf("the preset %s has no header for which user or groups chooses a claim: "+
			"leave them out, write a line such as Remote-User id, or take the preset %s, %s or %s",
			preset, PresetRemoteUser, PresetOAuth2Proxy, PresetGrafana)
	}
	if preset == PresetAuth0 {
		for _, one := range auth0 {
			p.addClaim(prefix+one.suffix, one.path)
		}
		p.add(prefix+"Session-Expires", fromSessionExpires, "")
	}
	return nil
}

// addFamily leaves out what a line shows in its place.
func (p *Plan) addFamily(f family, c Config) error {
	user, groups := cmp.Or(c.User, "id"), cmp.Or(c.Groups, "groups")
	if err := errors.Join(of("user", checkClaim(user)), of("groups", checkClaim(groups))); err != nil {
		return err
	}
	for _, pattern := range f.reserved {
		p.reserve(pattern)
	}
	for _, one := range []struct{ name, path string }{
		{f.user, user},
		{f.name, "name"},
		{f.email, "email"},
		{f.groups, groups},
		{f.preferredUsername, PreferredUsername},
	} {
		replaces := func(l Line) bool { return Same(l.Header, one.name) }
		if one.name != "" && !slices.ContainsFunc(c.Lines, replaces) {
			p.own(one.name)
			p.addOfFamily(one.name, one.path)
		}
	}
	return nil
}

// addOfFamily sees to it that an address under the name of the user is verified as
// under its own, also if the path has the quotes that it may have.
func (p *Plan) addOfFamily(name, path string) {
	if strings.Trim(path, `"`) == "email" {
		p.add(name, fromVerifiedEmail, "")
		return
	}
	p.addClaim(name, path)
}

func of(setting string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("checking %s: %w", setting, err)
}
