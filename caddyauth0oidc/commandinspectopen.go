package caddyauth0oidc

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// sidShown is how much of a session id is shown: enough to find it in a log of the tenant.
const sidShown = 8

// openBest reports what comes furthest of all directives and names of cookies.
func (i *inspect) openBest(in cookieInput) {
	best := inspection{Kind: "session", Reason: session.Absent.String()}
	for _, o := range i.openers {
		for _, cookies := range o.cookies {
			for _, found := range i.open(o, cookies, in) {
				if best.opening < found.opening || best.opening == found.opening && len(best.Logins) < len(found.Logins) {
					best = found
				}
			}
		}
	}
	best.Notes = append(i.report.Notes, best.Notes...)
	i.report = best
	if best.opening != session.Opened {
		i.report.Why = i.why(in)
	}
}

// open looks at the session and at the tokens. Tokens count by themselves only where there is no session.
func (i *inspect) open(o *opener, cookies session.Cookies, in cookieInput) []inspection {
	name, lines := cookies.Session.Name, in.lines
	if in.value != "" {
		lines = []string{name + "=" + in.value + "; " + session.TokensName(name) + "=" + in.value}
	}
	s, found := o.ring.InspectSession(lines, name)
	r := o.inspection("session", name, found)
	for _, id := range o.ring.Transactions(lines, cookies.Transaction.Name, i.now()) {
		if pending, ok := o.ring.ReadTransaction(lines, cookies.Transaction.Name, id, i.now()); ok {
			r.Logins = append(r.Logins, pending.Started)
		}
	}
	tokens, beside := o.ring.InspectTokens(lines, name)
	if s == nil && (found.Opening == session.Absent || in.value != "") {
		alone := o.inspection("tokens", session.TokensName(name), beside)
		alone.Tokens, alone.Logins = shownTokens(tokens, beside, nil), r.Logins
		return []inspection{r, alone}
	}
	if s != nil {
		r.Session = shownSession(s, o.limits, i.now())
		if i.claims {
			r.Session.Claims = shownClaims(s)
		}
	}
	if beside.Opening != session.Absent && in.value == "" {
		r.Tokens = shownTokens(tokens, beside, s)
	}
	return []inspection{r}
}

func (o *opener) inspection(kind, name string, found session.Inspected) inspection {
	r := inspection{
		Kind: kind, Opened: found.Opening == session.Opened, Reason: found.String(), opening: found.Opening,
		Site: o.site, Cookie: name, KeyID: found.KeyID, Size: found.Size, Chunks: found.Chunks, Sealed: moment(found.Sealed),
	}
	if r.Opened || found.Opening == session.Altered || found.Opening == session.Unreadable {
		if found.KeyID != "" && found.Key < len(o.keys) && !found.Sealed.IsZero() {
			r.Key = o.keys[found.Key]
		}
	}
	if found.Opening == session.UnknownKey || found.Opening == session.NotOurs || found.Opening == session.Absent {
		r.Site = ""
	}
	if found.Copies > 1 {
		r.note(fmt.Sprintf("%d cookies have this name, as when one is for a domain or was planted by a sibling host", found.Copies))
	}
	if len(found.Lost) > 0 {
		r.note("missing: " + strings.Join(found.Lost, ", "))
	}
	return r
}

// why says in a sentence why nothing opens.
func (i *inspect) why(in cookieInput) string {
	switch i.report.opening {
	case session.Absent:
		return i.whyAbsent(in)
	case session.NotOurs:
		return "The value is not one that this module writes: another program has the same name for its cookie."
	case session.Incomplete:
		return "The session takes several cookies, and not all of them are here: the browser or a proxy dropped some, or they were not copied."
	case session.Truncated:
		return "A part of the value is missing: it was cut when it was copied, or by a proxy."
	case session.UnknownKey:
		return "It was sealed with another secret, or for another issuer or client id, than these: the three together make the key. " +
			"Compare the secrets of all instances, and whether domain is the custom domain or the canonical one."
	case session.Altered:
		return "The secret, the issuer and the client fit, and the value is not the one that was sealed: it was changed, or it is of another cookie, such as one with another name."
	}
	return "The value is unaltered, and was written by another version of this module."
}

