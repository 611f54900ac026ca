package caddyauth0oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/revocation"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

const (
	// markRetry is when the sender may try again if the storage failed.
	markRetry = 5 * time.Second
	// clockLead is how far clocks may be apart: those of the tenant and of the instances.
	clockLead = time.Minute
)

// serveBackchannelLogout ends sessions on the word of a tenant (OpenID Connect Back-Channel
// Logout 1.0 section 2.5): POST <prefix>/backchannel-logout, with a form of logout_token=.
// Nobody is signed in by it or out of this connection; cookies do not count.
func (h *Handler) serveBackchannelLogout(w http.ResponseWriter, r *http.Request, v *visit, sent *sentForm) error {
	raw, refused := sent.logoutToken(w, v.query, h.now())
	if refused == nil {
		refused = h.takeLogoutToken(r.Context(), v, raw)
	}
	if refused != nil {
		h.refuseLogout(w, refused)
		return nil
	}
	noStore(w.Header())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}

// refuseLogoutMethod answers everything but POST, which no error route does in its place.
func (h *Handler) refuseLogoutMethod(w http.ResponseWriter, _ *http.Request, _ *visit) error {
	w.Header().Set("Allow", http.MethodPost)
	h.refuseLogout(w, &logoutRefusal{reason: codeMethodNotAllowed, status: http.StatusMethodNotAllowed, text: "logout tokens are posted"})
	return nil
}

// logoutRefusal is why a logout token was not taken. The text is ours, and the same for all
// tokens that are not acceptable; the reason is in the log alone.
type logoutRefusal struct {
	reason     string
	status     int
	text       string
	retryAfter time.Duration // with 503
	cause      error         // for the log
	ofToken    bool          // there was one, which is not acceptable
}

// reasonReplayed is that of a token that was taken before.
const reasonReplayed = "replayed"

func badLogout(reason, text string) *logoutRefusal {
	return &logoutRefusal{reason: reason, status: http.StatusBadRequest, text: text}
}

func (h *Handler) refuseLogout(w http.ResponseWriter, f *logoutRefusal) {
	h.tellRefusedLogoutToken(f)
	code := codeInvalidRequest
	header := w.Header()
	noStore(header)
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	if f.retryAfter > 0 {
		code = "temporarily_unavailable"
		header.Set("Retry-After", strconv.Itoa(int(f.retryAfter.Round(time.Second)/time.Second)))
	}
	w.WriteHeader(f.status)
	_, _ = w.Write([]byte(`{"error":"` + code + `","error_description":"` + f.text + "\"}\n")) // #nosec G705 -- constants, as application/json
}

// takeLogoutToken verifies a token, and ends what it is about.
func (h *Handler) takeLogoutToken(ctx context.Context, v *visit, raw string) *logoutRefusal {
	sender, token, err := h.verifyLogoutToken(ctx, v, raw)
	if err != nil {
		if unavailable, ok := errors.AsType[*tenant.UnavailableError](err); ok {
			return unavailableLogout("keys_unavailable", unavailable.RetryAfter, err)
		}
		reason := "malformed"
		if bad, ok := errors.AsType[*tenant.InvalidTokenError](err); ok {
			reason = bad.Reason
		}
		f := badLogout(reason, "the logout token is not acceptable")
		f.ofToken = true
		return f
	}
	return sender.take(ctx, token)
}

func unavailableLogout(reason string, retryAfter time.Duration, cause error) *logoutRefusal {
	return &logoutRefusal{
		reason: reason, status: http.StatusServiceUnavailable, retryAfter: max(retryAfter, time.Second), cause: cause,
		text: "the logout cannot be kept now; send it again",
	}
}

// logoutSender is a tenant that may send logout tokens, for an application there.
type logoutSender struct {
	handler     *Handler
	tenant      *tenant.Tenant
	application tenant.Application
	child       bool
	connection  string // behind which the child is
}

// logoutSenders are those of the directives that answer this route: their tenants, and the
// children of their connections that may.
func (h *Handler) logoutSenders(v *visit) (all []logoutSender) {
	handlers := h.logoutHandlers(v)
	for _, other := range handlers {
		all = append(all, logoutSender{handler: other, tenant: other.shared.tenant, application: other.application})
	}
	for _, other := range handlers {
		for _, c := range other.Connections {
			for _, name := range c.namesBehindChild() {
				application := tenant.Application{ClientID: c.Child.ClientID}
				all = append(all, logoutSender{other, other.childTenants[name].tenant, application, true, name})
			}
		}
	}
	return all
}

