// Command releasenotes prints what a changelog in the form of Keep a Changelog says
// of a version.
//
//	releasenotes <changelog> <version>
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: releasenotes <changelog> <version>")
		os.Exit(2)
	}
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		var notes string
		if notes, err = section(string(text), os.Args[2]); err == nil {
			fmt.Print(notes)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "releasenotes:", err)
		os.Exit(1)
	}
}

// section gives the lines between the heading of the version, with or without a
// leading v, and the next one or the addresses at the end.
func section(changelog, version string) (string, error) {
	heading := "## [" + strings.TrimPrefix(version, "v") + "]"
	var notes strings.Builder
	found := false
	for line := range strings.Lines(changelog) {
		switch {
		case strings.HasPrefix(line, heading):
			found = true
		case found && (strings.HasPrefix(line, "## ") || strings.HasPrefix(line, "[") && strings.Contains(line, "]: ")):
			return finish(notes.String(), version)
		case found:
			notes.WriteString(line)
		}
	}
	if !found {
		return "", fmt.Errorf("the changelog has no %q", heading)
	}
	return finish(notes.String(), version)
}

func finish(notes, version string) (string, error) {
	if notes = strings.TrimSpace(notes); notes == "" {
		return "", fmt.Errorf("the changelog says nothing of %s", version)
	}
	return notes + "\n", nil
}
