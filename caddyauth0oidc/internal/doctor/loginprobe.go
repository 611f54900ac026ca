package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// login is a request that nobody goes on with.
func (i *inquiry) login(callback, connection, prompt string) tenant.AuthorizeRequest {
	return tenant.AuthorizeRequest{
		RedirectURI: callback, Scope: i.site.Scopes, State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(),
		Connection: connection, Organization: i.site.Organization, Audience: i.site.Audience, Prompt: prompt,
	}
}

// plain asks with all parameters in the address, also where they are to be pushed: what is wrong with them comes to light only so.
func (i *inquiry) plain(ctx context.Context, r tenant.AuthorizeRequest) reply {
	endpoint, err := url.Parse(i.metadata.AuthorizationEndpoint)
	if err != nil {
		return reply{}
	}
	q := endpoint.Query()
	for name, value := range map[string]string{
		"response_type": "code", "client_id": i.site.Application.ClientID, "redirect_uri": r.RedirectURI, "scope": r.Scope,
		"state": r.State, "nonce": r.Nonce, "code_challenge": oauth2.S256ChallengeFromVerifier(r.Verifier),
		"code_challenge_method": "S256", "connection": r.Connection, "organization": r.Organization, "audience": r.Audience,
		"prompt": r.Prompt,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	endpoint.RawQuery = q.Encode()
	return i.get(ctx, endpoint.String())
}

// askCallbacks asks for each callback with prompt=none, which begins nothing. It reports whether the client is known for certain.
func (i *inquiry) askCallbacks(ctx context.Context) (known bool) {
	for _, base := range i.bases() {
		callback := base + i.site.Callback
		a := i.plain(ctx, i.login(callback, i.connections()[0].Name, "none"))
		kind := a.refusal()
		switch {
		case !a.answered():
			i.notAsked(a)
		case a.leadsTo(callback), a.location != nil && kind == refusedNothing:
			known = true
			if i.callback == "" {
				i.callback = callback
			}
			i.passed(aboutCallback(base), CodeCallbackAllowed, "The master allows the callback "+callback+".")
		case kind == refusedClient:
			i.clientUnknown("The master's /authorize does not know the client id " + shown(i.site.Application.ClientID) + ".")
			return false
		case kind == refusedCallback:
			known = true
			i.callbackNotAllowed(base, "The master refuses the callback "+callback+" on a page of its own.")
		default:
			i.fault(aboutCallback(base), Failure, CodeLoginRefused,
				"The master answers a login with the callback "+callback+" with a page of status "+number(a.status)+", and not at the callback.",
				"Auth0 does so where it does not know the client id, or does not allow the callback.",
				"Compare client_id with the Client ID, and the callback with the Allowed Callback URLs in the master's dashboard: "+
					"Applications > (yours) > Settings.")
		}
	}
	return known
}

func aboutCallback(base string) string { return "callback " + base }

func (i *inquiry) clientUnknown(seen string) {
	i.fault(aboutClient, Failure, CodeClientUnknown, seen,
		"client_id has a mistake, is of another tenant than domain, or the application was deleted.",
		"Copy the Client ID of the application in the master's dashboard: Applications > (yours) > Settings. Compare domain with "+
			"the Domain there.")
}

func (i *inquiry) callbackNotAllowed(base, seen string) {
	i.fault(aboutCallback(base), Failure, CodeCallbackNotAllowed, seen,
		"The Allowed Callback URLs of the application do not have it. They are compared to the byte, with scheme, port and slashes.",
		"Add "+base+i.site.Callback+" to the Allowed Callback URLs in the master's dashboard: Applications > (yours) > Settings"+
			i.orConnect(base)+". If that is not the address that browsers see, correct base_url.")
}

// notAsked reports that the master had no usable answer.
func (i *inquiry) notAsked(a reply) {
	if a.status == http.StatusTooManyRequests {
		i.limited()
		return
	}
	seen := "The master did not answer a login."
	if a.status != 0 {
		seen = "The master answered a login with status " + number(a.status) + "."
	}
	i.unknown(CodeTenantNotAsked, seen, "The tenant cannot be reached from here, or has a fault of its own.",
		"Look at https://status.auth0.com and at the network, and run the doctor again.")
}

func (i *inquiry) limited() {
	i.unknown(CodeTenantLimited, "The master limits the requests (status 429), so not everything was asked.",
		"There were too many requests from this address or of this tenant.", "Run the doctor again in a minute.")
}

// follow begins a login through a connection. It gives the address that the browser is sent on to, nil if the login ends before that.
func (i *inquiry) follow(ctx context.Context, c Connection) *url.URL {
	if i.callback == "" {
		i.unknown(CodeTenantNotAsked, "What the master says to logins through the connection "+shown(c.Name)+" was not asked.",
			"The master answers such questions only at an allowed callback, and there is none.", "Correct the callback first, then run the doctor again.")
		return nil
	}
	r := i.login(i.callback, c.Name, "")
	a := i.plain(ctx, r)
	if a.refusal() == refusedPlain || i.metadata.RequirePushed {
		if a = i.pushed(ctx, r); a.status == 0 {
			return nil
		}
	}
	kind := a.refusal()
	switch {
	case !a.answered():
		i.notAsked(a)
	case kind != refusedNothing:
		i.loginRefused(c, kind, a)
	case c.Name == "":
	case a.location == nil, i.isMaster(a.location):
		i.notSentOn(c, a)
	default:
		return a.location
	}
	return nil
}

// pushed asks with a request that was pushed. Its reply is empty if that is impossible, which is reported.
func (i *inquiry) pushed(ctx context.Context, r tenant.AuthorizeRequest) reply {
	if i.site.Push == tenant.PushOff || i.metadata.PushedAuthorizationEndpoint == "" {
		i.pushRequired()
		return reply{}
	}
	r.Push = tenant.PushOn
	address, err := i.master.AuthorizeURL(ctx, i.site.Application, r)
	if err != nil {
		i.pushRefused(err)
		return reply{}
	}
	return i.get(ctx, address)
}

// askPush pushes a request, as the logins of the site will do.
func (i *inquiry) askPush(ctx context.Context) {
	if i.site.Push == tenant.PushOff || i.metadata.PushedAuthorizationEndpoint == "" || i.callback == "" || len(i.faulty) > 0 {
		return
	}
	r := i.login(i.callback, i.connections()[0].Name, "")
	r.Push = tenant.PushOn
	if _, err := i.master.AuthorizeURL(ctx, i.site.Application, r); err != nil {
		i.pushRefused(err)
	}
}

// pushRequired leaves it to the checks of the discovery document where that says it already.
func (i *inquiry) pushRequired() {
	if i.metadata.RequirePushed || i.site.Push == tenant.PushOn {
		return
	}
	i.fault(aboutPush, Failure, CodePushRequired, "The master takes pushed authorization requests only, and the site's are not pushed.",
		"The application has Require Pushed Authorization Requests, and par is off or the tenant offers no endpoint for them.",
		"Leave par out and allow them in the master's dashboard: Settings > Advanced > Allow Pushed Authorization Requests. Or switch the "+
			"requirement off: Applications > (yours) > Settings > Authorization Requests.")
}

// pushRefused reports it unless the credentials are the reason, which are looked at elsewhere.
func (i *inquiry) pushRefused(err error) {
	refused, ok := errors.AsType[*tenant.RefusedError](err)
	switch {
	case !ok:
		i.unknown(CodeTenantNotAsked, "A request could not be pushed: "+shown(err.Error())+".",
			"The tenant cannot be reached from here, or has a fault of its own.", "Run the doctor again in a minute.")
	case !i.faulty[aboutCredentials]:
		i.fault(aboutPush, Failure, CodePushRefused, "The master refuses a pushed request with "+refused.Code+" (status "+number(refused.Status)+").",
			"Something of the request is refused only where it is pushed; the tenant's log says what.",
			"Look at the newest entries of Monitoring > Logs in the master's dashboard; par off sends the requests with the browser.")
	}
}
