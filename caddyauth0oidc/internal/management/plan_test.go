package management

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

const (
	storedSecret = "stored-secret-of-the-child"
	givenSecret  = "given-secret-of-the-child"
)

func desired(change func(*Desired)) Desired {
	d := Desired{
		Strategy: StrategyOIDC, Connection: "acme-child", Scope: "openid profile email", AppURL: "https://app.test",
		LoginBase: "https://master.test/", ChildBase: "https://child.test/", ChildSecret: storedSecret,
		App: DesiredApplication{ClientID: "app"}, ChildApp: DesiredApplication{ClientID: "childapp"},
	}
	if change != nil {
		change(&d)
	}
	return d
}

// complete is what a plan has nothing to say about.
func complete() Found {
	app := func(id, callback, logout string, conformant bool) FoundApplication {
		return FoundApplication{Application: decoded[Application](map[string]any{
			"client_id": id, "name": id, "callbacks": []string{callback}, "allowed_logout_urls": []string{logout},
			"grant_types": []string{"authorization_code"}, "oidc_conformant": conformant,
			"jwt_configuration": map[string]any{"alg": "RS256", "lifetime_in_seconds": 36000},
		})}
	}
	options := desired(nil).options("childapp")
	options["client_secret"] = storedSecret
	return Found{
		App:        app("app", "https://app.test/auth/callback", "https://app.test/", true),
		ChildApp:   app("childapp", "https://master.test/login/callback", "https://app.test/auth/logout", true),
		Connection: &Connection{ID: "con_1", Name: "acme-child", Strategy: StrategyOIDC, Options: decoded[map[string]any](options)},
		Enabled:    []string{"other", "app"},
	}
}

// decoded gives a value the types that JSON has.
func decoded[T any](value any) (result T) {
	text, _ := json.Marshal(value)
	_ = json.Unmarshal(text, &result)
	return result
}

func TestPlanOfWhatIsCompleteKeepsEverything(t *testing.T) {
	p, err := NewPlan(desired(nil), complete())
	if err != nil || p.Pending() != 0 || p.ByHand() != nil || len(p.Steps) != 4 {
		t.Errorf("%v %+v", err, p)
	}
}

