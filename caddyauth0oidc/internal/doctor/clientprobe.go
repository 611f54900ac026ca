package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// verdict is what a token endpoint says to an invented code.
type verdict int

const (
	takesClient    verdict = iota // the code was looked at, so the client was authenticated before
	refusesClient                 // the client is unknown, or not authenticated
	refusesMethod                 // access_denied, which is also the answer to another method than the registered one
	refusesGrant                  // the client is authenticated, and may not use the grant
	refusesOther                  // for another reason
	answersNothing                // nothing that can be used
)

// judge sorts the error of an exchange or a refresh that could not succeed.
func judge(err error) (verdict, *tenant.RefusedError) {
	refused, ok := errors.AsType[*tenant.RefusedError](err)
	if !ok {
		return answersNothing, nil
	}
	switch refused.Code {
	case "invalid_grant":
		return takesClient, refused
	case "unauthorized_client":
		return refusesGrant, refused
	case "invalid_client":
		return refusesClient, refused
	case "access_denied", "unauthorized", "unrecognized":
		if refused.Status == http.StatusUnauthorized {
			return refusesMethod, refused
		}
	}
	return refusesOther, refused
}

// tryCode asks for tokens with a code and a verifier that were invented here.
func (i *inquiry) tryCode(ctx context.Context, t *tenant.Tenant, app tenant.Application, callback string) (verdict, *tenant.RefusedError, error) {
	_, err := t.Exchange(ctx, app, rand.Text(), oauth2.GenerateVerifier(), callback)
	v, refused := judge(err)
	return v, refused, err
}

// askTokenEndpoint finds out whether the client's credentials and grants are taken.
func (i *inquiry) askTokenEndpoint(ctx context.Context) {
	app := i.site.Application
	app.NextClientSecret = ""
	callback := i.bases()
	if len(callback) == 0 {
		callback = []string{""}
	}
	at := callback[0] + i.site.Callback
	v, refused, err := i.tryCode(ctx, i.master, app, at)
	if next := i.site.Application.NextClientSecret; next != "" && (v == refusesClient || v == refusesMethod) {
		second := app
		second.ClientSecret = next
		if w, r, e := i.tryCode(ctx, i.master, second, at); w != refusesClient && w != refusesMethod {
			i.firstRefused()
			app, v, refused, err = second, w, r, e
		}
	}
	switch v {
	case takesClient:
	case refusesClient, refusesMethod:
		i.clientRefused(ctx, app, at, v)
	case refusesGrant:
		i.grantMissing("The token endpoint of the master says that the application may not use authorization codes.")
	case refusesOther:
		i.tokenRefused(refused)
	case answersNothing:
		i.tokenNotAsked(err)
		return
	}
	if v == takesClient || v == refusesGrant {
		i.askRefresh(ctx, app)
	}
	if v == takesClient && !i.faulty[aboutRefresh] {
		i.passed(aboutCredentials, CodeClientAuthenticated, "The token endpoint of the master takes the client's credentials.")
	}
}

// askRefresh asks with an invented refresh token, if the site has any.
func (i *inquiry) askRefresh(ctx context.Context, app tenant.Application) {
	if !i.refreshes() {
		return
	}
	_, err := i.master.Refresh(ctx, app, tenant.Secret(rand.Text()))
	if v, _ := judge(err); v == refusesGrant {
		i.refreshGrantMissing("The token endpoint of the master says that the application may not use refresh tokens.")
	}
}

func (i *inquiry) refreshes() bool {
	return slices.Contains(strings.Fields(i.site.Scopes), "offline_access")
}

