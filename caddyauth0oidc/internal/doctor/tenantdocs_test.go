package doctor

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every code of the tenants' checks has its row.
func TestEveryCodeOfTheTenantsIsDocumented(t *testing.T) {
	documented, err := os.ReadFile("../../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("tenantcodes.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`(?m)^\tCode\w+ += "(\w+)"$`).FindAllStringSubmatch(string(source), -1)
	if len(codes) < 50 {
		t.Fatalf("only %d codes were found", len(codes))
	}
	for _, found := range codes {
		if strings.Count(string(documented), "\n| `"+found[1]+"` |") != 1 {
			t.Errorf("%s has not one row in docs/doctor.md", found[1])
		}
	}
}
