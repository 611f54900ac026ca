package caddyauth0oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI is the part of Caddy's admin API that ends sessions, and tells whether this
// instance knows which were ended and how it stands with the tenants.
type adminAPI struct{}

// CaddyModule returns the module's id and constructor.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.auth0_oidc",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// The routes of the admin API.
const (
	revokePath = "/auth0_oidc/revoke"
	healthPath = "/auth0_oidc/health"
)

// Routes gives the routes below /auth0_oidc/.
func (a adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: revokePath, Handler: caddy.AdminHandlerFunc(a.revoke)},
		{Pattern: healthPath, Handler: caddy.AdminHandlerFunc(a.health)},
		{Pattern: statusPath, Handler: caddy.AdminHandlerFunc(a.status)},
	}
}

// revokeOrder is the body of a request to end sessions: all of a user, all that began with
// one session of the tenant, or, with both, those of the user among them.
type revokeOrder struct {
	Sub      string `json:"sub,omitempty"`
	SID      string `json:"sid,omitempty"`
	Issuer   string `json:"issuer,omitempty"`    // of the directives that are meant; empty for all
	ClientID string `json:"client_id,omitempty"` // the same
}

// revokedAnswer is the answer to an order that the storage has.
type revokedAnswer struct {
	Ledgers int `json:"ledgers"` // that took the order: one for each tenant and client
}

// What a claim may be, as for ID tokens; and no order is longer.
const (
	maxOrderSub = 1024
	maxOrderSID = 255
	maxOrder    = 16 << 10
)

var (
	errNoOrder     = errors.New("the body is not one JSON object whose values are strings")
	errWhoseOrder  = errors.New("'sub' and 'sid' are missing; write the user's id, or that of a session at the tenant, or both")
	errOrderLength = fmt.Errorf("'sub' has at most %d bytes, 'sid' at most %d, and all at most %d", maxOrderSub, maxOrderSID, maxOrder)
	errNoLedger    = errors.New("no auth0_oidc directive is loaded that has this issuer and client id")
)

// parseOrder takes names to the letter and no others. What it says holds nothing of a value.
func parseOrder(body []byte) (o revokeOrder, err error) {
	var given map[string]*string
	if err := json.Unmarshal(body, &given); err != nil || given == nil || !utf8.Valid(body) {
		return o, errNoOrder
	}
	known := map[string]*string{"sub": &o.Sub, "sid": &o.SID, "issuer": &o.Issuer, "client_id": &o.ClientID}
	for name, value := range given {
		switch field := known[name]; {
		case field == nil:
			return o, errors.New("there are no other members than 'sub', 'sid', 'issuer' and 'client_id'")
		case value == nil || *value == "":
			return o, fmt.Errorf("'%s' is empty; write a value, or leave it out", name)
		default:
			*field = *value
		}
	}
	switch {
	case o.Sub == "" && o.SID == "":
		return o, errWhoseOrder
	case len(o.Sub) > maxOrderSub || len(o.SID) > maxOrderSID:
		return o, errOrderLength
	}
	return o, nil
}

// mark gives the mark of an order that is given now.
func (o revokeOrder) mark(l *ledger) revocation.Mark {
	switch {
	case o.Sub == "":
		return revocation.OfSID(o.SID, l.until(false))
	case o.SID == "":
		return revocation.OfSubject(o.Sub, l.time(), l.until(true))
	}
	return revocation.OfSIDAndSubject(o.SID, o.Sub, l.until(false))
}

func (o revokeOrder) isFor(l *ledger) bool {
	return (o.Issuer == "" || o.Issuer == l.issuer) && (o.ClientID == "" || o.ClientID == l.clientID)
}

