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
	for i, r := range builder.Replacements {
		if !strings.HasPrefix(string(r.New), ".") {
			continue
		}
		folder, err := filepath.Abs(filepath.Join(filepath.Dir(manifest), string(r.New)))
		if err != nil {
			return fmt.Errorf("finding %s: %w", r.New, err)
		}
		builder.Replacements[i].New = xcaddy.ReplacementPath(folder)
	}
	if err := builder.Build(ctx, output); err != nil {
		return fmt.Errorf("building Caddy: %w", err)
	}
	return nil
}
