package doctor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

const (
	// tolerated is the difference of clocks that nobody notices, and hopeless that from which on logins fail.
	tolerated = time.Minute
	hopeless  = 5 * time.Minute
)

// checkClock compares this machine's clock with the Date of an answer, which has no fractions of seconds and may come from a
// cache (RFC 9110 section 6.6.1, RFC 9111 section 5.1).
func (s *Site) checkClock(got *answer) []Finding {
	date, err := http.ParseTime(got.header.Get("Date"))
	if err != nil {
		return nil
	}
	if age, err := strconv.ParseUint(got.header.Get("Age"), 10, 31); err == nil {
		date = date.Add(time.Duration(age) * time.Second)
	}
	between := got.sent.Add(got.received.Sub(got.sent) / 2)
	off := between.Sub(date.Add(time.Second / 2)).Round(time.Second)
	if off.Abs() <= tolerated {
		return []Finding{s.passed(codeClock, "The clock of this machine agrees with the tenant's.")}
	}
	severity, direction := Warning, "ahead of"
	if off < 0 {
		direction = "behind"
	}
	if off.Abs() > hopeless {
		severity = Failure
	}
	return []Finding{s.found(severity, codeClockOff, fmt.Sprintf("The clock of this machine is %s %s the tenant's.", off.Abs(), direction),
		"Tokens have times in them. With a clock that is off they count as expired, or as not valid yet, and logins end in errors or loops.",
		"Have the clock set by NTP: timedatectl set-ntp true, or chronyd; in a container or a virtual machine, that of its host.")}
}

// checkAlgorithms looks for a signature that is believed.
func (s *Site) checkAlgorithms(doc *document) []Finding {
	accepted := tenant.AcceptedAlgorithms()
	if doc.Algorithms == nil || slices.ContainsFunc(doc.Algorithms, func(alg string) bool { return slices.Contains(accepted, alg) }) {
		return nil
	}
	return []Finding{s.found(Failure, codeAlgorithm, "The tenant signs ID tokens with "+shortened(strings.Join(doc.Algorithms, ", "))+" only.",
		"Only "+strings.Join(accepted, ", ")+" are believed. With HS256 the client secret would be the key, so that whoever knows it could sign anything.",
		"Choose RS256 in the dashboard: Applications > (yours) > Settings > Advanced > OAuth > JSON Web Token Signature Algorithm.")}
}

// checkOffers compares settings with what the tenant publishes.
func (s *Site) checkOffers(md *tenant.Metadata) (found []Finding) {
	switch {
	case s.Push == tenant.PushOn && md.PushedAuthorizationEndpoint == "":
		found = append(found, s.found(Failure, codePARMissing, "par is on, and the tenant publishes no endpoint for pushed authorization requests.",
			"The tenant does not have them switched on; Auth0 sells them with Highly Regulated Identity.",
			"Switch on Settings > Advanced > Allow Pushed Authorization Requests in the dashboard, or write par auto."))
	case s.Push == tenant.PushOff && md.RequirePushed:
		found = append(found, s.found(Failure, codePARRequired, "par is off, and the tenant takes no other authorization requests than pushed ones.",
			"The tenant requires them (require_pushed_authorization_requests).", "Write par auto, or leave the line out."))
	}
	if md.EndSessionEndpoint == "" && s.LogoutStrategy == tenant.LogoutPublished {
		found = append(found, s.found(Warning, codeLogoutMissing, "The tenant publishes no end_session_endpoint, so that a logout ends the session here, and not at the tenant.",
			"With issuer, no other logout endpoint than a published one is used. Auth0 publishes it only if RP-Initiated Logout End Session Endpoint Discovery is on.",
			"Switch that on in the dashboard under Settings > Advanced, or write domain in place of issuer, or logout { strategy v2 }."))
	}
	return found
}

// checkKeys fetches the tenant's keys.
func (s *Site) checkKeys(ctx context.Context, address string, now func() time.Time) Finding {
	got, err := s.get(ctx, address, now)
	if err != nil {
		return s.found(Failure, codeKeysFailed, "The keys at "+shortened(address)+" could not be fetched: "+s.unreached(err, hostOf(address)).Seen,
			"The address of the keys is another one than that of the discovery document, or the connection broke.",
			"Let this machine reach "+hostOf(address)+", directly or by http { proxy }.")
	}
	if got.status != http.StatusOK {
		return s.found(Failure, codeKeysFailed, fmt.Sprintf("The keys at %s are answered with status %d.", shortened(address), got.status),
			"The tenant, or a proxy in front of it, refuses or limits the requests for its keys.",
			"Look at https://status.auth0.com, at Monitoring > Logs in the dashboard, and at your proxies; have them let "+hostOf(address)+" pass.")
	}
	n, err := tenant.CountKeys(got.body)
	if err != nil {
		return s.found(Failure, codeKeysUnusable, "No key at "+shortened(address)+" can verify a token: "+err.Error()+".",
			"The tenant publishes no RSA key of 2048 bits or more and no key on P-256 for signatures, as where everything is signed with HS256, or something in between changes the answer.",
			"Choose RS256 in the dashboard (Applications > (yours) > Settings > Advanced > OAuth), and look at Settings > Signing Keys.")
	}
	return s.passed(codeKeys, fmt.Sprintf("The tenant's keys can be fetched, and %d of them used.", n))
}