func TestPlanChangesOnlyWhatIsNotAsItShallBe(t *testing.T) {
	for _, test := range []struct {
		what    string
		desired func(*Desired)
		found   func(*Found)
		action  Action
		object  string
		tenant  string
		setting string           // of the only difference, without it none
		body    func(*Step) bool // what is sent
		note    string
	}{
		{
			what: "a callback is missing", found: func(f *Found) { f.App.Application["callbacks"] = []any{"https://old.test/"} },
			action: Change, object: objectApplication, tenant: tenantMaster, setting: "callbacks",
			body: func(s *Step) bool {
				return slices.Equal(texts(s.body["callbacks"]), []string{"https://old.test/", "https://app.test/auth/callback"})
			},
		},
		{
			what: "HS256", found: func(f *Found) { f.App.Application["jwt_configuration"] = map[string]any{"lifetime_in_seconds": 60.0} },
			action: Change, object: objectApplication, tenant: tenantMaster, setting: "jwt_configuration.alg",
			body: func(s *Step) bool {
				return maps.Equal(s.body["jwt_configuration"].(map[string]any), map[string]any{"alg": "RS256", "lifetime_in_seconds": 60.0})
			},
		},
		{
			what: "not conformant", found: func(f *Found) { f.App.Application["oidc_conformant"] = false },
			action: Change, object: objectApplication, tenant: tenantMaster, setting: "oidc_conformant",
		},
		{
			what: "no grants", found: func(f *Found) { delete(f.App.Application, "grant_types") },
			action: Change, object: objectApplication, tenant: tenantMaster, setting: "grant_types",
		},
		{
			what:   "the child's application is not conformant, which oidc does not mind",
			found:  func(f *Found) { f.ChildApp.Application["oidc_conformant"] = false },
			action: Keep, object: objectApplication, tenant: tenantChild,
		},
		{
			what: "a public client", found: func(f *Found) { f.App.Application["token_endpoint_auth_method"] = "none" },
			action: Keep, object: objectApplication, tenant: tenantMaster, note: "authentication method is none",
		},
		{
			what: "the site's address is not known", desired: func(d *Desired) { d.AppURL = "" },
			found:  func(f *Found) { f.App.Application["callbacks"] = []any{} },
			action: Keep, object: objectApplication, tenant: tenantMaster,
		},
		{
			what: "a custom domain", desired: func(d *Desired) { d.LoginBase = "https://login.test/" },
			action: Change, object: objectApplication, tenant: tenantChild, setting: "callbacks",
		},
		{
			what: "the child leads no logout back", found: func(f *Found) { f.ChildApp.Application["allowed_logout_urls"] = []any{"https://kept.test/"} },
			action: Change, object: objectApplication, tenant: tenantChild, setting: "allowed_logout_urls",
			body: func(s *Step) bool {
				return slices.Equal(texts(s.body["allowed_logout_urls"]), []string{"https://kept.test/", "https://app.test/auth/logout"})
			},
		},
		{
			what:    "the child leads no logout back to a site whose address is not known",
			desired: func(d *Desired) { d.AppURL = "" }, found: func(f *Found) { delete(f.ChildApp.Application, "allowed_logout_urls") },
			action: Keep, object: objectApplication, tenant: tenantChild,
		},
		{
			what: "no token for the child", found: func(f *Found) { f.ChildApp = FoundApplication{Unknown: "there is no token for the child"} },
			action: Manual, object: objectApplication, tenant: tenantChild, setting: "callbacks", note: "there is no token for the child",
		},
		{
			what: "a word of the scope is missing, and another one is more", found: func(f *Found) { f.Connection.Options["scope"] = "openid identities" },
			action: Change, object: objectConnection, tenant: tenantMaster, setting: "scope",
			body: func(s *Step) bool {
				return s.body["scope"] == "openid identities profile email" && s.body["client_secret"] == storedSecret
			},
		},
		{
			what: "a scope that is a list", found: func(f *Found) { f.Connection.Options["scope"] = []any{"email", "profile", "openid"} },
			action: Keep, object: objectConnection, tenant: tenantMaster,
		},
		{
			what: "options of the operator", found: func(f *Found) { f.Connection.Options["icon_url"] = "https://x.test/" },
			action: Keep, object: objectConnection, tenant: tenantMaster,
		},
		{
			what: "parameters of the operator",
			found: func(f *Found) {
				f.Connection.Options["upstream_params"] = map[string]any{"ui_locales": map[string]any{"alias": "ui_locales"}}
			},
			action: Change, object: objectConnection, tenant: tenantMaster, setting: "upstream_params",
			body: func(s *Step) bool { return len(s.body["upstream_params"].(map[string]any)) == 2 },
		},
		{
			what: "another secret", desired: func(d *Desired) { d.ChildSecret = givenSecret },
			action: Change, object: objectConnection, tenant: tenantMaster, setting: "client_secret",
			body: func(s *Step) bool {
				return s.body["client_secret"] == givenSecret && s.before["client_secret"] == storedSecret
			},
		},
		{
			what: "no secret to compare with", desired: func(d *Desired) { d.ChildSecret = "" },
			action: Keep, object: objectConnection, tenant: tenantMaster, note: "--rotate-secret",
		},
		{
			what: "a stored secret that is not shown", found: func(f *Found) { delete(f.Connection.Options, "client_secret") },
			action: Keep, object: objectConnection, tenant: tenantMaster, note: "--rotate-secret",
		},
		{
			what: "the same, to be written", desired: func(d *Desired) { d.RotateSecret = true },
			found:  func(f *Found) { delete(f.Connection.Options, "client_secret") },
			action: Change, object: objectConnection, tenant: tenantMaster, setting: "client_secret", note: "former secret",
			body: func(s *Step) bool { return s.lossy && s.before["client_secret"] == nil },
		},
		{
			what: "a stored secret that would be lost", desired: func(d *Desired) { d.ChildSecret = "" },
			found: func(f *Found) {
				delete(f.Connection.Options, "client_secret")
				f.Connection.Options["type"] = "front_channel"
			},
			action: Manual, object: objectConnection, tenant: tenantMaster, setting: "type", note: "would lose it",
			body: func(s *Step) bool { return s.body == nil },
		},
		{
			what: "not enabled", found: func(f *Found) { f.Enabled = []string{"other"} },
			action: Enable, object: objectUse, tenant: tenantMaster, setting: "enabled for",
		},
	} {
		t.Run(test.what, func(t *testing.T) {
			d, f := desired(test.desired), complete()
			if test.found != nil {
				test.found(&f)
			}
			p, err := NewPlan(d, f)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Object == test.object && s.Tenant == test.tenant })
			s := &p.Steps[at]
			if s.Action != test.action || !strings.Contains(strings.Join(s.Notes, " "), test.note) || (test.note == "") != (len(s.Notes) == 0) {
				t.Errorf("the step is %+v", s)
			}
			if test.setting == "" && len(s.Differences) != 0 || test.setting != "" && !slices.ContainsFunc(s.Differences, func(d Difference) bool { return d.Setting == test.setting }) {
				t.Errorf("the differences are %+v", s.Differences)
			}
			if test.body != nil && !test.body(s) {
				t.Errorf("the body is %v", s.body)
			}
			if changing := p.Pending(); test.action != Keep && test.action != Manual && changing != 1 || test.action == Keep && changing != 0 {
				t.Errorf("%d steps change something", changing)
			}
			assertNoSecrets(t, p)
		})
	}
}

