package upstream

// Applications see header names through dialects: CGI and its heirs (PHP, WSGI,
// Rack) write X-Auth0-User-Id as HTTP_X_AUTH0_USER_ID, and make the same name
// of X_Auth0.User~Id. Names are therefore compared folded: letters lower-cased,
// digits kept, and every other byte taken as an underscore.

func fold(name string) string {
	folded := make([]byte, len(name))
	for i := range folded {
		folded[i] = foldByte(name[i])
	}
	return string(folded)
}

func foldByte(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	case 'A' <= c && c <= 'Z':
		return c + ('a' - 'A')
	}
	return '_'
}

// Same reports whether an application may take one of the header names for the
// other.
func Same(a, b string) bool { return len(a) == len(b) && begins(a, fold(b)) }

// begins reports whether name, folded on the way, begins with the folded prefix.
func begins(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if foldByte(name[i]) != prefix[i] {
			return false
		}
	}
	return true
}

// owns reports whether a header of this name could be taken for one of ours.
func (p *Plan) owns(name string) bool {
	if name == "" || !p.initials[name[0]] { // so that most names cost one look
		return false
	}
	for _, prefix := range p.prefixes {
		if begins(name, prefix) {
			return true
		}
	}
	for _, owned := range p.names {
		if len(name) == len(owned) && begins(name, owned) {
			return true
		}
	}
	return false
}

// ownsTrailer reports whether a trailer of this name could be taken for one of our
// headers. With a bearer token that is Authorization, too: as a header it is the client's
// where there is no session, but no client has a use for it as a trailer (RFC 9110
// section 6.5.1).
func (p *Plan) ownsTrailer(name string) bool {
	return p.owns(name) || p.bearer && len(name) == len(authorization) && begins(name, "authorization")
}

// guards reports whether a client may not have this header removed by naming
// it in Connection: ours, and those by which the application knows who calls.
func (p *Plan) guards(name string) bool {
	if p.owns(name) || begins(name, "x_forwarded_") {
		return true
	}
	for _, trusted := range [...]string{"cookie", "authorization", "forwarded"} {
		if len(name) == len(trusted) && begins(name, trusted) {
			return true
		}
	}
	return false
}
