package caddyauth0oidc

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/doctor"
)

// childNamed is the connection as a directive has it that names the child.
const childNamed = "connection acme-child {\nchild {\ndomain CHILD_TENANT\nclient_id CHILD_APPLICATION\n}\n}"

// replaced changes a part of the directive.
func replaced(pairs ...string) func(*doctorWorld) {
	return func(w *doctorWorld) { w.replace = pairs }
}

// withAccess seeds with access to both Management APIs.
func withAccess(seed func(*doctorWorld)) func(*doctorWorld) {
	return func(w *doctorWorld) {
		w.manage()
		w.replace = []string{"connection acme-child", childNamed}
		seed(w)
	}
}

// organized gives the master an organization.
func organized(w *doctorWorld, usage, settings string) {
	w.settings, w.pair.App.OrganizationUsage = settings, usage
	w.pair.Master.Organizations = []auth0sim.Organization{{ID: "org_acme", Name: "acme"}}
}

func TestDoctorNamesWhatIsWrongWithTheApplicationOfTheMaster(t *testing.T) {
	t.Parallel()
	const settings = "Applications > (yours) > Settings"
	runMisconfigurations(t, []misconfiguration{
		{name: "wrong secret", seed: replaced("client_secret CLIENT_SECRET", "client_secret of-another-application"), want: one("client_secret_wrong", doctor.Failure), remedy: "Copy the Client Secret anew"},
		{name: "only the next secret is right", seed: replaced("client_secret CLIENT_SECRET", "client_secret of-last-year CLIENT_SECRET"), want: one("client_secret_first_refused", doctor.Warning), remedy: "first place of client_secret"},
		{name: "Basic is registered", seed: func(w *doctorWorld) { w.pair.App.TokenEndpointAuthMethod = "client_secret_basic" }, want: one("client_auth_wrong", doctor.Failure), remedy: "client_auth basic"},
		{name: "unknown client id", seed: replaced("client_id CLIENT_ID", "client_id nobody"), want: one("client_unknown", doctor.Failure), remedy: "Copy the Client ID"},
		{name: "callback missing", seed: func(w *doctorWorld) { w.pair.App.Callbacks = nil }, want: one("callback_not_allowed", doctor.Failure), remedy: "Add https://app.example.test/auth/callback to the Allowed Callback URLs in the master's"},
		{name: "callback with a slash at its end", seed: func(w *doctorWorld) {
			w.pair.App.Callbacks = []string{doctorBase + "/auth/callback/"}
		}, want: one("callback_not_allowed", doctor.Failure), remedy: "Add https://app.example.test/auth/callback to"},
		{name: "logout URL missing", seed: func(w *doctorWorld) { w.pair.App.AllowedLogoutURLs = nil }, want: one("logout_not_allowed", doctor.Failure), remedy: "Add https://app.example.test/ to the Allowed Logout URLs in the master's"},
		{name: "grant missing", seed: func(w *doctorWorld) { w.pair.App.GrantTypes = []string{"implicit"} }, want: one("grant_missing", doctor.Failure), remedy: "Grant Types"},
		{name: "refresh grant missing", seed: func(w *doctorWorld) {
			w.settings, w.pair.App.GrantTypes = "refresh on", []string{"authorization_code"}
		}, want: one("refresh_grant_missing", doctor.Failure), remedy: "Grant Types"},
		{name: "pushed requests required", seed: func(w *doctorWorld) { w.pair.App.RequirePushedAuthorizationRequests = true }, want: one("par_required", doctor.Failure), remedy: "Pushed Authorization Requests"},
		{name: "HS256", seed: withAccess(func(w *doctorWorld) { w.pair.App.SigningAlg = "HS256" }), want: one("application_signing_algorithm", doctor.Failure), remedy: "Choose RS256"},
		{name: "not conformant", seed: withAccess(func(w *doctorWorld) { w.pair.App.Legacy = true }), want: one("application_not_conformant", doctor.Warning), remedy: settings},
		{name: "a native application", seed: withAccess(func(w *doctorWorld) { w.pair.App.AppType = "native" }), want: one("application_type", doctor.Warning), remedy: "Regular Web Application"},
		{name: "audience unknown", seed: written("audience https://api.example.test"), want: one("audience_unknown", doctor.Failure), remedy: "Correct audience"},
		{name: "organization wrong", seed: func(w *doctorWorld) {
			organized(w, auth0sim.OrganizationAllow, "organization org_other")
		}, want: one("organization_refused", doctor.Failure), remedy: "Compare organization"},
		{name: "organization required", seed: func(w *doctorWorld) {
			organized(w, auth0sim.OrganizationRequire, "")
		}, want: one("organization_required", doctor.Failure), remedy: "Set organization"},
		{name: "Management credentials wrong", seed: withAccess(func(w *doctorWorld) {
			w.env["AUTH0_MANAGEMENT_CLIENT_SECRET"] = "of-another-application"
		}), want: one("management_credentials_refused", doctor.Unknown), remedy: "AUTH0_MANAGEMENT_CLIENT_ID"},
	})
}

