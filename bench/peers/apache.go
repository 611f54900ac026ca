package peers

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
)

const (
	apacheModules  = "/usr/lib/apache2/modules"
	apacheCallback = "/auth/callback"
)

// ApacheConnections is how many connections of a load Apache keeps open for sure,
// however they fall on its children: fewer than one child has threads.
const ApacheConnections = 60

//go:embed httpd.conf
var apacheConf string

var apacheTemplate = template.Must(template.New("httpd.conf").Parse(apacheConf))

// Apache starts Apache's event MPM three times: as a bare reverse proxy, and with
// mod_auth_openidc, whose sessions are in shared memory once and in the cookie
// once. It needs Debian's packages, which bench/install.sh installs.
func Apache(ctx context.Context, o Options) (bare *Peer, oidc []*Peer, err error) {
	path, err := apachePath(o.ApacheBinary)
	if err != nil {
		return nil, nil, err
	}
	variant := func(name, session, callback string) program {
		return program{name: name, path: path, callback: callback, arguments: func(at place) ([]string, error) {
			return o.configureApache(at, session)
		}}
	}
	started, err := o.startAll(ctx, []program{
		variant("apache", "", ""),
		variant("mod_auth_openidc", "server-cache", apacheCallback),
		variant("mod_auth_openidc-client-cookie", "client-cookie", apacheCallback),
	})
	if err != nil {
		return nil, nil, err
	}
	return started[0], started[1:], nil
}

// apachePath looks where the PATH of ordinary users does not, too.
func apachePath(path string) (string, error) {
	if path == "" {
		path = "/usr/sbin/apache2"
	}
	for _, needed := range []string{path, filepath.Join(apacheModules, "mod_auth_openidc.so")} {
		if _, err := os.Stat(needed); err != nil {
			return "", fmt.Errorf("apache2 or mod_auth_openidc is missing; install both with `sh bench/install.sh`: %w", err)
		}
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return "", fmt.Errorf("finding apache2: %w", err)
	}
	return found, nil
}

// configureApache writes httpd.conf; session is a value of OIDCSessionType, or
// empty for the bare proxy.
func (o Options) configureApache(at place, session string) ([]string, error) {
	values := o.commonValues(at)
	values["Modules"], values["Root"], values["Session"] = apacheModules, os.Getuid() == 0, session
	values["RedirectURI"], values["Passphrase"] = at.base+apacheCallback, rand.Text()
	path, err := writeConfig(at, apacheTemplate, values)
	return []string{"-DFOREGROUND", "-f", path}, err
}
