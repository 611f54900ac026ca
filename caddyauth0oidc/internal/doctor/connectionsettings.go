package doctor

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/management"
)

// hasStatus tells that the API itself, and not that for tokens, answered with a status.
func hasStatus(err error, status int) bool {
	e, ok := errors.AsType[*management.Error](err)
	return ok && e.Err == nil && e.Status == status && !e.GettingToken()
}

// readConnection reads a connection of the master, and judges what is wrong with it.
func (i *inquiry) readConnection(ctx context.Context, m Management, c Connection) error {
	read, err := readConnection(ctx, m, c.Name)
	if err != nil {
		return err
	}
	if read == nil {
		i.fault(aboutConnection(c), Failure, CodeConnectionMissing, "The master has no connection "+shown(c.Name)+".",
			"The name has a mistake, or is that of another tenant. Names are case-sensitive, and not the labels of the buttons.",
			"Compare connection with the names in the master's dashboard: Authentication > Enterprise"+i.orConnectTo(c, "")+".")
		return nil
	}
	i.connection[c.Name] = read
	enabled, err := readEnabled(ctx, m, read.ID, i.site.Application.ClientID)
	if err != nil && !errors.Is(err, errManyClients) {
		return err
	}
	if err == nil && !enabled {
		i.fault(aboutConnection(c), Failure, CodeConnectionNotEnabled, "The connection "+shown(c.Name)+" is not enabled for the application.",
			"New connections are enabled for no application.",
			"Switch it on in the master's dashboard: Applications > (yours) > Connections"+i.orConnectTo(c, "")+".")
	}
	i.judgeConnection(c, read)
	return nil
}

func (i *inquiry) judgeConnection(c Connection, read *connection) {
	wanted := []string{c.Strategy}
	switch c.Strategy {
	case "any":
		wanted = []string{read.Strategy}
	case "", "auto":
		wanted = []string{strategyAuth0, strategyOIDC}
	}
	if !slices.Contains(wanted, read.Strategy) {
		i.strategyWrong(c, "The connection "+shown(c.Name)+" has the strategy "+shown(read.Strategy)+", not "+strings.Join(wanted, " or ")+".",
			"The ids of its users begin with "+shown(read.Strategy)+", and such users are refused.")
		return
	}
	if read.Options == nil && (read.Strategy == strategyAuth0 || read.Strategy == strategyOIDC) {
		i.unknown(CodeManagementScope, "The options of the connection "+shown(c.Name)+" were not read: the token lacks the scope read:connections_options.",
			"The machine-to-machine application has fewer scopes.",
			"Grant read:connections_options in the master's dashboard: Applications > APIs > Auth0 Management API > Machine to Machine Applications.")
		delete(i.connection, c.Name)
		return
	}
	if kind := read.text("type"); read.Strategy == strategyOIDC && kind != "back_channel" {
		i.fault("type "+c.Name, Warning, CodeFrontChannel, "The connection "+shown(c.Name)+" is of the type front_channel.",
			"The child sends ID tokens through the browser, by an implicit grant that its application needs then.",
			"Choose Back Channel in the master's dashboard: Authentication > Enterprise > (the connection) > Settings"+i.orConnectTo(c, "")+".")
	}
}

// readChild reads the child's application.
func (i *inquiry) readChild(ctx context.Context, k *child) {
	m := i.surroundings.Child
	if m == nil && i.surroundings.Master != nil {
		i.childManagementAbsent()
	}
	if m == nil {
		return
	}
	a, err := readApplication(ctx, m, k.clientID)
	switch {
	case notFound(err):
		k.readFails = true
	case err != nil:
		i.unread("child", "application", "read:clients", err)
	default:
		i.judgeChild(ctx, k, a)
	}
}

func (i *inquiry) judgeChild(ctx context.Context, k *child, a *application) {
	settings := "in the child's dashboard: Applications > " + shown(k.clientID) + " > Settings"
	if !allows(a.Callbacks, k.callback) {
		i.childCallbackUnread(k, a)
	}
	if !slices.Contains(a.Grants, "authorization_code") && k.strategy != "" {
		i.childRefused(k, refusedGrant, reply{})
	}
	if alg := a.Signing.Alg; k.strategy == strategyOIDC && (alg == "" || strings.HasPrefix(alg, "HS")) {
		i.fault(k.about("signing"), Warning, CodeChildSigning, "The ID tokens of the child's application are signed with HS256.",
			"Connections of strategy oidc expect RS256, unless their options say otherwise.",
			"Choose RS256 "+settings+" > Advanced > OAuth > JSON Web Token Signature Algorithm"+i.orConnectTo(k.connection, "")+".")
	}
	c := k.connection
	for _, base := range i.bases() {
		back := base + i.site.ChildReturnTo
		if i.site.ChildReturnTo != "" && c.ChildClientID == k.clientID && !allowsPath(a.Logouts, back) {
			i.childLogoutNotAllowed(c, base, "The child's application does not have the logout address "+back+".")
		}
	}
	if k.strategy == strategyAuth0 {
		i.judgeLegacy(ctx, k, a, settings)
	}
}

// judgeLegacy looks at what the old strategy needs beside.
func (i *inquiry) judgeLegacy(ctx context.Context, k *child, a *application, settings string) {
	if a.Conformant != nil && *a.Conformant {
		i.fault(k.about("conformant"), Failure, CodeChildConformant, "OIDC Conformant of the child's application is on.",
			"Connections of strategy auth0-oidc read the whole profile, which Auth0 gives to applications without it alone.",
			"Switch it off "+settings+" > Advanced > OAuth"+i.orConnectTo(k.connection, "")+". Or take a connection of strategy oidc.")
	}
	var read struct {
		Flags struct {
			LegacyProfile *bool `json:"enable_legacy_profile"`
		} `json:"flags"`
	}
	if err := i.surroundings.Child.Get(ctx, "tenants/settings?include_fields=true&fields=flags", &read); err != nil {
		i.unread("child", "legacy user profile", "read:tenant_settings", err)
		return
	}
	if on := read.Flags.LegacyProfile; on != nil && !*on {
		i.fault(k.about("profile"), Failure, CodeChildLegacyProfile, "The migration Legacy User Profile of the child is off.",
			"Connections of strategy auth0-oidc need the older profile, which newer tenants do not have.",
			"Switch it on in the child's dashboard: Settings > Advanced > Migrations. Where it is not shown, ask Auth0's support, or take a "+
				"connection of strategy oidc.")
	}
}

// childCallbackUnread tells a callback that is missing from one under another domain of the master.
func (i *inquiry) childCallbackUnread(k *child, a *application) {
	for _, entry := range a.Callbacks {
		other, err := url.Parse(entry)
		if err != nil || other.Path != "/login/callback" || strings.EqualFold(other.Host, bareHost(k.callback)) {
			continue
		}
		i.fault(k.about("callback"), Failure, CodeCustomDomainMixup,
			"The child's application leads back to "+shown(other.Host)+", and logins of the site are at "+shown(bareHost(k.callback))+".",
			"A master with a custom domain has one callback for each of its domains, and domain of the settings decides which one is used.",
			i.addChildCallback(k)+" Or write the other domain in the settings, and add its callback there.")
		return
	}
	i.childCallbackMissing(k)
}
