package management

import (
	"reflect"
	"slices"
	"strings"
)

// Action is what a step does.
type Action string

// The actions of steps.
const (
	// Keep changes nothing, because all is as it shall be.
	Keep Action = "keep"
	// Create, Change and Enable do what they say.
	Create Action = "create"
	Change Action = "change"
	Enable Action = "enable"
	// Manual is for the operator to do: the tenant cannot be reached, or not enough of it be seen.
	Manual Action = "manual"
)

const (
	tenantMaster = "master"
	tenantChild  = "child"

	objectApplication = "application"
	objectConnection  = "connection"
	objectUse         = "use of connection"

	// secretShown stands for every secret.
	secretShown = "[secret]"
	// comes stands for the client id of an application that is not there yet.
	comes = "(of the application that is created)"
)

// Difference is a setting that is not as it shall be.
type Difference struct {
	Setting string `json:"setting"`
	// From is what it is, absent if it is not set, and To what it shall be, absent if it shall not be set. Secrets are
	// not shown.
	From any `json:"from,omitempty"`
	To   any `json:"to,omitempty"`
}

// Step is one object of a plan.
type Step struct {
	// Tenant is master or child, Object the kind of the object, Name its name and ID its id, empty if it has none yet.
	Tenant string `json:"tenant"`
	Object string `json:"object"`
	Name   string `json:"name"`
	ID     string `json:"id,omitempty"`
	Action Action `json:"action"`
	// Differences are what Create, Change or the operator sets.
	Differences []Difference `json:"differences,omitempty"`
	// Notes are for the operator.
	Notes []string `json:"notes,omitempty"`

	byHand []string       // what the operator has to set although the step changes nothing there
	body   map[string]any // what is sent
	before map[string]any // what takes it back
	lossy  bool           // before is to have the new secret, because the former one cannot be read
}

// Plan is what has to be done, in this order.
type Plan struct {
	Steps []Step `json:"steps"`
	// Notes are what the operator has to know about the whole.
	Notes []string `json:"notes,omitempty"`

	byHand  []string
	desired Desired
	found   Found
}

// NewPlan compares what shall be with what is. It talks to nobody. A *Refusal says why there can be no plan.
func NewPlan(d Desired, f Found) (*Plan, error) {
	p := &Plan{desired: d, found: f}
	p.addChildApp()
	p.addApp()
	if err := p.addConnection(); err != nil {
		return nil, err
	}
	p.addEnabled()
	p.addNotes()
	return p, nil
}

// Pending is how many steps change something.
func (p *Plan) Pending() int { return p.count(Create, Change, Enable) }

// ByHand is what is left to the operator, in words; nil if that is nothing.
func (p *Plan) ByHand() []string {
	var left []string
	for _, s := range p.Steps {
		if s.Action == Manual {
			left = append(left, "see to "+s.describe()+": "+strings.Join(s.settings(), ", "))
		}
		left = append(left, s.byHand...)
	}
	return append(left, p.byHand...)
}

// settings are the names of what differs.
func (s Step) settings() []string {
	var names []string
	for _, d := range s.Differences {
		names = append(names, d.Setting)
	}
	return names
}

func (p *Plan) count(actions ...Action) (n int) {
	for _, s := range p.Steps {
		if slices.Contains(actions, s.Action) {
			n++
		}
	}
	return n
}

// Same tells whether another plan would do the same to the same tenants.
func (p *Plan) Same(other *Plan) bool {
	return reflect.DeepEqual(p.Steps, other.Steps) && reflect.DeepEqual(p.found, other.found)
}

// addEnabled comes last, so that a login finds everything else there.
func (p *Plan) addEnabled() {
	for i, c := range p.found.ChildConnections {
		step := Step{Tenant: tenantChild, Object: objectUse, Name: p.desired.ChildConnections[i], ID: c.Connection.ID}
		p.Steps = append(p.Steps, step.enabledFor(p.childAppID(), c.Enabled))
	}
	step := Step{Tenant: tenantMaster, Object: objectUse, Name: p.desired.Connection}
	if p.found.Connection != nil {
		step.ID = p.found.Connection.ID
	}
	p.Steps = append(p.Steps, step.enabledFor(p.appID(), p.found.Enabled))
}

func (s Step) enabledFor(clientID string, enabled []string) Step {
	s.Action = Keep
	if !slices.Contains(enabled, clientID) {
		s.Action = Enable
		s.Differences = []Difference{{Setting: "enabled for", To: clientID}}
	}
	return s
}

func (p *Plan) appID() string { return idOf(p.desired.App, p.found.App) }

func (p *Plan) childAppID() string { return idOf(p.desired.ChildApp, p.found.ChildApp) }

func idOf(d DesiredApplication, f FoundApplication) string {
	switch {
	case d.ClientID != "":
		return d.ClientID
	case f.Application != nil:
		return f.Application.ID()
	}
	return comes
}

func (p *Plan) addNotes() {
	if p.desired.Strategy == StrategyAuth0 {
		p.Notes = append(p.Notes,
			"Auth0 deprecated the strategy auth0-oidc in August 2019, because it relies on the legacy user profile. "+
				"Its successor is --strategy oidc; take that for anything new.",
			"auth0-oidc needs the migration \"Legacy User Profile\" of the child tenant (Settings, Advanced, Migrations). The API "+
				"cannot switch it on. Where the dashboard does not show it, ask Auth0's support, or take --strategy oidc.")
	}
	if len(p.desired.ChildConnections) == 0 && p.found.ChildApp.Unknown == "" && p.found.ChildApp.Application == nil {
		p.Notes = append(p.Notes, "The child's application is new: enable the connections of its users for it in the child, "+
			"or name them with --child-connection.")
		p.byHand = append(p.byHand, "enable the connections of the child's users for its new application")
	}
}
