//go:build !unix

package caddyauth0oidc

import (
	"io/fs"
	"os"
)

// keepOwner has nothing to do where files have the access rights of their folder.
func keepOwner(*os.File, fs.FileInfo) (both, group bool) { return true, true }
