package e2e

import (
	"slices"
	"strings"
)

// forgery is an attack of which there are several spellings; each is one or more
// lines of headers.
type forgery struct {
	id    string
	lines [][]string
	stays []string // headers that are nobody's: applications have them as they are sent
}

// mayReach reports whether the variable is a header that is nobody's.
func (f forgery) mayReach(server served, v variable) bool {
	return slices.ContainsFunc(f.stays, func(header string) bool {
		return slices.ContainsFunc(server.header(header), func(place string) bool { return folded(place) == folded(v.place()) })
	})
}

// refusedLines are no headers, and Caddy says so.
var refusedLines = []string{
	"X-Auth0-User-Id : " + marker, "X-Auth0-User-Id\t: " + marker, "X Auth0 User Id: " + marker,
	"X-Auth0-User-Id\x00: " + marker, "X-Auth0-User-Id", "(X-Auth0-User-Id): " + marker,
	"X-Auth0-User-Id: " + marker + "\x00", "X-Äuth0-User-Id: " + marker,
}

// keptLines are headers of nobody else's, although they look like ours. HDR-06.
var keptLines = []string{"XX-Auth0-User-Id: kept one", "X-Auth00-User-Id: kept two", "X-Auth-User-Id: kept three"}

// nobodys begins headers that no setting has.
const nobodys = "X-Nobodys"

// spelled are the headers of the preset auth0, whose prefix is ours under every
// preset, and of the setting: those that are forged in every way.
func spelled(s headerSetting) []string {
	all := []string{"X-Auth0-User-Id"}
	for _, name := range append([]string{s.name}, s.user...) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// aliasOptions make Caddy pass the spellings with underscores and dots, and drop
// those with hyphens alone.
func aliasOptions(s headerSetting) string {
	names := slices.Concat(spelled(s), s.owned, []string{"Remote-User", "Auth-Type", "X-Auth0-Org-Id"})
	unders, dots := []string{nobodys + "_*"}, []string{nobodys + ".*"}
	for _, name := range names {
		unders, dots = append(unders, mixed(name, '_')...), append(dots, mixed(name, '.')...)
	}
	return "expected_underscore_headers " + strings.Join(unders, " ") + "\n\t\texpected_dot_headers " + strings.Join(dots, " ")
}

// forgeries are all attacks on the setting.
func forgeries(s headerSetting) []forgery {
	var owned []string
	for _, name := range s.owned {
		owned = append(append(owned, strings.ToLower(name)), replaced(name, "-_.~")...)
	}
	cgi := forgery{id: "HDR_54 variables of CGI"}
	for _, name := range []string{"Remote-User", "Auth-Type"} {
		cgi.lines = append(cgi.lines, single(replaced(name, "-_.")...)...)
		if !slices.Contains(s.user, name) {
			cgi.stays = append(cgi.stays, name)
		}
	}
	all := append(forgeriesOf(spelled(s)...),
		forgery{id: "HDR_06", lines: single("X-Auth0-User-Id-2", "X-Auth0-Anything", "x_auth0_", "X-Auth0-", "X.Auth0.User-Id.Admin")},
		// No user has an organization, or wants the whole profile to be sent.
		forgery{id: "HDR_08", lines: single("X-Auth0-Org-Id", "X_Auth0_Org_Id", "x.auth0.org.id", "X-Auth0-Profile")},
		forgery{id: "HDR_54 headers of other proxies", lines: single(owned...)},
		cgi,
	)
	if s.aliases {
		return aliasesAmong(all)
	}
	return all
}

// aliasesAmong leaves what Caddy does not pass by itself.
func aliasesAmong(all []forgery) []forgery {
	for i := range all {
		all[i].lines = slices.DeleteFunc(all[i].lines, func(lines []string) bool {
			return !slices.ContainsFunc(lines, func(line string) bool {
				name, _, _ := strings.Cut(line, ":")
				return strings.ContainsAny(name, "_.")
			})
		})
	}
	return slices.DeleteFunc(all, func(f forgery) bool { return len(f.lines) == 0 })
}

// forgeriesOf spells the headers in all ways that some server takes for the names.
func forgeriesOf(names ...string) []forgery {
	all := []forgery{{id: "HDR_01"}, {id: "HDR_02"}, {id: "HDR_03"}, {id: "HDR_04"}, {id: "HDR_05"}, {id: "HDR_07"}}
	for _, name := range names {
		line := name + ": " + marker
		under, dots := strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(name, "-", ".")
		for i, lines := range [][][]string{
			{{line}, {name + ":" + marker}, {name + ":  \t" + marker + " \t"}, {name + ":\r\n " + marker}, {name + ":", line}},
			single(strings.ToLower(name), strings.ToUpper(name), swapped(name)),
			single(mixed(name, '_')...),
			single(mixed(name, '.')...),
			single(replaced(name, "!#$%&'*+^`|~")...),
			{{line, line}, {line, name + ":", line}, {line, under + ": " + marker, dots + ": " + marker, line}},
		} {
			all[i].lines = append(all[i].lines, lines...)
		}
	}
	return all
}

// single makes each name a forged header that is sent alone.
func single(names ...string) [][]string {
	lines := make([][]string, 0, len(names))
	for _, name := range names {
		lines = append(lines, []string{name + ": " + marker})
	}
	return lines
}

// mixed puts the byte in place of one hyphen or more.
func mixed(name string, b byte) []string {
	parts := strings.Split(name, "-")
	var all []string
	for set := 1; set < 1<<(len(parts)-1); set++ {
		var mixture strings.Builder
		for i, part := range parts {
			switch {
			case i == 0:
			case set&(1<<(i-1)) != 0:
				mixture.WriteByte(b)
			default:
				mixture.WriteByte('-')
			}
			mixture.WriteString(part)
		}
		all = append(all, mixture.String())
	}
	return all
}

// replaced puts each byte in place of all hyphens.
func replaced(name, bytes string) []string {
	all := make([]string, 0, len(bytes))
	for _, b := range bytes {
		all = append(all, strings.ReplaceAll(name, "-", string(b)))
	}
	return all
}

// swapped changes the case of every second byte.
func swapped(name string) string {
	b := []byte(strings.ToLower(name))
	for i := 0; i < len(b); i += 2 {
		b[i] = strings.ToUpper(name)[i]
	}
	return string(b)
}

// folded is how the most careless of applications compares names.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
}