// logoutHandlers are this directive and those of the site with the same prefix, whatever
// their tenants and clients.
func (h *Handler) logoutHandlers(v *visit) []*Handler {
	found := []*Handler{h}
	for _, other := range v.site.handlers {
		if other != h && other.Prefix == h.Prefix {
			found = append(found, other)
		}
	}
	return found
}

// verifyLogoutToken has the token judged by the one whom it says to be for. If it names no
// application of ours, its issuer says why it is refused.
func (h *Handler) verifyLogoutToken(ctx context.Context, v *visit, raw string) (logoutSender, *tenant.LogoutToken, error) {
	issuer, audience, err := tenant.LogoutTokenFor(raw)
	if err != nil {
		return logoutSender{}, nil, err
	}
	senders := slices.DeleteFunc(h.logoutSenders(v), func(s logoutSender) bool { return s.tenant.Issuer() != issuer })
	if len(senders) == 0 {
		return logoutSender{}, nil, &tenant.InvalidTokenError{Reason: "issuer"}
	}
	sender := senders[0]
	if i := slices.IndexFunc(senders, func(s logoutSender) bool { return slices.Contains(audience, s.application.ClientID) }); i > 0 {
		sender = senders[i]
	}
	token, err := sender.tenant.VerifyLogoutToken(ctx, sender.application, raw)
	if err == nil && sender.child && token.Subject == "" { // whose sid is not known here
		err = &tenant.InvalidTokenError{Reason: "subject"}
	}
	return sender, token, err
}

// take ends what the token is about.
func (s logoutSender) take(ctx context.Context, token *tenant.LogoutToken) *logoutRefusal {
	refused := s.keep(ctx, token)
	if refused == nil {
		s.handler.tellLogoutToken(party{token.Subject, token.SID, s.connection}, s.child)
	}
	return refused
}

// keep writes the marks first: they are the same however often the token is sent, so that
// after a failure of the storage it can be sent again, and whoever is told that it was
// seen before can rely on them.
func (s logoutSender) keep(ctx context.Context, token *tenant.LogoutToken) *logoutRefusal {
	if err := endAll(ctx, s.marks(token)); err != nil {
		return unavailableLogout("storage_unavailable", markRetry, err)
	}
	first, err := s.handler.ledger.Once(ctx, token.Issuer+" "+token.TokenID, token.UsableUntil.Add(clockLead))
	switch {
	case err != nil:
		return unavailableLogout("storage_unavailable", markRetry, err)
	case !first:
		return badLogout(reasonReplayed, "the logout token was sent before")
	}
	return nil
}

// endAll has each ledger add its marks, side by side: the tenant does not wait for long.
func endAll(ctx context.Context, marks map[*ledger][]revocation.Mark) error {
	outcomes := make(chan error, len(marks))
	for l, some := range marks {
		go func() { outcomes <- l.end(ctx, causeBackchannel, some...) }()
	}
	var errs []error
	for range marks {
		errs = append(errs, <-outcomes)
	}
	return errors.Join(errs...)
}

// marks gives what ends the sessions that the token is about, by where it is to be kept.
func (s logoutSender) marks(token *tenant.LogoutToken) map[*ledger][]revocation.Mark {
	if s.child {
		return s.marksOfChild(token)
	}
	l := s.handler.ledger
	switch {
	case token.SID == "":
		return map[*ledger][]revocation.Mark{l: {revocation.OfSubject(token.Subject, s.endedBy(token), l.until(true))}}
	case token.Subject == "":
		return map[*ledger][]revocation.Mark{l: {revocation.OfSID(token.SID, l.until(false))}}
	}
	return map[*ledger][]revocation.Mark{l: {revocation.OfSIDAndSubject(token.SID, token.Subject, l.until(false))}}
}

// endedBy is when the last session of a user began that the token is about: when it came,
// for the clocks may differ, and not much after it was made, for it may come late, and
// again.
func (s logoutSender) endedBy(token *tenant.LogoutToken) time.Time {
	earliest, latest, now := token.IssuedAt, token.IssuedAt.Add(clockLead), s.handler.now()
	switch {
	case now.Before(earliest):
		return earliest
	case now.Before(latest):
		return now
	}
	return latest
}

// everyHandler gives the directives of this process, the newest of each configuration, and
// this one, which may be of an older one.
func everyHandler(one *Handler) []*Handler {
	all := []*Handler{one}
	pool.Range(func(_, value any) bool {
		all = append(all, value.(*shared).all()...)
		return true
	})
	return all
}
