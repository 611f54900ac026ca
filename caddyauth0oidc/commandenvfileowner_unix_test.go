//go:build unix

package caddyauth0oidc

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// otherOwner is an owner and group that the tests may give a file to: any for root, else one of the own groups.
func otherOwner(t *testing.T) (uid, gid int) {
	t.Helper()
	if os.Geteuid() == 0 {
		return 4321, 4322
	}
	groups, err := os.Getgroups()
	if err != nil || len(groups) == 0 {
		return os.Geteuid(), os.Getegid()
	}
	return os.Geteuid(), groups[len(groups)-1]
}

func TestEnvFileKeepsOwnerGroupAndMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "site.env")
	if err := os.WriteFile(path, []byte("OTHER=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	uid, gid := otherOwner(t)
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	written, err := writeEnvFile(path, []envLine{{"AUTH0_DOMAIN", "acme.eu.auth0.com"}})
	if err != nil || !written.changed || written.warning != "" {
		t.Errorf("%+v %v", written, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if have := info.Sys().(*syscall.Stat_t); info.Mode().Perm() != 0o640 || int(have.Uid) != uid || int(have.Gid) != gid {
		t.Errorf("the file has the mode %s and belongs to %d:%d", info.Mode(), have.Uid, have.Gid)
	}
}

func TestEnvFileIsNotOpenedToAnotherGroup(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		was         os.FileMode
		both, group bool
		mode        os.FileMode
		warned      bool
	}{{0o640, true, true, 0o640, false}, {0o640, false, true, 0o640, true}, {0o640, false, false, 0o600, true}, {0o644, true, true, 0o644, true},
		{0o644, false, true, 0o640, true}, {0o644, false, false, 0o600, true}} {
		mode, warning := modeKept("site.env", test.was, test.both, test.group)
		if mode != test.mode || (warning != "") != test.warned {
			t.Errorf("%+v: %s %q", test, mode, warning)
		}
	}
}