// revoke answers POST /auth0_oidc/revoke.
func (adminAPI) revoke(w http.ResponseWriter, r *http.Request) error {
	if err := onlyMethods(w, r, http.MethodPost); err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOrder))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return badOrder(errOrderLength)
	}
	if err != nil {
		return badOrder(errNoOrder)
	}
	order, err := parseOrder(body)
	if err != nil {
		return badOrder(err)
	}
	took, failed := order.carryOut(r.Context())
	switch {
	case took == 0:
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errNoLedger}
	case failed > 0:
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("the storage did not take it for %d of %d "+
			"tenants and clients: it holds on this instance, which goes on trying, and on others once the storage works again", failed, took)}
	}
	return writeAdminJSON(w, http.StatusOK, revokedAnswer{Ledgers: took})
}

// carryOut tells how many ledgers took the order, and how many of these could not store it.
func (o revokeOrder) carryOut(ctx context.Context) (took, failed int) {
	var tell []func() // when all is done: a subscriber may take long
	for _, l := range allLedgers() {
		if !o.isFor(l) {
			continue
		}
		took++
		err := l.end(ctx, causeAdmin, o.mark(l))
		if err != nil {
			failed++
		}
		tell = append(tell, func() { o.tell(l, err) })
	}
	for _, one := range tell {
		one()
	}
	return took, failed
}

func (o revokeOrder) tell(l *ledger, err error) {
	if by := l.serving(); by != nil {
		by.tellRevoked(causeAdmin, party{user: o.Sub, sid: o.SID}, "sessions were ended by the operator",
			zap.Bool("names_session", o.SID != ""), zap.Bool("names_user", o.Sub != ""), zap.Error(err))
	}
}

func badOrder(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
}

func onlyMethods(w http.ResponseWriter, r *http.Request, methods ...string) error {
	if slices.Contains(methods, r.Method) {
		return nil
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("method not allowed")}
}

// ledgerHealth tells how a ledger is. It has nothing of what the marks are about.
type ledgerHealth struct {
	Issuer   string     `json:"issuer"`
	ClientID string     `json:"client_id"`
	Marks    int        `json:"marks"`
	Waiting  int        `json:"marks_waiting"`         // that the storage does not have yet
	Read     *time.Time `json:"last_read,omitempty"`   // the last good reading; left out before there was one
	Age      *float64   `json:"age_seconds,omitempty"` // of that reading
	Stale    bool       `json:"stale"`
}

// healthAnswer is the answer of GET /auth0_oidc/health, with 503 if a ledger is stale. What
// the tenants do changes no status: no other instance would be better off.
type healthAnswer struct {
	Ledgers []ledgerHealth `json:"ledgers"`
	Tenants []tenantHealth `json:"tenants"`
}

// tenantHealth tells whether a tenant can be used.
type tenantHealth struct {
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
	State    string `json:"state"` // one of the words of stateOf
}

// health answers GET /auth0_oidc/health.
func (adminAPI) health(w http.ResponseWriter, r *http.Request) error {
	if err := onlyMethods(w, r, http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	status, answer := http.StatusOK, healthAnswer{Ledgers: []ledgerHealth{}, Tenants: []tenantHealth{}}
	for _, l := range allLedgers() {
		one := l.health()
		if one.Stale {
			status = http.StatusServiceUnavailable
		}
		answer.Ledgers = append(answer.Ledgers, one)
	}
	for _, t := range allTenants() {
		if t.clientID != "" {
			answer.Tenants = append(answer.Tenants, tenantHealth{t.issuer, t.clientID, stateOf(t.tenant.Status())})
		}
	}
	return writeAdminJSON(w, status, answer)
}

func (l *ledger) health() ledgerHealth {
	status, read, now := l.Status(), l.lastRead(), l.time()
	told := ledgerHealth{Issuer: l.issuer, ClientID: l.clientID, Marks: status.Marks, Waiting: status.Waiting, Stale: now.Sub(read) > l.patience()}
	if !read.IsZero() {
		utc, age := read.UTC().Truncate(time.Millisecond), now.Sub(read).Seconds()
		told.Read, told.Age = &utc, &age
	}
	return told
}

func writeAdminJSON(w http.ResponseWriter, status int, answer any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // fails when the client is gone
	return nil
}

var _ caddy.AdminRouter = adminAPI{}
