package doctor

import (
	"net/url"
	"slices"
	"strings"
)

// allows compares an address with a list of an application as Auth0 does: to the byte, except for one * in the left-most label of a
// host.
func allows(list []string, address string) bool {
	return slices.ContainsFunc(list, func(entry string) bool { return matches(entry, address) })
}

// allowsPath compares as /v2/logout does: without query and fragment, and scheme and host in any case.
func allowsPath(list []string, address string) bool {
	given := withoutQuery(address)
	return slices.ContainsFunc(list, func(entry string) bool { return matches(withoutQuery(entry), given) })
}

func withoutQuery(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return strings.ToLower(u.Scheme+"://"+u.Host) + u.EscapedPath()
}

// matches knows {organization_name}, too, which stands for the name of the login's organization, and can be that of any here.
func matches(entry, address string) bool {
	entry = strings.Replace(entry, "{organization_name}", "*", 1)
	if entry == address {
		return true
	}
	scheme, rest, found := strings.Cut(entry, "://")
	givenScheme, given, givenFound := strings.Cut(address, "://")
	label, after, wild := strings.Cut(rest, ".")
	before, behind, star := strings.Cut(label, "*")
	if !found || !givenFound || scheme != givenScheme || !wild || !star {
		return false
	}
	first, others, _ := strings.Cut(given, ".")
	return others == after && len(first) > len(before)+len(behind) && strings.HasPrefix(first, before) && strings.HasSuffix(first, behind) &&
		!strings.ContainsAny(first, `/?#@:\`)
}