func (i *inspect) whyAbsent(in cookieInput) string {
	if i.report.Cookie == "" {
		i.report.Cookie = i.openers[0].cookies[0].Session.Name
	}
	like := in.cookiesLikeOurs()
	switch {
	case len(i.report.Logins) > 0:
		return "There is no cookie of this name in the input, and a login was begun that has not ended: it is under way, was left, or failed."
	case len(like) > 0:
		return "There is no cookie of this name; these look like cookies of another name (setting session cookie): " + strings.Join(like, ", ") + "."
	}
	return "There is no cookie of this name in the input: the browser did not send it, or it is of another host or path."
}

func shownSession(s *session.Session, l session.Limits, now time.Time) *sessionShown {
	subject := s.Profile.Subject()
	shown := &sessionShown{
		Over: limitsShown[s.Over(now, l)], UserID: s.Profile.UserID, Strategy: subject.Strategy, Connection: subject.Connection,
		Organization: s.Profile.OrgID, SID: s.SID, Login: s.Login, LastWritten: s.Seen, Written: s.Issue,
		AuthTime: moment(s.AuthTime), IdleEnd: s.Seen.Add(l.Idle), AbsoluteEnd: s.Login.Add(l.Absolute),
		SessionExpiry: moment(s.Ceiling), Ends: s.Expires(l),
	}
	shown.Alive = shown.Over == ""
	if len(s.SID) > sidShown {
		shown.SID = s.SID[:sidShown] + "..."
	}
	if l.MaxAge > 0 {
		shown.MaxAgeEnd = moment(s.AuthTime.Add(l.MaxAge))
	}
	return shown
}

// shownTokens tells which tokens there are, and nothing of them.
func shownTokens(t *session.Tokens, found session.Inspected, s *session.Session) *tokensShown {
	shown := &tokensShown{Opened: t != nil, Size: found.Size}
	if t == nil {
		shown.Why = found.String()
		return shown
	}
	if s != nil && t.Session != s.ID {
		return &tokensShown{Why: "they are of another session, as when one of both cookies is older", Size: found.Size}
	}
	for _, one := range []struct{ kind, value string }{
		{"refresh_token", t.Refresh}, {"id_token", t.ID}, {"access_token", t.Access}, {"child_access_token", t.Child},
	} {
		if one.value != "" {
			shown.Kinds = append(shown.Kinds, one.kind)
		}
	}
	shown.Expiry, shown.ChildExpiry, shown.Refreshes = moment(t.Expiry), moment(t.ChildExpiry), t.Refreshes
	return shown
}

// shownState leaves out the query of the return address, which may have anything in it.
func shownState(s session.State) *stateShown {
	path, _, _ := strings.Cut(s.ReturnTo, "?")
	return &stateShown{Connection: s.Connection, ReturnTo: path, Attempts: s.Attempt, Form: s.Form}
}

// secretClaims are members of profiles that give access, as in the identities of the Management API.
var secretClaims = []string{"accesstoken", "tokensecret", "refreshtoken", "idtoken", "clientsecret", "password"}

// givesAccess also knows the names that Actions have to give, with a namespace in front, in every spelling.
func givesAccess(name string) bool {
	plain := strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name))
	return slices.ContainsFunc(secretClaims, func(secret string) bool { return strings.HasSuffix(plain, secret) })
}

const notShown = "(not shown)"

// shownClaims is the profile without what gives access.
func shownClaims(s *session.Session) json.RawMessage {
	text, err := s.Profile.MarshalJSON()
	if err != nil {
		return nil
	}
	var claims any
	if json.Unmarshal(text, &claims) != nil {
		return nil
	}
	if text, err = json.Marshal(withoutSecrets(claims)); err != nil {
		return nil
	}
	return text
}

func withoutSecrets(value any) any {
	switch is := value.(type) {
	case string:
		if strings.HasPrefix(is, "eyJ") && strings.Count(is, ".") >= 2 { // a JWT, whatever its name is
			return notShown
		}
	case []any:
		for i := range is {
			is[i] = withoutSecrets(is[i])
		}
	case map[string]any:
		for name := range is {
			if givesAccess(name) {
				is[name] = notShown
				continue
			}
			is[name] = withoutSecrets(is[name])
		}
	}
	return value
}
