package caddyauth0oidc

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

const (
	defaultConfig = "Caddyfile"
	maxConfig     = 64 << 20
)

var errNoConfig = errors.New("there is no Caddyfile in this folder; name the configuration with --config")

// configMistake is what an adapter says of a configuration that could be read.
type configMistake struct{ error }

func (m configMistake) Unwrap() error { return m.error }

// readConfiguration gives a configuration as JSON in the way of caddy run, and without its log: the adjacent Caddyfile by default,
// and in for "-". The error is a configMistake, or about files and flags.
func readConfiguration(file, adapter string, in io.Reader) ([]byte, error) {
	name := cmp.Or(file, defaultConfig)
	text, err := readOrTake(name, in)
	if errors.Is(err, fs.ErrNotExist) && file == "" {
		return nil, errNoConfig
	} else if err != nil {
		return nil, fmt.Errorf("--config: reading the configuration: %w", err)
	}
	format := formatOf(name, adapter)
	if format == "" {
		return text, nil
	}
	adapting := caddyconfig.GetAdapter(format)
	if adapting == nil {
		return nil, fmt.Errorf("--adapter: there is no adapter %q in this Caddy", format)
	}
	if text, _, err = adapting.Adapt(text, map[string]any{"filename": name}); err != nil {
		return nil, configMistake{err}
	}
	return text, nil
}

func readOrTake(name string, in io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(in, maxConfig))
	}
	return os.ReadFile(name) // #nosec G304 -- the operator names it
}

// formatOf is what caddy run takes a file for; empty for JSON.
func formatOf(name, adapter string) string {
	base := strings.ToLower(filepath.Base(name))
	is := strings.HasPrefix(base, "caddyfile") && !strings.HasSuffix(base, ".json") || strings.HasSuffix(base, ".caddyfile")
	if adapter == "" && is {
		return "caddyfile"
	}
	return adapter
}

// loadConfiguration gives a configuration as JSON to commands whose standard input is for something else.
func loadConfiguration(file, adapter string) ([]byte, error) {
	if file == "-" {
		return nil, errors.New("--config: the standard input is for the cookie; name a file")
	}
	config, err := readConfiguration(file, adapter, nil)
	if errors.Is(err, errNoConfig) {
		return nil, errors.New("there is no configuration: write --config, or --issuer and --client-id")
	}
	return config, err
}
