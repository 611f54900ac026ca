package caddyauth0oidc

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/doctor"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// loadedConfig are the directives of a configuration, or the mistake in it.
type loadedConfig struct {
	directives []placed
	fault      error
}

// load reads and adapts the configuration in the way of caddy run. The error is about
// files that cannot be read.
func (e *examination) load() (loadedConfig, error) {
	for _, name := range e.envFiles {
		if err := loadEnvironment(name); err != nil {
			return loadedConfig{}, fmt.Errorf("--envfile: %w", err)
		}
	}
	text, err := readConfiguration(e.config, e.adapter, e.in)
	if mistake, ok := errors.AsType[configMistake](err); ok {
		return loadedConfig{fault: mistake.error}, nil
	} else if err != nil {
		return loadedConfig{}, err
	}
	found, err := placedIn(text)
	return loadedConfig{found, err}, nil
}

// byTenants puts sites together whose tenants' Management APIs are the same.
func (e *examination) byTenants(sites []*doctor.Site) [][]*doctor.Site {
	var groups [][]*doctor.Site
	places := make(map[[2]string]int)
	for _, site := range sites {
		at, ok := places[e.canonical(site)]
		if !ok {
			at = len(groups)
			places[e.canonical(site)] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], site)
	}
	return groups
}

// canonical are the domains of the Management APIs of master and child.
func (e *examination) canonical(site *doctor.Site) [2]string {
	master := cmp.Or(e.master, site.Settings.ManagementDomain, site.Domain)
	child := e.child
	for _, c := range site.Connections {
		child = cmp.Or(child, c.ChildDomain)
	}
	return [2]string{master, child}
}

// Prefixes of the variables with credentials for the Management APIs.
const (
	envMasterManagement = "AUTH0_MANAGEMENT"
	envChildManagement  = "AUTH0_CHILD_MANAGEMENT"
)

// oneOwner keeps credentials, which are those of one tenant, from being shown to another.
func (e *examination) oneOwner(sites []*doctor.Site) error {
	for i, prefix := range []string{envMasterManagement, envChildManagement} {
		if e.getenv(prefix+"_TOKEN")+e.getenv(prefix+"_CLIENT_SECRET") == "" {
			continue
		}
		var domains []string
		for _, site := range sites {
			if domain := e.canonical(site)[i]; domain != "" && !slices.Contains(domains, domain) {
				domains = append(domains, domain)
			}
		}
		if len(domains) > 1 {
			return fmt.Errorf("the credentials in %s_* are those of one tenant, and the sites have %s: choose sites with --site, or name the tenant with %s",
				prefix, strings.Join(domains, ", "), [2]string{"--master", "--child"}[i])
		}
	}
	return nil
}

// around gives the sites their clock and, with credentials, the Management APIs.
func (e *examination) around(sites []*doctor.Site) (doctor.Surroundings, error) {
	around := doctor.Surroundings{Now: e.now}
	domains := e.canonical(sites[0])
	master, err := e.manage("--master", domains[0], envMasterManagement, sites[0])
	if err != nil {
		return around, err
	}
	child, err := e.manage("--child", domains[1], envChildManagement, sites[0])
	if err != nil {
		return around, err
	}
	if master != nil {
		around.Master = master
	}
	if child != nil {
		around.Child = child
	}
	return around, nil
}

// manage is nil without a domain, or without credentials.
func (e *examination) manage(flag, domain, prefix string, site *doctor.Site) (*management.Client, error) {
	if domain == "" {
		return nil, nil
	}
	base, err := tenant.IssuerOf(domain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	config := management.Config{Base: base, Transport: site.Client.Transport, Timeout: managementTimeout, Now: e.now}
	if config.Token, err = oneLine(e.getenv(prefix+"_TOKEN"), prefix+"_TOKEN"); err != nil {
		return nil, err
	}
	if config.Token == "" {
		config.ClientID, config.ClientSecret = e.getenv(prefix+"_CLIENT_ID"), e.getenv(prefix+"_CLIENT_SECRET")
		if config.ClientID == "" && config.ClientSecret == "" {
			return nil, nil
		}
	}
	client, err := management.New(config)
	if err != nil {
		return nil, fmt.Errorf("%s_CLIENT_ID and %s_CLIENT_SECRET: %w", prefix, prefix, err)
	}
	return client, nil
}
