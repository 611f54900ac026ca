package caddyauth0oidc

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/doctor"
)

// Every code that a page or a log line of ours can show is explained.
func TestExplainKnowsEveryCodeOfARefusal(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("refuse.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`(?m)^\tcode\w+ += "(\w+)"$`).FindAllStringSubmatch(string(source), -1)
	if len(codes) < 30 {
		t.Fatalf("%d codes were found", len(codes))
	}
	for _, code := range codes {
		found, ok := doctor.Explain(code[1])
		if !ok || !strings.HasPrefix(string(found.Kind), string(doctor.OfModule)) {
			t.Errorf("%s is not explained", code[1])
		}
		if ours, _ := doctor.Explain(`{"code":"` + code[1] + `"}`); ours.Kind != doctor.OfModule {
			t.Errorf("%s of problem+json is not explained", code[1])
		}
	}
}

// Places and settings that explanations name are those that there are.
func TestExplanationsNameSettingsThatThereAre(t *testing.T) {
	t.Parallel()
	known := " " + strings.Join(conventionSettings(t), " ") + " session cookie logout http management bearer child "
	source, err := os.ReadFile("refuse.go")
	if err != nil {
		t.Fatal(err)
	}
	setting := regexp.MustCompile("`([a-z_]+)( [^`]*)?`")
	for _, code := range regexp.MustCompile(`(?m)^\tcode\w+ += "(\w+)"$`).FindAllStringSubmatch(string(source), -1) {
		found, _ := doctor.Explain(code[1])
		for _, named := range setting.FindAllStringSubmatch(strings.Join(append(found.Causes, found.Remedies...), " "), -1) {
			if name := named[1]; !strings.Contains(known, " "+name+" ") && name != "caddy" && name != "request" && name != "trusted_proxies" &&
				name != "target_link_uri" && name != "timedatectl" {
				t.Errorf("%s: there is no setting %s", code[1], name)
			}
		}
	}
}

func TestExplainShowsMeaningCausesAndRemedies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text  string
		code  int
		shows []string
	}{
		{"callback url mismatch", exitDone, []string{"(message)", "Likely causes:", "What to do:", "/login/callback", "More: https://auth0.com/docs/"}},
		{"invalid_token", exitDone, []string{"error code of this module, and of Auth0", "HS256"}},
		{"never heard of", exitFailed, []string{"This is not known here.", "Monitoring > Logs"}},
		{" \n", exitUsage, nil},
	} {
		var out strings.Builder
		code, err := explain(&out, test.text)
		if code != test.code || (code == exitDone) != (err == nil) {
			t.Errorf("%q: %d %v", test.text, code, err)
		}
		for _, shown := range test.shows {
			if !strings.Contains(out.String(), shown) {
				t.Errorf("%q: %q is not shown in\n%s", test.text, shown, out.String())
			}
		}
		for line := range strings.Lines(out.String()) {
			if len(line) > 160 {
				t.Errorf("%q: the line %q is long", test.text, line)
			}
		}
	}
	if code, err := explain(brokenWriter{}, "f"); code != exitFailed || err == nil {
		t.Errorf("with nobody to read it: %d %v", code, err)
	}
}

// A callback's address has a code and a state in it, which are good for a login while it is pasted.
func TestExplainShowsNothingOfWhatItIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"https://app.example.com/auth/callback?error=access_denied&error_description=zebra&state=zebra&code=zebra",
		"https://app.example.com/auth/callback?code=zebra&state=zebra",
		"https://zebra.example.com/auth/callback?error=zebra&state=zebra",
		"?error=invalid_request&error_description=the+connection+was+not+found+zebra",
		`{"error":"invalid_grant","error_description":"zebra","access_token":"zebra"}`,
		"zebra",
	} {
		var out strings.Builder
		_, err := explain(&out, text)
		if strings.Contains(out.String(), "zebra") || err != nil && strings.Contains(err.Error(), "zebra") {
			t.Errorf("%q is shown:\n%s%v", text, out.String(), err)
		}
	}
}
