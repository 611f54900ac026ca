//go:build unix

package caddyauth0oidc

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives a file the owner and group of the one that it replaces, and tells whether it has both and whether it has
// the group. Only root may give files away, others may choose among their own groups.
func keepOwner(f *os.File, was fs.FileInfo) (both, group bool) {
	have, ok := was.Sys().(*syscall.Stat_t)
	if !ok {
		return false, false
	}
	if f.Chown(int(have.Uid), int(have.Gid)) == nil {
		return true, true
	}
	return false, f.Chown(-1, int(have.Gid)) == nil
}
