package caddyauth0oidc

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// trace is what a world's requests left behind: spans as the directive `tracing` makes
// them, and ours below.
type traced struct {
	*tracetest.SpanRecorder
	w *world
}

// traced puts a span around each request that browsers make from now on.
func (w *world) traced() traced {
	recorder := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("server")
	u, _ := url.Parse(w.base)
	w.network.Handle(u.Host, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ctx, span := tracer.Start(r.Context(), r.Method+" "+r.URL.Path, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		w.server.ServeHTTP(rw, r.WithContext(ctx))
	}))
	return traced{recorder, w}
}

// take gives the spans since the last call, each behind those above it, in the order of
// their ends and without the requests that made none of ours.
func (t traced) take() (paths []string, ours []sdktrace.ReadOnlySpan) {
	ended := t.Ended()
	t.Reset()
	byID := make(map[trace.SpanID]sdktrace.ReadOnlySpan)
	for _, s := range ended {
		byID[s.SpanContext().SpanID()] = s
	}
	for _, s := range ended {
		if s.InstrumentationScope().Name != tracerName {
			continue
		}
		path := s.Name()
		for parent := byID[s.Parent().SpanID()]; parent != nil; parent = byID[parent.Parent().SpanID()] {
			path = parent.Name() + " > " + path
		}
		paths, ours = append(paths, path), append(ours, s)
	}
	return paths, ours
}

// want compares the spans, and looks at all that they tell.
func (t traced) want(want ...string) {
	t.w.t.Helper()
	got, spans := t.take()
	if !slices.Equal(got, want) {
		t.w.t.Errorf("the spans are\n%s\nin place of\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, s := range spans {
		assertSpan(t.w.t, s)
	}
}

// assertSpan INV-04: nothing but what a span of ours may have, in numbers and names that
// the configuration knows.
func assertSpan(t *testing.T, s sdktrace.ReadOnlySpan) {
	t.Helper()
	internal := slices.Contains([]string{"auth0_oidc.refresh", "auth0_oidc.refresh_lock"}, s.Name())
	if (s.SpanKind() == trace.SpanKindInternal) != internal || !internal && s.SpanKind() != trace.SpanKindClient {
		t.Errorf("%s is of the kind %s", s.Name(), s.SpanKind())
	}
	attributes := make(map[string]string)
	for _, a := range s.Attributes() {
		attributes[string(a.Key)] = a.Value.String()
	}
	failed := attributes["error.type"] != ""
	if (s.Status().Code == codes.Error) != failed && !internal || s.Status().Description != "" || len(s.Events()) > 0 || len(s.Links()) > 0 {
		t.Errorf("%s: status %+v, events %v, error.type %q", s.Name(), s.Status(), s.Events(), attributes["error.type"])
	}
	delete(attributes, "error.type")
	known := map[string]func(string) bool{
		"http.request.method":       func(v string) bool { return v == "GET" || v == "POST" },
		"server.address":            func(v string) bool { return v == "master.localhost" || v == "child.localhost" },
		"server.port":               func(v string) bool { return len(v) <= 5 },
		"http.response.status_code": func(v string) bool { return len(v) == 3 },
	}
	for key, value := range attributes {
		if known[key] == nil || !known[key](value) {
			t.Errorf("%s: %s is %q", s.Name(), key, value)
		}
	}
	if !internal && (attributes["http.request.method"] == "" || attributes["server.address"] == "") {
		t.Errorf("%s: only %q", s.Name(), slices.Collect(maps.Keys(attributes)))
	}
}

// Each call to the tenants is a span below that of the request which waits for it, and
// tells the tenants nothing of the trace.
func TestCallsToTheTenantsAreSpansOfTheRequest(t *testing.T) {
	t.Parallel()
	w := newRefreshWorld(t)
	w.pair.Master.AdvertisePAR = true
	var told atomic.Bool
	w.pair.Master.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Traceparent")+r.Header.Get("Tracestate")+r.Header.Get("Baggage") != "" {
				told.Store(true)
			}
			return false
		}
	})
	spans, b := w.traced(), w.browser()
	w.signIn(b, "/home", w.pair.User)
	spans.want("GET /home > auth0_oidc.discovery", "GET /home > auth0_oidc.par",
		"GET /auth/callback > auth0_oidc.token", "GET /auth/callback > auth0_oidc.keys")
	w.open(b, "/home")
	spans.want()
	w.clock.advance(time.Minute)
	w.due()
	w.open(b, "/home")
	if got, _ := spans.take(); !slices.Contains(got, "GET /home > auth0_oidc.refresh > auth0_oidc.refresh_lock") ||
		!slices.Contains(got, "GET /home > auth0_oidc.refresh > auth0_oidc.token") || !slices.Contains(got, "GET /home > auth0_oidc.refresh") {
		t.Errorf("a refresh: %q", got)
	}
	w.send(b, "POST", "/auth/logout", map[string]string{"Sec-Fetch-Site": "same-origin"})
	spans.want("POST /auth/logout > auth0_oidc.revoke")
	if told.Load() {
		t.Error("the tenant was told of the trace")
	}
}

// The same holds for the Management API and for the child tenant.
func TestCallsForTheProfileAreSpansOfTheCallback(t *testing.T) {
	t.Parallel()
	w := childWorld(t, withChild("header", ""))
	spans := w.traced()
	w.signIn(w.browser(), "/home", w.pair.User)
	const callback = "GET /auth/callback > auth0_oidc."
	spans.want("GET /home > auth0_oidc.discovery", callback+"token", callback+"keys",
		callback+"management_token", callback+"management", callback+"child_discovery", callback+"child_keys")
}

// What goes wrong is told in a word, and what nobody waits for is told to nobody.
func TestFailedCallsAreMarkedAndRefreshesInTheBackgroundMakeNoSpans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	spans, b := w.traced(), w.browser()
	w.pair.Master.Down(true)
	w.wantOutage(w.open(b, "/home"))
	got, failed := spans.take()
	if len(failed) != 1 || got[0] != "GET /home > auth0_oidc.discovery" || failed[0].Status().Code != codes.Error {
		t.Fatalf("%q", got)
	}
	assertSpan(t, failed[0])
	w.pair.Master.Down(false)
	w.clock.advance(time.Minute)
	w.signIn(b, "/home", w.pair.User)
	spans.take()
	w.clock.advance(time.Hour)
	before := w.pair.Master.Calls("/.well-known/openid-configuration")
	w.send(w.browser(), "GET", "/home", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"})
	for w.pair.Master.Calls("/.well-known/openid-configuration") == before && t.Context().Err() == nil {
		time.Sleep(time.Millisecond) // until it has come
	}
	w.end()
	spans.want()
}

// Without a span in the request there is nothing to do.
func TestRequestsThatAreNotTracedMakeNoSpans(t *testing.T) {
	t.Parallel()
	ctx, span := beginSpan(context.Background(), "token")
	if ctx != context.Background() || span.IsRecording() || span.SpanContext().IsValid() {
		t.Error("a span")
	}
}
