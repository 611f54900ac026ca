package caddyauth0oidc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

const keygenHelp = `
Makes a secret for the setting secret: 32 random bytes, written as 43 characters of
base64url. It goes to the standard output, or into a file that only its owner can read.
A file that is there is left alone without --force. The user that runs Caddy has to be
able to read it: chown caddy /etc/caddy/auth0_secret.

Without the setting, a secret is made and renewed by itself, and kept in Caddy's storage.
One of your own is for instances that share no storage, or for storage that others read.

To replace a secret without signing anybody out, write the new one in front of the old
one, and reload Caddy on every instance; from then on the new one seals, and both open:

  secret {file./etc/caddy/auth0_secret.new} {file./etc/caddy/auth0_secret}

With several instances, first reload all of them with the new secret behind the old one,
so that each can open what another seals. When the absolute limit of the sessions has
passed (setting session, 72h by default), leave the old secret out.

Whoever has the secret can make sessions of any user. Nothing but this command's output
shows it.

Exit codes:
  0  done
  1  no random numbers, or the secret could not be written; a file that was begun is gone
  2  the flags are not as they should be, or the file is there already`

const keygenExamples = `  # into a file; in the Caddyfile: secret {file./etc/caddy/auth0_secret}
  caddy auth0-oidc keygen --output /etc/caddy/auth0_secret

  # into the environment of caddy run --envfile site.env
  printf 'AUTH0_SECRET=%s\n' "$(caddy auth0-oidc keygen)" >> site.env`

// generatedSecretSize is how many random bytes a secret is made of, which base64url makes longer.
const generatedSecretSize = 32

// keygenFlags are the flags of keygen.
type keygenFlags struct {
	output string
	force  bool
}

func newKeygenCommand(f *keygenFlags) *cobra.Command {
	c := &cobra.Command{
		Use: "keygen [--output <file>]", Args: noArguments,
		Short: "Makes a secret for the setting `secret`",
		Long:  keygenHelp, Example: keygenExamples,
		RunE: commandRunAtOnce(func(_ context.Context, s surroundings) (int, error) { return f.run(s) }),
	}
	c.SetFlagErrorFunc(commandUsage)
	flags := c.Flags()
	flags.StringVarP(&f.output, "output", "o", "", "`file` to write the secret to, with the mode 0600 (default: the standard output)")
	flags.BoolVar(&f.force, "force", false, "replace the file if it is there")
	completeFiles(c, "output")
	return c
}

var errForceWithoutOutput = errors.New("--force is for --output only")

func (f *keygenFlags) run(s surroundings) (int, error) {
	if f.force && f.output == "" {
		return exitUsage, errForceWithoutOutput
	}
	secret, err := generateSecret(s.random)
	if err != nil {
		return exitFailed, err
	}
	if f.output == "" {
		if _, err := io.WriteString(s.out, secret+"\n"); err != nil {
			return exitFailed, fmt.Errorf("writing the secret: %w", err)
		}
		s.hint("For the Caddyfile's setting secret; keep it where only Caddy reads it, such as a file: --output.")
		return exitDone, nil
	}
	return f.save(s, secret+"\n")
}

func generateSecret(random io.Reader) (string, error) {
	var b [generatedSecretSize]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("drawing random bytes: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

func (f *keygenFlags) save(s surroundings, text string) (int, error) {
	info, err := os.Lstat(f.output)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return exitUsage, fmt.Errorf("--output: %s is no regular file", f.output)
	case err == nil && !f.force:
		return exitUsage, fmt.Errorf("--output: %s is there already; what it has sealed would not open any more. Write to another file, or add --force", f.output)
	case err == nil:
		warning, err := replaceFile(f.output, text)
		if err != nil {
			return exitFailed, fmt.Errorf("writing the secret: %w", err)
		}
		if warning != "" {
			_, _ = fmt.Fprintln(s.err, "warning: "+visible(warning))
		}
	default:
		if err := createFile(f.output, text); err != nil {
			return exitFailed, fmt.Errorf("writing the secret: %w", err)
		}
	}
	path := f.output
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	s.hint("Written; the user that runs Caddy has to be able to read it. For the Caddyfile: secret {file.%s}", visible(path))
	return exitDone, nil
}

// createFile makes a file that is not there yet, for its owner alone, or leaves none.
func createFile(path, text string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, envFileMode) // #nosec G304 -- the operator names it
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: somebody else made it just now", err)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
