package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const changelog = `# Changelog

## [Unreleased]

## [1.1.0] - 2026-11-01

### Added

- B

## [1.0.0] - 2026-10-01

- A

[1.1.0]: https://example.com/1.1.0
`

func TestNotesAreThoseOfTheVersion(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"1.1.0": "### Added\n\n- B\n", "v1.1.0": "### Added\n\n- B\n", "1.0.0": "- A\n", "Unreleased": "", "1.1": "", "2.0.0": "",
	} {
		got, err := section(changelog, version)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", version, got, err, want)
		}
	}
}

func TestNotesOfOurChangelog(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := section(string(text), "Unreleased"); err != nil || !strings.HasPrefix(got, "### ") {
		t.Errorf("%.100q, %v", got, err)
	}
}
