package caddyauth0oidc

import (
	"context"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

const (
	// tracerName is the instrumentation scope of the spans.
	tracerName = "github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc"

	// spanPrefix stands before their names.
	spanPrefix = "auth0_oidc."
)

// beginSpan begins a span below that of the context, with the same provider. Where the
// request is not traced there is none, and it costs next to nothing.
func beginSpan(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.SpanContext().IsValid() {
		return ctx, trace.SpanFromContext(context.Background())
	}
	return parent.TracerProvider().Tracer(tracerName).Start(ctx, spanPrefix+name, options...)
}

// callSpan is the span of a call to a tenant.
type callSpan struct{ trace.Span }

// beginCall begins a span for the request, which goes on with it. Of the address only the
// host is told: paths have users' ids in them. Nothing is added to the request, so that
// the tenant is not told of the trace.
func beginCall(r **http.Request, endpoint string) callSpan {
	ctx, span := beginSpan((*r).Context(), endpoint, trace.WithSpanKind(trace.SpanKindClient))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("http.request.method", (*r).Method), attribute.String("server.address", (*r).URL.Hostname()))
		if port, err := strconv.Atoi((*r).URL.Port()); err == nil {
			span.SetAttributes(attribute.Int("server.port", port))
		}
		*r = (*r).WithContext(ctx)
	}
	return callSpan{span}
}

// end says what came of the call, in the words of the semantic conventions for HTTP.
func (s callSpan) end(status int, outcome tenant.Outcome) {
	defer s.End()
	if !s.IsRecording() {
		return
	}
	kind := string(outcome)
	if status != 0 {
		s.SetAttributes(attribute.Int("http.response.status_code", status))
		kind = strconv.Itoa(status)
	}
	if outcome != tenant.OutcomeOK {
		s.SetAttributes(attribute.String("error.type", kind))
		s.SetStatus(codes.Error, "")
	}
}

// waiting is a span for the time that a request waits for something other than a call. It
// gives the function that ends it.
func waiting(ctx context.Context, name string) (context.Context, func(ok bool)) {
	ctx, span := beginSpan(ctx, name)
	return ctx, func(ok bool) {
		if !ok {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
