package caddyauth0oidc

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	docFence   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	docHeading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	docLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	docMarks   = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// Every link of the documentation to a heading, a file or a folder leads there.
func TestLinksOfTheDocumentationLeadSomewhere(t *testing.T) {
	t.Parallel()
	var pages []string
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../bench/*.md", "../e2e/*.md", "../examples/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	links := 0
	for _, page := range pages {
		for _, link := range docLink.FindAllStringSubmatch(docProse(t, page), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			links++
			path, heading, _ := strings.Cut(link[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), filepath.FromSlash(path))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s is not there", page, path)
			} else if heading != "" && !slices.Contains(docHeadings(t, target), heading) {
				t.Errorf("%s: %s has no heading #%s", page, target, heading)
			}
		}
	}
	if links < 50 {
		t.Errorf("%d links were found", links)
	}
}

// A link leads to every example and to every page of the documentation, by which people find them.
func TestLinksLeadToEveryExampleAndPage(t *testing.T) {
	t.Parallel()
	linked := make(map[string]bool)
	for _, page := range docPages(t) {
		for _, link := range docLink.FindAllStringSubmatch(docProse(t, page), -1) {
			path, _, _ := strings.Cut(link[1], "#")
			linked[filepath.Join(filepath.Dir(page), filepath.FromSlash(path))] = true
		}
	}
	wanted, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	folders, err := filepath.Glob("../examples/*/Caddyfile")
	if err != nil || len(folders) == 0 {
		t.Fatal(folders, err)
	}
	for _, folder := range folders {
		wanted = append(wanted, filepath.Dir(folder))
	}
	for _, path := range wanted {
		if !linked[path] && !linked[filepath.Join(path, "README.md")] {
			t.Errorf("no link leads to %s", path)
		}
	}
}

// docPages are the README and the documentation.
func docPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	return append(pages, "../README.md")
}

// docProse is a page without its blocks of code.
func docProse(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return docFence.ReplaceAllString(string(text), "")
}

// docHeadings are the names by which a page's headings can be linked to.
func docHeadings(t *testing.T, page string) (names []string) {
	t.Helper()
	for _, heading := range docHeading.FindAllStringSubmatch(docProse(t, page), -1) {
		name := docMarks.ReplaceAllString(strings.ToLower(heading[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}
