package doctor

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

const (
	// smallestHeader has room for one cookie of a session beside everything else that browsers send, and roomyHeader for
	// three, as profiles with groups or metadata take, or for tokens.
	smallestHeader = 8 << 10
	roomyHeader    = 16 << 10
)

// checkSettings judges what is known from the configuration alone.
func checkSettings(s *Site) []Finding {
	found := slices.Concat(s.checkPlace(), s.checkBaseURLs(), s.checkAddress(), s.checkCookie())
	if len(found) == 0 {
		return []Finding{s.passed(codeSettings, "The settings of the directive fit each other and its site.")}
	}
	return found
}

func (s *Site) checkPlace() (found []Finding) {
	if s.Place.Behind != "" {
		found = append(found, s.found(Failure, codeUnreachable, "No request comes to the directive: the handler "+shortened(s.Place.Behind)+" before it answers all of them.",
			"Inside route { } handlers run in the order in which they are written. What is behind that handler protects nothing.",
			"Write auth0_oidc before "+shortened(s.Place.Behind)+", or outside of route { }, where Caddy orders it by itself."))
	}
	if s.Settings.Open {
		found = append(found, s.found(Warning, codeOpen, "Requests without a session pass (unauthenticated pass), and there is no require.",
			"The application is open to everybody, and has to ask for a login by itself where it needs one.",
			"Leave unauthenticated pass out if all pages are to be protected, or give those that are a directive of their own with a matcher."))
	}
	return found
}

// checkBaseURLs compares base_url with the site that it is of.
func (s *Site) checkBaseURLs() (found []Finding) {
	if !s.ConfiguredBaseURLs {
		return nil
	}
	for _, base := range s.BaseURLs {
		u, err := url.Parse(base)
		if err != nil {
			continue
		}
		if u.Scheme == "http" && !tenant.IsLoopback(u.Hostname()) {
			found = append(found, s.plainBaseURL(base))
		}
		if !s.Place.answers(strings.ToLower(u.Hostname())) {
			found = append(found, s.found(s.unlessBehindProxy(), codeBaseURLForeign,
				fmt.Sprintf("base_url is %s, and the site answers %s.", base, strings.Join(s.Place.Hosts, ", ")),
				"Auth0 sends browsers to base_url after a login. If that is not this site, its cookies are not sent there, and the login fails.",
				"Write the address that users see in base_url, and have the site answer that host; or leave base_url out."))
		}
	}
	return append(found, s.checkEveryHost()...)
}

// checkEveryHost looks for hosts of the site that base_url leaves out, unless it is about others altogether.
func (s *Site) checkEveryHost() []Finding {
	var known, missing []string
	for _, base := range s.BaseURLs {
		if u, err := url.Parse(base); err == nil {
			known = append(known, strings.ToLower(u.Hostname()))
		}
	}
	for _, host := range s.Place.Hosts {
		if host = withoutPort(host); !slices.Contains(known, host) && !strings.ContainsAny(host, "*{") {
			missing = append(missing, host)
		}
	}
	if len(missing) == 0 || len(missing) == len(s.Place.Hosts) {
		return nil
	}
	return []Finding{s.found(Warning, codeBaseURLPartial, "The site answers "+shortened(strings.Join(missing, ", "))+", and base_url does not name it.",
		"Logins that begin there end at the first base_url, on another host, where the session stays.",
		"Add https://"+missing[0]+" to base_url, and to the application's Allowed Callback URLs; or redirect that host to the other one.")}
}

// unlessBehindProxy is Failure where browsers talk to this server itself; a proxy may have changed the host.
func (s *Site) unlessBehindProxy() Severity {
	if s.Place.Secure && !s.Place.TrustedProxies {
		return Failure
	}
	return Warning
}

func (s *Site) plainBaseURL(base string) Finding {
	if s.Place.Secure {
		return s.found(Failure, codeBaseURLMixed, "base_url is "+base+", and the site is served by https.",
			"Auth0 would send browsers to plain http after the login, where the cookies of https are not sent.",
			"Write https:// in base_url, and the same address among the application's Allowed Callback URLs.")
	}
	return s.found(Warning, codeBaseURLPlain, "base_url is "+base+": plain http.",
		"Sessions and profiles cross the network in clear, and Auth0 shows a consent page for such addresses or refuses them.",
		"Serve the site by https, by this server or by a proxy in front of it, and write https:// in base_url.")
}

// checkAddress judges sites whose public address is what the requests say.
func (s *Site) checkAddress() (found []Finding) {
	if s.ConfiguredBaseURLs || s.Place.isLocal() {
		return nil
	}
	if s.Place.isAny() {
		found = append(found, s.found(Warning, codeBaseURLNeeded, "The site answers "+s.Place.anyShown()+", and there is no base_url.",
			"The address of the callback is made from the request's Host header, which anybody can write; Auth0 refuses those that are not among its Allowed Callback URLs.",
			"Write base_url with all public addresses of the site, like base_url https://app.example.com; if they are not known, name the hosts in the site's address, and have all of them among the Allowed Callback URLs."))
	}
	if !s.Place.Secure && !s.Place.TrustedProxies {
		found = append(found, s.found(Warning, codeProxyUntrusted, "The site is plain http ("+strings.Join(s.Place.Listen, ", ")+"), without base_url and without trusted_proxies.",
			"If a proxy in front of it speaks https, its X-Forwarded-Proto is not believed: callbacks begin with http://, and Auth0 refuses them. If there is none, sessions cross the network in clear.",
			"Write base_url https://... in the directive, or servers { trusted_proxies static private_ranges } in the global options; without a proxy, serve the site by https."))
	}
	return found
}

