// Command xcaddybuild makes the custom Caddy that a manifest in the JSON shape
// of xcaddy's Builder describes.
//
//	xcaddybuild <manifest> <output>
//
// Relative replacements are taken from the manifest's folder.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: xcaddybuild <manifest> <output>")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "xcaddybuild:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context, manifest, output string) error {
	content, err := os.ReadFile(manifest)
	if err != nil {
		return fmt.Errorf("reading the manifest: %w", err)
	}
	var builder xcaddy.Builder
	if err := json.Unmarshal(content, &builder); err != nil {
		return fmt.Errorf("reading the manifest: %w", err)
	}
	if output, err = filepath.Abs(output); err != nil {
		return fmt.Errorf("finding %s: %w", output, err)
	}
	folder, err := os.MkdirTemp("", "xcaddybuild")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := linkReplacements(&builder, filepath.Dir(manifest), folder); err != nil {
		return err
	}
	if err := os.Setenv("TMPDIR", folder); err != nil { // where xcaddy makes its own folder
		return err
	}
	if err := builder.Build(ctx, output); err != nil {
		return fmt.Errorf("building Caddy: %w", err)
	}
	return nil
}

// linkReplacements gives each folder a name beside the one in which xcaddy builds.
// The binary has the names of replacements in it, and is to be the same wherever the
// checkout is.
func linkReplacements(builder *xcaddy.Builder, from, folder string) error {
	for i, r := range builder.Replacements {
		if !strings.HasPrefix(string(r.New), ".") {
			continue
		}
		path, err := filepath.Abs(filepath.Join(from, string(r.New)))
		if err != nil {
			return fmt.Errorf("finding %s: %w", r.New, err)
		}
		name, _, _ := strings.Cut(string(r.Old), "@")
		link := filepath.Join(folder, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(link), 0o700), os.Symlink(path, link)); err != nil {
			return fmt.Errorf("linking %s: %w", r.New, err)
		}
		builder.Replacements[i].New = xcaddy.ReplacementPath("../" + name)
	}
	return nil
}