// clientRefused tells why, as far as other ways to authenticate show it.
func (i *inquiry) clientRefused(ctx context.Context, app tenant.Application, callback string, v verdict) {
	const where = "Applications > (yours) > Credentials in the master's dashboard"
	switch {
	case i.faulty[aboutCredentials]: // its method is read already
	case app.Certificate != nil:
		i.fault(aboutCredentials, Failure, CodeCertificateRefused, "The token endpoint of the master refuses the client certificate.",
			"The certificate is not registered for the application, the application authenticates otherwise, or no certificate arrives "+
				"at the tenant.", "Compare the certificate with "+where+", and the domain with that of the mTLS endpoint.")
	case app.Key != nil && v == refusesMethod:
		i.clientAuthWrong("The token endpoint of the master does not take a client assertion from this application.", "a secret",
			"Set Authentication Method to Private Key JWT: "+where+". Or replace client_assertion by client_secret.")
	case app.Key != nil:
		i.fault(aboutCredentials, Failure, CodeAssertionRefused, "The token endpoint of the master refuses the client assertion.",
			"The public key is not registered for the application, has another algorithm or key id there, or this machine's clock is wrong "+
				"by more than a few seconds.", "Compare the public key, its algorithm and its id with "+where+", and the clocks.")
	default:
		i.secretRefused(ctx, app, callback, where)
	}
}

func (i *inquiry) secretRefused(ctx context.Context, app tenant.Application, callback, where string) {
	other, setting, name := app, tenant.AuthBasic, "Basic"
	if other.Method = tenant.AuthBasic; app.Method == tenant.AuthBasic {
		other.Method, setting, name = tenant.AuthPost, tenant.AuthPost, "Post"
	}
	if v, _, _ := i.tryCode(ctx, i.master, other, callback); v == takesClient || v == refusesGrant {
		i.clientAuthWrong("The token endpoint of the master takes the client secret only when it is sent the other way.",
			"client_secret_"+setting, "Write client_auth "+setting+", which is "+name+" at "+where+".")
		return
	}
	i.fault(aboutCredentials, Failure, CodeClientSecretWrong, "The token endpoint of the master refuses the client secret, whichever way it is sent.",
		"The secret is not the application's, such as after a rotation; or the application authenticates with a key, a certificate or "+
			"not at all.", "Copy the Client Secret anew in the master's dashboard: Applications > (yours) > Settings. Compare the "+
			"Authentication Method: "+where+".")
}

func (i *inquiry) clientAuthWrong(seen, method, remedy string) {
	i.fault(aboutCredentials, Failure, CodeClientAuthWrong, seen, "The application authenticates with "+method+", and the settings say otherwise.", remedy)
}

func (i *inquiry) firstRefused() {
	i.fault("first secret", Warning, CodeFirstSecretRefused, "The master refuses the first client secret and takes the next one.",
		"The secret was rotated in the tenant. Each login and refresh of a new process costs one more request.",
		"Put the next secret in the first place of client_secret.")
}

func (i *inquiry) refreshGrantMissing(seen string) {
	i.fault(aboutRefresh, Failure, CodeRefreshGrantMissing, seen,
		"refresh is on, and the grant type Refresh Token is off, so that sessions end with their first access token.",
		"Switch it on in the master's dashboard: Applications > (yours) > Settings > Advanced > Grant Types. Or leave refresh out.")
}

func (i *inquiry) tokenRefused(refused *tenant.RefusedError) {
	i.fault("token endpoint", Failure, CodeTokenRefused,
		"The token endpoint of the master refuses with "+refused.Code+" (status "+number(refused.Status)+").",
		"The reason has no code of its own; the tenant's log says it.",
		"Look at the newest entries of Monitoring > Logs in the master's dashboard.")
}

func (i *inquiry) tokenNotAsked(err error) {
	if u, ok := errors.AsType[*tenant.UnavailableError](err); ok && u.Status == http.StatusTooManyRequests {
		i.limited()
		return
	}
	seen := "The token endpoint of the master took an invented code."
	if err != nil {
		seen = "The token endpoint of the master was not asked: " + shown(err.Error()) + "."
	}
	i.unknown(CodeTenantNotAsked, seen, "The tenant cannot be reached from here, or has a fault of its own.",
		"Look at https://status.auth0.com and at the network, and run the doctor again.")
}