func assertNoSecrets(t *testing.T, p *Plan) {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil || strings.Contains(string(text), storedSecret) || strings.Contains(string(text), givenSecret) {
		t.Errorf("%v, or a secret, in %s", err, text)
	}
}

func TestPlanSaysWhatIsLeftToTheOperator(t *testing.T) {
	for want, found := range map[string]func(*Found){
		"see to the application childapp of the child: allowed_logout_urls, callbacks, grant_types, jwt_configuration.alg": func(f *Found) {
			f.ChildApp = FoundApplication{Unknown: "there is no token for the child"}
		},
		"set the token endpoint authentication method of the application app of the master to Post": func(f *Found) {
			f.App.Application["token_endpoint_auth_method"] = "none"
		},
		"enable the connections of the child's users for its new application": func(f *Found) { f.ChildApp = FoundApplication{} },
	} {
		f := complete()
		found(&f)
		p, err := NewPlan(desired(func(d *Desired) { d.ChildApp.Name = "childapp" }), f)
		if err != nil {
			t.Fatal(err)
		}
		if left := p.ByHand(); !slices.Equal(left, []string{want}) {
			t.Errorf("%q, want %q", left, want)
		}
	}
}

func TestPlanWritesNothingOverOptionsThatItCannotRead(t *testing.T) {
	f := complete()
	f.Connection.Options = nil
	p, err := NewPlan(desired(func(d *Desired) { d.RotateSecret = true }), f)
	if err != nil {
		t.Fatal(err)
	}
	s := p.Steps[2]
	if s.Action != Manual || s.body != nil || !strings.Contains(s.Notes[0], "read:connections_options and update:connections_options") {
		t.Errorf("%+v", s)
	}
}

