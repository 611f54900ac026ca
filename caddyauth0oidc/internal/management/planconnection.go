package management

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

const optionSecret = "client_secret"

// discovered are the options that Auth0 reads from a discovery document; those of another child must not stay.
var discovered = []string{
	"issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint", "oidc_metadata",
}

func (p *Plan) addConnection() error {
	d, have := p.desired, p.found.Connection
	s := Step{Tenant: tenantMaster, Object: objectConnection, Name: d.Connection}
	switch {
	case have != nil && have.Strategy != d.Strategy:
		return &Refusal{
			Why: fmt.Sprintf("a connection %s is there already, with the strategy %s", have.Name, have.Strategy),
			Do: fmt.Sprintf("Auth0 does not let name and strategy be changed; choose another --connection, or delete that one, "+
				"or take --strategy %s if it is the one that is meant", have.Strategy),
		}
	case p.staleSecret():
		return &Refusal{
			Why: "the secret that was given for the child's application is not the one that the child shows for it",
			Do: "correct AUTH0_CHILD_CLIENT_SECRET or the file of --child-client-secret-file, or leave it out: the child's token " +
				"can read the secret",
		}
	case p.lacksSecret():
		return &Refusal{
			Why: "the secret of the child's application is not known",
			Do: "give it with --child-client-secret-file or AUTH0_CHILD_CLIENT_SECRET, or give the child's token the scope " +
				"read:client_keys",
		}
	case have == nil:
		s.create(d, p.childAppID())
	default:
		s.ID = have.ID
		s.change(d, have.Options, p.childAppID(), p.secret())
	}
	p.Steps = append(p.Steps, s)
	return nil
}

// staleSecret tells whether a secret was given with which no login could work, as after a rotation.
func (p *Plan) staleSecret() bool {
	shown := p.found.ChildApp.Application.Secret()
	return p.desired.ChildSecret != "" && shown != "" && p.desired.ChildSecret != shown
}

// lacksSecret tells whether the connection would get a client id without the secret that belongs to it.
func (p *Plan) lacksSecret() bool {
	id, have := p.childAppID(), p.found.Connection
	if id == comes || p.secret() != "" {
		return false
	}
	return have == nil || have.Options != nil && have.Options["client_id"] != id
}

// secret is that of the child's application: the operator's, or what the child's token may read.
func (p *Plan) secret() string {
	if p.desired.ChildSecret != "" {
		return p.desired.ChildSecret
	}
	return p.found.ChildApp.Application.Secret()
}

func (s *Step) create(d Desired, clientID string) {
	s.Action = Create
	s.Differences = append(s.Differences, Difference{Setting: "strategy", To: d.Strategy})
	s.differ(nil, d.options(clientID))
	s.Differences = append(s.Differences, Difference{Setting: optionSecret, To: secretShown})
}

// change merges: options that nothing is said about stay as they are, because an update replaces all of them.
func (s *Step) change(d Desired, have map[string]any, clientID, secret string) {
	s.Action = Keep
	if have == nil {
		s.Action = Manual
		s.Notes = append(s.Notes, "Its options cannot be read, and nothing is written over what cannot be read. Give the "+
			"token the scopes read:connections_options and update:connections_options.")
		s.differ(nil, d.options(clientID))
		return
	}
	merged := mergedOptions(d, have, clientID)
	s.differ(have, merged)
	stored, readable := have[optionSecret].(string)
	switch {
	case clientID == comes, readable && secret != "" && stored != secret, !readable && secret != "" && (d.RotateSecret || len(s.Differences) > 0):
		s.Differences = append(s.Differences, secretDifference(readable))
		merged[optionSecret] = secret
	case !readable && len(s.Differences) > 0:
		s.Action, s.body = Manual, nil
		s.Notes = append(s.Notes, "Its stored secret is not shown, and writing the options without it would lose it: give the "+
			"secret with --child-client-secret-file or AUTH0_CHILD_CLIENT_SECRET.")
		return
	case !readable || secret == "":
		s.Notes = append(s.Notes, "The stored secret cannot be compared. Use --rotate-secret, with the secret of the child's "+
			"application, to write it.")
	}
	if len(s.Differences) == 0 {
		return
	}
	s.Action, s.body, s.before = Change, merged, have
	if !readable {
		s.Notes = append(s.Notes, lostSecret)
		s.lossy = true
	}
}

// lostSecret is the one thing that cannot be restored.
const lostSecret = "The former secret cannot be read, so a run that fails cannot bring it back." // #nosec G101 -- a sentence

func secretDifference(readable bool) Difference {
	d := Difference{Setting: optionSecret, To: secretShown}
	if readable {
		d.From = secretShown
	}
	return d
}

func mergedOptions(d Desired, have map[string]any, clientID string) map[string]any {
	want := d.options(clientID)
	merged := maps.Clone(have)
	if have["discovery_url"] != want["discovery_url"] {
		for _, name := range discovered {
			delete(merged, name)
		}
	}
	want["scope"] = mergedScope(have["scope"], strings.Fields(d.Scope))
	params, _ := have["upstream_params"].(map[string]any)
	if params = maps.Clone(params); params != nil {
		maps.Copy(params, promptAlias())
		want["upstream_params"] = params
	}
	maps.Copy(merged, want)
	return merged
}

// mergedScope leaves a scope alone, a list as well, that has all the words.
func mergedScope(have any, words []string) any {
	listed, _ := have.(string)
	list := texts(have)
	if listed != "" {
		list = strings.Fields(listed)
	}
	if !missing(list, words) {
		return have
	}
	return unionScope(strings.Join(list, " "), words)
}

// differ lists what is not the same in the options, without the secret.
func (s *Step) differ(have, want map[string]any) {
	names := maps.Clone(have)
	if names == nil {
		names = map[string]any{}
	}
	maps.Copy(names, want)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if name != optionSecret && !reflect.DeepEqual(have[name], want[name]) {
			s.Differences = append(s.Differences, Difference{Setting: name, From: have[name], To: want[name]})
		}
	}
}
