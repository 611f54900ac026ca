package peers

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"text/template"
)

const oauth2ProxyCallback = "/oauth2/callback"

//go:embed oauth2-proxy.cfg
var oauth2ProxyConf string

var oauth2ProxyTemplate = template.Must(template.New("oauth2-proxy.cfg").Parse(oauth2ProxyConf))

// OAuth2Proxy starts oauth2-proxy twice as a reverse proxy: with its whole
// session in the cookie, and without the tokens (session_cookie_minimal).
func OAuth2Proxy(ctx context.Context, o Options) ([]*Peer, error) {
	path, err := givenPath("oauth2-proxy", o.OAuth2ProxyBinary)
	if err != nil {
		return nil, err
	}
	variant := func(name string, minimal bool) program {
		return program{name: name, path: path, callback: oauth2ProxyCallback, arguments: func(at place) ([]string, error) {
			return o.configureOAuth2Proxy(at, minimal)
		}}
	}
	return o.startAll(ctx, []program{variant("oauth2-proxy", false), variant("oauth2-proxy-minimal", true)})
}

func (o Options) configureOAuth2Proxy(at place, minimal bool) ([]string, error) {
	values := o.commonValues(at)
	values["RedirectURI"], values["Minimal"] = at.base+oauth2ProxyCallback, minimal
	values["CookieSecret"] = randomHex(16) // 32 characters, the key of AES-256
	path, err := writeConfig(at, oauth2ProxyTemplate, values)
	return []string{"--config", path}, err
}

// randomHex gives twice as many characters as bytes.
func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