func TestPlanTakesTheFormerChildsEndpointsOut(t *testing.T) {
	f := complete()
	maps.Copy(f.Connection.Options, map[string]any{
		"discovery_url": "https://former.test/.well-known/openid-configuration", "issuer": "https://former.test/", "icon_url": "https://x.test/",
	})
	p, err := NewPlan(desired(nil), f)
	if err != nil {
		t.Fatal(err)
	}
	body := p.Steps[2].body
	if _, stays := body["issuer"]; stays || body["icon_url"] == nil || body["discovery_url"] != "https://child.test/.well-known/openid-configuration" {
		t.Errorf("the options are %v", body)
	}
}

func TestPlanOfTheOldStrategyWantsAChildThatIsNotConformant(t *testing.T) {
	f := complete()
	f.Connection = nil
	p, err := NewPlan(desired(func(d *Desired) { d.Strategy = StrategyAuth0 }), f)
	if err != nil {
		t.Fatal(err)
	}
	if s := p.Steps[0]; s.Action != Change || s.body["oidc_conformant"] != false {
		t.Errorf("the child's application: %+v", s)
	}
	var settings []string
	for _, d := range p.Steps[2].Differences {
		settings = append(settings, d.Setting)
	}
	if want := []string{"strategy", "client_id", "domain", "scope", "upstream_params", "client_secret"}; !slices.Equal(settings, want) {
		t.Errorf("the connection has %v", settings)
	}
	if notes := strings.Join(p.Notes, " "); !strings.Contains(notes, "August 2019") || !strings.Contains(notes, "Legacy User Profile") {
		t.Errorf("the notes are %s", notes)
	}
	assertNoSecrets(t, p)
}

func TestPlanIsRefused(t *testing.T) {
	for what, prepare := range map[string]func(*Desired, *Found){
		"strategy oidc": func(d *Desired, f *Found) { f.Connection.Strategy = "samlp" },
		"secret":        func(d *Desired, f *Found) { f.Connection, d.ChildSecret = nil, "" },
		"not the one that the child shows": func(d *Desired, f *Found) {
			d.ChildSecret = givenSecret
			f.ChildApp.Application["client_secret"] = storedSecret
		},
		"another client id beside the former secret": func(d *Desired, f *Found) {
			f.Connection.Options["client_id"], d.ChildSecret = "formerapp", ""
		},
	} {
		d, f := desired(nil), complete()
		prepare(&d, &f)
		var refusal *Refusal
		if _, err := NewPlan(d, f); !errors.As(err, &refusal) || refusal.Do == "" || Explain(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestDesiredIsJudged(t *testing.T) {
	for part, change := range map[string]func(*Desired){
		"strategy":               func(d *Desired) { d.Strategy = "samlp" },
		"name of a connection":   func(d *Desired) { d.Connection = "a--b" },
		"at most 128":            func(d *Desired) { d.Connection = strings.Repeat("a", 129) },
		`"-x" is no name`:        func(d *Desired) { d.ChildConnections = []string{"-x"} },
		"openid":                 func(d *Desired) { d.Scope = "profile" },
		"same tenant":            func(d *Desired) { d.ChildBase = d.LoginBase },
		"no client id":           func(d *Desired) { d.App.ClientID = "a/../b" },
		"name of an application": func(d *Desired) { d.ChildApp = DesiredApplication{Name: "<b>"} },
	} {
		if err := desired(change).Validate(); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
	}
	if err := desired(nil).Validate(); err != nil {
		t.Error(err)
	}
}

func TestMessagesHaveNoPartOfTheSecret(t *testing.T) {
	o := operation{send: map[string]any{"options": map[string]any{"client_secret": storedSecret}}}
	if got := o.withoutSecret("refused: " + storedSecret + "!"); got != "refused: [secret]!" {
		t.Errorf("got %q", got)
	}
	for _, before := range []string{"", storedSecret} {
		cut := printable(before + strings.Repeat("x", maxMessage-10-len(before)) + storedSecret)
		if got := o.withoutSecret(cut); strings.Contains(got, storedSecret[:2]) {
			t.Errorf("got %q", got)
		}
	}
}
