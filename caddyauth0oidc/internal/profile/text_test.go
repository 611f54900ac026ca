package profile

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTextOfAClaimIsNeverGoSyntax(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, claim, want string }{
		{"text", `"Zoë {env.SECRET}\n"`, "Zoë {env.SECRET}\n"},
		{"HDR-26 exact digits", `90071992547409931234`, "90071992547409931234"},
		{"fraction as sent", `1.50`, "1.50"},
		{"true", `true`, "true"},
		{"false", `false`, "false"},
		{"null", `null`, ""},
		{"array", `["admin","user",7,true]`, "admin,user,7,true"},
		{"empty array", `[]`, ""},
		{"HDR-22 comma cannot make two groups", `["x,admin","100%"]`, "x%2Cadmin,100%25"},
		{"HDR-27 object", `{"b":"<a>","a":[1, 2]}`, `{"a":[1,2],"b":"<a>"}`},
		{"array of objects", `[{"a":1}, "x"]`, `[{"a":1},"x"]`},
		{"array with null", `["a",null]`, `["a",null]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := Text(claimsOf(t, `{"claim":`+test.claim+`}`)["claim"]); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got := Text(func() {}); got != "" {
		t.Errorf("a value that is no claim: got %q", got)
	}
}

func FuzzTextOfAList(f *testing.F) {
	f.Add("admin", "x,admin%2C")
	f.Add("", "%")
	f.Fuzz(func(t *testing.T, a, b string) {
		restore := strings.NewReplacer("%2C", ",", "%25", "%")
		parts := strings.Split(Text([]any{a, b, json.Number("3")}), ",")
		if len(parts) != 3 || restore.Replace(parts[0]) != a || restore.Replace(parts[1]) != b || parts[2] != "3" {
			t.Errorf("%q and %q became %q", a, b, parts)
		}
	})
}
