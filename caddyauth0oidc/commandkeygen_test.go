package caddyauth0oidc

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
)

func keygenSurroundings(watched bool) (surroundings, *bytes.Buffer, *bytes.Buffer) {
	out, told := new(bytes.Buffer), new(bytes.Buffer)
	return surroundings{out: out, err: told, watched: watched, random: rand.Reader}, out, told
}

func TestKeygenWritesASecretThatTheSettingTakes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 5 {
		s, out, told := keygenSurroundings(false)
		if code, err := new(keygenFlags).run(s); code != exitDone || err != nil {
			t.Fatal(code, err)
		}
		secret, ended := strings.CutSuffix(out.String(), "\n")
		if !ended || len(secret) != 43 || checkSecrets([]string{secret}) != nil || seen[secret] || strings.ContainsAny(secret, "{}\"'#$ \n") {
			t.Errorf("%d characters are no secret", len(secret))
		}
		if told.Len() > 0 {
			t.Errorf("without a terminal it says %q", told)
		}
		seen[secret] = true
	}
	s, _, told := keygenSurroundings(true)
	if _, err := new(keygenFlags).run(s); err != nil || !strings.Contains(told.String(), "--output") {
		t.Errorf("%q %v", told, err)
	}
}

func TestCK_18_KeygenKeepsTheFileToItsOwnerAndNeverOverwritesOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	s, out, told := keygenSurroundings(true)
	if code, err := (&keygenFlags{output: path}).run(s); code != exitDone || err != nil {
		t.Fatal(code, err)
	}
	first, _ := os.ReadFile(path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || len(first) != 44 || out.Len() > 0 || strings.Contains(told.String(), string(first[:43])) {
		t.Errorf("%v %v, said %q %q", info.Mode(), err, out, told)
	}
	if !strings.Contains(told.String(), "secret {file."+path+"}") || !strings.Contains(told.String(), "user that runs Caddy") {
		t.Errorf("said %q", told)
	}
	if code, err := (&keygenFlags{output: path}).run(s); code != exitUsage || !strings.Contains(err.Error(), "--force") {
		t.Errorf("again: %d %v", code, err)
	}
	if again, _ := os.ReadFile(path); !bytes.Equal(again, first) {
		t.Error("the file was overwritten")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, err := (&keygenFlags{output: path, force: true}).run(s); code != exitDone || err != nil {
		t.Errorf("with --force: %d %v", code, err)
	}
	if again, _ := os.ReadFile(path); bytes.Equal(again, first) || len(again) != 44 {
		t.Error("the file was not replaced")
	}
	if !strings.Contains(told.String(), "warning: ") {
		t.Errorf("nobody is told that the file can be read by all: %q", told)
	}
}

func TestKeygenFailsWithoutLeavingAFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "secret")
	s, _, _ := keygenSurroundings(false)
	for _, test := range []struct {
		what  string
		flags keygenFlags
		into  func(*surroundings)
		code  int
	}{
		{"no random numbers", keygenFlags{output: path}, func(s *surroundings) { s.random = iotest.ErrReader(errors.New("none")) }, exitFailed},
		{"too few of them", keygenFlags{output: path}, func(s *surroundings) { s.random = strings.NewReader("short") }, exitFailed},
		{"nobody to read it", keygenFlags{}, func(s *surroundings) { s.out = brokenWriter{} }, exitFailed},
		{"no folder", keygenFlags{output: filepath.Join(folder, "none", "secret")}, nil, exitFailed},
		{"a folder", keygenFlags{output: folder, force: true}, nil, exitUsage},
		{"force alone", keygenFlags{force: true}, nil, exitUsage},
		{"a device", keygenFlags{output: os.DevNull}, nil, exitUsage},
	} {
		s := s
		if test.into != nil {
			test.into(&s)
		}
		if code, err := test.flags.run(s); code != test.code || err == nil {
			t.Errorf("%s: %d %v", test.what, code, err)
		}
	}
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// fullDisk is an output that can take no more.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestKeygenSaysWhyTheSecretCouldNotBeWritten(t *testing.T) {
	t.Parallel()
	s, _, _ := keygenSurroundings(false)
	s.out = fullDisk{}
	if code, err := new(keygenFlags).run(s); code != exitFailed || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d %v", code, err)
	}
}