func (s *Site) checkCookie() (found []Finding) {
	if domain := s.Settings.CookieDomain; domain != "" && !s.ConfiguredBaseURLs {
		for _, host := range s.Place.Hosts {
			if host = withoutPort(host); host != domain && !strings.HasSuffix(host, "."+domain) {
				found = append(found, s.found(Failure, CodeCookieDomain, fmt.Sprintf("The cookie's domain is %s, and the site answers %s.", domain, shortened(host)),
					"Browsers refuse a cookie for a domain that the host is not in, so that nobody stays signed in.", remedyCookieDomain))
			}
		}
	}
	if s.Settings.SameSite == "none" && !s.ConfiguredBaseURLs && !s.Place.Secure && !s.Place.TrustedProxies {
		found = append(found, s.found(Failure, CodeSameSite, "session { cookie { same_site none } }, and the site is plain http.",
			"Browsers refuse such cookies without https.", remedySameSite))
	}
	return append(found, s.checkHeaderLimit()...)
}

func (s *Site) checkHeaderLimit() []Finding {
	limit := s.Place.HeaderLimit
	if limit >= roomyHeader {
		return nil
	}
	severity := Warning
	if limit < smallestHeader || s.Settings.MoreCookies {
		severity = Failure
	}
	return []Finding{s.found(severity, codeHeaderLimit, fmt.Sprintf("The server accepts %d bytes of header (max_header_size), and a session may take 3 cookies of 4096 bytes and more.", limit),
		"Profiles with groups or metadata, and tokens, need several cookies. A request that is larger than the limit gets 431, or the session is not set.",
		"Leave servers { max_header_size } out of the global options (1MB), or write 64KB; let the application accept as much.")}
}

// Compare finds what several sites do to each other.
func Compare(sites []*Site) (found []Finding) {
	for i, s := range sites {
		for _, other := range sites[:i] {
			if s.Settings.Sealing == other.Settings.Sealing || s.Settings.CookieName != other.Settings.CookieName || !s.sharesCookies(other) {
				continue
			}
			found = append(found, s.found(Failure, codeSecretsDiffer, "Another directive ("+other.Name+") has the same session cookie ("+s.Settings.CookieName+") and other secrets.",
				"Each of the two cannot open the cookie of the other and replaces it, so that users are asked to sign in again and again.",
				"Write the same secret lines in both, in a named block of the global options for instance, or give one of them another session { cookie { name } }."))
			break
		}
	}
	return found
}

// sharesCookies tells whether browsers send the cookies of one site to the other.
func (s *Site) sharesCookies(other *Site) bool {
	if d := s.Settings.CookieDomain; d != "" || other.Settings.CookieDomain != "" {
		return d == other.Settings.CookieDomain
	}
	if s.Place.Secure != other.Place.Secure { // which have other names for them
		return false
	}
	if !slices.Equal(s.Place.Listen, other.Place.Listen) && len(s.Place.Hosts) == 0 && len(other.Place.Hosts) == 0 {
		return false
	}
	return slices.Equal(s.Place.Hosts, other.Place.Hosts) || slices.ContainsFunc(s.Place.Hosts, func(host string) bool { return slices.Contains(other.Place.Hosts, host) })
}

const (
	remedyCookieDomain = "Leave session { cookie { domain } } out, or write a domain that the hosts of the site and of base_url are in."
	remedySameSite     = "Serve the site by https and write https:// in base_url, or leave same_site out."
)

// Unloadable is the finding of a directive that cannot be loaded, with what the error says about it.
func Unloadable(site, code string, err error) Finding {
	f := Finding{Code: code, Severity: Failure, Site: site, Seen: err.Error()}
	switch code {
	case CodePlaceholder:
		f.Cause = "The environment variable is not set, or the file is not there, is empty or may not be read by this user."
		f.Remedy = "Set the variable for this command as it is set for Caddy (--envfile, or the unit's Environment), or correct the path in {file.*}; then run it as Caddy's user."
	case CodeMissing:
		f.Cause = "A setting without which nobody can sign in is neither in the directive nor in the environment."
		f.Remedy = "Add the setting to the directive, or set its environment variable (--envfile) for this command and for Caddy."
	case CodeSecretShort:
		f.Cause = "Cookies are sealed with it. A short secret could be guessed."
		f.Remedy = "Write a secret of 32 random bytes or more, as from: openssl rand -hex 32; or leave secret out, and Caddy keeps one of its own."
	case CodeFile:
		f.Cause = "The file is not there, or this user may not read it."
		f.Remedy = "Correct the path in the setting that is named, or the file's owner and mode; run this as the user that Caddy runs as."
	case CodeCookieDomain:
		f.Cause = "Browsers refuse a cookie for a domain that the host is not in, so that nobody stays signed in."
		f.Remedy = remedyCookieDomain
	case CodeSameSite:
		f.Cause = "Browsers refuse such cookies without https, so that nobody stays signed in."
		f.Remedy = remedySameSite
	case CodeNoDirective:
		f.Cause = "The file is another one than Caddy's, or has no auth0_oidc."
		f.Remedy = "Name the file that Caddy runs with --config, and write auth0_oidc { ... } into the site; caddy auth0-oidc connect prints one."
	default:
		f.Cause = "The setting has a value that is not possible, or two settings contradict each other. Caddy does not start with it."
		f.Remedy = "Correct the setting that is named; docs/settings.md has all of them."
	}
	return f
}
