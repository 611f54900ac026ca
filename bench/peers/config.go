package peers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

// commonValues are what the configurations of all peers speak of.
func (o Options) commonValues(at place) map[string]any {
	pair := o.Tenants.pair
	return map[string]any{
		"Folder": at.folder, "Address": at.address, "Upstream": strings.TrimSuffix(o.Upstream, "/"),
		"Issuer": pair.Master.Issuer(), "Metadata": pair.Master.Issuer() + ".well-known/openid-configuration",
		"ClientID": pair.App.ClientID, "ClientSecret": pair.App.ClientSecret, "Connection": pair.Connection.Name,
	}
}

// writeConfig fills in a template in the folder of the peer.
func writeConfig(at place, t *template.Template, values map[string]any) (string, error) {
	var text strings.Builder
	if err := t.Execute(&text, values); err != nil {
		return "", fmt.Errorf("filling in %s: %w", t.Name(), err)
	}
	path := filepath.Join(at.folder, t.Name())
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		return "", fmt.Errorf("writing the configuration: %w", err)
	}
	return path, nil
}

var errNoPath = errors.New("no path of its program is given")

// givenPath is the path of a program that no package of Debian has.
func givenPath(name, path string) (string, error) {
	if path == "" {
		return "", fmt.Errorf("finding %s: %w", name, errNoPath)
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", name, err)
	}
	if found, err = filepath.Abs(found); err != nil {
		return "", fmt.Errorf("finding %s: %w", name, err)
	}
	return found, nil
}
