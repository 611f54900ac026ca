package caddyauth0oidc

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/doctor"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// doctorWorld is a Caddyfile and both simulated tenants, in which nothing is wrong until
// a test seeds a mistake.
type doctorWorld struct {
	t       *testing.T
	network *auth0sim.Network
	pair    *auth0sim.Pair
	port    string // of the tenants
	folder  string
	clock   *clock            // of the machine that is examined; the tenants have the real one
	env     map[string]string // of the command, for the Management APIs
	dial    func(*http.Request) error

	address  string // of the site block
	domain   string // as the directive says it
	settings string // more lines of the directive
	site     string // takes the place of the site block's content
	global   string // more lines of the global options
	more     string // further site blocks
	replace  []string

	out, err bytes.Buffer
}

const doctorBase = "https://app.example.test"

// doctorOtherBases are allowed at the tenant, so that only the configuration is wrong where
// a test uses one.
var doctorOtherBases = []string{
	"http://app.example.test", "https://other.example.test", "https://wrong.example.test", "https://www.example.test", "http://app.internal.test",
}

// newDoctorWorld has tenants of plain http on loopback, or with the given TLS.
func newDoctorWorld(t *testing.T, secure *tls.Config, options ...auth0sim.PairOption) *doctorWorld {
	t.Helper()
	for _, name := range []string{envDomain, envClientID, envClientSecret, envSecret, envConnection, envBaseURL} {
		if os.Getenv(name) != "" {
			t.Fatalf("%s is set in the environment of the tests", name)
		}
	}
	w := &doctorWorld{
		t: t, network: auth0sim.NewNetwork(), folder: t.TempDir(), clock: &clock{now: time.Now()}, env: map[string]string{}, address: doctorBase,
	}
	w.network.Keys = sharedKeys
	tenants := httptest.NewUnstartedServer(w.network)
	tenants.Config.ErrorLog = log.New(io.Discard, "", 0)
	scheme := "http"
	if tenants.TLS = secure; secure != nil {
		tenants.StartTLS()
		scheme = "https"
	} else {
		tenants.Start()
	}
	t.Cleanup(tenants.Close)
	_, port, err := net.SplitHostPort(tenants.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w.port, w.domain = port, scheme+"://master.localhost:"+port
	w.pair = auth0sim.NewPair(w.network, doctorBase, append([]auth0sim.PairOption{
		auth0sim.WithStrategy("oidc"), auth0sim.WithDomains(w.domain, scheme+"://child.localhost:"+port),
	}, options...)...)
	for _, base := range doctorOtherBases {
		w.pair.App.Callbacks = append(w.pair.App.Callbacks, base+"/auth/callback")
		w.pair.App.AllowedLogoutURLs = append(w.pair.App.AllowedLogoutURLs, base+"/")
	}
	return w
}

// manage gives the command credentials for the Management APIs of both tenants, with the
// scopes that its help names.
func (w *doctorWorld) manage() {
	for prefix, t := range map[string]*auth0sim.Tenant{"AUTH0_MANAGEMENT": w.pair.Master, "AUTH0_CHILD_MANAGEMENT": w.pair.Child} {
		app := t.AddManagementClient("read:clients", "read:connections", "read:connections_options", "read:tenant_settings")
		w.env[prefix+"_CLIENT_ID"], w.env[prefix+"_CLIENT_SECRET"] = app.ClientID, app.ClientSecret
	}
}

// caddyfile is the configuration, in which DOMAIN, CLIENT_ID, CLIENT_SECRET, CHILD_TENANT,
// CHILD_APPLICATION and FOLDER are filled in after what replace says.
func (w *doctorWorld) caddyfile() string {
	site := w.site
	if site == "" {
		site = "DIRECTIVE\nreverse_proxy 127.0.0.1:9"
	}
	text := "{\nauto_https off\n" + w.global + "\n}\n" + w.address + " {\n" + site + "\n}\n" + w.more
	text = strings.ReplaceAll(text, "DIRECTIVE", "auth0_oidc {\ndomain DOMAIN\nclient_id CLIENT_ID\nclient_secret CLIENT_SECRET\nconnection acme-child\n"+w.settings+"\n}")
	text = strings.NewReplacer(w.replace...).Replace(text)
	return strings.NewReplacer(
		"CHILD_TENANT", strings.TrimSuffix(w.pair.Child.Issuer(), "/"), "CHILD_APPLICATION", w.pair.ChildApp.ClientID,
		"DOMAIN", w.domain, "CLIENT_ID", w.pair.App.ClientID, "CLIENT_SECRET", w.pair.App.ClientSecret, "FOLDER", w.folder,
	).Replace(text)
}

// examination is one of the world's Caddyfile, with the flags.
func (w *doctorWorld) examination(args ...string) *examination {
	w.t.Helper()
	file := filepath.Join(w.folder, "Caddyfile")
	if err := os.WriteFile(file, []byte(w.caddyfile()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	flags := new(doctorFlags)
	if err := newDoctorCommand(flags).ParseFlags(append([]string{"--config", file}, args...)); err != nil {
		w.t.Fatal(err)
	}
	w.out.Reset()
	w.err.Reset()
	return &examination{
		doctorFlags: flags, width: usualWidth,
		surroundings: surroundings{getenv: func(name string) string { return w.env[name] }, out: &w.out, err: &w.err, now: w.clock.Now},
		egress: func(e tenant.Egress) http.RoundTripper {
			return doctorTransport{tenant.NewTransport(e), w}
		},
	}
}

// doctorTransport fails as the network would that a test describes.
type doctorTransport struct {
	*http.Transport
	world *doctorWorld
}

func (d doctorTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.world.dial != nil {
		if err := d.world.dial(r); err != nil {
			return nil, err
		}
	}
	return d.Transport.RoundTrip(r)
}

// examine runs the command with --json.
func (w *doctorWorld) examine(args ...string) (int, doctorReport) {
	w.t.Helper()
	code, err := w.examination(append(args, "--json")...).run(w.t.Context())
	if (err == nil) != (code == exitDone) {
		w.t.Errorf("the exit code is %d with the error %v", code, err)
	}
	var report doctorReport
	if err := json.Unmarshal(w.out.Bytes(), &report); err != nil {
		w.t.Fatalf("%v in\n%s", err, &w.out)
	}
	if report.ExitCode != code {
		w.t.Errorf("the report says %d, and the process ends with %d", report.ExitCode, code)
	}
	if shown := w.out.String() + w.err.String(); strings.Contains(shown, w.pair.App.ClientSecret) || strings.Contains(shown, adaptSecret) {
		w.t.Errorf("a secret is shown:\n%s", shown)
	}
	return code, report
}

// expect examines, and compares the codes of warnings and errors, and of what is unknown
// where that is wanted. Everything that is found has to have a cause and a remedy.
func (w *doctorWorld) expect(want map[string]doctor.Severity, args ...string) doctorReport {
	w.t.Helper()
	code, report := w.examine(args...)
	got := make(map[string]doctor.Severity)
	for _, f := range report.Findings {
		if f.Severity == doctor.Warning || f.Severity == doctor.Failure || f.Severity == doctor.Unknown && want[f.Code] == doctor.Unknown {
			got[f.Code] = f.Severity
			if f.Cause == "" || f.Remedy == "" {
				w.t.Errorf("%s has no cause or no remedy: %+v", f.Code, f)
			}
		}
		if f.Seen == "" || strings.Contains(f.Seen, "%!") {
			w.t.Errorf("%s does not say what was seen: %+v", f.Code, f)
		}
	}
	if !maps.Equal(got, want) {
		w.t.Errorf("the doctor says\n%s\nand not %v", &w.out, want)
	}
	wantCode := exitDone
	for _, severity := range slices.Sorted(maps.Values(want)) { // "error" comes before "warning"
		wantCode = map[doctor.Severity]int{doctor.Failure: exitErrors, doctor.Warning: exitWarnings}[severity]
		break
	}
	if code != wantCode {
		w.t.Errorf("the exit code is %d, and not %d", code, wantCode)
	}
	return report
}

// misconfiguration is a mistake, and what the doctor has to say about it.
type misconfiguration struct {
	name   string
	secure func(t *testing.T, w *authority) *tls.Config // of the tenants, if they have TLS
	pair   []auth0sim.PairOption
	seed   func(w *doctorWorld)
	want   map[string]doctor.Severity
	remedy string // a part of the remedy of each finding: the setting, or where to look
}

func runMisconfigurations(t *testing.T, rows []misconfiguration) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var secure *tls.Config
			ca := newAuthority(t)
			if row.secure != nil {
				secure = row.secure(t, ca)
			}
			w := newDoctorWorld(t, secure, row.pair...)
			if secure != nil {
				w.settings = "http {\ntrust_pool file " + ca.file + "\n}"
			}
			row.seed(w)
			report := w.expect(row.want)
			for _, f := range report.Findings {
				if row.want[f.Code] != "" && !strings.Contains(f.Remedy, row.remedy) {
					t.Errorf("the remedy of %s does not name %q: %s", f.Code, row.remedy, f.Remedy)
				}
			}
		})
	}
}

func TestDoctorFindsNothingWhereNothingIsWrong(t *testing.T) {
	t.Parallel()
	for _, managed := range []bool{false, true} {
		w := newDoctorWorld(t, nil)
		if managed {
			w.manage()
		}
		report := w.expect(nil)
		if len(report.Findings) < 4 || report.Outcome != outcomeHealthy {
			t.Errorf("there are too few findings:\n%s", &w.out)
		}
	}
}

func TestDoctorEndsWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newDoctorWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	w.dial = func(*http.Request) error {
		cancel()
		return ctx.Err()
	}
	code, err := w.examination().run(ctx)
	if code != exitFailed || err == nil {
		t.Errorf("the exit code is %d with the error %v", code, err)
	}
}
