package management

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// takeBackTime bounds the taking back, also after an interrupt.
const takeBackTime = 30 * time.Second

// Outcome is what came of a plan.
type Outcome struct {
	// Done are the changes that were made, in words, and TakenBack those that were undone after a failure.
	Done      []string `json:"done,omitempty"`
	TakenBack []string `json:"taken_back,omitempty"`
	// Remains are the changes that could not be undone, and what to do about each.
	Remains []string `json:"remains,omitempty"`
	// ClientID and ClientSecret are those of the master's application; the secret is empty if the token may not see it.
	ClientID     string `json:"-"`
	ClientSecret string `json:"-"`
}

// run is a plan on its way.
type run struct {
	*Plan
	master   Tenant
	child    *Tenant
	progress func(string)

	outcome      Outcome
	app          Application
	childApp     Application
	connectionID string
	undos        []undo
}

// undo takes one change back.
type undo struct {
	what  string // in words, as it remains if this fails
	lossy bool
	run   func(context.Context) error
}

// Apply does the steps of a plan in their order. Should one fail, or the context end, everything that was done is taken
// back in the opposite order, within half a minute; the outcome says what remains if that fails as well. Progress is told
// about each change.
func (p *Plan) Apply(ctx context.Context, master Tenant, child *Tenant, progress func(string)) (Outcome, error) {
	r := &run{Plan: p, master: master, child: child, progress: progress, app: p.found.App.Application, childApp: p.found.ChildApp.Application}
	if p.found.Connection != nil {
		r.connectionID = p.found.Connection.ID
	}
	for _, s := range p.Steps {
		if s.Action == Keep || s.Action == Manual {
			continue
		}
		if err := r.step(ctx, s); err != nil {
			r.takeBack(ctx)
			return r.outcome, err
		}
	}
	r.outcome.ClientID, r.outcome.ClientSecret = p.desired.App.ClientID, r.app.Secret()
	if r.app != nil {
		r.outcome.ClientID = r.app.ID()
	}
	return r.outcome, nil
}

func (r *run) step(ctx context.Context, s Step) error {
	if err := ctx.Err(); err != nil {
		return &Error{Tenant: s.Tenant, Doing: s.Object + " " + s.Name, Err: err}
	}
	r.progress(string(s.Action) + " " + s.describe())
	var err error
	switch {
	case s.Object == objectApplication && s.Action == Create:
		err = r.createApplication(ctx, s)
	case s.Object == objectApplication:
		err = r.changeApplication(ctx, s)
	case s.Object == objectConnection && s.Action == Create:
		err = r.createConnection(ctx, s)
	case s.Object == objectConnection:
		err = r.changeConnection(ctx, s)
	default:
		err = r.enableConnection(ctx, s)
	}
	if err == nil {
		r.outcome.Done = append(r.outcome.Done, string(s.Action)+" "+s.describe())
	}
	return err
}

func (s Step) describe() string {
	return fmt.Sprintf("the %s %s of the %s", s.Object, s.Name, s.Tenant)
}

func (r *run) tenant(s Step) Tenant {
	if s.Tenant == tenantChild {
		return *r.child
	}
	return r.master
}

// changed remembers how to take a change back, if it took place or may have.
func (r *run) changed(err error, u undo) error {
	if err == nil || unanswered(err) {
		r.undos = append(r.undos, u)
	}
	return err
}

func (r *run) createApplication(ctx context.Context, s Step) error {
	t := r.tenant(s)
	made, err := t.createApplication(ctx, s.body)
	err = r.changed(err, undo{what: "delete " + s.describe() + madeText(made.ID()), run: func(ctx context.Context) error {
		return t.deleteMade(ctx, made.ID(), s.Name)
	}})
	switch {
	case err != nil:
		return err
	case made.ID() == "":
		return &Error{Tenant: s.Tenant, Doing: "creating the application", Err: errUnreadable, sent: true}
	case s.Tenant == tenantChild:
		r.childApp = made
	default:
		r.app = made
	}
	if s.Tenant == tenantChild && made.Secret() == "" {
		return &Refusal{
			Why: "the child does not show the secret of the application that was created",
			Do:  "give the child's token the scope read:client_keys",
		}
	}
	return nil
}

// deleteMade also finds an application whose creation was not answered: before, there was none of that name, and what somebody
// else may have made since does not have the description of those that are made here.
func (t Tenant) deleteMade(ctx context.Context, id, name string) error {
	if id != "" {
		return t.deleteApplication(ctx, id)
	}
	ids, err := t.applicationsNamed(ctx, name)
	if err != nil || len(ids) == 0 {
		return err
	}
	if len(ids) > 1 {
		return &Refusal{Why: "several applications have that name now", Do: "delete the one that is too many"}
	}
	a, err := t.application(ctx, ids[0])
	if err != nil {
		return err
	}
	if a.text("description") != description {
		return &Refusal{Why: "an application of that name is there now, and it may be somebody else's", Do: "look at it in the dashboard"}
	}
	return t.deleteApplication(ctx, a.ID())
}

