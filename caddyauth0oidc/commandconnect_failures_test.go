package caddyauth0oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

func without(scopes []string, taken ...string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(taken, s) })
}

func TestConnectNamesTheScopeThatIsMissingAndLeavesNothing(t *testing.T) {
	for _, scope := range []string{"create:clients", "read:clients", "create:connections", "read:connections", "update:connections"} {
		t.Run("master "+scope, func(t *testing.T) {
			w := newConnectWorld(t)
			w.grant(without(connectMasterScopes, scope, "read:client_keys"), connectChildScopes) // which reads clients, too
			code, report := w.connect(everything("--yes")...)
			if code != exitFailed || strings.Count(report.Error, scope) < 2 { // Auth0's words, and ours
				t.Errorf("%d %+v", code, report)
			}
			w.assertEmpty()
		})
	}
	t.Run("child read:client_keys", func(t *testing.T) {
		w := newConnectWorld(t)
		w.grant(connectMasterScopes, without(connectChildScopes, "read:client_keys"))
		code, report := w.connect(everything("--yes")...)
		if code != exitFailed || !strings.Contains(report.Error, "read:client_keys") {
			t.Errorf("%d %+v", code, report)
		}
		w.assertEmpty()
	})
}

func TestConnectWaitsForRateLimits(t *testing.T) {
	w := newConnectWorld(t)
	w.master.LimitRequests("/api/v2/", 3, 7*time.Second)
	w.onWait = func() { w.master.LimitRequests("/api/v2/", 2, 7*time.Second) }
	code, report := w.connect(everything("--yes")...)
	if code != exitDone || report.Outcome != outcomeDone || len(w.waited) == 0 || w.waited[0] != 7*time.Second {
		t.Errorf("%d %+v after waiting %v", code, report, w.waited)
	}
	if !strings.Contains(w.err.String(), "the tenant limits its requests, going on in 7s") {
		t.Errorf("nobody is told:\n%s", w.err.String())
	}
}

func TestConnectGivesUpOnRateLimitsAndTakesBack(t *testing.T) {
	for _, retryAfter := range []time.Duration{7 * time.Second, time.Hour} {
		w := newConnectWorld(t)
		w.master.Configure(func(s *auth0sim.Settings) {
			s.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				limited := r.Method == http.MethodPost && r.URL.Path == "/api/v2/connections"
				if limited {
					rw.Header().Set("Retry-After", fmt.Sprint(int(retryAfter.Seconds())))
					rw.WriteHeader(http.StatusTooManyRequests)
					_, _ = rw.Write([]byte(`{"statusCode":429,"error":"Too Many Requests","message":"Global limit has been reached"}`))
				}
				return limited
			}
		})
		code, report := w.connect(everything("--yes")...)
		want := 4
		if retryAfter == time.Hour {
			want = 0 // nobody waits that long
		}
		if code != exitFailed || len(w.waited) != want || !strings.Contains(report.Error, "then run the command again") {
			t.Errorf("%d %+v after waiting %v", code, report, w.waited)
		}
		w.assertEmpty()
	}
}

func TestConnectExplainsConflicts(t *testing.T) {
	t.Run("another strategy", func(t *testing.T) {
		w := newConnectWorld(t)
		w.master.AddConnection(auth0sim.Connection{Name: "acme-child", Strategy: "samlp"})
		code, report := w.connect(everything("--yes")...)
		if code != exitFailed || !strings.Contains(report.Error, "strategy samlp") || !strings.Contains(report.Error, "another --connection") {
			t.Errorf("%d %+v", code, report)
		}
		if len(w.clients(w.child)) != 0 {
			t.Error("there is an application")
		}
	})
	t.Run("somebody else was faster", func(t *testing.T) {
		w := newConnectWorld(t)
		w.master.Configure(func(s *auth0sim.Settings) {
			s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPost && r.URL.Path == "/api/v2/connections" {
					w.master.AddConnection(auth0sim.Connection{ID: "con_theirs", Name: "acme-child", Strategy: "oidc"})
				}
				return false
			}
		})
		code, report := w.connect(everything("--yes")...)
		if code != exitFailed || !strings.Contains(report.Error, "already exists") || !strings.Contains(report.Error, "in the meantime") {
			t.Errorf("%d %+v", code, report)
		}
		if c := w.connections(); len(c) != 1 || c[0]["id"] != "con_theirs" || len(w.clients(w.child)) != 0 {
			t.Errorf("there is %v", c)
		}
	})
	t.Run("several applications of that name", func(t *testing.T) {
		w := newConnectWorld(t)
		for range 2 {
			w.master.AddApplication(auth0sim.Application{Name: "app.example.test"})
		}
		if code, report := w.connect(everything("--yes")...); code != exitFailed || !strings.Contains(report.Error, "2 applications have the name") {
			t.Errorf("%d %+v", code, report)
		}
	})
}

