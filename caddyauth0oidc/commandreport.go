package caddyauth0oidc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
)

// connectReport is what a run tells, as JSON or as text. It has no secrets.
type connectReport struct {
	// Outcome is nothing_to_do, done, dry_run, unconfirmed, failed or usage, and ExitCode what the process ends with.
	Outcome  string `json:"outcome"`
	ExitCode int    `json:"exit_code"`
	// Plan is nil if it did not come so far.
	Plan *management.Plan `json:"plan,omitempty"`
	// Outcomes are the changes.
	Outcomes management.Outcome `json:"changes"`
	// ByHand is what is left to the operator, whatever the outcome is.
	ByHand []string `json:"by_hand,omitempty"`
	// Caddyfile is a site block, and EnvFile the file with what it refers to.
	Caddyfile      string   `json:"caddyfile,omitempty"`
	EnvFile        string   `json:"env_file,omitempty"`
	EnvFileChanged bool     `json:"env_file_changed,omitempty"`
	Warnings       []string `json:"warnings,omitempty"`
	Error          string   `json:"error,omitempty"`
}

// write ends a run: an object on the standard output, or the rest of the text.
func (c *connect) write(code int, err error) error {
	r := &c.report
	r.ExitCode = code
	if err != nil && r.Error == "" {
		r.Error = err.Error()
	}
	if c.json {
		return writeObject(c.out, r)
	}
	if err != nil && r.Error != err.Error() { // Caddy itself shows the error
		c.say("\n" + r.Error)
	}
	for _, line := range r.Outcomes.Remains {
		c.say("remains to be done by hand: " + line)
	}
	return r.summary(c.out)
}

// writeObject writes one JSON object, in which nothing moves the cursor of a terminal.
func writeObject(out io.Writer, object any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		return err
	}
	_, err := out.Write(visibleJSON(text.Bytes()))
	return err
}

func (r *connectReport) summary(out io.Writer) error {
	var b strings.Builder
	switch r.Outcome {
	case outcomeNothing:
		b.WriteString("\nNothing to do: everything that can be seen is as it shall be.\n")
		if len(r.ByHand) > 0 {
			b.Reset()
			b.WriteString("\nNothing was changed.\n")
		}
	case outcomeDone:
		fmt.Fprintf(&b, "\nDone: %d changes.\n", len(r.Outcomes.Done))
	case outcomeDryRun:
		b.WriteString("\nNothing was changed, because this was --dry-run.\n")
	}
	r.writeByHand(&b)
	if r.Caddyfile != "" {
		fmt.Fprintf(&b, "\nFor the Caddyfile:\n\n%s\n", r.Caddyfile)
	}
	switch {
	case r.EnvFileChanged:
		fmt.Fprintf(&b, "%s has what it refers to: caddy run --envfile %s\n", r.EnvFile, r.EnvFile)
	case r.EnvFile != "":
		fmt.Fprintf(&b, "%s was already as it shall be.\n", r.EnvFile)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// writeByHand comes right after the outcome, because logins may not work before it is done.
func (r *connectReport) writeByHand(b *strings.Builder) {
	if len(r.ByHand) == 0 || r.Outcome == outcomeFailed {
		return
	}
	b.WriteString("\nThis is left to you; a login may not work without it:\n")
	for _, line := range r.ByHand {
		fmt.Fprintf(b, "  by hand: %s\n", visible(line))
	}
}

// actionShown is how the plan names its actions.
var actionShown = map[management.Action]string{
	management.Keep: "keep", management.Create: "create", management.Change: "change", management.Enable: "enable",
	management.Manual: "by hand",
}

// show prints the plan. With --json the standard output is for the object alone.
func (c *connect) show(plan *management.Plan) {
	out := c.out
	if c.json {
		out = c.err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Master %s, child %s, strategy %s:\n\n", c.master, c.child, c.strategy)
	for _, s := range plan.Steps {
		id := ""
		if s.ID != "" {
			id = " (" + s.ID + ")"
		}
		fmt.Fprintf(&b, "  %-8s %s: %s %s%s\n", actionShown[s.Action], s.Tenant, s.Object, visible(s.Name), visible(id))
		for _, d := range s.Differences {
			writeDifference(&b, d)
		}
		for _, note := range s.Notes {
			fmt.Fprintf(&b, "             ! %s\n", visible(note))
		}
	}
	for _, note := range plan.Notes {
		fmt.Fprintf(&b, "\n  ! %s\n", visible(note))
	}
	_, _ = io.WriteString(out, b.String())
}

func writeDifference(b *strings.Builder, d management.Difference) {
	d.Setting = visible(d.Setting) // options may have any name
	switch {
	case d.From == nil:
		fmt.Fprintf(b, "             + %s: %s\n", d.Setting, valueShown(d.To))
	case d.To == nil:
		fmt.Fprintf(b, "             - %s: %s\n", d.Setting, valueShown(d.From))
	default:
		fmt.Fprintf(b, "             ~ %s: %s -> %s\n", d.Setting, valueShown(d.From), valueShown(d.To))
	}
}

// valueShown is JSON, without quotes around plain words.
func valueShown(value any) string {
	if text, ok := value.(string); ok {
		return visible(text)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return visible(string(text))
}

// visible keeps what a tenant says from moving the cursor of a terminal, and from turning the order of what is read:
// controls, marks of direction and all else that has no shape of its own are replaced.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// visibleJSON escapes the same in a JSON text, which means the same to a program. Only its white space stays.
func visibleJSON(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, "\\u%04x", unit)
		}
	}
	return b.Bytes()
}

// caddyfile is a site block for what was set up; secrets come from the environment.
func (c *connect) caddyfile(o management.Outcome) string {
	site := c.desired.AppURL
	if site == "" {
		site = "app.example.com"
	}
	return fmt.Sprintf("%s {\n\tauth0_oidc {\n\t\tdomain %s\n\t\tclient_id %s\n\t\tclient_secret {env.AUTH0_CLIENT_SECRET}\n"+
		"\t\tconnection %s\n\t}\n\treverse_proxy legacy:8080\n}\n",
		strings.TrimPrefix(site, "https://"), c.loginDomain(), visible(o.ClientID), c.connection)
}

// loginDomain is the tenant as the directive names it.
func (c *connect) loginDomain() string {
	return strings.TrimSuffix(strings.TrimPrefix(c.desired.LoginBase, "https://"), "/")
}

// environment is what the directive takes from it, in the order of the file.
func (c *connect) environment(o management.Outcome) []envLine {
	lines := []envLine{
		{envDomain, c.loginDomain()}, {envClientID, o.ClientID}, {envClientSecret, o.ClientSecret},
		{envConnection, c.connection}, {envBaseURL, c.desired.AppURL},
	}
	if o.ClientSecret == "" {
		c.warn("the token does not show the secret of the master's application (scope read:client_keys): " + envClientSecret +
			" is left as it is in the file, take it from the dashboard")
	}
	return lines
}
