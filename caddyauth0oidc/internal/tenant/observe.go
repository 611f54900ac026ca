package tenant

import (
	"context"
	"net/http"
)

// Endpoint is what a call to a tenant is for, whatever address the discovery document gives it.
type Endpoint string

// The endpoints of a tenant.
const (
	EndpointDiscovery Endpoint = "discovery" // the discovery document
	EndpointKeys      Endpoint = "keys"      // the signing keys
	EndpointToken     Endpoint = "token"     // codes and refresh tokens
	EndpointPAR       Endpoint = "par"       // pushed authorization requests
	EndpointUserinfo  Endpoint = "userinfo"  // claims about a user
	EndpointRevoke    Endpoint = "revoke"    // the end of refresh tokens
)

// Observer watches the calls to a tenant. It is used by several goroutines at a time.
type Observer interface {
	// Watch gives a transport that does each of its requests, which are for the endpoint, by next, and may look at what comes of them.
	// An answer of next has been read to its end, and an error of next may quote it.
	Watch(endpoint Endpoint, next http.RoundTripper) http.RoundTripper
	// Follow gives ctx with what an observer wants to know of from. Calls for discovery and keys serve all who wait for them and have a
	// context of their own: they follow the first who waits, or nobody where nobody does.
	Follow(ctx, from context.Context) context.Context
}

// watched gives the transport with the observer, if there is one.
func (t *Tenant) watched(endpoint Endpoint, next http.RoundTripper) http.RoundTripper {
	if t.observer == nil {
		return next
	}
	return t.observer.Watch(endpoint, next)
}

// follow gives the context of a call that from waits for; which is its own if nobody does.
func (t *Tenant) follow(ctx, from context.Context) context.Context {
	if t.observer == nil {
		return ctx
	}
	return t.observer.Follow(ctx, from)
}
