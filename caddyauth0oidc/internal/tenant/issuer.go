package tenant

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
)

// IssuerOf returns the issuer of the tenant that an operator names with its domain: a host name, or an http or https URL of nothing
// but a host. Auth0's issuers end with a slash (Auth0 docs, "Configure Applications with OIDC Discovery").
func IssuerOf(domain string) (string, error) {
	domain = strings.TrimSpace(domain)
	scheme, rest, err := splitScheme(domain)
	if err != nil {
		return "", err
	}
	host, err := bareHost(rest)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(scheme + "://" + host + "/")
	if err != nil || !validHost(u.Hostname()) || !validPort(u) {
		return "", errors.New("the domain is not a host name: write it like acme.eu.auth0.com, in ASCII (xn--...) if it is international")
	}
	if scheme == "http" && !isLoopback(u.Hostname()) {
		return "", fmt.Errorf("plain http is only for loopback hosts: write https://%s", host)
	}
	if domain == rest && !strings.Contains(u.Hostname(), ".") && !isLoopback(u.Hostname()) {
		return "", fmt.Errorf("the domain %s has no dot: write the whole domain of the tenant, like %s.eu.auth0.com", host, host)
	}
	if scheme == "https" {
		u.Host = strings.TrimSuffix(u.Host, ":443")
	} else {
		u.Host = strings.TrimSuffix(u.Host, ":80")
	}
	return u.String(), nil
}

// splitScheme takes "http://" or "https://" off a domain.
func splitScheme(domain string) (scheme, rest string, err error) {
	before, after, found := strings.Cut(domain, "://")
	if !found {
		return "https", domain, nil
	}
	switch scheme = strings.ToLower(before); scheme {
	case "https", "http":
		return scheme, after, nil
	}
	return "", "", errors.New("the domain begins with something other than https://: write only the host, like acme.eu.auth0.com")
}

// bareHost returns the host of a domain in lower case and says what to write instead when there is more than a host.
func bareHost(rest string) (string, error) {
	host := strings.ToLower(strings.TrimSuffix(rest, "/"))
	switch {
	case host == "":
		return "", errors.New("the domain is empty: write the domain of the tenant, like acme.eu.auth0.com")
	case strings.ContainsFunc(host, unicode.IsSpace):
		return "", errors.New("the domain contains a space: write one domain, like acme.eu.auth0.com")
	case strings.Contains(host, "@"):
		return "", errors.New("the domain contains a user name or password: write only the host, like acme.eu.auth0.com")
	case strings.ContainsAny(host, "?#"):
		return "", errors.New("the domain contains a query or fragment: write only the host, like acme.eu.auth0.com")
	case strings.ContainsAny(host, `/\`):
		return "", errors.New("the domain contains a path: write only the host")
	}
	return host, nil
}

// CheckIssuer refuses an issuer that RFC 8414 section 2 does not allow, with the exception of plain http on loopback hosts.
func CheckIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		return errors.New("the issuer is empty: write it like https://acme.eu.auth0.com/")
	case err != nil || u.Hostname() == "" || strings.ContainsFunc(issuer, notPrintable):
		return errors.New("the issuer is not a URL: write it like https://acme.eu.auth0.com/")
	case u.User != nil:
		return errors.New("the issuer contains a user name or password: leave it out")
	case strings.ContainsAny(issuer, "?#"):
		return errors.New("the issuer contains a query or fragment: leave it out")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("the issuer is plain http, which is only for loopback hosts: write https://")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the issuer is not an https URL: write it like https://acme.eu.auth0.com/")
	case !validHost(strings.ToLower(u.Hostname())) || !validPort(u):
		return errors.New("the issuer has a host or a port that cannot be: write it like https://acme.eu.auth0.com:8443/, in ASCII (xn--...) if it is international")
	}
	return nil
}

func notPrintable(r rune) bool { return r <= ' ' || r > '~' }

// IsLoopback reports whether a host, without its port, can only be this machine.
func IsLoopback(host string) bool { return isLoopback(host) }

// isLoopback reports whether a host can only be this machine (RFC 6761 section 6.3, RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3).
func isLoopback(host string) bool {
	if isLocalhostName(host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() && ip.Zone() == ""
}

func isLocalhostName(host string) bool {
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// validHost accepts IP addresses and names of letters, digits, hyphens and underscores.
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// validPort refuses the empty port of "host:" and numbers that are none.
func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := netip.ParseAddrPort("127.0.0.1:" + u.Port())
	return err == nil && port.Port() != 0
}
