package bench

import "strings"

// The settings of the directive whose sessions a Mint seals. The tenant is a
// loopback port at which nobody listens: a request with a session asks no tenant.
const (
	Domain       = "http://127.0.0.1:9"
	ClientID     = "Fq3vBenchClientOfTheMaster000001"
	clientSecret = "bench-client-secret"
	Connection   = "acme-child"
	Secret       = "a secret of the benchmarks, longer than 32 bytes"
)

// Header is a request header that the directive sets from a claim.
type Header struct{ Name, Claim string }

// Headers are named by the claims that every made-up user has, the user id first.
var Headers = []Header{
	{"X-User-Id", "id"},
	{"X-Email", "email"},
	{"X-Name", "name"},
	{"X-Connection", "connection"},
	{"X-Nickname", "nickname"},
	{"X-Given-Name", "given_name"},
	{"X-Family-Name", "family_name"},
	{"X-Email-Verified", "email_verified"},
	{"X-Picture", "picture"},
	{"X-Updated-At", "updated_at"},
	{"X-Child-User", "child_user"},
	{"X-Client-Id", "client_id"},
	{"X-Created-At", "created_at"},
	{"X-Strategy", "strategy"},
	{"X-Child-User-Id", "child_user_id"},
	{"X-Org-Id", "org_id"},
}

// Preset stands for the directive's own choice of headers.
const Preset = -1

// PresetUserID is the header in which the preset shows the user id.
const PresetUserID = "X-Auth0-User-Id"

// Directive is the directive as in a Caddyfile. It sets the first n of Headers, or
// the preset's for Preset. Further secrets open cookies and seal none.
func Directive(n int, more ...string) string {
	if n == Preset {
		return directive(nil, more)
	}
	return directive(Headers[:n], more)
}

// directive sets the headers, or the preset's for none.
func directive(headers []Header, more []string) string {
	var b strings.Builder
	b.WriteString("auth0_oidc {\n")
	for _, line := range [][]string{
		{"domain", Domain},
		{"client_id", ClientID},
		{"client_secret", clientSecret},
		{"connection", Connection},
		{"secret", quoted(append([]string{Secret}, more...))},
	} {
		b.WriteString("\t" + strings.Join(line, " ") + "\n")
	}
	if headers != nil { // none at all is a choice, too
		b.WriteString("\theaders {\n\t\tpreset none\n")
		for _, h := range headers {
			b.WriteString("\t\t" + h.Name + " " + h.Claim + "\n")
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func quoted(words []string) string { return `"` + strings.Join(words, `" "`) + `"` }