func TestDoctorNamesWhatIsWrongWithTheConnection(t *testing.T) {
	t.Parallel()
	disabled := func(w *doctorWorld) { w.pair.Connection.EnabledClients = []string{"others"} }
	misnamed := func(w *doctorWorld) {
		w.replace = append([]string{"connection acme-child", "connection acme"}, w.replace...)
	}
	runMisconfigurations(t, []misconfiguration{
		{name: "missing", seed: misnamed, want: one("connection_not_usable", doctor.Failure), remedy: "Compare connection with the names"},
		{name: "missing, with the Management API", seed: withAccess(misnamed), want: one("connection_missing", doctor.Failure), remedy: "Authentication > Enterprise"},
		{name: "not enabled", seed: disabled, want: one("connection_not_usable", doctor.Failure), remedy: "Applications > (yours) > Connections"},
		{name: "not enabled, with the Management API", seed: withAccess(disabled), want: one("connection_not_enabled", doctor.Failure), remedy: "Applications > (yours) > Connections"},
		{name: "of the master's own users", seed: func(w *doctorWorld) {
			w.replace = []string{"connection acme-child", "connection " + auth0sim.DatabaseConnection}
			w.pair.Master.Enable(auth0sim.DatabaseConnection, w.pair.App.ClientID)
		}, want: one("connection_strategy_wrong", doctor.Failure), remedy: "strategy any"},
		{name: "of the other strategy", seed: withAccess(func(w *doctorWorld) {
			w.replace[1] = strings.Replace(childNamed, "{\n", "{\nstrategy auth0-oidc\n", 1)
		}), want: one("connection_strategy_wrong", doctor.Failure), remedy: "strategy oidc or auth0-oidc"},
		{name: "front channel", seed: withAccess(func(w *doctorWorld) {
			w.pair.Connection.Options["type"] = "front_channel"
		}), want: one("connection_front_channel", doctor.Warning), remedy: "Choose Back Channel"},
		{name: "to another child than that of the settings", seed: replaced("connection acme-child", strings.Replace(childNamed, "CHILD_TENANT", "other.eu.auth0.com", 1)),
			want: one("child_domain_mismatch", doctor.Warning), remedy: "child domain"},
		{name: "with another client than that of the settings", seed: replaced("connection acme-child", strings.Replace(childNamed, "CHILD_APPLICATION", "other", 1)),
			want: one("child_client_mismatch", doctor.Warning), remedy: "child client_id"},
	})
}

