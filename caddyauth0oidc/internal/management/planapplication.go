package management

import (
	"maps"
	"slices"
	"strings"
)

const (
	signingAlg  = "RS256"
	regularWeb  = "regular_web"
	codeGrant   = "authorization_code"
	renewGrant  = "refresh_token"
	description = "Made by caddy auth0-oidc connect"
)

// requirement is what an application has to have.
type requirement struct {
	callbacks, logouts []string
	conformant         *bool // nil if either will do
}

func (p *Plan) addApp() {
	d := p.desired
	want := requirement{conformant: new(true)}
	if d.AppURL != "" {
		want.callbacks, want.logouts = []string{d.appCallback()}, []string{d.appLogout()}
	}
	p.Steps = append(p.Steps, applicationStep(tenantMaster, d.App, p.found.App, want))
}

// addChildApp: the old strategy reads the whole profile, which Auth0 only gives to applications that are not conformant.
func (p *Plan) addChildApp() {
	want := requirement{callbacks: []string{p.desired.loginCallback()}}
	if p.desired.AppURL != "" {
		want.logouts = []string{p.desired.childLogout()}
	}
	if p.desired.Strategy == StrategyAuth0 {
		want.conformant = new(false)
	} else if p.found.ChildApp.Application == nil && p.found.ChildApp.Unknown == "" {
		want.conformant = new(true)
	}
	p.Steps = append(p.Steps, applicationStep(tenantChild, p.desired.ChildApp, p.found.ChildApp, want))
}

func applicationStep(tenant string, d DesiredApplication, f FoundApplication, want requirement) Step {
	s := Step{Tenant: tenant, Object: objectApplication, Name: d.Name, ID: d.ClientID, Action: Change}
	have := f.Application
	switch {
	case f.Unknown != "":
		s.Action = Manual
		s.Notes = append(s.Notes, "It was not looked at, because "+f.Unknown+". See to it that it has what is listed here.")
	case have == nil:
		s.Action = Create
	default:
		s.ID, s.Name = have.ID(), have.Name()
	}
	s.body = want.body(have)
	if s.Action == Create {
		maps.Copy(s.body, map[string]any{
			"name": d.Name, "description": description, "app_type": regularWeb, "grant_types": []any{codeGrant, renewGrant},
			"token_endpoint_auth_method": "client_secret_post",
		})
	}
	s.compare(have)
	if s.Action == Change && len(s.body) == 0 {
		s.Action = Keep
	}
	if method := have.text("token_endpoint_auth_method"); method == "none" {
		s.Notes = append(s.Notes, "Its token endpoint authentication method is none: set it to Post in the dashboard, "+
			"or choose an application that is a regular web application.")
		s.byHand = append(s.byHand, "set the token endpoint authentication method of the "+s.Object+" "+s.Name+" of the "+s.Tenant+" to Post")
	}
	return s
}

// body gives the members that have to change; lists keep what is in them.
func (want requirement) body(have Application) map[string]any {
	body := map[string]any{}
	for name, entries := range map[string][]string{
		"callbacks": want.callbacks, "allowed_logout_urls": want.logouts, "grant_types": {codeGrant},
	} {
		if list := have.list(name); missing(list, entries) {
			body[name] = union(list, entries)
		}
	}
	signing, _ := have[memberSigning].(map[string]any)
	if signing["alg"] != signingAlg {
		signing = maps.Clone(signing)
		if signing == nil {
			signing = map[string]any{}
		}
		signing["alg"] = signingAlg
		body[memberSigning] = signing
	}
	if want.conformant != nil && have["oidc_conformant"] != *want.conformant {
		body["oidc_conformant"] = *want.conformant
	}
	return body
}

// compare lists the differences, and keeps what was there. Members that were not are absent from it.
func (s *Step) compare(have Application) {
	s.before = map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.body)) {
		from := have[name]
		if from != nil {
			s.before[name] = from
		}
		difference := Difference{Setting: name, From: from, To: s.body[name]}
		if name == memberSigning {
			signing, _ := from.(map[string]any)
			difference = Difference{Setting: name + ".alg", From: signing["alg"], To: signingAlg}
		}
		s.Differences = append(s.Differences, difference)
	}
}

func missing(list, entries []string) bool {
	return slices.ContainsFunc(entries, func(entry string) bool { return !slices.Contains(list, entry) })
}

// union appends what is missing, as JSON.
func union(list, entries []string) []any {
	var all []any
	for _, entry := range slices.Concat(list, entries) {
		if !slices.Contains(all, any(entry)) {
			all = append(all, entry)
		}
	}
	return all
}

// unionScope adds words to a scope.
func unionScope(scope string, words []string) string {
	all := strings.Fields(scope)
	for _, word := range words {
		if !slices.Contains(all, word) {
			all = append(all, word)
		}
	}
	return strings.Join(all, " ")
}