// writes calls f at each request that changes something, counted from 1.
func (w *connectWorld) writes(f func(n int, r *http.Request) error) {
	n := 0
	w.answered = func(r *http.Request) error {
		if r.Method == http.MethodGet || r.URL.Path == "/oauth/token" {
			return nil
		}
		n++
		return f(n, r)
	}
}

func TestConnectTakesBackWhenItIsInterrupted(t *testing.T) {
	for at := 1; at <= 4; at++ {
		t.Run(fmt.Sprint("at write ", at), func(t *testing.T) {
			w := newConnectWorld(t)
			ctx, interrupt := context.WithCancel(t.Context())
			w.writes(func(n int, _ *http.Request) error {
				if n == at {
					interrupt()
				}
				return nil
			})
			code, report := w.connectUntil(ctx, everything("--yes")...)
			if code != exitFailed || !strings.Contains(report.Error, "interrupted") || len(report.Outcomes.TakenBack) != at {
				t.Errorf("%d %+v", code, report)
			}
			w.answered = nil
			w.assertEmpty()
		})
	}
}

func TestConnectTakesBackWhatWasNotAnswered(t *testing.T) {
	for at := 1; at <= 5; at++ {
		t.Run(fmt.Sprint("at write ", at), func(t *testing.T) {
			w := newConnectWorld(t)
			w.writes(func(n int, _ *http.Request) error {
				if n == at {
					return errors.New("the line is cut")
				}
				return nil
			})
			code, report := w.connect(everything("--yes")...)
			if code != exitFailed || !strings.Contains(report.Error, "cannot be reached") || len(report.Outcomes.TakenBack) != at {
				t.Errorf("%d %+v", code, report)
			}
			w.answered = nil
			w.assertEmpty()
		})
	}
}

func TestConnectSaysWhatRemains(t *testing.T) {
	w := newConnectWorld(t)
	w.grant(without(connectMasterScopes, "create:connections"), without(connectChildScopes, "delete:clients"))
	code, report := w.connect(everything("--yes")...)
	left := w.clients(w.child)
	if code != exitRemains || len(left) != 1 || len(report.Outcomes.Remains) != 1 {
		t.Fatalf("%d %+v", code, report)
	}
	for _, part := range []string{left[0]["client_id"].(string), "acme-child at master.auth0.test", "delete:clients"} {
		if !strings.Contains(w.err.String(), part) {
			t.Errorf("nothing of %q:\n%s", part, w.err.String())
		}
	}
	if len(w.clients(w.master)) != 0 {
		t.Error("the master's application is there")
	}
	w.grant(connectMasterScopes, connectChildScopes)
	if code, _ := w.connect(everything("--yes")...); code != exitDone || len(w.clients(w.child)) != 1 {
		t.Error("what remained is not found again")
	}
}

