package caddyauth0oidc

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// completeFiles lets the shell offer files for the values of flags.
func completeFiles(c *cobra.Command, flags ...string) {
	complete(c, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	}, flags...)
}

// completeNothing keeps the shell from offering files for values that are none.
func completeNothing(c *cobra.Command, flags ...string) {
	complete(c, cobra.NoFileCompletions, flags...)
}

// completeOneOf offers the values that a flag may have.
func completeOneOf(c *cobra.Command, flag string, values ...string) {
	complete(c, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp), flag)
}

// completeConnections offers the connections of the Caddyfile in this folder.
func completeConnections(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	config, err := loadConfiguration("", "")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	sites, _ := configuredDirectives(config)
	var names []string
	for _, site := range sites {
		for _, connection := range site.handler.Connections {
			if !slices.Contains(names, connection.Name) && !strings.Contains(connection.Name, "{") {
				names = append(names, connection.Name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// configuredHosts offers the hosts of a configuration's directives.
func configuredHosts(file, adapter string) ([]string, cobra.ShellCompDirective) {
	config, err := loadConfiguration(file, adapter)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	sites, _ := configuredDirectives(config)
	var hosts []string
	for _, site := range sites {
		hosts = append(hosts, site.hosts...)
	}
	return hosts, cobra.ShellCompDirectiveNoFileComp
}

// complete leaves out what cannot be registered: a flag without completion is one all the same.
func complete(c *cobra.Command, values cobra.CompletionFunc, flags ...string) {
	for _, flag := range flags {
		_ = c.RegisterFlagCompletionFunc(flag, values)
	}
	c.ValidArgsFunction = cobra.NoFileCompletions
}
