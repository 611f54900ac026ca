package caddyauth0oidc

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// The command asks the running server, and says what came of it.
func TestCommandRevokeEndsSessions(t *testing.T) {
	t.Parallel()
	w, shared, server := newWorld(t), new(sharedMarks), adminServer(t)
	shareMarks(w.handler(), shared)
	address := strings.TrimPrefix(server.URL, "http://")
	config := filepath.Join(t.TempDir(), "caddy.json")
	if err := os.WriteFile(config, []byte(`{"admin":{"listen":"`+address+`"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	w.signIn(b, "/home", w.pair.User)
	s := w.sessionIn(b)
	mine := func(f revokeFlags) *revokeFlags {
		f.order.Issuer, f.order.ClientID = w.pair.Master.Issuer(), w.pair.App.ClientID
		return &f
	}
	for _, test := range []struct {
		flags *revokeFlags
		away  bool
		code  int
		says  string
	}{
		{&revokeFlags{}, false, exitUsage, "--sub or --sid is missing"},
		{&revokeFlags{order: revokeOrder{SID: strings.Repeat("x", 256)}}, false, exitUsage, "at most 255"},
		{&revokeFlags{order: revokeOrder{Sub: "x"}, config: config + ".gone"}, false, exitUsage, "finding the address"},
		{&revokeFlags{order: revokeOrder{Sub: "x", Issuer: "https://other.example.test/"}, address: address}, false, exitFailed, "no auth0_oidc directive"},
		{mine(revokeFlags{order: revokeOrder{Sub: "auth0|other"}, config: config}), false, exitDone, "for 1 tenant and client."},
		{mine(revokeFlags{order: revokeOrder{Sub: s.Profile.UserID}, address: address}), true, exitFailed, "holds on this instance"},
	} {
		if !w.isSignedIn(b) {
			t.Fatal("signed out before the order")
		}
		shared.setAway(test.away)
		var out bytes.Buffer
		code, err := test.flags.run(&out)
		told := out.String()
		if err != nil {
			told += err.Error()
		}
		if code != test.code || (code == exitDone) != (err == nil) || !strings.Contains(told, test.says) {
			t.Errorf("%d %v %q, want %d %q", code, err, out.String(), test.code, test.says)
		}
	}
	if w.isSignedIn(b) {
		t.Error("signed in after the order")
	}
	if code, err := mine(revokeFlags{order: revokeOrder{Sub: "x"}, address: address}).run(brokenWriter{}); code != exitFailed || err == nil {
		t.Errorf("with nobody to read it: %d %v", code, err)
	}
	server.Close()
	if code, err := mine(revokeFlags{order: revokeOrder{Sub: "x"}, address: address}).run(io.Discard); code != exitFailed || err == nil {
		t.Errorf("without a server: %d %v", code, err)
	}
}

// What answers at the address need not be this module.
func TestCommandRevokeDoesNotBelieveAnyAnswer(t *testing.T) {
	t.Parallel()
	server := adminServer(t)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>welcome") })
	f := revokeFlags{order: revokeOrder{Sub: "x"}, address: strings.TrimPrefix(server.URL, "http://")}
	if code, err := f.run(io.Discard); code != exitFailed || err == nil {
		t.Errorf("%d %v", code, err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("nobody reads") }

// The help names every flag and exit code.
func TestCommandRevokeHelp(t *testing.T) {
	t.Parallel()
	var flags revokeFlags
	c := newRevokeCommand(&flags)
	var help bytes.Buffer
	c.SetOut(&help)
	if err := c.Help(); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"--sub", "--sid", "--issuer", "--client-id", "--address", "--config", "--adapter", "Exit codes:", "Examples:"} {
		if !strings.Contains(help.String(), part) {
			t.Errorf("the help does not name %s", part)
		}
	}
	c.RunE = func(*cobra.Command, []string) error { return nil }
	c.SetArgs([]string{"--sub", "a|b", "--sid", "s", "--issuer", "i", "--client-id", "c", "--address", "l:1", "--config", "f", "--adapter", "a"})
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	if flags != (revokeFlags{order: revokeOrder{Sub: "a|b", SID: "s", Issuer: "i", ClientID: "c"}, address: "l:1", config: "f", adapter: "a"}) {
		t.Errorf("%+v", flags)
	}
}