func TestConnectRestoresWhatItHadChanged(t *testing.T) {
	w := newConnectWorld(t)
	flags := everything("--yes")
	w.connect(flags...)
	app := w.clients(w.master)[0]["client_id"].(string)
	w.master.UpdateApplication(app, func(a *auth0sim.Application) { a.Callbacks = []string{"https://kept.test/"} })
	id := w.connections()[0]["id"].(string)
	options := w.connections()[0]["options"].(map[string]any)
	options["scope"], options["icon_url"] = "openid", "https://kept.test/icon.png"
	w.master.AddConnection(auth0sim.Connection{ID: id, Name: "acme-child", Strategy: "oidc", Options: options})
	before := [][]map[string]any{w.clients(w.master), w.connections()}
	w.writes(func(n int, _ *http.Request) error {
		if n == 3 { // the application and the options are changed, the connection is being enabled
			return errors.New("the line is cut")
		}
		return nil
	})
	code, report := w.connect(flags...)
	w.answered = nil
	if after := [][]map[string]any{w.clients(w.master), w.connections()}; code != exitFailed || !reflect.DeepEqual(before, after) {
		t.Errorf("%d %+v\nbefore %v\nafter  %v", code, report, before, after)
	}
	if code, report = w.connect(flags...); code != exitDone || len(report.Outcomes.Done) != 3 {
		t.Errorf("%d %+v", code, report)
	}
	options = w.connections()[0]["options"].(map[string]any)
	if options["scope"] != "openid profile email" || options["icon_url"] != "https://kept.test/icon.png" {
		t.Errorf("the options are %v", options)
	}
	if callbacks := fmt.Sprint(w.clients(w.master)[0]["callbacks"]); callbacks != "[https://kept.test/ "+connectSite+"/auth/callback]" {
		t.Errorf("the callbacks are %s", callbacks)
	}
}

func TestConnectTakesOnlyItsOwnBackFromAnApplication(t *testing.T) {
	w := newConnectWorld(t)
	app := w.master.AddApplication(auth0sim.Application{Name: "Old", SigningAlg: "HS256", Legacy: true, Callbacks: []string{"https://kept.test/"}})
	before := w.clients(w.master)[0]
	w.writes(func(n int, _ *http.Request) error {
		if n == 3 { // the applications are changed, the connection is being made
			w.master.UpdateApplication(app.ClientID, func(a *auth0sim.Application) { a.Callbacks = append(a.Callbacks, "https://new.test/") })
			return errors.New("the line is cut")
		}
		return nil
	})
	code, report := w.connect(everything("--client-id", app.ClientID, "--yes")...)
	w.answered = nil
	after := w.clients(w.master)[0]
	if callbacks := fmt.Sprint(after["callbacks"]); callbacks != "[https://kept.test/ https://new.test/]" {
		t.Errorf("the callbacks are %s", callbacks)
	}
	after["callbacks"] = before["callbacks"]
	if code != exitFailed || len(report.Outcomes.Remains) != 0 || !reflect.DeepEqual(before, after) {
		t.Errorf("%d %+v\nbefore %v\nafter  %v", code, report, before, after)
	}
}

func TestConnectRestoresAConnectionWhoseSecretIsNotShownWithTheNewOne(t *testing.T) {
	w := newConnectWorld(t)
	w.master.HideConnectionOptions, w.master.HideConnectionSecrets = false, true
	w.grant(without(connectMasterScopes, "read:connections_options", "update:connections_options"), connectChildScopes)
	w.master.AddConnection(auth0sim.Connection{Name: "acme-child", Strategy: "oidc", Options: map[string]any{
		"client_id": "former", "client_secret": "secret of the former", "issuer": "https://former.test/",
	}})
	var secret string
	w.writes(func(n int, _ *http.Request) error {
		switch n {
		case 1:
			secret = w.clients(w.child)[0]["client_secret"].(string)
		case 4: // the connection is changed already
			return errors.New("the line is cut")
		}
		return nil
	})
	code, report := w.connect(everything("--yes")...)
	w.answered = nil
	options := w.connections()[0]["options"].(map[string]any)
	if code != exitRemains || options["client_id"] != "former" || options["client_secret"] != secret || len(options) != 3 {
		t.Errorf("%d, the options are %v", code, options)
	}
	if len(report.Outcomes.Remains) != 1 || !strings.Contains(report.Outcomes.Remains[0], "the former one could not be read") {
		t.Errorf("%+v", report)
	}
}

