package peers

import (
	"debug/buildinfo"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionsAreFoundAsFarAsTheProgramsTell(t *testing.T) {
	t.Parallel()
	absent := filepath.Join(t.TempDir(), "absent")
	o := Options{ApacheBinary: absent, OAuth2ProxyBinary: absent, CaddySecurityBinary: absent}
	for want, got := range map[string][]string{
		"Apache of unknown version, mod_auth_openidc ": ApacheVersions(t.Context(), o),
		"Apache 2.":                       ApacheVersions(t.Context(), Options{}),
		"oauth2-proxy of unknown version": OAuth2ProxyVersions(t.Context(), o),
		"caddy-security of unknown version, its Caddy of unknown version": CaddySecurityVersions(t.Context(), o),
	} {
		if all := strings.Join(got, ", "); !strings.HasPrefix(all, want) {
			t.Errorf("got %s, want %s", all, want)
		}
	}
}

func TestModulesOfAProgramHaveTheirVersions(t *testing.T) {
	t.Parallel()
	info := &buildinfo.BuildInfo{
		Main: debug.Module{Path: "example.com/main", Version: "v1.0.0"},
		Deps: []*debug.Module{{Path: "example.com/one", Version: "v2.0.0"}, {Path: "example.com/here", Version: "(devel)"}},
	}
	for module, want := range map[string]string{
		"example.com/main": "v1.0.0", "example.com/one": "v2.0.0", "example.com/here": "", "example.com/on": "",
	} {
		if got := versionAmong(info, module); got != want {
			t.Errorf("%s: got %q, want %q", module, got, want)
		}
	}
}

func TestProgramTellsItsVersionWhereTheModulesDoNot(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "oauth2-proxy")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ \"$*\" = --version ] && printf 'oauth2-proxy v7.0.0 (built with go)\\nmore\\n'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := OAuth2ProxyVersions(t.Context(), Options{OAuth2ProxyBinary: script}); got[0] != "oauth2-proxy v7.0.0 (built with go)" {
		t.Errorf("got %v", got)
	}
}
