package management

import (
	"context"
	"fmt"
	"net/http"
)

// Found is what two tenants have of what they shall have.
type Found struct {
	// App and ChildApp are the applications.
	App, ChildApp FoundApplication
	// Connection is the connection in the master, nil if there is none, and Enabled who may use it.
	Connection *Connection
	Enabled    []string
	// ChildConnections are the child's connections that its application shall use, in the desired order.
	ChildConnections []FoundConnection
}

// FoundApplication is an application, or why nothing is known of it.
type FoundApplication struct {
	// Application is nil if there is none, or if it cannot be read.
	Application Application
	// Unknown says why it cannot be read, in words for the operator; empty if it can.
	Unknown string
}

// FoundConnection is a connection of the child and who may use it.
type FoundConnection struct {
	Connection Connection
	Enabled    []string
}

// Refusal says why there is no plan, and what to do about it.
type Refusal struct{ Why, Do string }

// Error has both.
func (r *Refusal) Error() string { return r.Why + ": " + r.Do }

// Survey reads what there is. Without access to the child, which is nil then, its application is unknown.
func Survey(ctx context.Context, d Desired, master Tenant, child *Tenant) (Found, error) {
	var f Found
	var err error
	if f.App, err = master.survey(ctx, d.App, "--client-id"); err != nil {
		return f, err
	}
	if f.Connection, err = master.connectionNamed(ctx, d.Connection); err != nil {
		return f, err
	}
	if f.Connection != nil {
		if f.Enabled, err = master.enabledClients(ctx, f.Connection.ID); err != nil {
			return f, err
		}
	}
	if child == nil {
		f.ChildApp.Unknown = "there is no token for the child"
		return f, nil
	}
	if f.ChildApp, err = child.survey(ctx, d.ChildApp, "--child-client-id"); err != nil {
		return f, err
	}
	for _, name := range d.ChildConnections {
		found, err := child.surveyConnection(ctx, name)
		if err != nil {
			return f, err
		}
		f.ChildConnections = append(f.ChildConnections, found)
	}
	return f, nil
}

// survey finds an application. One that has a client id exists, so not being allowed to look at it is no obstacle.
func (t Tenant) survey(ctx context.Context, d DesiredApplication, flag string) (FoundApplication, error) {
	if d.ClientID != "" {
		a, err := t.application(ctx, d.ClientID)
		switch {
		case hasStatus(err, http.StatusForbidden):
			return FoundApplication{Unknown: "the token may not read applications (scope read:clients)"}, nil
		case hasStatus(err, http.StatusNotFound):
			return FoundApplication{}, &Refusal{
				Why: fmt.Sprintf("there is no application with the client id %s", d.ClientID),
				Do:  "look it up in the dashboard, or leave " + flag + " out",
			}
		}
		return FoundApplication{Application: a}, err
	}
	ids, err := t.applicationsNamed(ctx, d.Name)
	if err != nil || len(ids) == 0 {
		return FoundApplication{}, err
	}
	if len(ids) > 1 {
		return FoundApplication{}, &Refusal{
			Why: fmt.Sprintf("%d applications have the name %q", len(ids), d.Name), Do: "say which one with " + flag,
		}
	}
	a, err := t.application(ctx, ids[0])
	return FoundApplication{Application: a}, err
}

func (t Tenant) surveyConnection(ctx context.Context, name string) (FoundConnection, error) {
	c, err := t.connectionNamed(ctx, name)
	if err != nil {
		return FoundConnection{}, err
	}
	if c == nil {
		return FoundConnection{}, &Refusal{
			Why: fmt.Sprintf("the child has no connection %s", name), Do: "look its name up in the dashboard of the child",
		}
	}
	enabled, err := t.enabledClients(ctx, c.ID)
	return FoundConnection{*c, enabled}, err
}