func (r *run) changeApplication(ctx context.Context, s Step) error {
	t := r.tenant(s)
	return r.changed(t.updateApplication(ctx, s.ID, s.body), undo{
		what: "restore " + s.describe() + idText(s.ID),
		run:  func(ctx context.Context) error { return t.restoreApplication(ctx, s) },
	})
}

func (r *run) createConnection(ctx context.Context, s Step) error {
	id, secret := r.childCredentials()
	options := r.desired.options(id)
	options[optionSecret] = secret
	made, err := r.master.createConnection(ctx, map[string]any{
		"name": r.desired.Connection, "strategy": r.desired.Strategy, "options": options,
	})
	err = r.changed(err, undo{what: "delete " + s.describe() + madeText(made.ID), run: func(ctx context.Context) error {
		return r.deleteConnection(ctx, made.ID, id)
	}})
	if err == nil && made.ID == "" {
		return &Error{Tenant: s.Tenant, Doing: "creating the connection", Err: errUnreadable, sent: true}
	}
	r.connectionID = made.ID
	return err
}

// deleteConnection also finds one whose creation was not answered, and then makes sure that it is not somebody else's.
func (r *run) deleteConnection(ctx context.Context, id, clientID string) error {
	if id != "" {
		return r.master.deleteConnection(ctx, id)
	}
	c, err := r.master.connectionNamed(ctx, r.desired.Connection)
	if err != nil || c == nil {
		return err
	}
	if c.Options["client_id"] != clientID {
		return &Refusal{Why: "a connection of that name is there now, and it may be somebody else's", Do: "look at it in the dashboard"}
	}
	return r.master.deleteConnection(ctx, c.ID)
}

func (r *run) changeConnection(ctx context.Context, s Step) error {
	id, secret := r.childCredentials()
	options, before := maps.Clone(s.body), maps.Clone(s.before)
	if options["client_id"] == comes {
		options["client_id"], options[optionSecret] = id, secret
	}
	if s.lossy {
		before[optionSecret] = secret // none at all would be refused, or kept as an empty one
	}
	return r.changed(r.master.updateOptions(ctx, s.ID, options), undo{
		what: "restore " + s.describe() + idText(s.ID), lossy: s.lossy,
		run: func(ctx context.Context) error { return r.master.updateOptions(ctx, s.ID, before) },
	})
}

// childCredentials are known once the child's application is there.
func (r *run) childCredentials() (id, secret string) {
	id, secret = r.childAppID(), r.secret()
	if id == comes {
		id, secret = r.childApp.ID(), r.childApp.Secret()
	}
	return id, secret
}

func (r *run) enableConnection(ctx context.Context, s Step) error {
	t, id, clientID := r.tenant(s), s.ID, r.desired.App.ClientID
	if s.Tenant == tenantMaster {
		id = r.connectionID
		if r.app != nil {
			clientID = r.app.ID()
		}
	} else {
		clientID, _ = r.childCredentials()
	}
	return r.changed(t.enable(ctx, id, clientID, true), undo{
		what: "disable " + s.describe() + " for " + clientID,
		run:  func(ctx context.Context) error { return t.enable(ctx, id, clientID, false) },
	})
}

// takeBack goes on after an interrupt, but not for ever.
func (r *run) takeBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackTime)
	defer cancel()
	for _, u := range slices.Backward(r.undos) {
		r.progress("taking back: " + u.what)
		if err := u.run(ctx); err != nil {
			r.outcome.Remains = append(r.outcome.Remains, fmt.Sprintf("%s (%s)", u.what, reason(err)))
			continue
		}
		r.outcome.TakenBack = append(r.outcome.TakenBack, u.what)
		if u.lossy {
			r.outcome.Remains = append(r.outcome.Remains, "write the client_secret that belongs to the connection's client_id into it: the former one could not be read, and it has the new one")
		}
	}
}

// reason adds the scope, which is the usual one.
func reason(err error) string {
	var e *Error
	if errors.As(err, &e) && len(e.Scopes) > 0 && e.Status == 403 {
		return fmt.Sprintf("%v; it needs the scope %s", err, e.Scopes[0])
	}
	return err.Error()
}

func idText(id string) string { return " (" + id + ")" }

// madeText is for what may have been created without an answer.
func madeText(id string) string {
	if id == "" {
		return ", if it is there"
	}
	return idText(id)
}
