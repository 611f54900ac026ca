package caddyauth0oidc

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The threat model names no test that is not there, by id or by name.
func TestThreatModelNamesTestsThatAreThere(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, f := range conventionFiles(t) {
		if f.test {
			tests.Write(f.text)
		}
	}
	id := regexp.MustCompile(`(?:CVE-)?[A-Z]{2,5}-[0-9]{2}\b`)
	there := make(map[string]bool)
	for _, found := range id.FindAllString(strings.ReplaceAll(tests.String(), "_", "-"), -1) {
		there[found] = true
	}
	ids := id.FindAllString(string(page), -1)
	for _, one := range ids {
		if !there[one] {
			t.Errorf("no test has the id %s", one)
		}
	}
	names := regexp.MustCompile("`(Test[A-Z]\\w+)`").FindAllStringSubmatch(string(page), -1)
	for _, name := range names {
		if !strings.Contains(tests.String(), "func "+name[1]+"(") {
			t.Errorf("there is no test %s", name[1])
		}
	}
	if len(ids) < 80 || len(names) == 0 {
		t.Errorf("%d ids and %d names were found", len(ids), len(names))
	}
}
