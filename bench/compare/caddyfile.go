package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// site is where a Caddy of the comparison listens and what it works with.
type site struct {
	port, adminPort int
	upstream        string
	folder          string // of its storage and its logs
}

// caddyfile is the configuration of a variant. Nothing but the variant itself
// differs from that of the bare Caddy.
func caddyfile(v *variant, at site) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{
	admin 127.0.0.1:%d
	auto_https off
	persist_config off
	storage file_system %q
	log {
		level ERROR
	}
}

http://:%d {
	bind 127.0.0.1
`, at.adminPort, filepath.Join(at.folder, "storage"), at.port)
	if v.log {
		fmt.Fprintf(&b, "\tlog {\n\t\toutput file %q\n\t}\n", filepath.Join(at.folder, "access.log"))
	}
	b.WriteString(indent(v.directive))
	fmt.Fprintf(&b, "\treverse_proxy %s {\n\t\ttransport http {\n", at.upstream)
	if !v.smallPool {
		b.WriteString("\t\t\tkeepalive_idle_conns_per_host 128\n")
	}
	b.WriteString("\t\t}\n\t}\n}\n")
	return b.String()
}

func indent(lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		b.WriteString("\t" + line)
	}
	return b.String()
}
