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

// envFileMode keeps the client secret to the owner.
const envFileMode = 0o600

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
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), nil
}

// writeEnvFile sets the lines that have a value, keeps all others, and tells whether that changed anything. The file is
// replaced as a whole, so that nobody ever reads half of it.
func writeEnvFile(path string, lines []envLine) (changed bool, err error) {
	have, err := readEnvFile(path)
	if err != nil {
		return false, err
	}
	merged := have
	for _, line := range lines {
		if line.value == "" {
			continue
		}
		if strings.ContainsAny(line.value, "#\"'\\ \t\r\n") {
			return false, fmt.Errorf("the value of %s cannot be written to such a file", line.name)
		}
		merged = setEnvLine(merged, line)
	}
	text := strings.Join(merged, "\n") + "\n"
	if info, err := os.Stat(path); err == nil && info.Mode().Perm() == envFileMode && text == strings.Join(have, "\n")+"\n" {
		return false, nil
	}
	return true, replaceFile(path, text)
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

// replaceFile writes a file beside and moves it over the other.
func replaceFile(path, text string) (err error) {
	f, err := createBeside(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Chmod(envFileMode)
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
	return err
}
