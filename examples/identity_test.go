package examples_test

import (
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
