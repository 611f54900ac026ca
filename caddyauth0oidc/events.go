package caddyauth0oidc

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
)

// The events, for Caddy's app of that name. Each says who, where and by which tenant and
// client, and what is in its own data besides.
const (
	eventLogin       = "auth0_oidc.login"        // took_seconds
	eventLoginFailed = "auth0_oidc.login_failed" // code
	eventLogout      = "auth0_oidc.logout"       // kind
	eventRevoked     = "auth0_oidc.revoked"      // cause
	eventRefreshed   = "auth0_oidc.refreshed"
	eventDenied      = "auth0_oidc.denied" // code
)

// otherConnection stands in events for a connection that is not configured, through which
// users come only where the strategy is any.
const otherConnection = "other"

// claimValue is a value of a claim in the data of an event, for whoever subscribes to it.
// Placeholders show it, and so does String. In JSON it is hidden: Caddy writes the data of
// every event into its log at the level debug, and into lines about subscribers that fail.
type claimValue string

// String gives the value.
func (v claimValue) String() string { return string(v) }

// MarshalJSON hides the value, and tells only whether there is one.
func (v claimValue) MarshalJSON() ([]byte, error) {
	if v == "" {
		return []byte(`""`), nil
	}
	return []byte(`"hidden"`), nil
}

// party is whom an event is about. What is not known is empty.
type party struct {
	user       string // the user id at the master tenant
	sid        string // the session there
	connection string // that a login was sent to; otherwise that of the user
}

// event is something that an operator may want to keep for an audit.
type event struct {
	name    string
	request *http.Request // or nil
	about   party
	more    map[string]any // what it has beside the members of all events
}

// announcer brings events to those who subscribe to them in this configuration.
type announcer struct {
	app *caddyevents.App
	ctx caddy.Context
}

func newAnnouncer(ctx caddy.Context) (*announcer, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("loading the events: %w", err)
	}
	return &announcer{app.(*caddyevents.App), ctx}, nil
}

// announce tells subscribers. What they make of it changes nothing of what was decided:
// an event that is aborted, or a subscriber that fails, keeps nobody out or in.
func (h *Handler) announce(e event) {
	to := h.announcer
	if to.ctx.Err() != nil || !to.app.ShouldEmit(e.name) {
		return
	}
	defer func() {
		if recover() != nil { // with who knows what of the data
			h.logger.Error("a subscriber to an event has panicked", zap.String("event", e.name))
		}
	}()
	to.app.Emit(to.ctx, e.name, h.dataOf(e))
}

// dataOf gives the members that all events have, and the event's own. They are always
// there, so that no placeholder stays as it is written.
func (h *Handler) dataOf(e event) map[string]any {
	connection := e.about.connection
	if connection == "" {
		connection = h.knownConnection(e.about.user)
	}
	data := map[string]any{
		"issuer": h.issuer(), "client_id": h.ClientID, "connection": connection,
		"user": claimValue(e.about.user), "sid": claimValue(e.about.sid), "site": "", "client_ip": "",
	}
	if e.request != nil {
		data["site"] = h.originOf(e.request).host
		data["client_ip"], _ = caddyhttp.GetVar(e.request.Context(), caddyhttp.ClientIPVarKey).(string)
	}
	for name, value := range e.more {
		data[name] = value
	}
	return data
}

// knownConnection gives the connection of a user if it is a configured one.
func (h *Handler) knownConnection(userID string) string {
	name := profile.ParseSubject(userID).Connection
	switch {
	case userID == "":
		return ""
	case h.connections.Has(name):
		return name
	}
	return otherConnection
}
