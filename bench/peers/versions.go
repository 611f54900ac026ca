package peers

import (
	"context"
	"debug/buildinfo"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// versionLimit is how long a program may take to name its version.
const versionLimit = 10 * time.Second

// unknown stands for a version that could not be found out.
const unknown = "of unknown version"

// ApacheVersions names Apache and mod_auth_openidc with their versions, as far as
// they can be found out.
func ApacheVersions(ctx context.Context, o Options) []string {
	server := ""
	if path, err := apachePath(o.ApacheBinary); err == nil {
		// Server version: Apache/2.4.66 (Debian)
		_, server, _ = strings.Cut(firstLine(ctx, path, "-v"), "Apache/")
	}
	module := firstLine(ctx, "dpkg-query", "--show", "--showformat=${Version}", "libapache2-mod-auth-openidc")
	return []string{named("Apache", server), named("mod_auth_openidc", module)}
}

// OAuth2ProxyVersions names oauth2-proxy with its version, as far as it can be found
// out.
func OAuth2ProxyVersions(ctx context.Context, o Options) []string {
	version := moduleVersion(o.OAuth2ProxyBinary, "github.com/oauth2-proxy/oauth2-proxy/v7")
	if version == "" && o.OAuth2ProxyBinary != "" {
		// oauth2-proxy v7.15.3 (built with go1.26.0)
		_, version, _ = strings.Cut(firstLine(ctx, o.OAuth2ProxyBinary, "--version"), " ")
	}
	return []string{named("oauth2-proxy", version)}
}

// CaddySecurityVersions names caddy-security and its Caddy with their versions, as far
// as they can be found out.
func CaddySecurityVersions(_ context.Context, o Options) []string {
	return []string{
		named("caddy-security", moduleVersion(o.CaddySecurityBinary, "github.com/greenpau/caddy-security")),
		named("its Caddy", moduleVersion(o.CaddySecurityBinary, "github.com/caddyserver/caddy/v2")),
	}
}

func named(program, version string) string {
	if version == "" {
		version = unknown
	}
	return program + " " + version
}

// firstLine is what a program writes; it is empty if the program fails.
func firstLine(ctx context.Context, path string, arguments ...string) string {
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, arguments...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// moduleVersion reads from a Go program which version of a module it was built with;
// it is empty if the program does not tell.
func moduleVersion(path, module string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return ""
	}
	return versionAmong(info, module)
}

func versionAmong(info *buildinfo.BuildInfo, module string) string {
	for _, m := range append(slices.Clone(info.Deps), &info.Main) {
		if m.Path == module && m.Version != "(devel)" {
			return m.Version
		}
	}
	return ""
}
