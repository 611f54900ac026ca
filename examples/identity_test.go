package examples_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Grafana splits groups at spaces and commas, unless they are a JSON array, and takes an
// account that it does not know by its id from whoever has the same address.
func TestHDR_28_GrafanaTakesNoAccountByAddressAndNoGroupApart(t *testing.T) {
	t.Parallel()
	if !regexp.MustCompile(`(?m)^\t+lists json$`).MatchString(read(t, "grafana/Caddyfile")) {
		t.Error("the groups are no JSON array")
	}
	headers := regexp.MustCompile(`(?m)^headers = .*$`).FindString(read(t, "grafana/README.md"))
	if !strings.Contains(headers, "Groups:X-WEBAUTH-GROUPS") || strings.Contains(headers, "Email:") {
		t.Errorf("Grafana is told %q", headers)
	}
}

// Only together with Child-Connection does Child-User-Id belong to one user.
func TestHDR_28_NoExampleKnowsUsersByAPartOfTheirID(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("*/README.md")
	if err != nil || len(folders) == 0 {
		t.Fatal(folders, err)
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, path := range append(append(folders, pages...), "../README.md") {
		if regexp.MustCompile(`(?i)(REMOTE_USER|Remote-User) +\S*child_user_id`).MatchString(read(t, path)) {
			t.Errorf("%s knows users by child_user_id", path)
		}
	}
}