// A script has to know that something was changed.
func TestConnectThatCannotWriteTheFileAfterItsChangesSaysThatTheyRemain(t *testing.T) {
	w := newConnectWorld(t)
	file := filepath.Join(t.TempDir(), "site.env")
	w.writes(func(n int, _ *http.Request) error {
		if n == 5 {
			return os.Mkdir(file, 0o700)
		}
		return nil
	})
	code, report := w.connect(everything("--yes", "--env-file", file)...)
	if code != exitRemains || report.ExitCode != code || report.Outcome != outcomeFailed || !strings.Contains(report.Error, "The tenants are connected, but") {
		t.Errorf("%d %+v", code, report)
	}
	if code, report = w.connect(everything("--yes", "--env-file", filepath.Join(t.TempDir(), "site.env"))...); code != exitDone || !report.EnvFileChanged {
		t.Errorf("again: %d %+v", code, report)
	}
}

func TestConnectDeletesNoApplicationOfSomebodyElse(t *testing.T) {
	w := newConnectWorld(t)
	w.child.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || r.URL.Path != "/api/v2/clients" {
				return false
			}
			w.child.AddApplication(auth0sim.Application{Name: "acme-child at master.auth0.test"})
			rw.WriteHeader(http.StatusBadGateway)
			return true
		}
	})
	code, report := w.connect(everything("--yes")...)
	if code != exitRemains || len(w.clients(w.child)) != 1 || !strings.Contains(strings.Join(report.Outcomes.Remains, ""), "somebody else's") {
		t.Errorf("%d %+v, there is %v", code, report, w.clients(w.child))
	}
}

func TestConnectSaysWhichTenantIsOutOfReach(t *testing.T) {
	w := newConnectWorld(t)
	w.answered = func(r *http.Request) error {
		if r.URL.Host == "child.auth0.test" {
			return errors.New("no such host")
		}
		return nil
	}
	code, report := w.connect(everything("--yes")...)
	if code != exitFailed || !strings.Contains(report.Error, "Child: ") || !strings.Contains(report.Error, "cannot be reached") || !strings.Contains(report.Error, "Check the tenant's domain") {
		t.Errorf("%d %+v", code, report)
	}
	w.assertEmpty()
}

// Auth0's validation may quote what it refuses.
func TestConnectTakesTheSecretOutOfAuth0sWords(t *testing.T) {
	w := newConnectWorld(t)
	w.master.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			refused := r.Method == http.MethodPost && r.URL.Path == "/api/v2/connections"
			if refused {
				var body struct {
					Options map[string]any `json:"options"`
				}
				_ = json.NewDecoder(r.Body).Decode(&body)
				rw.WriteHeader(http.StatusBadRequest)
				_ = json.NewEncoder(rw).Encode(map[string]any{
					"statusCode": 400, "error": "Bad Request", "message": fmt.Sprintf("Payload validation error: %v", body.Options["client_secret"]),
				})
			}
			return refused
		}
	})
	var secret string
	w.writes(func(n int, _ *http.Request) error {
		if n == 1 {
			secret = w.clients(w.child)[0]["client_secret"].(string)
		}
		return nil
	})
	code, report := w.connect(everything("--yes", "--json")...)
	if code != exitFailed || !strings.Contains(report.Error, "Payload validation error: [secret]") || strings.Contains(w.out.String()+w.err.String(), secret) {
		t.Errorf("%d %+v", code, report)
	}
}

func TestConnectGoesOnWithAnApplicationThatItMayNotRead(t *testing.T) {
	w := newConnectWorld(t)
	app := w.master.AddApplication(auth0sim.Application{Name: "By hand", Callbacks: []string{connectSite + "/auth/callback"}})
	w.grant([]string{"create:connections", "read:connections", "update:connections"}, connectChildScopes)
	code, report := w.connect(everything("--client-id", app.ClientID, "--yes", "--env-file", filepath.Join(t.TempDir(), "site.env"))...)
	if code != exitDone || len(report.Outcomes.Done) != 4 || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "read:client_keys") {
		t.Errorf("%d %+v", code, report)
	}
	if !strings.Contains(w.out.String(), "by hand  master: application") || !strings.Contains(w.out.String(), "scope read:clients") {
		t.Errorf("nobody is told:\n%s", w.out.String())
	}
	if end := w.login(); end.Query().Get("code") == "" {
		t.Errorf("the login ended at %s", end)
	}
}