func TestDoctorNamesWhatIsWrongAtTheChild(t *testing.T) {
	t.Parallel()
	old := []auth0sim.PairOption{auth0sim.WithStrategy("auth0-oidc")}
	runMisconfigurations(t, []misconfiguration{
		{name: "callback missing", seed: func(w *doctorWorld) { w.pair.ChildApp.Callbacks = nil }, want: one("child_callback_missing", doctor.Failure), remedy: "/login/callback to the Allowed Callback URLs in the child's"},
		{name: "callback of the master's other domain", seed: withAccess(func(w *doctorWorld) {
			w.pair.ChildApp.Callbacks = []string{"https://acme.eu.auth0.test/login/callback"}
		}), want: one("custom_domain_mixup", doctor.Failure), remedy: "--custom-domain"},
		{name: "client unknown", seed: func(w *doctorWorld) { w.pair.Connection.Options["client_id"] = "nobody" }, want: one("child_client_unknown", doctor.Failure), remedy: "Client ID of an application of the child"},
		{name: "secret rotated", seed: withAccess(func(w *doctorWorld) {
			w.pair.ChildApp.ClientSecret = "the-secret-after-a-rotation"
		}), want: one("child_secret_wrong", doctor.Failure), remedy: "--rotate-secret"},
		{name: "grant missing", seed: func(w *doctorWorld) { w.pair.ChildApp.GrantTypes = []string{"implicit"} }, want: one("child_grant_missing", doctor.Failure), remedy: "Grant Types"},
		{name: "no connections", seed: func(w *doctorWorld) {
			w.pair.Child.Disable(auth0sim.DatabaseConnection, w.pair.ChildApp.ClientID)
			w.pair.Child.Disable("google-oauth2", w.pair.ChildApp.ClientID)
		}, want: one("child_connections_missing", doctor.Failure), remedy: "Enable the connection of the users"},
		{name: "HS256", seed: withAccess(func(w *doctorWorld) { w.pair.ChildApp.SigningAlg = "HS256" }), want: one("child_signing_algorithm", doctor.Warning), remedy: "Choose RS256"},
		{name: "conformant, with the old strategy", pair: old, seed: withAccess(func(w *doctorWorld) { w.pair.ChildApp.Legacy = false }), want: one("child_oidc_conformant", doctor.Failure), remedy: "Switch it off"},
		{name: "without the older profile, with the old strategy", pair: old, seed: withAccess(func(w *doctorWorld) {
			w.pair.Child.Configure(func(s *auth0sim.Settings) { s.LegacyUserProfile = false })
		}), want: one("child_legacy_profile_off", doctor.Failure), remedy: "Migrations"},
		{name: "logout URL missing", seed: func(w *doctorWorld) {
			w.pair.ChildApp.AllowedLogoutURLs = nil
			w.settings, w.replace = "logout {\nchild\n}", []string{"connection acme-child", childNamed}
		}, want: one("child_logout_not_allowed", doctor.Failure), remedy: "Add https://app.example.test/auth/logout to the Allowed Logout URLs in the child's"},
	})
}

// Credentials are those of one tenant. Another one that the configuration has, or whoever
// answers in its name, does not get to see them.
func TestDoctorShowsCredentialsToNoOtherTenant(t *testing.T) {
	t.Parallel()
	w := newDoctorWorld(t, nil)
	w.manage()
	var asked []string
	w.dial = func(r *http.Request) error {
		asked = append(asked, r.URL.String())
		return nil
	}
	w.more = "https://other.example.test {\nDIRECTIVE\n}\n"
	w.replace = []string{"https://other.example.test {\nauth0_oidc {\ndomain DOMAIN", "https://other.example.test {\nauth0_oidc {\ndomain " + strings.TrimSuffix(w.pair.Child.Issuer(), "/")}
	code, report := w.examine()
	if code != exitUsage || !strings.Contains(report.Error, "AUTH0_MANAGEMENT_*") || !strings.Contains(report.Error, "--site") || len(asked) > 0 {
		t.Errorf("the exit code is %d with the error %q after %q", code, report.Error, asked)
	}
	if code, report = w.examine("--site", "app.example.test"); code != exitDone {
		t.Errorf("the exit code is %d with the error %q for one site", code, report.Error)
	}
}
