package caddyauth0oidc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// envLine is a line of a file for caddy's --envfile.
type envLine struct{ name, value string }

// maxEnvFile limits the file that is merged with.
const maxEnvFile = 1 << 20

const (
	// envFileMode keeps the client secret of a new file to the owner.
	envFileMode = 0o600

	// groupBits and everybodyBits are the bits of a mode that are for a file's group and for all others, and everybodyReads the
	// one that lets these read it.
	groupBits      = 0o070
	everybodyBits  = 0o007
	everybodyReads = 0o004
)

// writtenEnvFile is what came of the writing of a file.
type writtenEnvFile struct {
	changed bool
	warning string // for the operator, about who can read it; empty if there is none
}

// checkEnvFile finds out before anything is changed whether the file can be written.
func checkEnvFile(path string) error {
	if path == "" {
		return nil
	}
	if _, err := readEnvFile(path); err != nil {
		return fmt.Errorf("--env-file: %w", err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("--env-file: there is no folder %s", filepath.Dir(path))
	}
	f, err := createBeside(path)
	if err != nil {
		return fmt.Errorf("--env-file: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// createBeside makes the file that is to replace another, with the mode 0600.
func createBeside(path string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
}

// readEnvFile gives the lines of the file, none if there is no file.
func readEnvFile(path string) ([]string, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case info.Size() > maxEnvFile:
		return nil, fmt.Errorf("%s is too large for a file of settings", path)
	}
	text, err := os.ReadFile(path) // #nosec G304 -- the operator names it
	if err != nil || len(text) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), nil
}

// writeEnvFile sets the lines that have a value, keeps all others, and tells whether that changed anything. The file is
// replaced as a whole, so that nobody ever reads half of it.
func writeEnvFile(path string, lines []envLine) (writtenEnvFile, error) {
	have, err := readEnvFile(path)
	if err != nil {
		return writtenEnvFile{}, err
	}
	merged := have
	for _, line := range lines {
		if line.value == "" {
			continue
		}
		if strings.ContainsAny(line.value, "#\"'\\ \t\r\n") {
			return writtenEnvFile{}, fmt.Errorf("the value of %s cannot be written to such a file", line.name)
		}
		merged = setEnvLine(merged, line)
	}
	text := strings.Join(merged, "\n") + "\n"
	if _, err := os.Stat(path); err == nil && text == strings.Join(have, "\n")+"\n" {
		return writtenEnvFile{}, nil
	}
	warning, err := replaceFile(path, text)
	return writtenEnvFile{changed: true, warning: warning}, err
}

// setEnvLine replaces the first line of that name and drops further ones, the last of which would count.
func setEnvLine(lines []string, set envLine) []string {
	var merged []string
	written := false
	for _, line := range lines {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if name != set.name {
			merged = append(merged, line)
		} else if !written {
			merged = append(merged, set.name+"="+set.value)
			written = true
		}
	}
	if !written {
		merged = append(merged, set.name+"="+set.value)
	}
	return merged
}

// replaceFile writes a file beside and moves it over the other, whose mode, owner and group it keeps as far as it may: whoever
// runs Caddy goes on to read it. The warning says what it could not keep.
func replaceFile(path, text string) (warning string, err error) {
	f, err := createBeside(path)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.WriteString(text)
	if err == nil {
		warning, err = keepAccess(f, path)
	}
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return warning, err
}

// keepAccess lets the same read a file as the one that it replaces. The mode comes last, so that nobody else ever can.
func keepAccess(f *os.File, path string) (warning string, err error) {
	was, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", f.Chmod(envFileMode)
	}
	if err != nil {
		return "", err
	}
	both, group := keepOwner(f, was)
	mode, warning := modeKept(path, was.Mode().Perm(), both, group)
	return warning, f.Chmod(mode)
}

// modeKept is a former mode, without what would be given to another group than before.
func modeKept(path string, mode fs.FileMode, both, group bool) (fs.FileMode, string) {
	switch {
	case !group:
		return mode &^ groupBits &^ everybodyBits, path + " has another owner and group than before, and is closed to all but its owner: see to it that Caddy can read it"
	case !both:
		return mode &^ everybodyBits, path + " has another owner than before, and is closed to all but owner and group: see to it that Caddy can read it"
	case mode&everybodyReads != 0:
		return mode, path + " has a secret in it and can be read by everybody: chmod o= it"
	}
	return mode, ""
}
