//go:build modules

package e2e

// The modules of testdata/cluster/xcaddy.json, so that they are fetched and checked
// against go.sum before the build asks nobody.
import _ "github.com/pberkel/caddy-storage-redis"
